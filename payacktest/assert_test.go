package payacktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	. "github.com/payack/payack/payacktest"
)

func response(status int, contentType, body string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	if contentType != "" {
		res.Header.Set("Content-Type", contentType)
	}
	return res
}

type assertion func(testing.TB, payack.Provider, *http.Response) bool

// Each assertion is tried on the answers of real receivers.
func TestAssertionsAgainstRealAnswers(t *testing.T) {
	boom := errors.New("boom")
	for _, p := range []payack.Provider{payack.PTS, payack.Ptop, payack.Payatom} {
		t.Run(string(p), func(t *testing.T) {
			var cb Callback
			var h http.Handler
			var fail func(error)
			switch p {
			case payack.PTS:
				r := ptsReceiver(t, NewPTSKeys().Config())
				h, cb, fail = r, PTS(NewPTSKeys()).Callback(t), r.events.Return
			case payack.Ptop:
				r := ptopReceiver(t, NewPtopKeys().Config())
				h, cb, fail = r, Ptop(NewPtopKeys()).Callback(t), r.events.Return
			default:
				r := payatomReceiver(t, NewPayatomKeys().Config())
				h, cb, fail = r, Payatom(NewPayatomKeys()).Callback(t), r.events.Return
			}
			fail(payack.ErrUnexpected)
			unexpected := cb.Deliver(h)
			fail(boom)
			failed := cb.Deliver(h)
			fail(nil)
			answers := map[string]*http.Response{
				"accepted": cb.Deliver(h), "failed": failed, "rejected": cb.Tampered(t, FlipSignature).Deliver(h),
				"malformed": cb.Tampered(t, DuplicateMember("order_id")).Deliver(h), "refused": cb.Tampered(t, AnnounceType("a/b")).Deliver(h),
				"unexpected": unexpected, "conflict": conflicting(t, p).Deliver(h),
			}
			assertions := map[string]assertion{
				"accepted": Accepted, "failed": Failed, "rejected": Rejected, "rejected verified": RejectedVerified, "refused": Refused,
			}
			kinds := map[string]string{"malformed": "rejected", "unexpected": "rejected verified", "conflict": "rejected verified"}
			// Kinds of refusal that share an answer.
			alike := map[payack.Provider][]string{payack.PTS: {"failed", "rejected", "rejected verified"}, payack.Payatom: {"failed", "rejected verified"}}[p]
			for name, res := range answers {
				kind := name
				if k, found := kinds[name]; found {
					kind = k
				}
				for wanted, check := range assertions {
					same := wanted == kind || slices.Contains(alike, wanted) && slices.Contains(alike, kind) ||
						// Ptop's 400 is for wrong contents, whether they verified or not.
						p == payack.Ptop && name == "malformed" && wanted == "rejected verified"
					for range 2 { // the body can be read again
						var got bool
						fake := run(func(t testing.TB) { got = check(t, p, res) })
						assert.Equal(t, same, got, "%s as %s", name, wanted)
						assert.Equal(t, same, fake.text == "", "%s as %s: %s", name, wanted, fake.text)
						assert.False(t, fake.fatal)
					}
				}
			}
			Answered(t, p, payack.ReasonCallback, answers["failed"])
			Answered(t, p, payack.ReasonUnexpected, answers["unexpected"])
			Answered(t, p, payack.ReasonConflict, answers["conflict"])
			Answered(t, p, payack.ReasonSignature, cb.Tampered(t, SignatureOf(another(t, p))).Deliver(h))
			Answered(t, p, payack.ReasonContentType, answers["refused"])
			Answered(t, p, payack.ReasonTooLarge, cb.Tampered(t, Pad(1<<20)).Deliver(h))
			get := cb.Clone()
			get.Method = "PATCH"
			Answered(t, p, payack.ReasonMethod, get.Deliver(h))
			Answered(t, p, "", answers["accepted"])
		})
	}
}

// conflicting returns a callback with the same identity as the builder's callback, but
// with another fingerprint.
func conflicting(t testing.TB, p payack.Provider) Callback {
	switch p {
	case payack.PTS:
		return PTS(NewPTSKeys()).Set("accept_amount", "17").Callback(t)
	case payack.Ptop:
		return Ptop(NewPtopKeys()).Order("ORD1000002").Callback(t)
	}
	return Payatom(NewPayatomKeys()).Amount("17").Callback(t)
}

func another(t testing.TB, p payack.Provider) Callback {
	switch p {
	case payack.PTS:
		return PTS(NewPTSKeys()).Fresh().Callback(t)
	case payack.Ptop:
		return Ptop(NewPtopKeys()).Fresh().Callback(t)
	}
	return Payatom(NewPayatomKeys()).Fresh().Callback(t)
}

func TestAnswersOfRareReasons(t *testing.T) {
	assert.Equal(t, 503, Answer(payack.Ptop, payack.ReasonBusy).Status)
	assert.Equal(t, 429, Answer(payack.PTS, payack.ReasonRate).Status)
	assert.Equal(t, 403, Answer(payack.Payatom, payack.ReasonAddress).Status)
	assert.Equal(t, payack.Answer{Status: 400}, Answer(payack.Ptop, payack.ReasonInvalid))
	for _, r := range []payack.Reason{payack.ReasonSpliced, payack.ReasonUnexpected, payack.ReasonUnconfirmed, payack.ReasonConflict} {
		assert.Equal(t, payack.Answer{Status: 422}, Answer(payack.Ptop, r), r)
		assert.Equal(t, Answer(payack.Payatom, payack.ReasonCallback), Answer(payack.Payatom, r), r)
	}
	for _, r := range []payack.Reason{payack.ReasonEnvelope, payack.ReasonSignature, payack.ReasonUnknownTenant} {
		assert.Equal(t, payack.Answer{Status: 403, ContentType: "text/plain", Body: "Invalid signature"}, Answer(payack.Ptop, r), r)
		assert.Equal(t, `{"hash_status":"HashMismatch","acknowledge":"no"}`, Answer(payack.Payatom, r).Body, r)
	}
	assert.Equal(t, payack.Answer{Status: 403}, Answer(payack.Ptop, payack.ReasonAddress))
	c := NewPayatomKeys().Config()
	c.OlderSpelling = true
	r := payatomReceiver(t, c)
	cb := Payatom(NewPayatomKeys()).Callback(t)
	Accepted(t, payack.Payatom, cb.Deliver(r))
	Rejected(t, payack.Payatom, cb.Tampered(t, FlipMAC).Deliver(r))
}

// A failing assertion shows the answer on the wire and the expected answers.
func TestFailingMessages(t *testing.T) {
	fake := run(func(t testing.TB) { Accepted(t, payack.PTS, response(200, "text/plain", "FAILED")) })
	assert.Equal(t, `pts: the answer is not that of a callback that is accepted
    on the wire: status 200, text/plain, "FAILED"
       expected: status 200, text/plain, "SUCCESS"`, fake.text)
	fake = run(func(t testing.TB) { Failed(t, payack.Ptop, response(200, "", "")) })
	assert.Equal(t, `ptop: the answer is not that of a callback that is failed (send again)
    on the wire: status 200, no content type, an empty body
       expected: status 500, no content type, an empty body
             or: status 503, no content type, an empty body`, fake.text)
	fake = run(func(t testing.TB) {
		Answered(t, payack.Payatom, payack.ReasonRate, response(200, "text/html", strings.Repeat("<", 400)))
	})
	assert.Contains(t, fake.text, "that is rate")
	assert.Contains(t, fake.text, `status 429, application/json;charset=utf-8, "{\"hash_status\":\"HashMismatch\",\"acknowledge\":\"no\"}"`)
	assert.NotContains(t, fake.text, strings.Repeat("<", 301))
	fake = run(func(t testing.TB) { Accepted(t, payack.PTS, nil) })
	assert.Contains(t, fake.text, "it is nil")
	fake = run(func(t testing.TB) { Accepted(t, payack.Ptop, &http.Response{StatusCode: 200}) })
	assert.Empty(t, fake.text)
	// Answers with another content type differ.
	fake = run(func(t testing.TB) { Accepted(t, payack.PTS, response(200, "text/html", "SUCCESS")) })
	assert.Contains(t, fake.text, `status 200, text/html, "SUCCESS"`)
	fake = run(func(t testing.TB) {
		Answered(t, payack.PTS, "", &http.Response{StatusCode: 200, Body: io.NopCloser(broken{})})
	})
	assert.Contains(t, fake.text, "cannot be read: broken")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestCaptured(t *testing.T) {
	r := ptsReceiver(t, NewPTSKeys().Config())
	r.events.SawNothing(t)
	fake := run(func(t testing.TB) { r.events.Saw(t, Members{"order_id": "ORD1000001"}) })
	assert.Contains(t, fake.text, "it was not called at all")
	assert.True(t, run(func(t testing.TB) { r.events.One(t) }).fatal)

	PTS(NewPTSKeys()).Callback(t).Deliver(r)
	PTS(NewPTSKeys()).Set("transaction_id", "T2").Set("order_id", "O2").Set("zeta", "z").Remove("reference_number").Callback(t).Deliver(r)
	r.events.Saw(t, Members{"order_id": "ORD1000001", "reference_number": "R1000001"})
	r.events.Saw(t, Members{"order_id": "O2", "zeta": "z", "reference_number": ""})
	fake = run(func(t testing.TB) { r.events.Saw(t, Members{"order_id": "O3", "status": "2000"}) })
	assert.Equal(t, `the callback was not called with the expected event
    event 1, pts:v1::1:ORD1000001:T1000001:2000:
        order_id is "ORD1000001", expected "O3"
    event 2, pts:v1::1:O2:T2:2000:
        order_id is "O2", expected "O3"`, fake.text)
	fake = run(func(t testing.TB) { r.events.SawNothing(t) })
	assert.Contains(t, fake.text, "pts:v1::1:O2:T2:2000")
	fake = run(func(t testing.TB) { r.events.One(t) })
	assert.Contains(t, fake.text, "2 events, expected one")
	r.events.Reset()
	r.events.SawNothing(t)

	q := ptopReceiver(t, NewPtopKeys().Config())
	Ptop(NewPtopKeys()).SetJSON("nested", `{"a":[1]}`).SetJSON("message", "null").Callback(t).Deliver(q)
	assert.Equal(t, Members{"success": "true", "order_id": "ORD1000001", "transaction_id": "TX1000001", "message": "", "nested": `{"a":[1]}`}, MembersOf(q.events.One(t)))
}

func TestCaptureAround(t *testing.T) {
	boom := errors.New("boom")
	calls := 0
	events := CaptureAround(func(context.Context, *payack.PTSEvent) error { calls++; return boom })
	rc, err := middleware.NewPTS(NewPTSKeys().Config())
	require.NoError(t, err)
	h, err := middleware.Handle(rc, events.Func)
	require.NoError(t, err)
	Failed(t, payack.PTS, PTS(NewPTSKeys()).Callback(t).Deliver(h))
	events.Return(nil)
	Accepted(t, payack.PTS, PTS(NewPTSKeys()).Callback(t).Deliver(h))
	assert.Equal(t, "1 2", fmt.Sprint(calls, len(events.Events())))
}
