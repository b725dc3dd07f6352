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

	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/internal/strictbase64"
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
	return cb.flip("FlipSignature", func(d *descriptor) Tampering { return d.flipSignature })
}

// FlipMAC changes one bit of the HMAC: the middle part of Payatom's post_hash,
// the header X-Transaction-Signature of PTS, Ptop's signature.
func FlipMAC(cb Callback) (Callback, error) {
	return cb.flip("FlipMAC", func(d *descriptor) Tampering { return d.flipMAC })
}

// FlipIV changes one bit of the IV in Payatom's post_hash. No other provider
// has one.
func FlipIV(cb Callback) (Callback, error) {
	return cb.flip("FlipIV", func(d *descriptor) Tampering { return d.flipIV })
}

// FlipEnvelope changes one bit of the ciphertext: of PTS's envelope, or in
// Payatom's post_hash. Ptop has none. X-Transaction-Signature is not renewed.
func FlipEnvelope(cb Callback) (Callback, error) {
	return cb.flip("FlipEnvelope", func(d *descriptor) Tampering { return d.flipEnvelope })
}

// flip applies a tampering of the callback's provider, which may have nothing
// of the kind.
func (cb Callback) flip(name string, how func(*descriptor) Tampering) (Callback, error) {
	p, err := cb.provider()
	if err != nil {
		return Callback{}, err
	}
	tampering := how(descriptors[p])
	if tampering == nil {
		return Callback{}, fmt.Errorf("payacktest: %s: callbacks of %s have nothing of the kind", name, p)
	}
	return tampering(cb)
}

// DropSignature takes the signature away: sign, post_hash, or Ptop's header,
// member or pair.
func DropSignature(cb Callback) (Callback, error) {
	p, err := cb.provider()
	if err != nil {
		return Callback{}, err
	}
	d := descriptors[p]
	if name := d.headerOf(cb); name != "" {
		return SetHeader(name)(cb)
	}
	return DropMember(d.signature)(cb)
}

// SignatureOf puts the signature of another callback of the same provider into
// the place of this one's.
func SignatureOf(other Callback) Tampering {
	return func(cb Callback) (Callback, error) {
		p, err := cb.provider()
		if err != nil {
			return Callback{}, err
		}
		d := descriptors[p]
		text, err := d.signatureOf(other)
		if err != nil {
			return Callback{}, err
		}
		if name := d.headerOf(cb); name != "" {
			return SetHeader(name, text)(cb)
		}
		return SetMember(d.signature, quote(text))(cb)
	}
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
	its := descriptors[p]
	d, _, openErr := cb.open()
	for _, name := range append(slices.Clone(its.signed), its.signature) {
		if openErr == nil && its.named != nil {
			name = its.named(d, name)
		}
		add(name+" dropped", DropMember(name))
		add(name+" given twice", DuplicateMember(name))
		add(name+" in another case", RecaseMember(name))
		if name != its.signature {
			add(name+" changed", change(name))
		}
	}
	return out, nil
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

func half(size int) int { return size / 2 }

func flipBase64(text string, at func(size int) int) (string, error) {
	blob, ok := strictbase64.Decode(nil, text)
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

func isHex(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}
