package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// pts describes PTS to this package.
var pts = descriptor{
	subject: func(verifier, keys any) (subject, bool) {
		v, ok := verifier.(*verify.PTS)
		k, found := keys.(*verify.PTSKeys)
		if !ok || !found || k == nil {
			return nil, false
		}
		return &ptsSubject{v.Options(), k.Config()}, true
	},
	signature: "sign",
	sniff:     "pts.sniff",
	sealed:    true,
}

// ptsSubject has the options of a verifier and the configuration of its keys.
type ptsSubject struct {
	verify.PTSOptions
	keys verify.PTSKeyConfig
}

func (s *ptsSubject) read() (reader, error) {
	v, err := verify.NewPTS(s.PTSOptions)
	if err != nil {
		return reader{}, err
	}
	k, err := verify.NewPTSKeys(s.keys)
	return reader{v.Accepts, func(m verify.Message) verify.Explanation { return v.Explain(m, k) }}, err
}

func (s *ptsSubject) accepts(contentType string) bool { return accepts(s.read, contentType) }

func (s *ptsSubject) explain(m verify.Message) verify.Explanation { return explained(s.read, m) }

func (s *ptsSubject) acceptsOther(string) bool { return false }

// signatureHeaders reports false, because the signature is in the member sign.
// X-Transaction-Signature is an additional signature, and a recorder keeps that
// header.
func (s *ptsSubject) signatureHeaders() ([]string, bool) { return nil, false }

func (s *ptsSubject) secrets() []payack.Secret {
	return []payack.Secret{s.keys.Safecode, s.keys.TransactionSecret}
}

// document opens an envelope, which may be the body or the member data.
func (s *ptsSubject) document(m verify.Message) string {
	sealed := m.Body
	if fields, err := strict.JSON(nil, m.Body); err == nil {
		data := strict.Find(fields, "data")
		if strict.Find(fields, pts.signature) != nil || data == nil || data.Kind != strict.String {
			return m.Body
		}
		sealed = data.Text
	} else if strings.ContainsAny(sealed, "{<") {
		return m.Body
	}
	e, err := envelope.NewPTS(s.keys.Safecode, s.keys.SafecodeEncoding)
	if err != nil {
		return ""
	}
	opened, err := e.Open([]byte(sealed))
	if err != nil {
		return ""
	}
	return string(opened)
}

func (s *ptsSubject) search(m verify.Message, b *budget) found {
	return search(*s, m, (*ptsSubject).read, s.variants(m), b)
}

// setPTS returns a variant that changes a setting.
func setPTS(setting, what string, apply func(s *ptsSubject)) variant[ptsSubject] {
	return variant[ptsSubject]{setting, what, func(s *ptsSubject, _ *verify.Message) bool { apply(s); return true }}
}

func (s *ptsSubject) variants(m verify.Message) [][]variant[ptsSubject] {
	encoding, header := envelope.PTSHex, verify.PTSHex
	if cmp.Or(s.keys.SafecodeEncoding, envelope.PTSRaw) == envelope.PTSHex {
		encoding = envelope.PTSRaw
	}
	if cmp.Or(s.TransactionSignature, verify.PTSBase64) == verify.PTSHex {
		header = verify.PTSBase64
	}
	kinds := [][]variant[ptsSubject]{
		{{"numbers", `set pts.numbers to ["%s"]`, func(s *ptsSubject, _ *verify.Message) bool {
			pinned := len(s.Numbers) > 0
			s.Numbers = nil
			return pinned
		}}},
		{setPTS("safecode_encoding", fmt.Sprintf("set pts.safecode_encoding to %q", encoding), func(s *ptsSubject) { s.keys.SafecodeEncoding = encoding })},
		announcements[ptsSubject]("pts.sniff", jsonType, textType),
	}
	if s.keys.UserID != "" {
		kinds = append(kinds, []variant[ptsSubject]{setPTS("user_id", "set pts.user_id to that of the account", func(s *ptsSubject) { s.keys.UserID = "" })})
	}
	if s.keys.NoEnvelopes {
		kinds = append(kinds, []variant[ptsSubject]{setPTS("no_envelopes", "set pts.no_envelopes to false", func(s *ptsSubject) { s.keys.NoEnvelopes = false })})
	}
	if !s.keys.TransactionSecret.IsZero() {
		kinds = append(kinds, []variant[ptsSubject]{
			setPTS("transaction_signature", fmt.Sprintf("set pts.transaction_signature to %q", header), func(s *ptsSubject) { s.TransactionSignature = header }),
			setPTS("transaction_secret", "check pts.transaction_secret, or leave it out if PTS doesn't send "+verify.PTSTransactionHeader,
				func(s *ptsSubject) { s.keys.TransactionSecret = payack.Secret{} }),
		})
	}
	get := func(s *ptsSubject) []payack.Secret { return []payack.Secret{s.keys.Safecode} }
	set := func(s *ptsSubject, keys []payack.Secret) { s.keys.Safecode = keys[0] }
	return append(kinds, s.envelopes(m), s.signs(m), s.headers(m), texts[ptsSubject](), respelled(payack.PTS, "safecode", get, set))
}

// envelopes returns repairs of an envelope's base64, which may be the body or the
// member data.
func (s *ptsSubject) envelopes(m verify.Message) (out []variant[ptsSubject]) {
	sealed := m.Body
	if data := member(verify.BodyJSON, m.Body, "data"); data != "" {
		sealed = data
	} else if strings.Contains(sealed, "{") {
		return nil
	}
	for _, c := range cleanings(sealed) {
		out = append(out, variant[ptsSubject]{"", "have the envelope sent " + c.what, func(_ *ptsSubject, m *verify.Message) bool {
			was := m.Body
			if m.Body = edit(verify.BodyJSON, was, "data", c.make); m.Body == was && !strings.Contains(was, "{") {
				m.Body = c.make(was)
			}
			return m.Body != was
		}})
	}
	return out
}

// signs returns repairs of the member sign. A repair removes the envelope, if there
// is one, because the signature in sign does not cover the envelope.
func (s *ptsSubject) signs(m verify.Message) (out []variant[ptsSubject]) {
	for _, c := range cleanings(member(verify.BodyJSON, s.document(m), pts.signature)) {
		out = append(out, variant[ptsSubject]{"", "have sign sent " + c.what, func(s *ptsSubject, m *verify.Message) bool {
			was := s.document(*m)
			fixed := edit(verify.BodyJSON, was, pts.signature, c.make)
			if fixed == was {
				return false
			}
			if was != m.Body {
				s.keys.TransactionSecret = payack.Secret{} // the secret would require an envelope
				m.ContentType = jsonType
			}
			m.Body = fixed
			return true
		}})
	}
	return out
}

// headers returns repairs of X-Transaction-Signature.
func (s *ptsSubject) headers(m verify.Message) (out []variant[ptsSubject]) {
	values := m.Header[verify.PTSTransactionHeader]
	if s.keys.TransactionSecret.IsZero() || len(values) != 1 {
		return nil
	}
	replaced := func(what string, value string) {
		out = append(out, variant[ptsSubject]{"", "have " + verify.PTSTransactionHeader + " sent " + what, func(_ *ptsSubject, m *verify.Message) bool {
			m.Header = map[string][]string{verify.PTSTransactionHeader: {value}}
			return true
		}})
	}
	for _, c := range cleanings(values[0]) {
		replaced(c.what, c.make(values[0]))
	}
	if lower := strings.ToLower(values[0]); lower != values[0] && len(lower) == 64 {
		replaced("in lower-case digits", lower)
	}
	return slices.Clip(out)
}
