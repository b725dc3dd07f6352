// Package diagnose says why a callback was refused, and what would make it
// verify.
//
// [Explain] passes a recorded delivery through a receiver and returns each step as
// data: the checks of the gate (method, size, content type, compression), shape,
// envelope, members, signed text, the schemes and keys that were tried, the
// merchant's records, and the answer to the sender.
// [Suggest] tries other settings and repairs, and returns the smallest change under
// which the delivery verifies. Neither processes the event nor remembers it: see
// [middleware.Handler.Rehearse]. Nothing here makes a receiver accept what it
// refuses.
//
// Results contain no secrets: keys are redacted wherever a sender wrote one into a
// message, and expected signatures are left out. The exception is [Report.Event],
// which is not redacted. Results do contain the message, so show them only to people
// who may see payments. The contents of an envelope are left out if nothing in it
// verifies, unless [Options.Opened] is set. Names and texts are the sender's: escape
// them before a terminal or a page shows them.
//
// Settings are named as in the configuration of the payack command. The members of
// the Go configurations have the same names in Go's spelling: ptop.schemes is
// PtopConfig.Schemes. The exception is max_body_bytes, which is Options.MaxBody.
//
// The work of a call is bounded, see [MaxTrials]. All functions are safe for
// concurrent use.
package diagnose
