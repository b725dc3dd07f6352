package field

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

// genuine are a paid callback's members, in the order of the documents.
var genuine = map[payack.Provider]Members{
	payack.Ptop: {
		{"success", `true`}, {"transaction_id", `"T1"`}, {"order_id", `"ORD1"`}, {"message", `"Payment done"`},
	},
	payack.PTS: {
		{"user_id", `"277"`}, {"order_id", `"20240001"`}, {"transaction_id", `"7001"`}, {"channel", `"QRPH"`},
		{"submit_currency", `"PHP"`}, {"submit_amount", `100.50`}, {"accept_currency", `"PHP"`}, {"accept_amount", `100.50`},
		{"exchange_rate", `1`}, {"status", `"2000"`}, {"timestamp", `1731000000`},
	},
	payack.Payatom: {
		{"order_id", `"ORD1"`}, {"requested_amount", `"500"`}, {"status", `"Approved"`}, {"received_amount", `"500"`},
		{"bank_ref", `"838498153464"`}, {"sender_upi", `"user@bank"`}, {"ref_code", `"b73ea664"`}, {"refund_info", `[]`},
	},
}

// genuineForm is what of them a form has: nothing nests there.
func genuineForm(p payack.Provider) Members {
	if p == payack.Ptop {
		return Members{{"success", `"1"`}, {"transaction_id", `"T1"`}, {"order_id", `"ORD1"`}, {"message", `"Payment done"`}}
	}
	return genuine[p][:len(genuine[p])-1]
}

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
	typeText = "text/plain"
)

// keysOf reads the keys of each provider's vectors once; the files are large.
var keysOf = func() map[payack.Provider]func() (map[string]vectors.Key, error) {
	out := map[payack.Provider]func() (map[string]vectors.Key, error){}
	for _, p := range e2e.Providers {
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
		name = map[payack.Provider]string{payack.Ptop: "plain32", payack.PTS: "rsa1024", payack.Payatom: "hex32"}[c.Provider]
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

// Message returns the request of a delivery, and where the mark was in what
// is sealed or sent.
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
			signature, err := sign(c.Provider, key, d, nil)
			if err != nil {
				return m, 0, err
			}
			if form {
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
		const before = `{"code":"1000","message":"ok","data":`
		m.Body = before + m.Body + `}`
		mark += len(before)
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

// built is a genuine message with what a delivery changes, signed.
func (c *Case) built(d *Delivery, key vectors.Key, form bool) (string, error) {
	base := genuine[c.Provider]
	if form {
		base = genuineForm(c.Provider)
	}
	members, err := base.with(d.Set, d.Drop)
	if err != nil {
		return "", err
	}
	if c.Provider == payack.Ptop {
		body := members.write(form)
		switch d.Sign {
		case "none", "header": // computed over what is sent
			return body, nil
		}
		place := map[string]verify.PtopPlace{"": verify.PtopLast, "first": verify.PtopFirst, "middle": verify.PtopMiddle}[d.Place]
		signed, err := verify.SignPtopCallback(payack.NewSecret(key.TheSignature), payack.Scheme(d.Sign), place, body)
		return signed.Body, err
	}
	if d.Sign == "none" {
		return members.write(form), nil
	}
	signature, err := sign(c.Provider, key, d, members)
	if err != nil {
		return "", err
	}
	name := "sign"
	if c.Provider == payack.Payatom {
		name = "post_hash"
	}
	if members.index(name) < 0 {
		members = append(members, Member{name, `"` + signature + `"`})
	}
	return members.write(form), nil
}

func (m Members) write(form bool) string {
	parts := make([]string, len(m))
	for i, x := range m {
		if form {
			parts[i] = url.QueryEscape(x.Name) + "=" + url.QueryEscape(textOf(x.Literal))
			continue
		}
		parts[i] = quote(x.Name) + ":" + x.Literal
	}
	if form {
		return strings.Join(parts, "&")
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// sign returns the signature over the members' texts, or over those that the
// delivery gives.
func sign(p payack.Provider, key vectors.Key, d *Delivery, members Members) (string, error) {
	text := func(name string) string {
		if s, found := d.Texts[name]; found {
			return s
		}
		return members.text(name)
	}
	switch {
	case p == payack.PTS && d.Sign == "pts":
		signer, err := ptsSigner(key)
		if err != nil {
			return "", err
		}
		texts := map[string]string{}
		for _, name := range e2e.PTSNames {
			texts[name] = text(name)
		}
		return signer.Sign(verify.PTSCallback, texts)
	case p == payack.Payatom && d.Sign == "payatom":
		signer, err := verify.NewPayatomSigner(payack.NewSecret(key.SecretKey))
		if err != nil {
			return "", err
		}
		amount := "received_amount"
		for _, name := range []string{"received_amount", "recieved_amount", "amount"} { // the last two of forms and polling
			if members.index(name) >= 0 {
				amount = name
				break
			}
		}
		// As one text, since the signer refuses order_ids that are too long.
		return signer.PostHash("", "", text("order_id")+text(amount)+text("status")), nil
	}
	return "", fmt.Errorf("there is no way to sign %q for %s", d.Sign, p)
}

func ptsSigner(key vectors.Key) (*verify.PTSSigner, error) {
	return verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret(key.Safecode), PrivateKey: payack.NewSecret(key.PrivatePEM), TransactionSecret: payack.NewSecret(key.TransactionSecret),
	})
}

func hexHMAC(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// quote writes a name as JSON.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}
