package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

var update = flag.Bool("update", false, "write the golden files")

// fixedConfig returns a configuration with payacktest's fixed keys, so that the
// output is always the same.
func fixedConfig() object {
	pts := payacktest.NewPTSKeys()
	return with(testConfig(), object{
		"ptop.signing_keys": []any{payacktest.NewPtopKeys().SigningKey.Reveal()},
		"pts.safecode":      pts.Safecode.Reveal(), "pts.public_keys": []any{pts.PublicKey},
		"payatom.secret_keys": []any{payacktest.NewPayatomKeys().SecretKey.Reveal()},
	})
}

const otherSafecode = "fedcba9876543210fedcba9876543210"

// secrets returns all texts that must never be shown.
func secrets() []string {
	pts := payacktest.NewPTSKeys().WithTransactionSignature("")
	return []string{
		testPtopKey, testPayatom, testTxSecret, testSafecode, otherSafecode, payacktest.NewPtopKeys().SigningKey.Reveal(),
		payacktest.NewPayatomKeys().SecretKey.Reveal(), pts.Safecode.Reveal(), pts.TransactionSecret.Reveal(), pts.PrivateKey.Reveal(),
	}
}

type inspected struct {
	name    string
	changes object
	cb      payacktest.Callback
}

// inspections returns example deliveries of every provider.
func inspections(t *testing.T) map[payack.Provider][]inspected {
	ptopKeys, ptsKeys, payatomKeys := payacktest.NewPtopKeys(), payacktest.NewPTSKeys(), payacktest.NewPayatomKeys()
	hexKeys := ptsKeys
	hexKeys.SafecodeEncoding = envelope.PTSHex

	ptop := payacktest.Ptop(ptopKeys)
	spliced := ptop.Scheme(payack.SchemeSpliced).Callback(t)
	pts := payacktest.PTS(ptsKeys).Envelope()
	sealed := pts.Callback(t)
	txSecret := ptsKeys.WithTransactionSignature(verify.PTSHex)
	payatom := payacktest.Payatom(payatomKeys).IV([16]byte{1, 2, 3})
	webhook := payatom.Callback(t)
	oversized := payacktest.Pad(64<<10 + 1)

	return map[payack.Provider][]inspected{
		payack.Ptop: {
			{"accepted", nil, spliced},
			{"accepted by a header", nil, ptop.Callback(t)},
			{"wrong key", object{"ptop.signing_keys": []any{testPtopKey, testPayatom}}, spliced},
			{"second key", object{"ptop.signing_keys": []any{testPtopKey, ptopKeys.SigningKey.Reveal()}}, spliced},
			{"tampered", nil, spliced.Tampered(t, payacktest.SetMember("order_id", `"ORD1000002"`))},
			{"wrong scheme pinned", object{"ptop.schemes": []any{"blanked"}}, spliced},
			{"another header", nil, ptop.Header("X-Ptop-Hash").Callback(t)},
			{"a form", nil, ptop.Scheme(payack.SchemeFormRebuilt).Callback(t)},
			{"a form, and schemes pinned", object{"ptop.schemes": []any{"blanked"}, "ptop.sniff": true}, ptop.Form().Callback(t)},
			{"unsigned", nil, spliced.Tampered(t, payacktest.DropSignature)},
			{"spliced", nil, spliced.Tampered(t, payacktest.SignatureOf(ptop.Order("ORD1000002").Scheme(payack.SchemeSpliced).Callback(t)))},
			{"wrong content type", nil, spliced.Tampered(t, payacktest.AnnounceType("text/html"))},
			{"wrong content type, and tampered", nil, spliced.Tampered(t, payacktest.FlipSignature, payacktest.AnnounceType(""))},
			{"compressed", nil, spliced.Tampered(t, payacktest.SetHeader("Content-Encoding", "gzip"))},
			{"oversized", nil, spliced.Tampered(t, oversized)},
			{"over a smaller limit", object{"max_body_bytes": 100}, spliced},
			{"wrong method", nil, method(spliced, "PUT")},
			{"malformed", nil, spliced.Tampered(t, payacktest.DuplicateMember("order_id"))},
			{"hostile names", nil, ptop.SetJSON("\x1b[2J\n\u202e\U000e0001", `"\u001b]0;x\u0007"`).Callback(t)},
			{"the key inside", nil, ptop.Set("message", ptopKeys.SigningKey.Reveal()).Callback(t)},
		},
		payack.PTS: {
			{"accepted", nil, sealed},
			{"accepted flat", nil, payacktest.PTS(ptsKeys).PHPNumbers().Callback(t)},
			{"wrong key", object{"pts.public_keys": []any{otherPublicKey}}, sealed},
			{"wrong safecode", object{"pts.safecode": otherSafecode}, sealed},
			{"wrong safecode, flat", object{"pts.safecode": otherSafecode}, payacktest.PTS(ptsKeys).Callback(t)},
			{"tampered", nil, sealed.Tampered(t, payacktest.SetMember("accept_amount", "9100.50"))},
			{"wrong scheme pinned", object{"pts.numbers": []any{"php"}}, sealed},
			{"bad envelope", nil, sealed.Tampered(t, payacktest.FlipBody(-1))},
			{"another encoding of the safecode", nil, payacktest.PTS(hexKeys).DataEnvelope().Callback(t)},
			{"another encoding of the header", object{"pts.transaction_secret": txSecret.TransactionSecret.Reveal()},
				payacktest.PTS(txSecret).Envelope().Callback(t)},
			{"no header", object{"pts.transaction_secret": txSecret.TransactionSecret.Reveal(), "pts.numbers": []any{"php"}}, sealed},
			{"wrong content type", nil, sealed.Tampered(t, payacktest.AnnounceType("text/html"))},
			{"JSON as text", nil, payacktest.PTS(ptsKeys).Callback(t).Tampered(t, payacktest.AnnounceType("text/plain"))},
			{"oversized", nil, sealed.Tampered(t, oversized)},
			{"spliced", nil, sealed.Tampered(t, payacktest.SignatureOf(pts.Status("1000").Callback(t)))},
			{"another account", object{"pts.user_id": "77"}, sealed},
		},
		payack.Payatom: {
			{"accepted", nil, webhook},
			{"accepted form", object{"payatom.body": "form"}, payatom.FormAmount().Callback(t)},
			{"wrong key", object{"payatom.secret_keys": []any{testPayatom}}, webhook},
			{"tampered", nil, webhook.Tampered(t, payacktest.SetMember("received_amount", `"9500"`))},
			{"wrong scheme pinned", object{"payatom.numbers": []any{"php"}}, payatom.NumberAmount("500.00").Callback(t)},
			{"bad envelope", nil, webhook.Tampered(t, payacktest.FlipEnvelope)},
			{"wrong content type", nil, webhook.Tampered(t, payacktest.AnnounceType("text/plain"))},
			{"a form", nil, payatom.Form().Callback(t)},
			{"JSON to a form", object{"payatom.body": "form"}, webhook},
			{"oversized", nil, webhook.Tampered(t, oversized)},
			{"unexpected", nil, payatom.Amount("501").Callback(t)},
			{"spliced", nil, payatom.Order("ORD10000017").Callback(t).Tampered(t, payacktest.MoveBorder("order_id", "received_amount", 1))},
			{"invalid", nil, payatom.Amount("0500").Callback(t)},
		},
	}
}

func method(cb payacktest.Callback, name string) payacktest.Callback {
	cb.Method = name
	return cb
}

// otherPublicKey belongs to no account.
const otherPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtmddQKcQVLqM3guMJscJ
bn3mvg6riTwS7q8UUkuPrOdYhnjWQp4lvOApktyDIdY7dKJjj5y6gyjtb8FSI6xW
KUFFNnmfC1rWa8Nthzt2kTDK+nrEMchtu/rwDjcDHmGYM1rz/L4m8FNUdUYJZTup
IAFQupKDdOhOesnov6J1EVQy4g8Pd/OAgKOIEroUAvvzf9YIwgTeEwceXF0ARl0q
M5uzOEYTiL1zqYYQ979BTbgQAikwXMUGGXLduuYSjTde196ZekRjjMPKwWCy2nvA
ZMxo+W/JHGXdDIGvhYja/Bexq/gLsqsMGh/WDfq0nAu2EH6nZSGMeGFRO3W/7SAz
9wIDAQAB
-----END PUBLIC KEY-----
`

// recordedFile returns a recording as the recorder of a receiver writes it. The
// recorder also keeps X-Ptop-Hash, a header that may hold a signature.
func recordedFile(t *testing.T, c object, p payack.Provider, cb payacktest.Callback) string {
	t.Helper()
	return recordedWith(t, payacktest.RecorderOptions{Keep: []string{"X-Ptop-Hash"}}, c, p, cb)
}

func recordedWith(t *testing.T, o payacktest.RecorderOptions, c object, p payack.Provider, cb payacktest.Callback) string {
	t.Helper()
	dir := t.TempDir()
	rec, err := payacktest.NewRecorder(dir, o)
	require.NoError(t, err)
	cfg := parsed(t, c)
	h, err := cfg.handler(p, middleware.Options{MaxBody: cfg.MaxBodyBytes, Logger: slog.New(slog.DiscardHandler), Observer: rec}, nothing)
	require.NoError(t, err)
	r := cb.Request("/callbacks/" + string(p))
	r.Header.Set("Authorization", "Bearer "+otherSafecode)
	r.Header.Set("Cookie", otherSafecode)
	rec.Wrap(h).ServeHTTP(httptest.NewRecorder(), r)
	require.NoError(t, rec.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	return filepath.Join(dir, files[0].Name())
}

func inspect(t *testing.T, stdin string, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	status := run(context.Background(), stdio{strings.NewReader(stdin), &out, &errs}, append([]string{"inspect"}, args...))
	for _, secret := range secrets() {
		require.NotContains(t, out.String()+errs.String(), secret)
	}
	require.LessOrEqual(t, strings.Count(errs.String(), "\n"), 1, errs.String())
	require.Equal(t, status != exitDone, errs.Len() > 0)
	return status, out.String(), errs.String()
}

var stepLine = regexp.MustCompile(`^(recorded|gate|shape|header|envelope|field|signature|signed text|key|verified|event|accepted|rejected|refused|failed|fix|answer|left out) +\S`)

func TestInspect(t *testing.T) {
	for p, all := range inspections(t) {
		var golden strings.Builder
		for _, tt := range all {
			c := with(fixedConfig(), tt.changes)
			config := configFile(t, c)
			status, stdout, stderr := inspect(t, "", string(p), "-config", config, recordedFile(t, c, p, tt.cb))
			fmt.Fprintf(&golden, "=== %s\n%s%sexit status %d\n\n", tt.name, stdout, stderr, status)
			if strings.Contains(stdout, "bytes of the body only") && len(tt.cb.Body) < 1000 {
				dump, err := tt.cb.Dump("/callbacks?token=" + otherSafecode)
				require.NoError(t, err)
				status, stdout, stderr := inspect(t, string(dump), string(p), "-config", config)
				fmt.Fprintf(&golden, "=== %s, from a dump with its body\n%s%sexit status %d\n\n", tt.name, stdout, stderr, status)
			}
			for line := range strings.Lines(stdout) {
				require.Regexp(t, stepLine, line)
			}
			require.Equal(t, strings.HasPrefix(tt.name, "accepted") || tt.name == "second key" || tt.name == "hostile names" || tt.name == "the key inside",
				status == exitDone, "%s: %s", tt.name, stdout)

			// A refusal at the gate (before the body is read) is shown as "refused".
			_, refused, _ := strings.Cut(stdout, "\nrefused")
			require.Equal(t, refused != "", strings.Contains(stdout, ": refused; "), stdout)
		}
		file := filepath.Join("testdata", "inspect", string(p)+".golden")
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), golden.String())
	}
}

// verbose returns a dump as curl -v shows it, with the body after the head.
func verbose(dump []byte) string {
	head, body, _ := strings.Cut(string(dump), "\r\n\r\n")
	var b strings.Builder
	b.WriteString("* Connected to shop.example (192.0.2.1) port 443\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		b.WriteString("> " + line + "\n")
	}
	b.WriteString("> Authorization: Bearer " + otherSafecode + "\n>\n" + body + "\n* upload completely sent off\n< HTTP/1.1 200 OK\n<\nFAILED")
	return b.String()
}

// inspect says the same about a delivery in every input format, apart from the
// lines about the recording.
func TestInspectForms(t *testing.T) {
	said := func(stdout string) string {
		return regexp.MustCompile(`(?m)^recorded .*\n`).ReplaceAllString(stdout, "")
	}
	for p, all := range inspections(t) {
		for _, tt := range all {
			if p == payack.Ptop && tt.name == "hostile names" || strings.HasPrefix(tt.name, "oversized") {
				continue // no body was read, so none is recorded
			}
			c := with(fixedConfig(), tt.changes)
			config := configFile(t, c)
			dump, err := tt.cb.Dump("https://shop.example/callbacks?token=" + otherSafecode)
			require.NoError(t, err)
			status, want, wantErr := inspect(t, string(dump), string(p), "-config", config)
			forms := map[string][]string{
				"dump":    {string(p), writeFile(t, "dump", string(dump)), "-config", config},
				"curl -v": {"-config", config, string(p), writeFile(t, "verbose", verbose(dump))},
				"stdin":   {string(p), "-config", config, "-"},
			}
			if recorded := recordedFile(t, c, p, tt.cb); !strings.Contains(wantErr, "refused") {
				forms["recorder"] = []string{string(p), "-config", config, recorded}
			}
			if len(tt.cb.Header) == 1 && (strings.HasPrefix(tt.name, "accepted") || tt.name == "tampered") {
				forms["bare"] = []string{string(p), "-config", config, writeFile(t, "body", string(tt.cb.Body))}
			}
			for form, args := range forms {
				got, stdout, stderr := inspect(t, string(dump), args...)
				require.Equal(t, status, got, "%s: %s: %s", form, tt.name, stdout)
				require.Equal(t, said(want), said(stdout), "%s: %s", form, tt.name)
				require.Equal(t, wantErr, stderr)
			}
		}
	}
}

// The fix that inspect names makes the delivery accepted.
func TestInspectFixes(t *testing.T) {
	setting := regexp.MustCompile(`set ([a-z]+\.[a-z_]+) to (\["[^"]*"\]|"[^"]*"|true|false)`)
	fixed := 0
	for p, all := range inspections(t) {
		for _, tt := range all {
			c := with(fixedConfig(), tt.changes)
			dump, err := tt.cb.Dump("/")
			require.NoError(t, err)
			_, stdout, _ := inspect(t, string(dump), string(p), "-config", configFile(t, c))
			_, fix, _ := strings.Cut(stdout, "\nfix ")
			fix, _, _ = strings.Cut(fix, "\n")
			found := setting.FindAllStringSubmatch(fix, -1)
			if !strings.Contains(fix, "it verifies under") || len(found) == 0 || strings.Contains(fix, "check ") {
				continue
			}
			changes := object{}
			for _, s := range found {
				text := s[2]
				switch {
				case strings.HasPrefix(text, "["):
					changes[s[1]] = []any{strings.Trim(text, `[]"`)}
				case strings.HasPrefix(text, `"`):
					changes[s[1]] = strings.Trim(text, `"`)
				default:
					changes[s[1]] = text == "true"
				}
			}
			status, stdout, stderr := inspect(t, string(dump), string(p), "-config", configFile(t, with(c, changes)))
			require.Equal(t, exitDone, status, "%s: %v\n%s%s", tt.name, changes, stdout, stderr)
			fixed++
		}
	}
	require.GreaterOrEqual(t, fixed, 8)
}

// inspect ignores rate limits and allowed addresses, because a recording says nothing
// about either.
func TestInspectLeavesOut(t *testing.T) {
	c := with(fixedConfig(), object{"allowed_addresses": []any{"198.51.100.0/24"}, "rate_limit": object{"burst": 0, "per_second": 1}})
	file := recordedFile(t, fixedConfig(), payack.PTS, payacktest.PTS(payacktest.NewPTSKeys()).Callback(t))
	for range 3 {
		status, stdout, stderr := inspect(t, "", "pts", "-config", configFile(t, c), file)
		require.Equal(t, exitDone, status, stdout+stderr)
		require.Contains(t, stdout, "left out     once only, rate limits, addresses")
	}
}

// inspect asks no provider. If Ptop would be asked about a delivery, inspect
// treats the delivery as confirmed. It judges all other deliveries as usual.
func TestInspectConfirm(t *testing.T) {
	asked := 0
	ptop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer ptop.Close()
	config := configFile(t, with(fixedConfig(), object{
		"ptop.insecure_no_confirm": nil, "ptop.confirm": confirmBy(ptop.URL, "w", testTxSecret),
	}))
	b := payacktest.Ptop(payacktest.NewPtopKeys())
	inspected := func(cb payacktest.Callback) (int, string) {
		dump, err := cb.Dump("/")
		require.NoError(t, err)
		status, stdout, _ := inspect(t, string(dump), "ptop", "-config", config)
		return status, stdout
	}

	status, stdout := inspected(b.Set("message", testTxSecret).Callback(t))
	require.Equal(t, exitDone, status, stdout)
	require.Contains(t, stdout, "\nconfirm      the receiver would ask "+ptop.URL+` about transaction_id "TX1000001" to confirm it; this is left out, and what follows assumes that the provider does`+
		"\naccepted     ptop:v1::TX1000001:true\nanswer       200, no content type, empty\n")
	require.Contains(t, stdout, `"message":"`+payack.Secret{}.String()+`"`)

	status, stdout = inspected(b.Set("success", "false").Callback(t))
	require.Equal(t, exitDone, status, stdout)
	require.NotContains(t, stdout, "confirm", "no money is claimed")

	status, stdout = inspected(b.Callback(t).Tampered(t, payacktest.FlipSignature))
	require.Equal(t, exitFailed, status, stdout)
	require.NotContains(t, stdout, "confirm", "it does not come to that")
	require.Zero(t, asked)
}

// inspect names whom a receiver would ask, and about what.
func TestInspectConfirmOfOthers(t *testing.T) {
	c := with(testConfig(), object{
		"pts.confirm": ptsConfirmWith("base_url", "https://pts.example"), "payatom.orders": nil, "payatom.confirm": object{"base_url": "https://payatom.example", "pid": "1"},
	})
	for provider, want := range map[string]string{
		"pts": `https://pts.example about order_id "ORD-7"`, "payatom": `https://payatom.example about ref_code "REF-7"`,
	} {
		set := []assignment{{"order_id", "ORD-7"}}
		if provider == "payatom" {
			set = append(set, assignment{"ref_code", "REF-7"})
		}
		dump, err := built(t, testSender(t, testConfig(), provider), tamperNothing, set...).Dump("/")
		require.NoError(t, err)
		status, stdout, stderr := inspect(t, string(dump), provider, "-config", configFile(t, c))
		require.Equal(t, exitDone, status, stderr)
		require.Contains(t, stdout, "\nconfirm      the receiver would ask "+want)
	}
}

// If the recorder dropped a header that may hold the signature, the fix that
// inspect names says so.
// The recorder always keeps the usual signature headers.
func TestInspectRedacted(t *testing.T) {
	c, b := fixedConfig(), payacktest.Ptop(payacktest.NewPtopKeys())
	inspected := func(cb payacktest.Callback) (int, string) {
		status, _, stderr := inspect(t, "", "ptop", "-config", configFile(t, c), recordedWith(t, payacktest.RecorderOptions{}, c, payack.Ptop, cb))
		return status, stderr
	}
	for _, name := range []string{"X-Signature", "the_signature"} {
		status, stderr := inspected(b.Header(name).Callback(t))
		require.Equal(t, exitDone, status, stderr)
	}
	status, stderr := inspected(b.Header("X-Ptop-Hash").Callback(t))
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "if the signature is in a header that was redacted (X-Ptop-Hash), record it again and keep that header; otherwise it is not signed")
	_, stderr = inspected(b.Callback(t).Tampered(t, payacktest.DropSignature))
	require.Contains(t, stderr, "check the keys", "credentials carry none")
	_, stderr = inspected(b.Scheme(payack.SchemeSpliced).Callback(t).Tampered(t, payacktest.SetHeader("X-Other", "1"), payacktest.FlipSignature))
	require.Contains(t, stderr, "check the keys", "it has one")
}

func TestInspectIncomplete(t *testing.T) {
	c := fixedConfig()
	text := `{"format":"payack-delivery/1","time":"2026-01-02T03:04:05Z","method":"POST","path":"/x","header":{"Content-Type":["application/json"]},` +
		`"redacted":["X-Token"],"content_length":500,"body":"{\"success\":","body_bytes":500,"body_read":true}`
	status, stdout, stderr := inspect(t, text, "ptop", "-config", configFile(t, c))
	require.Equal(t, exitFailed, status)
	require.Contains(t, stdout, "recorded     11 bytes of the body only")
	require.Contains(t, stderr, "record it again, completely")

	text = `{"format":"payack-delivery/1","time":"2026-01-02T03:04:05Z","method":"POST","path":"/x","header":{"Content-Type":["application/json"]},` +
		`"redacted":["X-Token"],"content_length":2,"body":"{}","body_bytes":2,"body_read":true}`
	status, _, stderr = inspect(t, text, "ptop", "-config", configFile(t, with(c, object{"ptop.signature_headers": []any{"x-token"}})))
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "keep the header that carries the signature")
}

func TestInspectCalls(t *testing.T) {
	config := configFile(t, fixedConfig())
	good := writeFile(t, "body", `{}`)
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{}, "the provider is missing"},
		{[]string{"-config", config}, "the provider is missing"},
		{[]string{"pts"}, "-config is missing"},
		{[]string{"pts", "-config", "/nonexistent"}, "-config"},
		{[]string{"stripe", "-config", config, good}, `"stripe"; there are ptop, pts and payatom`},
		{[]string{"pts", "-config", configFile(t, with(fixedConfig(), object{"pts": nil})), good}, "no pts"},
		{[]string{"pts", "-config", configFile(t, with(fixedConfig(), object{"pts.safecode": "short"})), good}, "pts.safecode"},
		{[]string{"pts", "-config", configFile(t, with(fixedConfig(), object{"pts.numbers": []any{"perl"}})), good}, "pts.numbers"},
		{[]string{"pts", "-config", config, good, "more"}, `"more" is left over`},
		{[]string{"pts", "-config", config, "-x", good}, "-x"},
		{[]string{"pts", "-config", config, "/nonexistent\nfile"}, "no such file"},
		{[]string{"pts", "-config", config, t.TempDir()}, "no regular file"},
		{[]string{"pts", "-config", config}, "standard input: it is empty"},
		{[]string{"pts", "-config", config, writeFile(t, "x", "HTTP/1.1 200 OK\r\n\r\n")}, "dump the request"},
		{[]string{"pts", "-config", config, writeFile(t, "x", "what is this?")}, "neither JSON, base64 nor a form"},
		{[]string{"pts", "-config", config, writeFile(t, "x", `{"format":"payack-delivery/1"}`)}, "a damaged recording"},
	} {
		status, stdout, stderr := inspect(t, "", tt.args...)
		require.Equal(t, exitUsage, status, tt.args)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "payack: "), stderr)
		require.Contains(t, stderr, tt.stderr)
	}
}

func TestPlain(t *testing.T) {
	require.Equal(t, `a é €\u001b[2J\u000a\u202e\udb40\udc01\xff�`, plain("a é €\x1b[2J\n\u202e\U000e0001\xff\ufffd"))
}
