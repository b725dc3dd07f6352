package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/strictbase64"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// The verifiers in this file are independent of the library: they follow the
// documents with the standard library only. They may read more bodies than the
// library, but every body that a handler accepts must verify here too.

// hostileMember is a member of a JSON object with its offsets.
type hostileMember struct {
	name, raw               string
	from, nameEnd, at, upTo int
}

// text returns a string's content, "" for null, and the literal of another value.
func (m hostileMember) text() string {
	var s *string
	if json.Unmarshal([]byte(m.raw), &s) == nil {
		if s == nil {
			return ""
		}
		return *s
	}
	return m.raw
}

// hostileMembers reads one object without duplicate names.
func hostileMembers(body string) (list []hostileMember, ok bool) {
	if !json.Valid([]byte(body)) || !utf8.ValidString(body) || !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(body))
	_, _ = dec.Token()
	for dec.More() {
		before := int(dec.InputOffset())
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		m := hostileMember{name: name.(string), nameEnd: int(dec.InputOffset())}
		m.from = before + strings.IndexByte(body[before:], '"')
		var raw json.RawMessage
		if dec.Decode(&raw) != nil || hostileFind(list, m.name) != nil {
			return nil, false
		}
		m.raw, m.upTo = string(raw), int(dec.InputOffset())
		m.at = m.upTo - len(raw)
		list = append(list, m)
	}
	return list, true
}

func hostileFind(list []hostileMember, name string) *hostileMember {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// hostilePairs reads a form without duplicate names.
func hostilePairs(body string) (list []hostileMember, ok bool) {
	at := 0
	for part := range strings.SplitSeq(body, "&") {
		from := at
		at += len(part) + 1
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil || hostileFind(list, name) != nil {
			return nil, false
		}
		quoted, _ := json.Marshal(value)
		list = append(list, hostileMember{name: name, raw: string(quoted), from: from, upTo: from + len(part)})
	}
	return list, true
}

// hostileNumberText returns the text that PHP makes of a JSON number. PHP writes 14
// significant digits.
func hostileNumberText(literal string) string {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return strconv.FormatInt(n, 10)
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return literal
	}
	return hostileExponent(strconv.FormatFloat(f, 'G', 14, 64), "E")
}

// hostileExponent turns Go's 1E-05 into PHP's 1.0E-5.
func hostileExponent(text, mark string) string {
	digits, exponent, found := strings.Cut(text, mark)
	if !found {
		return text
	}
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	return digits + mark + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// hostileJSONNumber returns a number as PHP writes it into JSON.
func hostileJSONNumber(literal string) (string, bool) {
	if !strings.ContainsAny(literal, ".eE") {
		n, err := strconv.ParseInt(literal, 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return "", false
	}
	scientific := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(scientific, "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 17 {
		return hostileExponent(scientific, "e"), true
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

func hostileJSONString(s string) string {
	out := `"`
	for _, r := range s {
		if i := strings.IndexRune("\"\\/\b\f\n\r\t", r); i >= 0 {
			out += `\` + string(`"\/bfnrt`[i])
			continue
		}
		if ' ' <= r && r < 0x80 {
			out += string(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out += `\u` + hex.EncodeToString([]byte{byte(unit >> 8), byte(unit)})
		}
	}
	return out + `"`
}

// hostileReencode returns what PHP's json_encode(json_decode(…)) returns, without the
// member whose name is in drop.
func hostileReencode(dec *json.Decoder, objects bool, drop string) (string, bool) {
	tok, err := dec.Token()
	if err != nil {
		return "", false
	}
	switch tok := tok.(type) {
	case string:
		return hostileJSONString(tok), true
	case json.Number:
		return hostileJSONNumber(string(tok))
	case bool:
		return strconv.FormatBool(tok), true
	case json.Delim:
		var names, values []string
		for dec.More() {
			if tok == '{' {
				name, _ := dec.Token()
				names = append(names, name.(string))
				if name == drop {
					names = names[:len(names)-1]
					var gone json.RawMessage
					if dec.Decode(&gone) != nil {
						return "", false
					}
					continue
				}
			}
			value, ok := hostileReencode(dec, objects, "\xff")
			if !ok {
				return "", false
			}
			values = append(values, value)
		}
		_, _ = dec.Token()
		isList := tok == '[' || !objects
		for i, name := range names {
			isList = isList && name == strconv.Itoa(i)
		}
		if isList {
			return "[" + strings.Join(values, ",") + "]", true
		}
		for i := range names {
			values[i] = hostileJSONString(names[i]) + ":" + values[i]
		}
		return "{" + strings.Join(values, ",") + "}", true
	}
	return "null", true
}

func hostileReencoded(body string, objects bool) (string, bool) {
	if !json.Valid([]byte(body)) {
		return "", false
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	return hostileReencode(dec, objects, "signature")
}

func hostileHex(text string) string {
	mac := hmac.New(sha256.New, []byte(PtopKey))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// hostilePtopSigned lists the texts that Ptop may have signed for a body.
func hostilePtopSigned(body string, form bool, list []hostileMember) []string {
	var out []string
	i := slices.IndexFunc(list, func(m hostileMember) bool { return m.name == "signature" })
	if i < 0 {
		return []string{body}
	}
	m := list[i]
	if form {
		if m.from > 0 {
			out = append(out, body[:m.from-1]+body[m.upTo:])
		} else {
			out = append(out, strings.TrimPrefix(body[m.upTo:], "&"))
		}
		var pairs []string
		for _, m := range list {
			name, _, _ := strings.Cut(strings.TrimLeft(m.name, " "), "\x00")
			name = strings.NewReplacer(".", "_", " ", "_").Replace(name)
			if m.name != "signature" {
				pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(m.text()))
			}
		}
		return append(out, strings.ReplaceAll(strings.Join(pairs, "&"), "~", "%7E"))
	}
	out = append(out, body[:m.at]+`""`+body[m.upTo:])
	if i+1 < len(list) {
		out = append(out, body[:m.from]+body[list[i+1].from:])
	}
	if i > 0 {
		comma := list[i-1].upTo + strings.IndexByte(body[list[i-1].upTo:], ',')
		out = append(out, body[:comma]+body[m.upTo:])
	}
	for _, objects := range []bool{false, true} {
		if text, ok := hostileReencoded(body, objects); ok {
			out = append(out, text)
		}
	}
	return out
}

// hostileDelivery is a request of any kind.
type hostileDelivery struct {
	method, body string
	header       http.Header
	chunked      bool
}

// hostileFuzzed is a receiver under test. Its method deliver sends a request, compares
// the answer with the contract, and returns the event if there is one.
type hostileFuzzed struct {
	p     payack.Provider
	h     http.Handler
	store *hostileStore
	last  payack.Observation
	event payack.Event
	calls int
}

func (f *hostileFuzzed) options() middleware.Options {
	f.store = &hostileStore{}
	o := (&Watch{}).Options()
	o.Store = f.store
	o.Logger = slog.New(slog.DiscardHandler)
	o.Observer = payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { f.last = *o })
	return o
}

func (f *hostileFuzzed) take(ev payack.Event) error {
	f.event = ev
	f.calls++
	return nil
}

func (f *hostileFuzzed) deliver(t *testing.T, d hostileDelivery) payack.Event {
	f.store.forget()
	f.event, f.calls = nil, 0
	post := func() Answer {
		r := &http.Request{Method: d.method, URL: &url.URL{Path: "/"}, Header: d.header.Clone(), RemoteAddr: "192.0.2.1:1",
			Body: io.NopCloser(strings.NewReader(d.body)), ContentLength: int64(len(d.body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		if d.chunked {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		f.h.ServeHTTP(w, r)
		res := w.Result()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Contains(t, closedSetOrNone(), f.last.Reason)
		require.Equal(t, closedSetOrNone()[f.last.Reason] == payack.OutcomeAccepted, f.last.Err == nil)
		got := Answer{res.StatusCode, res.Header, string(b)}
		AssertContract(t, f.p, f.last.Outcome, f.last.Reason, got)
		return got
	}
	post()
	if f.last.Outcome != payack.OutcomeAccepted {
		require.Zero(t, f.calls)
		require.Contains(t, []payack.Outcome{payack.OutcomeRejected, payack.OutcomeRefused, payack.OutcomeFailed}, f.last.Outcome)
		if f.last.Outcome == payack.OutcomeFailed { // only a consumed body can fail here
			require.Equal(t, payack.ReasonBodyConsumed, f.last.Reason)
			require.True(t, d.chunked && d.body == "")
		}
		return nil
	}
	ev := f.event
	require.Equal(t, 1, f.calls)
	require.Equal(t, http.MethodPost, d.method)
	post()
	require.Equal(t, payack.OutcomeDuplicate, f.last.Outcome)
	require.Equal(t, 1, f.calls)
	return ev
}

// closedSetOrNone returns ClosedSet with the empty reason added.
func closedSetOrNone() map[payack.Reason]payack.Outcome {
	out := map[payack.Reason]payack.Outcome{"": payack.OutcomeAccepted}
	for reason, outcome := range ClosedSet {
		out[reason] = outcome
	}
	return out
}

// hostileSeeds calls the function add with each request in a provider's vectors that
// was made with this key.
func hostileSeeds(f *testing.F, p payack.Provider, keyID string, add func(v *vectors.Vector, header http.Header, body []byte)) *vectors.File {
	f.Helper()
	file, err := vectors.Load(string(p))
	require.NoError(f, err)
	for i := range file.Vectors {
		v := &file.Vectors[i]
		if v.KeyID != keyID || v.Kind != "webhook" && v.Kind != "callback" || len(v.Request.BodyRecipe) > 0 {
			continue
		}
		body, err := v.Request.Body()
		require.NoError(f, err)
		add(v, v.Request.Header(), body)
	}
	return file
}

func hostileHeaders(contentType, name, value string) http.Header {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if name != "" && value != "" {
		h.Add(name, value)
	}
	return h
}

func hostileMedia(contentType string) string {
	name, _, _ := mime.ParseMediaType(contentType)
	return name
}

// FuzzPtopHandler: every request gets an answer of the contract. If the answer accepts
// an event, the event's text was signed with this key. In some modes the test signs
// the body first, so that the fuzzer gets past the signature.
func FuzzPtopHandler(f *testing.F) {
	hostileSeeds(f, payack.Ptop, "plain32", func(v *vectors.Vector, h http.Header, body []byte) {
		f.Add(v.Request.Method, h.Get("Content-Type"), "X-Signature", h.Get("X-Signature"), body, v.IsForm(), byte(0), false)
		f.Add(v.Request.Method, h.Get("Content-Type"), "", "", body, v.IsForm(), byte(2), true)
	})
	for mode := range byte(6) {
		f.Add("POST", "application/json", "", "", []byte(hostileJSON), false, mode, false)
		f.Add("POST", "application/x-www-form-urlencoded", "", "", []byte(hostileForm), true, mode, false)
	}
	var json, form hostileFuzzed
	for body, receiver := range map[verify.Body]*hostileFuzzed{verify.BodyJSON: &json, verify.BodyForm: &form} {
		h, err := handlers.NewPtop(middleware.PtopConfig{
			SigningKeys: payack.Secrets(PtopKey), ConfirmInCallback: true, Body: body, Options: receiver.options(),
		}, func(_ context.Context, ev *payack.PtopEvent) error { return receiver.take(ev) })
		require.NoError(f, err)
		receiver.p, receiver.h = payack.Ptop, h
	}
	f.Fuzz(func(t *testing.T, method, contentType, name, value string, body []byte, isForm bool, mode byte, chunked bool) {
		d := hostileDelivery{method, string(body), hostileHeaders(contentType, name, value), chunked}
		read := hostileMembers
		if isForm {
			read = hostilePairs
		}
		if mode %= 6; mode == 1 {
			d.header.Add("X-Signature", hostileHex(d.body))
		} else if mode > 1 {
			d.body = hostilePtopPut(d.body, isForm, mode)
		}
		receiver := &json
		if isForm {
			receiver = &form
		}
		got := receiver.deliver(t, d)
		if got == nil {
			return
		}
		ev := got.(*payack.PtopEvent)
		list, ok := read(d.body)
		require.True(t, ok, "%q", d.body)
		var signatures []string
		for _, name := range []string{"X-Signature", "The_signature"} {
			signatures = append(signatures, d.header[name]...)
		}
		if m := hostileFind(list, "signature"); m != nil {
			signatures = append(signatures, m.text())
		}
		require.Len(t, signatures, 1)
		require.Equal(t, signatures[0], ev.Signature)
		require.True(t, slices.ContainsFunc(hostilePtopSigned(d.body, isForm, list), func(text string) bool { return hostileHex(text) == ev.Signature }),
			"%q was not signed", d.body)
		require.Equal(t, hostileFind(list, "transaction_id").text(), ev.TransactionID)
		require.Equal(t, hostileFind(list, "order_id").text(), ev.OrderID)
		require.Contains(t, map[bool][]string{true: {"true", "1"}, false: {"false", "0", ""}}[ev.Success], hostileFind(list, "success").text())
	})
}

// hostilePtopPut signs a body and appends the signature as the last member. mode
// selects the text that is signed.
func hostilePtopPut(body string, isForm bool, mode byte) string {
	if isForm {
		signed := body
		if list, ok := hostilePairs(body); ok && mode > 3 {
			texts := hostilePtopSigned(body+"&signature=", true, append(list, hostileMember{name: "signature", from: len(body) + 1, upTo: len(body) + len("&signature=")}))
			signed = texts[len(texts)-1]
		}
		return body + "&signature=" + hostileHex(signed)
	}
	end := strings.LastIndexByte(body, '}')
	if end < 0 {
		return body
	}
	put := func(signature string) string { return body[:end] + `,"signature":"` + signature + `"` + body[end:] }
	switch mode {
	case 3:
		return put(hostileHex(put("")))
	case 4, 5:
		signed, _ := hostileReencoded(body, mode == 5)
		return put(hostileHex(signed))
	}
	return put(hostileHex(body))
}

// hostilePTSKey has keys of the vectors as types of the standard library.
type hostilePTSKey struct {
	vectors.Key
	private *rsa.PrivateKey
	block   cipher.Block
}

func hostilePTSKeyOf(t testing.TB) hostilePTSKey {
	t.Helper()
	k := hostilePTSKey{Key: PTSKey(t)}
	block, _ := pem.Decode([]byte(k.PrivatePEM))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	k.private = parsed.(*rsa.PrivateKey)
	k.block, err = aes.NewCipher([]byte(k.Safecode))
	require.NoError(t, err)
	return k
}

func (k hostilePTSKey) open(sealed string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(b) == 0 || len(b)%aes.BlockSize != 0 || base64.StdEncoding.EncodeToString(b) != sealed {
		return "", false
	}
	for rest := b; len(rest) > 0; rest = rest[aes.BlockSize:] {
		k.block.Decrypt(rest, rest)
	}
	n := int(b[len(b)-1])
	if n == 0 || n > aes.BlockSize || !bytes.HasSuffix(b, bytes.Repeat([]byte{byte(n)}, n)) {
		return "", false
	}
	return string(b[:len(b)-n]), true
}

func (k hostilePTSKey) seal(plain string) string {
	b := hostilePad(plain)
	for rest := b; len(rest) > 0; rest = rest[aes.BlockSize:] {
		k.block.Encrypt(rest, rest)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// text returns the signed text of these members, with the numbers as sent or as PHP
// writes them.
func (k hostilePTSKey) text(list []hostileMember, php bool) (text string, complete bool) {
	complete = true
	for _, name := range slices.Sorted(slices.Values(PTSNames)) {
		value := ""
		if m := hostileFind(list, name); m == nil {
			complete = false
		} else if value = m.text(); php && strings.IndexByte("-0123456789", m.raw[0]) >= 0 &&
			(strings.HasSuffix(name, "_amount") || name == "exchange_rate") {
			value = hostileNumberText(m.raw)
		}
		text += name + "=" + value + "&"
	}
	return text + k.Safecode, complete
}

// flat finds the members of a callback in any of the four shapes.
func (k hostilePTSKey) flat(contentType, body string) (list []hostileMember, sealed string, ok bool) {
	if hostileMedia(contentType) == "text/plain" {
		plain, opened := k.open(body)
		list, ok = hostileMembers(plain)
		return list, body, ok && opened
	}
	list, ok = hostileMembers(body)
	data := hostileFind(list, "data")
	if !ok || hostileFind(list, "sign") != nil || data == nil {
		return list, "", ok
	}
	if data.raw[0] == '{' {
		list, ok = hostileMembers(data.raw)
		return list, "", ok
	}
	plain, opened := k.open(data.text())
	list, ok = hostileMembers(plain)
	return list, data.text(), ok && opened
}

// FuzzPTSHandler does for PTS what FuzzPtopHandler does for Ptop, with and without a
// transaction secret.
func FuzzPTSHandler(f *testing.F) {
	key := hostilePTSKeyOf(f)
	hostileSeeds(f, payack.PTS, "rsa1024", func(v *vectors.Vector, h http.Header, body []byte) {
		f.Add(v.Request.Method, h.Get("Content-Type"), verify.PTSTransactionHeader, h.Get(verify.PTSTransactionHeader), body, v.Dim("xsig") == "base64", byte(0), false)
	})
	flat := PTSMessage(f, nil, nil).Body
	unsigned := flat[:strings.Index(flat, `,"sign"`)] + "}"
	for mode := range byte(8) {
		f.Add("POST", "application/json", "", "", []byte(unsigned), false, mode, false)
		f.Add("POST", "text/plain", "", "", []byte(strings.Replace(unsigned, `"PHP"`, `null`, 1)), true, mode, true)
	}
	var plain, withSecret hostileFuzzed
	for receiver, secret := range map[*hostileFuzzed]string{&plain: "", &withSecret: key.TransactionSecret} {
		h, err := handlers.NewPTS(middleware.PTSConfig{
			Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}, TransactionSecret: payack.NewSecret(secret), Options: receiver.options(),
		}, func(_ context.Context, ev *payack.PTSEvent) error { return receiver.take(ev) })
		require.NoError(f, err)
		receiver.p, receiver.h = payack.PTS, h
	}
	f.Fuzz(func(t *testing.T, method, contentType, name, value string, body []byte, secret bool, mode byte, chunked bool) {
		d := hostileDelivery{method, string(body), hostileHeaders(contentType, name, value), chunked}
		if list, ok := hostileMembers(d.body); ok && mode&1 != 0 {
			text, _ := key.text(list, mode&2 != 0)
			digest := sha256.Sum256([]byte(text))
			sign, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, digest[:])
			require.NoError(t, err)
			end := strings.LastIndexByte(d.body, '}')
			d.body = d.body[:end] + `,"sign":"` + base64.StdEncoding.EncodeToString(sign) + `"` + d.body[end:]
		}
		if mode&4 != 0 {
			d.body = key.seal(d.body)
			d.header.Set(verify.PTSTransactionHeader, hostileMAC(key.TransactionSecret, d.body))
		}
		receiver := &plain
		if secret {
			receiver = &withSecret
		}
		got := receiver.deliver(t, d)
		if got == nil {
			return
		}
		ev := got.(*payack.PTSEvent)
		list, sealed, ok := key.flat(d.header.Get("Content-Type"), d.body)
		require.True(t, ok, "%q", d.body)
		sign := hostileFind(list, "sign").text()
		require.Equal(t, sign, ev.Signature)
		signature, err := base64.StdEncoding.DecodeString(sign)
		require.NoError(t, err)
		text, complete := key.text(list, ev.Scheme == payack.SchemePHP)
		require.True(t, complete)
		digest := sha256.Sum256([]byte(text))
		require.NoError(t, rsa.VerifyPKCS1v15(&key.private.PublicKey, crypto.SHA256, digest[:], signature), "%q was not signed", d.body)
		if secret {
			require.NotEmpty(t, sealed)
			require.Equal(t, []string{hostileMAC(key.TransactionSecret, sealed)}, d.header[verify.PTSTransactionHeader])
		}
		// The signed text contains the event's signed members byte for byte.
		covered := hostileCovered(ev)
		again := ""
		for _, name := range slices.Sorted(slices.Values(PTSNames)) {
			again += name + "=" + covered[name].(string) + "&"
		}
		require.Equal(t, text, again+key.Safecode)
		for name, got := range map[string]string{"submit_amount": ev.SubmitAmount.Literal(), "accept_amount": ev.AcceptAmount.Literal(), "exchange_rate": ev.ExchangeRate.Literal()} {
			require.Equal(t, hostileFind(list, name).text(), got)
		}
	})
}

// hostileDigest checks the MAC of a post_hash and then decrypts it.
func hostileDigest(secret, hash string) string {
	blob, err := base64.StdEncoding.DecodeString(hash)
	if err != nil || len(blob) != 96 || base64.StdEncoding.EncodeToString(blob) != hash {
		return ""
	}
	key := sha256.Sum256([]byte(secret))
	mac := hmac.New(sha256.New, key[:])
	mac.Write(blob[48:])
	mac.Write(blob[:16])
	if !bytes.Equal(mac.Sum(nil), blob[16:48]) {
		return ""
	}
	block, _ := aes.NewCipher(key[:]) // never fails for 32 bytes
	cipher.NewCBCDecrypter(block, blob[:16]).CryptBlocks(blob[48:], blob[48:])
	return string(bytes.TrimSuffix(blob[48:], bytes.Repeat([]byte{16}, 16)))
}

func hostileMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// FuzzPayatomHandler does for Payatom what FuzzPtopHandler does for Ptop, for JSON and
// for forms.
func FuzzPayatomHandler(f *testing.F) {
	hostileSeeds(f, payack.Payatom, "hex32", func(v *vectors.Vector, h http.Header, body []byte) {
		f.Add(v.Request.Method, h.Get("Content-Type"), "", "", body, false, byte(0), false)
	})
	for mode := range byte(3) {
		f.Add("POST", "application/json", "", "", []byte(`{"order_id":"ORD/1","received_amount":500.00,"status":"Late Approved"}`), false, mode, false)
		f.Add("POST", "application/json", "", "", []byte(`{"order_id":1,"received_amount":null,"status":"Pending","refund_info":[]}`), false, mode, true)
		f.Add("POST", "application/x-www-form-urlencoded", "", "", []byte(`order_id=ORD%2f1&amount=500&status=Late+Approved`), true, mode, false)
	}
	var json, form hostileFuzzed
	for body, receiver := range map[verify.Body]*hostileFuzzed{verify.BodyJSON: &json, verify.BodyForm: &form} {
		h, err := handlers.NewPayatom(middleware.PayatomConfig{
			SecretKeys: payack.Secrets(PayatomKey), ExpectInCallback: true, Body: body, Options: receiver.options(),
		}, func(_ context.Context, ev *payack.PayatomEvent) error { return receiver.take(ev) })
		require.NoError(f, err)
		receiver.p, receiver.h = payack.Payatom, h
	}
	amountOf := func(list []hostileMember, isForm bool) *hostileMember {
		if m := hostileFind(list, "received_amount"); m != nil || !isForm {
			return m
		}
		return hostileFind(list, "amount")
	}
	textOf := func(m *hostileMember) string {
		if m == nil {
			return ""
		}
		return m.text()
	}
	f.Fuzz(func(t *testing.T, method, contentType, name, value string, body []byte, isForm bool, mode byte, chunked bool) {
		d := hostileDelivery{method, string(body), hostileHeaders(contentType, name, value), chunked}
		read, receiver := hostileMembers, &json
		if isForm {
			read, receiver = hostilePairs, &form
		}
		if list, ok := read(d.body); ok && mode%3 > 0 {
			amount := textOf(amountOf(list, isForm))
			if mode%3 == 2 {
				amount = hostileNumberText(amount)
			}
			text := textOf(hostileFind(list, "order_id")) + amount + textOf(hostileFind(list, "status"))
			hash := hostileCBC(t, PayatomKey, hostilePad(hostileMD5(text+PayatomKey)))
			if end := strings.LastIndexByte(d.body, '}'); isForm {
				d.body += "&post_hash=" + url.QueryEscape(hash)
			} else {
				d.body = d.body[:end] + `,"post_hash":"` + hash + `"` + d.body[end:]
			}
		}
		got := receiver.deliver(t, d)
		if got == nil {
			return
		}
		ev := got.(*payack.PayatomEvent)
		list, ok := read(d.body)
		require.True(t, ok, "%q", d.body)
		require.Equal(t, hostileFind(list, "post_hash").text(), ev.Signature)
		require.Equal(t, hostileFind(list, "order_id").text(), ev.OrderID)
		require.Equal(t, hostileFind(list, "status").text(), string(ev.Status))
		amount := amountOf(list, isForm)
		require.Equal(t, textOf(amount), ev.ReceivedAmount.Literal())
		signed := textOf(amount)
		if ev.Scheme == payack.SchemePHP {
			signed = hostileNumberText(amount.raw)
		}
		require.Equal(t, signed, ev.ReceivedAmount.SignedText())
		require.Equal(t, hostileMD5(ev.OrderID+signed+string(ev.Status)+PayatomKey), hostileDigest(PayatomKey, ev.Signature), "%q was not signed", d.body)
	})
}

// FuzzBase64: a text decodes if and only if it is the standard spelling of its bytes.
func FuzzBase64(f *testing.F) {
	for _, text := range []string{"", "AA==", "AB==", "AAA=", "AAAA", "AA", "A-_A", "AA\n==", "AA==\r\n", " AAAA", "AA==AAAA", "===="} {
		f.Add(text)
	}
	for _, p := range providers.All {
		file, err := vectors.Load(string(p))
		require.NoError(f, err)
		for _, v := range file.Vectors {
			f.Add(v.Signature)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		prefix := []byte("kept")
		got, ok := strictbase64.Decode(slices.Clone(prefix), text)
		lenient, err := base64.StdEncoding.DecodeString(text)
		require.Equal(t, err == nil && base64.StdEncoding.EncodeToString(lenient) == text, ok)
		if ok {
			require.Equal(t, string(prefix)+string(lenient), string(got))
		}
		random := []byte(text)
		_, _ = rand.Read(random)
		back, ok := strictbase64.Decode(nil, base64.StdEncoding.EncodeToString(random))
		require.True(t, ok)
		require.Equal(t, string(random), string(back))
	})
}
