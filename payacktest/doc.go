// Package payacktest is for tests of programs that receive callbacks with payack.
// It builds callbacks as the providers send them, tampers with them, records real
// ones, and replays recordings. Its assertions compare answers with what each
// provider expects.
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
// [PTS], [Ptop] and [Payatom] return builders. A builder is a value: each method
// returns a changed copy, so many tests can share one. Build returns the [Callback]
// or an error; Callback ends the test instead of returning an error. A new builder
// makes a callback that is paid (Ptop: successful), in the shape that the provider
// documents, always with the same members. Fresh gives it new identifiers.
//
// # Keys
//
// The New functions return fixed keys that are published in this package. Use them
// in tests only: a receiver that accepts them elsewhere accepts forgeries. The
// Fresh functions generate new keys.
//
// # Tampering
//
// A [Tampering] changes a callback as somebody without the keys could change it.
// Only inside an envelope of PTS, it uses the safecode and the transaction secret,
// but never the private key. A tampering that can't be applied returns an error, so
// no test passes because nothing was changed.
//
// # Recordings
//
// A [Recorder] is a middleware that writes deliveries to files. [Load], [LoadDir]
// and [Run] read them; they also read dumps of HTTP requests and bare bodies.
// [Recorder] documents the format.
//
// This package needs only the testing package, no assertion library.
package payacktest
