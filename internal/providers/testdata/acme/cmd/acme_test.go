package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
)

const acmeKey = "key-of-acme-in-the-tests"

func acmeFile(t *testing.T) object {
	return with(testConfig(), object{"acme": object{"keys": []any{acmeKey}}})
}

// TestAcmeReceiver sends the receiver genuine and tampered callbacks of payacktest.
func TestAcmeReceiver(t *testing.T) {
	events := payacktest.Capture[*payack.AcmeEvent]()
	dir := t.TempDir()
	rec, err := payacktest.NewRecorder(dir, payacktest.RecorderOptions{})
	require.NoError(t, err)
	h, err := handlers.NewAcme(handlers.AcmeConfig{
		Keys:    payack.Secrets(acmeKey),
		Options: handlers.Options{Observer: rec, Logger: slog.New(slog.DiscardHandler)},
	}, events.Func)
	require.NoError(t, err)
	wrapped := rec.Wrap(h)

	genuine := payacktest.Acme(payack.NewSecret(acmeKey)).Callback(t)
	for range 2 {
		require.True(t, payacktest.Accepted(t, payack.Acme, genuine.Deliver(wrapped)))
	}
	require.True(t, events.Saw(t, payacktest.Members{"order_id": "A1", "amount": "5.00", "status": "paid"}))
	conflict := payacktest.Acme(payack.NewSecret(acmeKey)).Set("amount", "6").Callback(t)
	require.True(t, payacktest.RejectedVerified(t, payack.Acme, conflict.Deliver(wrapped)))
	require.True(t, payacktest.Answered(t, payack.Acme, payack.ReasonConflict, conflict.Deliver(wrapped)))
	require.True(t, payacktest.Refused(t, payack.Acme, genuine.Tampered(t, payacktest.AnnounceType("text/html")).Deliver(wrapped)))
	other := payacktest.Acme(payack.NewSecret(acmeKey)).Fresh().Callback(t)
	require.True(t, payacktest.Rejected(t, payack.Acme, genuine.Tampered(t, payacktest.SignatureOf(other)).Deliver(wrapped)))
	events.Return(io.EOF)
	require.True(t, payacktest.Failed(t, payack.Acme, other.Deliver(wrapped)))

	forgeries, err := payacktest.Forgeries(genuine)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(forgeries), 15)
	seen := len(events.Events())
	for _, f := range forgeries {
		require.False(t, acknowledges(payack.Acme, answerTold(t, f.Callback.Deliver(h))), f.Name)
	}
	require.Len(t, events.Events(), seen)
	for _, how := range []payacktest.Tampering{payacktest.FlipEnvelope, payacktest.FlipIV} {
		_, err := genuine.Tamper(how)
		require.ErrorContains(t, err, "callbacks of acme have no such part")
	}

	// The provider of a recorded callback is recognised by its members.
	bare := genuine.Clone()
	bare.Provider = ""
	require.Equal(t, genuine.Tampered(t, payacktest.FlipSignature).Body, bare.Tampered(t, payacktest.FlipSignature).Body)

	// A recording can be read again.
	require.NoError(t, rec.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	recorded, err := payacktest.Load(filepath.Join(dir, files[0].Name()))
	require.NoError(t, err)
	require.Equal(t, payack.Acme, recorded.Provider)
	require.Equal(t, genuine.Body, recorded.Body)
	require.Equal(t, payack.OutcomeAccepted, recorded.Outcome)

	// An event of an inbox is the same when it is processed later.
	ev := events.Events()[0]
	kept, err := payack.EncodeEvent(ev)
	require.NoError(t, err)
	again, err := payack.DecodeEvent(kept)
	require.NoError(t, err)
	require.Equal(t, ev, again)
	var o payack.Observation
	require.NoError(t, h.Process(context.Background(), &payack.Delivery{Provider: payack.Acme, Event: again}, &o))
	require.Equal(t, payack.OutcomeDuplicate, o.Outcome)
}

func answerTold(t *testing.T, res *http.Response) payack.Answer {
	a, err := answerOf(res)
	require.NoError(t, err)
	return a
}

// TestAcmeCommand drives send, listen, inspect and replay.
func TestAcmeCommand(t *testing.T) {
	c := acmeFile(t)
	r, file := newReceiver(t, c), configFile(t, c)
	send := func(status int, want string, more ...string) (stdout, stderr string) {
		t.Helper()
		before := len(r.lines(t))
		got, stdout, stderr := call(context.Background(), append([]string{"send", "acme", "-config", file, "-url", r.url + "/acme"}, more...)...)
		require.Equal(t, status, got, stdout+stderr)
		var verdicts []string
		for _, l := range r.lines(t)[before:] {
			verdicts = append(verdicts, l.verdict())
		}
		require.Equal(t, want, strings.Join(verdicts, ", "))
		return stdout, stderr
	}
	stdout, _ := send(exitDone, "acme accepted", "-set", "amount=7.50")
	require.Equal(t, "HTTP 200 text/plain\ntaken\n", stdout)
	send(exitDone, "acme accepted, acme duplicate", "-tamper", "replay")
	stdout, _ = send(exitFailed, "acme rejected signature", "-tamper", "signature")
	require.Equal(t, "HTTP 401 text/plain\nforged\n", stdout)
	send(exitFailed, "acme rejected signature", "-tamper", "body")
	_, stderr := send(exitUsage, "", "-tamper", "envelope")
	require.Contains(t, stderr, "callbacks of acme have none")
	_, stderr = send(exitUsage, "", "-set", "amont=1")
	require.Contains(t, stderr, "-set amont: acme knows no such member, the nearest is amount")
	_, stderr = send(exitUsage, "", "-set", "mac=1")
	require.Contains(t, stderr, "it is computed")

	genuine := payacktest.Acme(payack.NewSecret(acmeKey)).Callback(t)
	noBreak := genuine.Clone()
	noBreak.Body = bytes.Replace(noBreak.Body, []byte(","), []byte(",\u00a0"), 1)
	for name, tt := range map[string]struct {
		cb     payacktest.Callback
		status int
		says   []string
	}{
		"genuine":    {genuine, exitDone, []string{"verified     under scheme literal with key 1", "accepted     acme:v1::A1:paid"}},
		"forged":     {genuine.Tampered(t, payacktest.FlipSignature), exitFailed, []string{"literal: key 1 does not match", "rejected     signature"}},
		"wrong type": {genuine.Tampered(t, payacktest.AnnounceType("text/html")), exitFailed, []string{"fix          have it announced as application/json; after that, it verifies under scheme literal with key 1"}},
		"no-break":   {noBreak, exitFailed, []string{"cause        there is U+00A0 in place of white space", "have plain blanks sent instead of the no-break spaces"}},
	} {
		dump, err := tt.cb.Dump("/acme")
		require.NoError(t, err)
		status, stdout, stderr := call(context.Background(), "inspect", "acme", "-config", file, writeFile(t, "dump", string(dump)))
		require.Equal(t, tt.status, status, name+stdout+stderr)
		for _, said := range tt.says {
			require.Contains(t, stdout, said, name)
		}
		require.NotContains(t, stdout, acmeKey)
	}

	dump, err := genuine.Dump("/acme")
	require.NoError(t, err)
	for _, whose := range []string{"", "acme"} {
		status, stdout, stderr := call(context.Background(), "replay", "-provider", whose, "-url", r.url, writeFile(t, "dump", string(dump)))
		require.Equal(t, exitDone, status, stdout+stderr)
	}

	_, _, stderr = call(context.Background(), "inspect", "stripe", "-config", file)
	require.Contains(t, stderr, `"stripe"; there are ptop, pts, payatom and acme`)
}

// TestAcmeConfiguration: mistakes in Acme's section are reported like mistakes in
// other sections.
func TestAcmeConfiguration(t *testing.T) {
	refused(t, configFile(t, with(acmeFile(t), object{"acme.kyes": []any{}})), "acme.kyes", "the nearest is keys")
	refused(t, configFile(t, with(acmeFile(t), object{"acme.keys": []any{7}})), "acme.keys.0", "write a string")
	refused(t, configFile(t, with(acmeFile(t), object{"acme.keys": []any{}})), "acme.keys", "at least one")
	refused(t, configFile(t, with(acmeFile(t), object{"acme.path": "/pts"})), "acme.path", "its own")
	refused(t, configFile(t, with(testConfig(), object{"acmee": object{}})), "acmee", "the nearest is acme")
}

// TestAcmeDemo: the demo plays the provider's rows, although it has no fake gateway.
func TestAcmeDemo(t *testing.T) {
	app, err := startDemoApplication()
	require.NoError(t, err)
	defer app.Close()
	keys, err := newDemoKeys(app)
	require.NoError(t, err)
	rows, err := keys.rows(app)
	require.NoError(t, err)
	rows = slices.DeleteFunc(rows, func(x row) bool { return x.provider != payack.Acme && x.provider != "" })
	require.GreaterOrEqual(t, len(rows), 10)
	r := demoReceiverOf(t, keys.members)
	var table bytes.Buffer
	require.NoError(t, playAll(context.Background(), &table, scene{"%s", r, rows}), table.String())
	g, err := startDemoGateways()
	require.NoError(t, err)
	defer g.close()
	require.Len(t, g.all, 3)
}
