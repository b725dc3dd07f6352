// Package diagnose says why a callback was refused, and what would make it
// verify.
//
// [Explain] takes a recorded delivery through a receiver and returns each step as
// data: what the gate looks at, shape, envelope, members, signed text, the
// schemes and keys that were tried, what the merchant's records say, and what the
// sender would be told. [Suggest] tries other settings and repairs beside the
// receiver's own, and returns the nearest under which the delivery verifies.
// Neither changes anything: see [middleware.Handler.Rehearse] for what is left
// out. A suggestion is advice. Nothing here makes a receiver take what it
// refuses.
//
// Secrets are in no result: the keys are redacted wherever a sender wrote one
// into a message, and there is no expected signature. Everything else of a
// message may be in a result, so show results to whoever may see payments. What
// an envelope held is left out as long as nothing of it verified, unless
// [Options.Opened] asks for it. Names and texts are the sender's: escape them
// before a terminal or a page shows them.
//
// Settings are named as in the configuration of the payack command, and members
// of the Go configurations have the same names in their spelling: ptop.schemes is
// PtopConfig.Schemes, and max_body_bytes is Options.MaxBody.
//
// Work is bounded, see [MaxTrials]. All functions are safe for concurrent use.
package diagnose
