package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

// hostileTraces returns the forms in which printers show the bytes of a secret:
// text, hex, base64, lists of bytes, the columns of a dump, and the words that
// a key schedule begins with.
func hostileTraces(secret string) []string {
	if len(secret) == 0 {
		return nil
	}
	b := []byte(secret)
	digits := hex.EncodeToString(b)
	out := []string{
		secret, digits, strings.ToUpper(digits), base64.StdEncoding.EncodeToString(b),
		strings.Trim(fmt.Sprint(b), "[]"), strings.Trim(strings.ReplaceAll(fmt.Sprint(b), " ", ", "), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"),
	}
	if quoted, err := json.Marshal(secret); err == nil {
		out = append(out, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%+q", secret), `"`))
	}
	if len(b) >= 16 {
		out = append(out, secret[:16], fmt.Sprintf("% x", b[:8]))
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			for _, format := range []string{"%d", "%#x"} {
				out = append(out, fmt.Sprintf(format, order.Uint32(b)), fmt.Sprintf(format, order.Uint64(b)))
			}
		}
	}
	return out
}

func hostileNumberTraces(n *big.Int) []string {
	out := []string{n.String(), n.Text(16)}
	for _, w := range n.Bits() {
		out = append(out, fmt.Sprintf("%d", w), fmt.Sprintf("%#x", w))
	}
	return out
}

// hostileSecrets returns the traces of all secrets of these keys.
func hostileSecrets(t testing.TB, keys ...vectors.Key) []string {
	t.Helper()
	var out []string
	for _, k := range keys {
		for _, s := range []string{k.TheSignature, k.Safecode, k.TransactionSecret, k.SecretKey} {
			if len(s) < 6 { // a trace this short would match by chance
				require.Empty(t, s)
				continue
			}
			out = append(out, hostileTraces(s)...)
		}
		if k.SecretKey != "" && k.TheSignature == "" { // Payatom's, which becomes an AES key
			sum := sha256.Sum256([]byte(k.SecretKey))
			out = append(out, hostileTraces(string(sum[:]))...)
		}
		if raw, err := hex.DecodeString(k.Safecode); err == nil && len(raw) > 0 {
			out = append(out, hostileTraces(string(raw))...)
		}
		if k.PrivatePEM == "" {
			continue
		}
		for _, text := range []string{k.PrivatePEM, k.PrivatePEMPKCS1} {
			out = append(out, strings.Split(text, "\n")[1:4]...)
		}
		block, _ := pem.Decode([]byte(k.PrivatePEM))
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		require.NoError(t, err)
		private := parsed.(*rsa.PrivateKey)
		out = append(out, hostileNumberTraces(private.D)...)
		for _, p := range private.Primes {
			out = append(out, hostileNumberTraces(p)...)
		}
	}
	return out
}

// hostileDiff is what a failing assertion prints.
type hostileDiff struct{ text string }

func (d *hostileDiff) Errorf(format string, args ...any) { d.text += fmt.Sprintf(format, args...) }

var hostileVerbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%c", "%U", "%e", "%t", "%p", "%T", "%w", "%b", "%o"}

// hostilePrints returns what printers show of a value, by itself and within other
// values.
func hostilePrints(v any) map[string]string {
	out := map[string]string{}
	holders := map[string]any{
		"": v, " in a slice": []any{v}, " in a map": map[string]any{"k": v},
		" in a struct": struct{ Public, private any }{v, v}, " in an error": fmt.Errorf("x %v", v),
	}
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() && p.Elem().CanInterface() {
		holders[" without its pointer"] = p.Elem().Interface()
	} else if v != nil {
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		holders[" by a pointer"] = p.Interface()
	}
	for place, h := range holders {
		for _, verb := range hostileVerbs {
			out[verb+place] = fmt.Sprintf(verb, h)
		}
		if b, err := json.Marshal(h); err == nil {
			out["JSON"+place] = string(b)
		} else {
			out["JSON"+place] = err.Error()
		}
		var text, lines bytes.Buffer
		log := slog.New(slog.NewMultiHandler(slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&lines, nil)))
		log.Info("m", "k", h, slog.Group("g", "k", h))
		log.With("k", h).Info("m")
		out["slog's text"+place], out["slog's JSON"+place] = text.String(), lines.String()
		var diff hostileDiff
		// Testify prints a diff only of two values of the same type. The diff shows
		// what all pointers point to.
		empty := reflect.Zero(reflect.TypeOf(h))
		if empty.Kind() == reflect.Pointer {
			empty = reflect.New(empty.Type().Elem())
		}
		assert.Equal(&diff, empty.Interface(), h)
		assert.Nil(&diff, h)
		out["a diff"+place] = diff.text
	}
	return out
}

// hostileFinds fails the test if a text contains one of the traces.
func hostileFinds(t testing.TB, where, text string, traces []string) {
	t.Helper()
	for _, trace := range traces {
		if trace != "" && strings.Contains(text, trace) {
			t.Errorf("%s holds %q", where, trace)
			return
		}
	}
}

// keeping is an inbox that keeps the newest receipt, and never processes it.
type keeping struct {
	*scriptedStore
	receipt *payack.Receipt
}

func (*keeping) Mount(string, payack.Desk) error { return nil }

func (k *keeping) Keep(_ context.Context, r *payack.Receipt) (payack.ClaimState, error) {
	k.receipt = r
	return payack.ClaimGranted, nil
}

// hostileEverything returns values of each exported struct of the packages that
// TestNothingPrintsASecret reads, by package and name. The values are filled by real
// use.
func hostileEverything(t testing.TB) map[string][]any {
	t.Helper()
	key := PTSKey(t)
	out := map[string][]any{}
	add := func(values ...any) {
		for _, v := range values {
			typ := reflect.TypeOf(v)
			if typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			name, _, _ := strings.Cut(typ.String(), "[")
			switch {
			case strings.HasSuffix(typ.PkgPath(), "/verify"), strings.HasSuffix(typ.PkgPath(), "/payack"),
				strings.HasSuffix(typ.PkgPath(), "/envelope"), strings.HasSuffix(typ.PkgPath(), "/middleware"), strings.HasSuffix(typ.PkgPath(), "/memstore"):
				out[name] = append(out[name], v)
			default:
				require.Fail(t, "a value of another package", name)
			}
		}
	}
	must := func(v any, err error) {
		require.NoError(t, err)
		add(v)
	}

	// Add keys, signers, verifiers and envelopes that have been used.
	keyConfig := verify.PTSKeyConfig{
		Tenant: "shop", UserID: "277", Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM},
		TransactionSecret: payack.NewSecret(key.TransactionSecret),
	}
	signerConfig := verify.PTSSignerConfig{
		Safecode: keyConfig.Safecode, PrivateKey: payack.NewSecret(key.PrivatePEM), TransactionSecret: keyConfig.TransactionSecret,
	}
	add(keyConfig, signerConfig, verify.PTSOptions{}, verify.PtopOptions{}, verify.PayatomOptions{}, keyConfig.Safecode)
	ptsSigner, err := verify.NewPTSSigner(signerConfig)
	must(ptsSigner, err)
	payatomSigner, err := verify.NewPayatomSigner(payack.NewSecret(PayatomKey))
	must(payatomSigner, err)
	ptsKeys, err := verify.NewPTSKeys(keyConfig)
	must(ptsKeys, err)
	ptopKeys, err := verify.NewPtopKeys("shop", payack.NewSecret(PtopKey))
	must(ptopKeys, err)
	payatomKeys, err := verify.NewPayatomKeys("shop", payack.NewSecret(PayatomKey))
	must(payatomKeys, err)
	ptsVerifier, err := verify.NewPTS(verify.PTSOptions{})
	must(ptsVerifier, err)
	ptopVerifier, err := verify.NewPtop(verify.PtopOptions{})
	must(ptopVerifier, err)
	payatomVerifier, err := verify.NewPayatom(verify.PayatomOptions{})
	must(payatomVerifier, err)
	for _, encoding := range []envelope.PTSEncoding{envelope.PTSRaw, envelope.PTSHex} {
		e, err := envelope.NewPTS(payack.NewSecret(key.Safecode), encoding)
		must(e, err)
		e.Seal([]byte("x"))
	}
	e, err := envelope.NewPayatom(payack.NewSecret(PayatomKey))
	must(e, err)
	_, err = e.Open(e.Seal([]byte("x")))
	require.NoError(t, err)

	// Add the results of Verify and Explain, and the messages.
	for _, p := range providers.All {
		m := Genuine(t, p)
		vm := verify.Message{ContentType: m.Header.Get("Content-Type"), Header: m.Header, Body: m.Body}
		var explained verify.Explanation
		switch p {
		case payack.Ptop:
			explained = ptopVerifier.Explain(vm, ptopKeys)
		case payack.PTS:
			flat, err := verify.NewPTSKeys(verify.PTSKeyConfig{Safecode: keyConfig.Safecode, PublicKeys: keyConfig.PublicKeys})
			must(flat, err)
			explained = ptsVerifier.Explain(vm, flat)
		case payack.Payatom:
			explained = payatomVerifier.Explain(vm, payatomKeys)
		}
		require.NoError(t, explained.Err)
		add(vm, explained, explained.Steps[0], explained.Event, explained.Event.VerifiedBy())
	}
	sign, err := ptsSigner.Sign(verify.PTSBalanceResponse, map[string]string{"user_id": "277"})
	require.NoError(t, err)
	response, err := ptsVerifier.VerifyResponse(verify.PTSBalanceResponse, []byte(`{"code":"1000","message":"ok","data":{"user_id":"277","sign":"`+sign+`"}}`), ptsKeys)
	must(response, err)

	// Add receivers that have answered some deliveries, and the observations.
	w := &Watch{}
	options := w.Options()
	// The store must have no map whose keys are arrays: Testify's printer panics if
	// it has to sort two such keys.
	options.Store = &scriptedStore{claim: payack.ClaimGranted}
	memory := memstore.New(10)
	_, err = memory.Claim(context.Background(), "id", "fingerprint", time.Minute)
	require.NoError(t, err)
	add(options, memory)
	ptopConfig := middleware.PtopConfig{SigningKeys: payack.Secrets(PtopKey), ConfirmInCallback: true, Options: options}
	ptsConfig := middleware.PTSConfig{Safecode: keyConfig.Safecode, PublicKeys: keyConfig.PublicKeys, Options: options}
	payatomConfig := middleware.PayatomConfig{SecretKeys: payack.Secrets(PayatomKey), ExpectInCallback: true, Options: options}
	ptop, err := middleware.NewPtop(ptopConfig)
	must(ptop, err)
	pts, err := middleware.NewPTS(ptsConfig)
	must(pts, err)
	payatom, err := middleware.NewPayatom(payatomConfig)
	must(payatom, err)
	ptsConfig.TransactionSecret = keyConfig.TransactionSecret
	add(ptopConfig, ptsConfig, payatomConfig)
	accept := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = payack.DeliveryFrom(r.Context()) })
	for p, h := range map[payack.Provider]http.Handler{payack.Ptop: ptop.Wrap(accept), payack.PTS: pts.Wrap(accept), payack.Payatom: payatom.Wrap(accept)} {
		Send(h, Genuine(t, p))
		require.Equal(t, payack.OutcomeAccepted, w.Last(t).Outcome)
		Send(h, Genuine(t, p).With("Content-Type", "text/html"))
		Send(h, Genuine(t, p).Replace("ORD1", "ORD2").Replace("2000", "3000"))
		require.Equal(t, payack.OutcomeRejected, w.Last(t).Outcome)
		Send(h, invalid(t, p))
		require.NotNil(t, w.Last(t).Delivery.Event)
	}
	// Add a handler that has run, and what its function found in the context.
	var held []payack.HeldClaim
	handler, err := middleware.Handle(payatom, func(ctx context.Context, ev *payack.PayatomEvent) error {
		h, ok := payack.HeldFrom(ctx)
		require.True(t, ok)
		held = h.Claims()
		add(ev.Findings)
		return nil
	})
	must(handler, err)
	Send(handler, Genuine(t, payack.Payatom))
	require.NotEmpty(t, held)
	add(held[0])
	add(handler.Rehearse(Genuine(t, payack.Payatom).Request()))
	// Add a receiver with an inbox, and the receipt that the inbox gets.
	kept := &keeping{scriptedStore: options.Store.(*scriptedStore)}
	into := payatomConfig
	into.Store, into.Inbox = nil, kept
	receipts, err := handlers.NewPayatom(into, func(context.Context, *payack.PayatomEvent) error { return nil })
	must(receipts, err)
	AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(receipts, Genuine(t, payack.Payatom)))
	require.NotNil(t, kept.receipt)
	add(into, kept.receipt)
	for i := range w.seen {
		o := &w.seen[i]
		add(o, o.Delivery, o.Took)
		if o.Err != nil {
			add(o.Err)
		}
	}

	refund, ok := (&payack.PayatomUnsigned{RefundInfo: payack.NewText(`{"refund_amount":"5"}`)}).Refund()
	require.True(t, ok)
	add(refund, payack.InboxStats{}, payack.PTSUnsigned{}, payack.PayatomUnsigned{}, payack.NewAmount("100.50"), payack.NewText("x"),
		payack.Answer{Status: 200}, payack.Claim{State: payack.ClaimGranted, Token: "1"}, payack.Confirmation{Paid: true},
		payack.Expectation{Found: true, Amount: payack.NewAmount("500"), RefCode: "b73ea664"},
		payack.Summary{Status: "Approved", Amount: payack.NewAmount("500"), Transaction: "b73ea664", Reference: "838498153464"})
	return out
}

// No value prints a key, however it is printed. The test fails if an exported struct
// is not among the values.
func TestNothingPrintsASecret(t *testing.T) {
	all := hostileEverything(t)
	declared := map[string]bool{}
	for _, dir := range []string{".", "envelope", "verify", "middleware", "handlers", "store/memstore"} {
		for _, name := range hostileStructs(t, filepath.Join("..", "..", dir)) {
			declared[name] = true
		}
	}
	for name := range declared {
		assert.Contains(t, all, name, "add a value of it to hostileEverything")
	}
	assert.ElementsMatch(t, slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(all)))

	traces := hostileSecrets(t, PTSKey(t), vectors.Key{SecretKey: PayatomKey}, vectors.Key{TheSignature: PtopKey})
	for name, values := range all {
		for _, v := range values {
			for how, text := range hostilePrints(v) {
				hostileFinds(t, name+" with "+how, text, traces)
			}
		}
	}
	// A handler holds the whole receiver.
	for _, p := range providers.All {
		for how, text := range hostilePrints((Merchant{}).Handler(t, p)) {
			hostileFinds(t, string(p)+"'s handler with "+how, text, traces)
		}
	}
	// The search must find a secret that is printed.
	for _, secret := range []string{PtopKey, PayatomKey, PTSKey(t).Safecode} {
		for _, shown := range []any{secret, []byte(secret), [][]byte{[]byte(secret)}, struct{ s string }{secret}, map[string]string{"a": secret}} {
			for _, how := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
				text := fmt.Sprintf(how, shown)
				assert.True(t, slices.ContainsFunc(traces, func(trace string) bool { return strings.Contains(text, trace) }), "%s: %s", how, text)
			}
		}
	}
}

// hostileStructs reads the names of a package's exported structs from its source.
func hostileStructs(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, entry.Name()), nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if _, ok := spec.Type.(*ast.StructType); ok {
					out = append(out, file.Name.Name+"."+spec.Name.Name)
				}
			}
			return true
		})
	}
	return out
}

// hostileExpected returns the signatures that a receiver calculates for a vector.
// Somebody who reads one can forge that message.
func hostileExpected(t testing.TB, f *vectors.File, v *vectors.Vector, body []byte) []string {
	t.Helper()
	key := f.Keys[v.KeyID]
	out := []string{v.Signature}
	switch payack.Provider(f.Provider) {
	case payack.Ptop:
		for _, text := range []string{string(body), v.SignedText} {
			raw, err := base64.StdEncoding.DecodeString(hostileMAC(key.TheSignature, text))
			require.NoError(t, err)
			out = append(out, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw))
		}
	case payack.PTS:
		out = append(out, hostileMAC(key.TransactionSecret, string(body)))
	case payack.Payatom:
		sum := md5.Sum([]byte(v.SignedText))
		out = append(out, hex.EncodeToString(sum[:]))
	}
	// A signature that was sent is no secret.
	sent := string(body) + fmt.Sprint(v.Request.Headers, v.Request.HeadersExtra)
	return slices.DeleteFunc(out, func(s string) bool { return s == "" || strings.Contains(sent, s) })
}

// hostilePlain returns the contents of a PTS envelope without checking a signature. It
// returns "" if the envelope can't be opened.
func hostilePlain(safecode string, hexKey bool, body []byte) string {
	var wrapper struct{ Data string }
	sealed := string(body)
	if json.Unmarshal(body, &wrapper) == nil {
		sealed = wrapper.Data
	}
	code := payack.NewSecret(safecode)
	encoding := envelope.PTSRaw
	if hexKey {
		encoding = envelope.PTSHex
	}
	e, err := envelope.NewPTS(code, encoding)
	if err != nil {
		return ""
	}
	plain, _ := e.Open([]byte(sealed))
	return string(plain)
}

// No log line (as text or JSON), answer or error for any vector contains a key, a
// signature that was not sent, or contents of an envelope that did not verify.
func TestVectorsLeakNothing(t *testing.T) {
	var refused, invalid, sealed, checkedErrors int
	for _, provider := range providers.All {
		f, err := vectors.Load(string(provider))
		require.NoError(t, err)
		traces := map[string][]string{}
		for id, key := range f.Keys {
			traces[id] = hostileSecrets(t, key)
		}
		for i := range f.Vectors {
			v := &f.Vectors[i]
			if v.Kind != "webhook" && v.Kind != "callback" {
				continue
			}
			body, err := v.Request.Body()
			require.NoError(t, err)
			var text, lines bytes.Buffer
			var seen []payack.Observation
			h := receiverOf(t, f, v, middleware.Options{
				Logger: slog.New(slog.NewMultiHandler(
					slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}),
					slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))),
				Observer: payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { seen = append(seen, *o) }),
			}, func(context.Context, payack.Event) error { return nil })
			got := Send(h, Message{v.Request.Method, "/", v.Request.Header(), string(body)})
			require.Len(t, seen, 1)
			o := seen[0]

			told := map[string]string{
				"the text log of ": text.String(), "the JSON log of ": lines.String(),
				"the answer to ": fmt.Sprint(got.Status, got.Header, got.Body),
			}
			if o.Err != nil {
				checkedErrors++
				for err := o.Err; err != nil; err = errors.Unwrap(err) {
					told["the error of "] += err.Error() + "\n"
					for _, verb := range hostileVerbs {
						told["the error of "] += fmt.Sprintf(verb, err) + "\n"
					}
					b, jsonErr := json.Marshal(err)
					require.NoError(t, jsonErr)
					told["the error of "] += string(b) + "\n"
				}
			}
			hidden := slices.Concat(traces[v.KeyID], hostileExpected(t, f, v, body))
			if o.EventID == "" {
				refused++
				assert.Nil(t, o.Delivery.Event)
				hidden = append(hidden, hostileContents(string(body))...)
				if provider == payack.PTS {
					plain := hostilePlain(f.Keys[v.KeyID].Safecode, strings.HasSuffix(v.Dim("envelope"), "_aes128_hex"), body)
					if plain != "" {
						sealed++
						hidden = append(hidden, plain)
						hidden = append(hidden, hostileContents(plain)...)
					}
				}
			}
			if o.EventID != "" && o.Err != nil {
				// The message verified and was rejected. Only its identity may be shown.
				invalid++
				for _, content := range hostileContents(string(body)) {
					if !strings.Contains(fmt.Sprintf("%q", o.EventID)+o.EventID, content) {
						hidden = append(hidden, content)
					}
				}
			}
			for where, text := range told {
				hostileFinds(t, where+v.Name, text, hidden)
			}
		}
	}
	// These counts show that the test did search something.
	assert.Equal(t, 498, refused)
	assert.Equal(t, 45, invalid)
	assert.Equal(t, 38, sealed)
	assert.Equal(t, 543, checkedErrors)
}

// hostileContents returns the texts that only this body contains: no member names,
// and nothing short enough to occur by chance.
func hostileContents(body string) []string {
	var out []string
	for _, m := range stringInBody.FindAllStringSubmatch(body[:min(len(body), 64<<10)], -1) {
		if !memberName.MatchString(m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// Errors of constructors name the member and the fix, and do not repeat the value.
func TestConfigurationErrorsLeakNothing(t *testing.T) {
	key := PTSKey(t)
	const odd = "MARKER-of-a-secret-that-is-no-AES-key"
	secret := payack.NewSecret
	ptsKeys := func(c verify.PTSKeyConfig) error { _, err := verify.NewPTSKeys(c); return err }
	ptsSigner := func(c verify.PTSSignerConfig) error { _, err := verify.NewPTSSigner(c); return err }
	damaged := strings.Replace(key.PrivatePEM, "\n", "\n"+"TUFSS0VS", 1)
	if block, _ := pem.Decode([]byte(damaged)); assert.NotNil(t, block) {
		_, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		require.Error(t, err)
	}
	damagedPKCS1 := strings.Replace(key.PrivatePEMPKCS1, "\n", "\n"+"TUFSS0VS", 1)
	damagedPublic := strings.Replace(key.PublicPEMPKCS1, "\n", "\n"+"TUFSS0VS", 1)
	bad := map[string]error{
		"public key, damaged":         ptsKeys(verify.PTSKeyConfig{Safecode: secret(key.Safecode), PublicKeys: []string{damagedPublic}}),
		"private key, damaged, PKCS1": ptsSigner(verify.PTSSignerConfig{Safecode: secret(key.Safecode), PrivateKey: secret(damagedPKCS1)}),
		"safecode, length":            ptsKeys(verify.PTSKeyConfig{Safecode: secret(odd), PublicKeys: []string{key.PublicPEM}}),
		"safecode, hex":               ptsKeys(verify.PTSKeyConfig{Safecode: secret(odd), SafecodeEncoding: envelope.PTSHex, PublicKeys: []string{key.PublicPEM}}),
		"safecode, encoding":          ptsKeys(verify.PTSKeyConfig{Safecode: secret(odd), SafecodeEncoding: "HEX", PublicKeys: []string{key.PublicPEM}}),
		"no public key":               ptsKeys(verify.PTSKeyConfig{Safecode: secret(key.Safecode)}),
		"a private one":               ptsKeys(verify.PTSKeyConfig{Safecode: secret(key.Safecode), PublicKeys: []string{key.PrivatePEM}}),
		"a private one, PKCS1":        ptsKeys(verify.PTSKeyConfig{Safecode: secret(key.Safecode), PublicKeys: []string{key.PrivatePEMPKCS1}}),
		"public key, no PEM":          ptsKeys(verify.PTSKeyConfig{Safecode: secret(key.Safecode), PublicKeys: []string{odd}}),
		"transaction secret":          ptsKeys(verify.PTSKeyConfig{Safecode: secret(odd), TransactionSecret: secret(odd), NoEnvelopes: true, PublicKeys: []string{key.PublicPEM}}),
		"private key, no PEM":         ptsSigner(verify.PTSSignerConfig{Safecode: secret(key.Safecode), PrivateKey: secret(odd)}),
		"private key, damaged":        ptsSigner(verify.PTSSignerConfig{Safecode: secret(key.Safecode), PrivateKey: secret(damaged)}),
		"private key, twice":          ptsSigner(verify.PTSSignerConfig{Safecode: secret(key.Safecode), PrivateKey: secret(key.PrivatePEM + key.PrivatePEM)}),
		"a public one":                ptsSigner(verify.PTSSignerConfig{Safecode: secret(key.Safecode), PrivateKey: secret(key.PublicPEM)}),
		"signer's safecode":           ptsSigner(verify.PTSSignerConfig{Safecode: secret(odd), PrivateKey: secret(key.PrivatePEM)}),
	}
	add := func(name string, err error) { bad[name] = err }
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: secret(key.Safecode), PrivateKey: secret(key.PrivatePEM), TransactionSecret: secret(key.TransactionSecret)})
	require.NoError(t, err)
	_, err = signer.Sign(verify.PTSBalance, map[string]string{"user_id": odd})
	add("a signed member is missing", err)
	_, err = signer.Sign(verify.PTSBalance, map[string]string{"user_id": odd + "&timestamp=1", "timestamp": "1"})
	add("a border in a value", err)
	_, err = signer.TransactionSignature([]byte(odd), "HEX")
	add("transaction signature's encoding", err)
	_, err = verify.PtopPayoutSignature(secret(PtopKey), "w", "MARKER|x", "r", "1")
	add("a bar in a payout", err)
	_, err = verify.SignPtopCallback(secret(PtopKey), "none", verify.PtopLast, `{"a":"`+odd+`"}`)
	add("scheme of a callback", err)
	_, err = verify.SignPtopCallback(secret(PtopKey), payack.SchemeHeader, verify.PtopLast, `{"a":"`+odd+`"`)
	add("a callback that is no JSON", err)
	_, err = verify.NewPtopKeys("t", secret(odd), payack.Secret{})
	add("an empty key of several", err)
	_, err = verify.NewPayatomKeys("t", secret(odd), payack.Secret{})
	add("an empty secret of several", err)

	// Receivers with correct keys and another mistake.
	pts := func(c middleware.PTSConfig, fn func(context.Context, *payack.PTSEvent) error) error {
		_, err := handlers.NewPTS(c, fn)
		return err
	}
	good := middleware.PTSConfig{Safecode: secret(key.Safecode), PublicKeys: []string{key.PublicPEM}, TransactionSecret: secret(key.TransactionSecret)}
	add("nil callback", pts(good, nil))
	both := good
	both.KeyFunc = func(context.Context, *http.Request) (*verify.PTSKeys, error) { return nil, nil }
	accept := func(context.Context, *payack.PTSEvent) error { return nil }
	add("keys twice", pts(both, accept))
	lease := good
	lease.Lease = 1
	add("lease", pts(lease, accept))
	rule := good
	rule.Validate = map[string]string{"OrderID": "no_such_tag"}
	add("a rule", pts(rule, accept))
	_, err = handlers.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(PayatomKey)}, (func(context.Context, *payack.PayatomEvent) error)(nil))
	add("nothing to compare with", err)
	_, err = handlers.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(PayatomKey), ExpectInCallback: true,
		KeyFunc: func(context.Context, *http.Request) (*verify.PayatomKeys, error) { return nil, nil }}, (func(context.Context, *payack.PayatomEvent) error)(nil))
	add("payatom's keys twice", err)
	_, err = handlers.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(PtopKey)}, (func(context.Context, *payack.PtopEvent) error)(nil))
	add("no confirmation", err)
	_, err = handlers.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(PtopKey), ConfirmInCallback: true, SignatureHeaders: []string{"a b"}}, (func(context.Context, *payack.PtopEvent) error)(nil))
	add("a header's name", err)
	_, err = handlers.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(PtopKey), ConfirmInCallback: true,
		KeyFunc: func(context.Context, *http.Request) (*verify.PtopKeys, error) { return nil, nil }}, (func(context.Context, *payack.PtopEvent) error)(nil))
	add("ptop's keys twice", err)

	hidden := append(hostileSecrets(t, key, vectors.Key{SecretKey: PayatomKey}, vectors.Key{TheSignature: PtopKey}), hostileTraces(odd)...)
	hidden = append(hidden, "MARKER", "TUFSS0VS")
	for name, err := range bad {
		if !assert.Error(t, err, name) {
			continue
		}
		for how, text := range hostilePrints(err) {
			hostileFinds(t, name+" with "+how, text, hidden)
		}
	}
}
