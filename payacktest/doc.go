// Package payacktest is for the tests of programs that receive callbacks with
// payack: it builds callbacks as the providers would send them, spoils them,
// records real ones and turns recordings back into requests, and has
// assertions that say what was expected on the wire.
//
//	keys := payacktest.NewPTSKeys()
//	events := payacktest.Capture[*payack.PTSEvent]()
//	h, err := handlers.NewPTS(keys.Config(), events.Func)
//	…
//	paid := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Callback(t)
//	payacktest.Accepted(t, payack.PTS, paid.Deliver(h))
//	events.Saw(t, payacktest.Members{"order_id": "ORD-1", "accept_amount": "100.50"})
//
//	forged := paid.Tampered(t, payacktest.SetMember("accept_amount", "9100.50"))
//	payacktest.Rejected(t, payack.PTS, forged.Deliver(h))
//
// # Builders
//
// [PTS], [Ptop] and [Payatom] return builders. A builder is a value: each
// method returns a changed copy, so a common one can be shared by many tests.
// Build returns the [Callback] or an error, Callback ends the test instead.
// Without further calls a builder makes the paid, or successful, callback in
// the shape that the provider's documents show, with the same members each
// time; Fresh gives it identifiers of its own.
//
// # Keys
//
// The keys that the New functions return are fixed and published with this
// package: they are for tests, and whoever accepts callbacks under them
// elsewhere accepts forgeries. The Fresh functions make new ones.
//
// # Tampering
//
// A [Tampering] changes a callback as somebody without the keys could (or, in
// an envelope of PTS, somebody with the safecode only). What cannot be done to
// a callback is an error, so that no test passes because nothing happened.
//
// # Recordings
//
// A [Recorder] is a middleware that writes deliveries to files; [Load],
// [LoadDir] and [Run] read them, and dumps and bare bodies as well. The format
// is described at [Recorder].
//
// Nothing in this package needs more than the testing package.
package payacktest
