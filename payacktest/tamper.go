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

// Tampering returns a changed copy of a callback. It returns an error if it can't
// be applied or would change nothing.
//
// To change members inside an envelope of PTS, a tampering opens the envelope, seals
// it again, and renews X-Transaction-Signature if there is one. Somebody who knows the
// safecode and the transaction secret, but not the private key, could do the same. A
// tampering renews no other signature.
type Tampering func(Callback) (Callback, error)

// Tamper applies tamperings one after the other. It returns an error if one fails
// or none is given.
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

// Tampered is Tamper for tests: it ends the test if Tamper fails.
func (cb Callback) Tampered(t testing.TB, how ...Tampering) Callback {
	t.Helper()
	out, err := cb.Tamper(how...)
	return must(t, out, err)
}

// FlipBody flips the lowest bit of one byte of the body on the wire. A negative
// offset counts from the end. A receiver may accept the result if the byte is not
// signed, such as one in reference_number of a flat PTS callback.
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

// FlipSignature flips one bit of the signature: PTS's sign, Ptop's HMAC in a
// header or a member, or Payatom's post_hash. For Ptop and Payatom it does the
// same as FlipMAC. The result is still valid base64 or hex.
func FlipSignature(cb Callback) (Callback, error) {
	return cb.flip("FlipSignature", func(d *descriptor) Tampering { return d.flipSignature })
}

// FlipMAC flips one bit of the HMAC: the middle part of Payatom's post_hash, PTS's
// header X-Transaction-Signature, or Ptop's signature.
func FlipMAC(cb Callback) (Callback, error) {
	return cb.flip("FlipMAC", func(d *descriptor) Tampering { return d.flipMAC })
}

// FlipIV flips one bit of the IV in Payatom's post_hash. Other providers have no
// IV.
func FlipIV(cb Callback) (Callback, error) {
	return cb.flip("FlipIV", func(d *descriptor) Tampering { return d.flipIV })
}

// FlipEnvelope flips one bit of the ciphertext: in PTS's envelope or in Payatom's
// post_hash. Ptop has none. X-Transaction-Signature is not renewed.
func FlipEnvelope(cb Callback) (Callback, error) {
	return cb.flip("FlipEnvelope", func(d *descriptor) Tampering { return d.flipEnvelope })
}

// flip applies a tampering of the callback's provider. It returns an error if the
// provider's callbacks don't have the part that the tampering changes.
func (cb Callback) flip(name string, how func(*descriptor) Tampering) (Callback, error) {
	p, err := cb.provider()
	if err != nil {
		return Callback{}, err
	}
	tampering := how(descriptors[p])
	if tampering == nil {
		return Callback{}, fmt.Errorf("payacktest: %s: callbacks of %s have no such part; choose another tampering", name, p)
	}
	return tampering(cb)
}

// DropSignature removes the signature: the member sign or post_hash, or Ptop's
// header, member or pair.
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

// SignatureOf replaces the signature by that of another callback of the same
// provider.
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

// SetMember replaces a member's value by this JSON literal, or in a form by the
// literal's text. Everything else stays as it is. The member must be present.
func SetMember(name, literal string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.set(name, literal) })
}

// DropMember removes a member and one comma or ampersand. A receiver accepts the
// result if the member is neither signed nor required.
func DropMember(name string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.drop(name) })
}

// DuplicateMember writes a member twice. No further tampering can be applied to
// members of the result.
func DuplicateMember(name string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.duplicate(name) })
}

// RecaseMember changes the case of the first letter of a member's name: status
// becomes Status.
func RecaseMember(name string) Tampering {
	return edit(func(d document) ([]byte, error) { return d.recase(name) })
}

// AnnounceLength announces a length other than the body's; -1 announces none
// (chunked). [Callback.Post] says how such a callback is sent.
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

// AnnounceType sets the content type; an empty one removes the header.
func AnnounceType(contentType string) Tampering {
	if contentType == "" {
		return SetHeader("Content-Type")
	}
	return SetHeader("Content-Type", contentType)
}

// SetHeader sets the values of a header, or removes it if there are none.
func SetHeader(name string, values ...string) Tampering {
	return func(cb Callback) (Callback, error) {
		name := http.CanonicalHeaderKey(name)
		if slices.Equal(cb.Header[name], values) {
			return Callback{}, fmt.Errorf("payacktest: SetHeader: %s has these values already; give others", name)
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
			return Callback{}, fmt.Errorf("payacktest: Pad: the body has %d bytes already; give a greater size", len(cb.Body))
		}
		out := cb.Clone()
		out.Body = append(out.Body, bytes.Repeat([]byte(" "), size-len(cb.Body))...)
		return out, nil
	}
}

// Forgery is a changed callback, and the name of the change.
type Forgery struct {
	Name     string
	Callback Callback
}

// Forgeries applies the tamperings of this package to the callback, one at a
// time. It returns each result that no receiver may accept. The receiver must
// have the configuration of the callback's builder, without Sniff.
//
// It leaves out tamperings that can't be applied and changes of unsigned members.
// It also leaves out MoveBorder, because a receiver can't always refuse its
// result. It returns an error if the callback's provider is unclear.
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

// change replaces a member's value by another one of the same type.
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

// edit returns a tampering that changes the members.
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

// editMember changes the text of a member that is a string.
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

// flipHex flips the lowest bit of one hex digit.
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
