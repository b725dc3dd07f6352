package field

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
	typeText = "text/plain"
)

// keysOf reads the keys of each provider's vectors once, because the files are large.
var keysOf = func() map[payack.Provider]func() (map[string]vectors.Key, error) {
	out := map[payack.Provider]func() (map[string]vectors.Key, error){}
	for _, p := range providers.All {
		out[p] = sync.OnceValues(func() (map[string]vectors.Key, error) {
			f, err := vectors.Load(string(p))
			if err != nil {
				return nil, err
			}
			return f.Keys, nil
		})
	}
	return out
}()

// Key returns the keys that a case is configured with.
func (c *Case) Key() (vectors.Key, error) {
	name := c.Config.Key
	if name == "" {
		name = registry[c.Provider].key
	}
	keys, err := keysOf[c.Provider]()
	if err != nil {
		return vectors.Key{}, err
	}
	key, found := keys[name]
	if !found {
		return vectors.Key{}, fmt.Errorf("there is no key %q", name)
	}
	return key, nil
}

// Message returns the request of a delivery. mark is the offset of the text that swap
// replaces: its offset in the body, or in the text that is sealed.
func (c *Case) Message(d *Delivery, key vectors.Key) (m e2e.Message, mark int, err error) {
	m = e2e.Message{Method: d.Method, Target: "/callback", Header: http.Header{}}
	if m.Method == "" {
		m.Method = http.MethodPost
	}
	form := c.Config.Body == verify.BodyForm
	contentType := typeJSON
	if form {
		contentType = typeForm
	}
	if d.Body != "" || d.BodyBase64 != "" {
		if m.Body, err = d.literal(); err != nil {
			return m, 0, err
		}
		if strings.Contains(m.Body, "{sign}") {
			signature, err := c.sign(d, key, nil)
			if err != nil {
				return m, 0, err
			}
			if form || d.Type != nil && *d.Type == typeForm {
				signature = url.QueryEscape(signature)
			}
			m.Body = strings.ReplaceAll(m.Body, "{sign}", signature)
		}
	} else if m.Body, err = c.built(d, key, form); err != nil {
		return m, 0, err
	}
	for text := range d.Swap {
		mark = max(mark, strings.Index(m.Body, text))
	}
	if m.Body, err = swapped(m.Body, d.Swap); err != nil {
		return m, 0, err
	}
	sealed := ""
	switch d.Shape {
	case "text", "data":
		signer, err := ptsSigner(key)
		if err != nil {
			return m, 0, err
		}
		b, err := signer.Seal([]byte(m.Body))
		if err != nil {
			return m, 0, err
		}
		if sealed = string(b); d.Shape == "text" {
			contentType, m.Body = typeText, sealed
		} else {
			m.Body = `{"data":"` + sealed + `"}`
		}
	case "object":
		m.Body = ptsResponse(m.Body)
		mark += len(ptsResponseBegins)
	case "":
	default:
		return m, 0, fmt.Errorf("there is no shape %q", d.Shape)
	}
	if d.Sign == "header" {
		m.Header.Set("X-Signature", hexHMAC(key.TheSignature, m.Body))
	}
	if c.Config.TransactionSignature != "" {
		signer, err := ptsSigner(key)
		if err != nil {
			return m, 0, err
		}
		value, err := signer.TransactionSignature([]byte(sealed), c.Config.TransactionSignature)
		if err != nil {
			return m, 0, err
		}
		m.Header.Set(verify.PTSTransactionHeader, value)
	}
	if d.Type != nil {
		contentType = *d.Type
	}
	if contentType != "" {
		m.Header.Set("Content-Type", contentType)
	}
	for name, value := range d.Headers {
		m.Header.Set(name, value)
	}
	return m, mark, nil
}

// built returns a genuine message with the changes of a delivery, signed.
func (c *Case) built(d *Delivery, key vectors.Key, form bool) (string, error) {
	p := registry[c.Provider]
	base := p.genuine
	if form {
		base = p.form
	}
	members, err := base.with(d.Set, d.Drop)
	if err != nil {
		return "", err
	}
	if d.Sign == "none" {
		return members.write(form), nil
	}
	if p.signBody != nil {
		return p.signBody(d, key, members.write(form))
	}
	signature, err := c.sign(d, key, members)
	if err != nil {
		return "", err
	}
	if members.index(p.member) < 0 {
		members = append(members, Member{p.member, quote(signature)})
	}
	return members.write(form), nil
}

// sign returns the signature over the texts of the members. The delivery's Texts
// replace the texts of the members that they name.
func (c *Case) sign(d *Delivery, key vectors.Key, members Members) (string, error) {
	p := registry[c.Provider]
	if p.sign == nil || d.Sign != string(c.Provider) {
		return "", fmt.Errorf("there is no way to sign %q for %s", d.Sign, c.Provider)
	}
	return p.sign(key, members, func(name string) string {
		if s, found := d.Texts[name]; found {
			return s
		}
		return members.text(name)
	})
}

func hexHMAC(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// swapped replaces each key of swap in the body, a mark, by its value: a text, or bytes
// written as hex: and digits.
func swapped(body string, swap map[string]string) (string, error) {
	for mark, text := range swap {
		if digits, found := strings.CutPrefix(text, "hex:"); found {
			b, err := hex.DecodeString(digits)
			if err != nil {
				return "", fmt.Errorf("swap: %w", err)
			}
			text = string(b)
		}
		if strings.Count(body, mark) != 1 {
			return "", fmt.Errorf("swap: the body has %q %d times; it must occur once", mark, strings.Count(body, mark))
		}
		body = strings.Replace(body, mark, text, 1)
	}
	return body, nil
}

func (d *Delivery) literal() (string, error) {
	if d.BodyBase64 == "" {
		return d.Body, nil
	}
	b, err := base64.StdEncoding.DecodeString(d.BodyBase64)
	return string(b), err
}
