package payacktest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// Tampering returns a spoiled copy of a callback and leaves the callback as it
// is. Where it cannot be done, or would change nothing, it is an error.
//
// Members inside an envelope of PTS are changed by opening it and sealing it
// again, as somebody could who knows the safecode and not the private key;
// X-Transaction-Signature is renewed too. Nothing else signed is ever renewed.
type Tampering func(Callback) (Callback, error)

// Tamper applies tamperings one after the other.
func (cb Callback) Tamper(how ...Tampering) (Callback, error) {
	if len(how) == 0 {
		return Callback{}, errors.New("payacktest: Tamper: no tampering is given")
	}
	for _, change := range how {
		out, err := change(cb)
		if err != nil {
			return Callback{}, err
		}
		cb = out
	}
	return cb, nil
}

// Tampered is Tamper for tests: it ends the test when there is an error.
func (cb Callback) Tampered(t testing.TB, how ...Tampering) Callback {
	t.Helper()
	out, err := cb.Tamper(how...)
	return must(t, out, err)
}

// FlipBody changes the lowest bit of one byte of the body as it is on the wire.
// A negative offset counts from the end. What is not signed may be accepted all
// the same: in a flat callback of PTS, say, its reference_number.
func FlipBody(offset int) Tampering {
	return func(cb Callback) (Callback, error) {
		i := offset
		if i < 0 {
			i += len(cb.Body)
		}
		if i < 0 || i >= len(cb.Body) {
			return Callback{}, fmt.Errorf("payacktest: FlipBody: the body of %d bytes has none at %d", len(cb.Body), offset)
		}
		out := cb.Clone()
		out.Body[i] ^= 1
		return out, nil
	}
}

// FlipSignature changes one bit of the signature: sign of PTS, the HMAC of Ptop
// in header, member or pair, post_hash of Payatom (there it is FlipMAC). Its
// spelling stays valid base64 or hex.
func FlipSignature(cb Callback) (Callback, error) {
	p, err := cb.provider()
	switch {
	case err != nil:
		return Callback{}, err
	case p == payack.Payatom:
		return FlipMAC(cb)
	case p == payack.Ptop:
		return cb.flipPtop()
	}
	return cb.editMember("sign", func(text string) (string, error) { return flipBase64(text, half) })
}

// FlipMAC changes one bit of the HMAC: the middle part of Payatom's post_hash,
// the header X-Transaction-Signature of PTS, Ptop's signature.
func FlipMAC(cb Callback) (Callback, error) {
	p, err := cb.provider()
	switch {
	case err != nil:
		return Callback{}, err
	case p == payack.Ptop:
		return cb.flipPtop()
	case p == payack.Payatom:
		return cb.flipPostHash(func(int) int { return ivSize + macSize/2 })
	}
	return cb.editHeader(verify.PTSTransactionHeader, flipMACText)
}

// FlipIV changes one bit of the IV in Payatom's post_hash. No other provider
// has one.
func FlipIV(cb Callback) (Callback, error) {
	if p, err := cb.provider(); err != nil || p != payack.Payatom {
		return Callback{}, errors.Join(errors.New("payacktest: FlipIV: only Payatom's post_hash has an IV"), err)
	}
	return cb.flipPostHash(func(int) int { return ivSize / 2 })
}

// FlipEnvelope changes one bit of the ciphertext: of PTS's envelope, or in
// Payatom's post_hash. Ptop has none. X-Transaction-Signature is not renewed.
func FlipEnvelope(cb Callback) (Callback, error) {
	p, err := cb.provider()
	switch {
	case err != nil:
		return Callback{}, err
	case p == payack.Ptop:
		return Callback{}, errors.New("payacktest: FlipEnvelope: Ptop has no envelope")
	case p == payack.Payatom:
		return cb.flipPostHash(func(size int) int { return (ivSize + macSize + size) / 2 })
	}
	text, put, err := cb.sealed()
	if err != nil {
		return Callback{}, err
	}
	if text, err = flipBase64(text, half); err != nil {
		return Callback{}, err
	}
	return put(text)
}

// DropSignature takes the signature away: sign, post_hash, or Ptop's header,
// member or pair.
func DropSignature(cb Callback) (Callback, error) {
	p, err := cb.provider()
	switch {
	case err != nil:
		return Callback{}, err
	case p == payack.PTS:
		return DropMember("sign")(cb)
	case p == payack.Payatom:
		return DropMember("post_hash")(cb)
	}
	if name := cb.ptopHeader(); name != "" {
		return SetHeader(name)(cb)
	}
	return DropMember("signature")(cb)
}

// SignatureOf puts the signature of another callback of the same provider into
// the place of this one's.
func SignatureOf(other Callback) Tampering {
	return func(cb Callback) (Callback, error) {
		p, err := cb.provider()
		if err != nil {
			return Callback{}, err
		}
		text, err := other.signature(p)
		if err != nil {
			return Callback{}, err
		}
		if name := cb.ptopHeader(); p == payack.Ptop && name != "" {
			return SetHeader(name, text)(cb)
		}
		return SetMember(signatureMember[p], quote(text))(cb)
	}
}

var signatureMember = map[payack.Provider]string{payack.PTS: "sign", payack.Payatom: "post_hash", payack.Ptop: "signature"}

func (cb Callback) signature(p payack.Provider) (string, error) {
	if name := cb.ptopHeader(); p == payack.Ptop && name != "" {
		return cb.Header[name][0], nil
	}
	d, _, err := cb.open()
	if err != nil {
		return "", err
	}
	if f := d.find(signatureMember[p]); f != nil {
		return f.Text, nil
	}
	return "", fmt.Errorf("payacktest: the other callback has no %s", signatureMember[p])
}

// SetMember replaces a member's value by this JSON literal (in a form, by its
// text) and leaves everything else as it is. The member must be there.
func SetMember(name, literal string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.set(name, literal) })
}

// DropMember cuts a member out, with one comma or ampersand. A member that is
// neither signed nor required is not missed.
func DropMember(name string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.drop(name) })
}

// DuplicateMember writes a member twice. No further tampering can read the
// result.
func DuplicateMember(name string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.duplicate(name) })
}

// RecaseMember changes the case of the first letter of a member's name: status
// becomes Status.
func RecaseMember(name string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.recase(name) })
}

// MoveBorder moves the border between two members that follow each other in
// what Payatom's post_hash covers (order_id, received_amount, status), so that
// the hash stays right: n characters from the end of the left one go to the
// front of the right one, or -n from the front of the right one to the end of
// the left one.
//
// The signature of the result verifies. A receiver must refuse it by what it
// expects or remembers.
func MoveBorder(left, right string, n int) Tampering {
	return edit(func(d document) ([]byte, error) {
		leftName, rightName := d.amountName(left), d.amountName(right)
		if left+" "+right != "order_id received_amount" && left+" "+right != "received_amount status" {
			return nil, fmt.Errorf("payacktest: MoveBorder: %s and %s do not follow each other in the signed text", left, right)
		}
		l, r := d.find(leftName), d.find(rightName)
		if l == nil || r == nil {
			return nil, fmt.Errorf("payacktest: MoveBorder: %s or %s is missing", left, right)
		}
		joined := textOfField(*l) + textOfField(*r)
		border := len(textOfField(*l)) - n
		if n == 0 || border < 0 || border > len(joined) {
			return nil, fmt.Errorf("payacktest: MoveBorder: %d characters cannot be moved", n)
		}
		literalLike := func(f strict.Field, text string) string {
			if f.Kind == strict.Number && strictNumber(text) {
				return text
			}
			return quote(text)
		}
		text, err := d.set(leftName, literalLike(*l, joined[:border]))
		if err != nil {
			return nil, err
		}
		moved, err := parseDocument(text, d.form)
		if err != nil {
			return nil, err
		}
		return moved.set(rightName, literalLike(*r, joined[border:]))
	})
}

// amountName is the older name of the received amount, where a form has it.
func (d document) amountName(name string) string {
	if name == "received_amount" && d.form && d.find(name) == nil {
		return "amount"
	}
	return name
}

func textOfField(f strict.Field) string {
	if f.Kind == strict.Null {
		return ""
	}
	return f.Text
}

// strictNumber reports whether a text is a JSON number.
func strictNumber(text string) bool {
	d, err := parseDocument([]byte(`{"n":`+text+`}`), false)
	return err == nil && d.fields[0].Kind == strict.Number
}

// AnnounceLength announces another length than the body has; -1 announces none
// (chunked). See [Callback.Post] for what that needs.
func AnnounceLength(n int64) Tampering {
	return func(cb Callback) (Callback, error) {
		if n < -1 || n == cb.ContentLength() {
			return Callback{}, fmt.Errorf("payacktest: AnnounceLength: %d is announced already, or is no length", n)
		}
		out := cb.Clone()
		out.length = &n
		return out, nil
	}
}

// AnnounceType announces another content type; an empty one announces none.
func AnnounceType(contentType string) Tampering {
	if contentType == "" {
		return SetHeader("Content-Type")
	}
	return SetHeader("Content-Type", contentType)
}

// SetHeader gives a header these values; without any it is taken away.
func SetHeader(name string, values ...string) Tampering {
	return func(cb Callback) (Callback, error) {
		name := http.CanonicalHeaderKey(name)
		if slices.Equal(cb.Header[name], values) {
			return Callback{}, fmt.Errorf("payacktest: SetHeader: %s is like that already", name)
		}
		out := cb.Clone()
		if out.Header[name] = slices.Clone(values); len(values) == 0 {
			delete(out.Header, name)
		}
		return out, nil
	}
}

// Pad appends blanks until the body has size bytes.
func Pad(size int) Tampering {
	return func(cb Callback) (Callback, error) {
		if size <= len(cb.Body) {
			return Callback{}, fmt.Errorf("payacktest: Pad: the body has %d bytes already", len(cb.Body))
		}
		out := cb.Clone()
		out.Body = append(out.Body, bytes.Repeat([]byte(" "), size-len(cb.Body))...)
		return out, nil
	}
}

// Forgery is a spoiled callback and what was done to it.
type Forgery struct {
	Name     string
	Callback Callback
}

// Forgeries returns the callback under every tampering of this package that can
// be done to it and that a receiver must not accept, with the configuration
// that goes with its keys and without Sniff. Moved borders are not among them:
// only a receiver that knows its orders can tell. Nor are members that the
// signature does not cover. The error is for a callback whose provider cannot
// be told.
func Forgeries(cb Callback) ([]Forgery, error) {
	p, err := cb.provider()
	if err != nil {
		return nil, err
	}
	var out []Forgery
	add := func(name string, how Tampering) {
		if forged, err := how(cb); err == nil {
			out = append(out, Forgery{name, forged})
		}
	}
	add("signature flipped", FlipSignature)
	add("signature dropped", DropSignature)
	add("MAC flipped", FlipMAC)
	add("IV flipped", FlipIV)
	add("envelope flipped", FlipEnvelope)
	add("content type wrong", AnnounceType("text/html"))
	add("content type missing", AnnounceType(""))
	add("length too long", AnnounceLength(cb.ContentLength()+1))
	add("length too short", AnnounceLength(cb.ContentLength()-1))
	add("compression announced", SetHeader("Content-Encoding", "gzip"))
	d, _, openErr := cb.open()
	for _, name := range signedMembers[p] {
		if openErr == nil {
			name = d.amountName(name)
		}
		add(name+" dropped", DropMember(name))
		add(name+" given twice", DuplicateMember(name))
		add(name+" in another case", RecaseMember(name))
		if name != signatureMember[p] {
			add(name+" changed", change(name))
		}
	}
	return out, nil
}

// signedMembers are those whose change no receiver may accept.
var signedMembers = map[payack.Provider][]string{
	payack.PTS:     append(verify.PTSCallback.SignedMembers(), "sign"),
	payack.Ptop:    {"success", "transaction_id", "order_id", "message", "signature"},
	payack.Payatom: {"order_id", "received_amount", "status", "post_hash"},
}

// change gives a member another value of the same type.
func change(name string) Tampering {
	return edit(func(d document) ([]byte, error) {
		f := d.find(name)
		if f == nil {
			return nil, fmt.Errorf("payacktest: there is no member %q", name)
		}
		switch f.Kind {
		case strict.True:
			return d.set(name, "false")
		case strict.False:
			return d.set(name, "true")
		case strict.String:
			return d.set(name, quote("1"+f.Text))
		}
		return d.set(name, "17"+strconv.Itoa(len(f.Text)))
	})
}

const (
	ivSize  = 16
	macSize = 32
)

// edit makes a tampering of a change of the members.
func edit(change func(document) ([]byte, error)) Tampering {
	return func(cb Callback) (Callback, error) {
		d, put, err := cb.open()
		if err != nil {
			return Callback{}, err
		}
		text, err := change(d)
		if err != nil {
			return Callback{}, err
		}
		return put(text)
	}
}

// editMember changes the text of a string.
func (cb Callback) editMember(name string, change func(string) (string, error)) (Callback, error) {
	return edit(func(d document) ([]byte, error) {
		f := d.find(name)
		if f == nil || f.Kind != strict.String {
			return nil, fmt.Errorf("payacktest: there is no member %q that is a string", name)
		}
		text, err := change(f.Text)
		if err != nil {
			return nil, err
		}
		return d.set(name, quote(text))
	})(cb)
}

func (cb Callback) editHeader(name string, change func(string) (string, error)) (Callback, error) {
	values := cb.Header[name]
	if len(values) == 0 {
		return Callback{}, fmt.Errorf("payacktest: there is no header %s", name)
	}
	text, err := change(values[0])
	if err != nil {
		return Callback{}, err
	}
	return SetHeader(name, append([]string{text}, values[1:]...)...)(cb)
}

func (cb Callback) flipPtop() (Callback, error) {
	if name := cb.ptopHeader(); name != "" {
		return cb.editHeader(name, flipHex)
	}
	return cb.editMember("signature", flipHex)
}

// flipPostHash flips a bit of the byte that at names, of a blob of that size.
func (cb Callback) flipPostHash(at func(size int) int) (Callback, error) {
	return cb.editMember("post_hash", func(text string) (string, error) { return flipBase64(text, at) })
}

func half(size int) int { return size / 2 }

func flipBase64(text string, at func(size int) int) (string, error) {
	blob, ok := envelope.DecodeBase64(nil, text)
	if !ok || at(len(blob)) >= len(blob) {
		return "", errors.New("payacktest: the text to flip a bit of is no base64, or too short")
	}
	blob[at(len(blob))] ^= 1
	return base64.StdEncoding.EncodeToString(blob), nil
}

// flipHex changes one digit into its neighbour and keeps its case.
func flipHex(text string) (string, error) {
	if !isHex(text) {
		return "", errors.New("payacktest: the signature to flip a bit of is not 64 lower-case hex digits")
	}
	flipped := []byte(text)
	const digits = "0123456789abcdef"
	i := len(text) / 2
	flipped[i] = digits[strings.IndexByte(digits, text[i])^1]
	return string(flipped), nil
}

func flipMACText(text string) (string, error) {
	if isHex(text) {
		return flipHex(text)
	}
	return flipBase64(text, half)
}

func isHex(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// ptopHeader is the header with Ptop's signature, or empty: the one that it was
// built with, one of the usual names, or the only one that holds such digits.
func (cb Callback) ptopHeader() string {
	for _, name := range []string{cb.signatureHeader, "X-Signature", "The_signature"} {
		if name != "" && len(cb.Header[name]) > 0 {
			return name
		}
	}
	found := ""
	for name, values := range cb.Header {
		if name != verify.PTSTransactionHeader && len(values) == 1 && isHex(values[0]) {
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}

// provider tells whose callback it is, by its members where nobody said.
func (cb Callback) provider() (payack.Provider, error) {
	if cb.Provider != "" {
		return cb.Provider, nil
	}
	d, _, err := cb.open()
	if err == nil {
		for _, p := range []payack.Provider{payack.PTS, payack.Payatom, payack.Ptop} {
			if d.find(signatureMember[p]) != nil {
				return p, nil
			}
		}
	} else if errors.Is(err, errSealed) {
		return payack.PTS, nil
	}
	if cb.ptopHeader() != "" {
		return payack.Ptop, nil
	}
	return "", errors.New("payacktest: it cannot be told whose callback it is; set Provider")
}
