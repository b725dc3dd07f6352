package payacktest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
)

// exampleTB prints what a test would report. A test uses its own t.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                        {}
func (exampleTB) Errorf(text string, a ...any)   { fmt.Printf(text+"\n", a...) }
func (e exampleTB) Fatalf(text string, a ...any) { e.Errorf(text, a...) }

// Build a callback, deliver it to a handler, and check the answer and the event
// that the merchant's function got.
func Example() {
	t := exampleTB{} // a test has its own
	keys := payacktest.NewPTSKeys()
	events := payacktest.Capture[*payack.PTSEvent]() // or CaptureAround(settle)
	config := keys.Config()
	config.Logger = slog.New(slog.DiscardHandler)
	handler, err := handlers.NewPTS(config, events.Func)
	if err != nil {
		panic(err)
	}

	paid := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Envelope().Callback(t)
	payacktest.Accepted(t, payack.PTS, paid.Deliver(handler))
	payacktest.Accepted(t, payack.PTS, paid.Deliver(handler)) // sent again

	events.Saw(t, payacktest.Members{"order_id": "ORD-1", "accept_amount": "100.50", "status": "2000"})
	fmt.Println(len(events.Events()), "event,", "paid:", events.One(t).Paid())

	// A failing assertion shows the expected answers.
	payacktest.Refused(t, payack.PTS, paid.Tampered(t, payacktest.FlipSignature).Deliver(handler))
	// Output:
	// 1 event, paid: true
	// pts: the answer is not that of a callback that is refused at the gate
	//     on the wire: status 200, text/plain, "FAILED"
	//        expected: status 405, text/plain, "FAILED"
	//              or: status 415, text/plain, "FAILED"
	//              or: status 413, text/plain, "FAILED"
	//              or: status 403, text/plain, "FAILED"
	//              or: status 429, text/plain, "FAILED"
}

// Tamper with a callback in every way that no receiver may accept.
func ExampleForgeries() {
	t := exampleTB{} // a test has its own
	keys := payacktest.NewPayatomKeys()
	events := payacktest.Capture[*payack.PayatomEvent]()
	config := keys.Config()
	config.Logger = slog.New(slog.DiscardHandler)
	handler, err := handlers.NewPayatom(config, events.Func)
	if err != nil {
		panic(err)
	}

	genuine := payacktest.Payatom(keys).Order("ORD10000017").Amount("500").Callback(t)
	forgeries, err := payacktest.Forgeries(genuine)
	if err != nil {
		panic(err)
	}
	for _, f := range forgeries {
		f.Callback.Deliver(handler)
	}
	events.SawNothing(t)
	fmt.Println(len(forgeries), "forgeries, no event")

	// This forgery has a right hash: the order's last digit moves into the amount.
	// The receiver refuses it because it has seen the hash with another order.
	payacktest.Accepted(t, payack.Payatom, genuine.Deliver(handler))
	moved := genuine.Tampered(t, payacktest.MoveBorder("order_id", "received_amount", 1))
	payacktest.RejectedVerified(t, payack.Payatom, moved.Deliver(handler))
	fmt.Println(events.One(t).ID())
	// Output:
	// 25 forgeries, no event
	// payatom:v1::ORD10000017:Approved
}

// Record what a provider sends to a server, load the recording, and replay it in a
// test.
func ExampleRecorder() {
	t := exampleTB{} // a test has its own
	dir, err := os.MkdirTemp("", "recordings")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	keys := payacktest.NewPtopKeys()
	config := keys.Config()
	config.Logger = slog.New(slog.DiscardHandler)

	// In the server:
	rec, err := payacktest.NewRecorder(dir, payacktest.RecorderOptions{})
	if err != nil {
		panic(err)
	}
	config.Observer = rec
	live, err := handlers.NewPtop(config, func(context.Context, *payack.PtopEvent) error { return nil })
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(rec.Wrap(live))
	webhook := payacktest.Ptop(keys).Scheme(payack.SchemeSpliced).Callback(t)
	webhook.Header = http.Header{"Content-Type": {"application/json"}, "Cookie": {"secret"}}
	if _, err := webhook.Post(context.Background(), nil, server.URL+"/callbacks/ptop"); err != nil {
		panic(err)
	}
	server.Close()
	rec.Close()

	// In a test; Run makes a subtest of each file.
	config.Observer = nil
	events := payacktest.Capture[*payack.PtopEvent]()
	handler, err := handlers.NewPtop(config, events.Func)
	if err != nil {
		panic(err)
	}
	recordings, err := payacktest.LoadDir(dir)
	if err != nil {
		panic(err)
	}
	for _, r := range recordings {
		fmt.Println(r.Method, r.Path, r.Outcome, r.Scheme, "without", r.Redacted)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.Request(r.Path))
		payacktest.Accepted(t, payack.Ptop, w.Result())
	}
	events.Saw(t, payacktest.Members{"order_id": "ORD1000001", "success": "true"})
	// Output:
	// POST /callbacks/ptop accepted spliced without [Cookie]
}

// Tamper with a member inside an envelope, and with what a callback announces.
func ExampleCallback_Tamper() {
	t := exampleTB{} // a test has its own
	cb := payacktest.PTS(payacktest.NewPTSKeys()).DataObject().Callback(t)
	forged, err := cb.Tamper(payacktest.SetMember("accept_amount", "9100.50"), payacktest.AnnounceType("text/plain"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s %.221s\n", forged.Header.Get("Content-Type"), forged.Body)

	_, err = cb.Tamper(payacktest.FlipIV)
	fmt.Println(err)
	// Output:
	// text/plain {"code":"1000","message":"success","data":{"user_id":"1","order_id":"ORD1000001","transaction_id":"T1000001","channel":"GCASH","submit_currency":"PHP","submit_amount":100.50,"accept_currency":"PHP","accept_amount":9100.50
	// payacktest: FlipIV: callbacks of pts have no such part; choose another tampering
}

// A dump is what curl would send. Load reads it.
func ExampleCallback_Dump() {
	t := exampleTB{} // a test has its own
	cb := payacktest.Payatom(payacktest.NewPayatomKeys()).IV([16]byte{1}).Form().Remove("refund_info").Callback(t)
	dump, err := cb.Dump("https://shop.example/callbacks/payatom")
	if err != nil {
		panic(err)
	}
	loaded, err := payacktest.Parse(dump)
	if err != nil {
		panic(err)
	}
	request := loaded.Request(loaded.Path)
	body, _ := io.ReadAll(request.Body)
	fmt.Println(request.Method, request.URL, request.Header)
	fmt.Printf("%.80s…\n", body)
	// Output:
	// POST /callbacks/payatom map[Content-Type:[application/x-www-form-urlencoded]]
	// order_id=ORD1000001&requested_amount=500&status=Approved&received_amount=500&ban…
}
