package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Throwaway keys.
const (
	ptopKey       = "46bc3a213874d10ccef585932385ce2b"
	ptsSafecode   = "8b998abba49ae33a194cb9677b13ecbe"
	payatomSecret = "68e6d7a89981a0c7335f2a7f07ff3e20"
)

// kit holds the keys and the callbacks that all rows share.
type kit struct {
	ringLen    int
	remembered int // how many events the fullest store holds
	rsaKey     *rsa.PrivateKey
	publicPEM  string
	ptsSigner  *verify.PTSSigner
	atomSigner *verify.PayatomSigner

	// These return a ring of callbacks that verify under the scheme. Each callback
	// in a ring is a different event.
	ptop              func(scheme payack.Scheme) ([]message, error)
	ptsFlat           func(scheme payack.Scheme) ([]message, error)
	ptsSealed         func(scheme payack.Scheme) ([]message, error)
	payatom           func(scheme payack.Scheme) ([]message, error)
	ptsTexts          [2][]string // the flat bodies, literal and php
	ptsOnce, ptsOther sync.Once
	ptsErr            error
}

// newKit makes the keys. A ring has ringLen events. A store for a quarter of them
// has forgotten an event before the ring repeats it.
func newKit(ringLen, remembered int) (*kit, error) {
	k := &kit{ringLen: ringLen, remembered: remembered}
	var err error
	if k.rsaKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k.rsaKey)})
	k.publicPEM = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsaKey.PublicKey)}))
	k.ptsSigner, err = verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret(ptsSafecode), PrivateKey: payack.NewSecret(string(private)),
	})
	if err != nil {
		return nil, err
	}
	if k.atomSigner, err = verify.NewPayatomSigner(payack.NewSecret(payatomSecret)); err != nil {
		return nil, err
	}
	k.ptop = rings(k.makePtop)
	k.ptsFlat = rings(func(s payack.Scheme) ([]message, error) { return k.makePTS(s, false) })
	k.ptsSealed = rings(func(s payack.Scheme) ([]message, error) { return k.makePTS(s, true) })
	k.payatom = rings(k.makePayatom)
	return k, nil
}

// rings returns a function that builds the ring of a scheme on the first call, and
// returns the same ring on later calls.
func rings(build func(payack.Scheme) ([]message, error)) func(payack.Scheme) ([]message, error) {
	var mu sync.Mutex
	made := make(map[payack.Scheme][]message)
	return func(s payack.Scheme) ([]message, error) {
		mu.Lock()
		defer mu.Unlock()
		if ring, found := made[s]; found {
			return ring, nil
		}
		ring, err := build(s)
		made[s] = ring
		return ring, err
	}
}

// around returns a function that cycles through goroutine i's part of a ring. The
// ring is split among n goroutines.
func around(ring []message, i, n int) func() *message {
	part := ring[i*len(ring)/n : (i+1)*len(ring)/n]
	at := 0
	return func() *message {
		m := &part[at]
		if at++; at == len(part) {
			at = 0
		}
		return m
	}
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

// makePtop returns webhooks whose bodies have 600 bytes, not counting a signature.
func (k *kit) makePtop(scheme payack.Scheme) ([]message, error) {
	ring := make([]message, k.ringLen)
	for i := range ring {
		var err error
		if ring[i], err = ptopCallback(scheme, i); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

func ptopCallback(scheme payack.Scheme, i int) (message, error) {
	text := fmt.Sprintf(`{"success":true,"transaction_id":"TX%012d","order_id":"ORD%012d","message":"`, i, i)
	text += strings.Repeat("Payment received. ", 40)[:600-len(text)-2] + `"}`
	return signPtop(ptopKey, scheme, text)
}

func signPtop(key string, scheme payack.Scheme, text string) (message, error) {
	m, err := verify.SignPtopCallback(payack.NewSecret(key), scheme, verify.PtopLast, text)
	header := http.Header(m.Header)
	if header == nil {
		header = make(http.Header)
	}
	header.Set("Content-Type", m.ContentType)
	return message{header: header, body: []byte(m.Body)}, err
}

// makePTS returns payment callbacks; most of their bytes are the signature.
func (k *kit) makePTS(scheme payack.Scheme, sealed bool) ([]message, error) {
	texts, err := k.ptsBodies(scheme)
	if err != nil {
		return nil, err
	}
	ring := make([]message, len(texts))
	for i, text := range texts {
		ring[i] = message{header: jsonHeader(), body: []byte(text)}
		if sealed {
			if ring[i], err = k.seal([]byte(text)); err != nil {
				return nil, err
			}
		}
	}
	return ring, nil
}

func (k *kit) seal(plain []byte) (message, error) {
	body, err := k.ptsSigner.Seal(plain)
	return message{header: http.Header{"Content-Type": {"text/plain"}}, body: body}, err
}

// ptsBodies makes and signs the bodies on all processors, because signing with RSA is
// slow.
func (k *kit) ptsBodies(scheme payack.Scheme) ([]string, error) {
	once, out, amount := &k.ptsOnce, &k.ptsTexts[0], "1500.50"
	if scheme == payack.SchemePHP {
		once, out, amount = &k.ptsOther, &k.ptsTexts[1], "1500.5"
	}
	once.Do(func() {
		texts := make([]string, k.ringLen)
		var wg sync.WaitGroup
		var mu sync.Mutex
		n := runtime.GOMAXPROCS(0)
		for worker := range n {
			wg.Go(func() {
				for i := worker; i < len(texts); i += n {
					text, err := k.ptsBody(i, amount)
					if err != nil {
						mu.Lock()
						k.ptsErr = err
						mu.Unlock()
						return
					}
					texts[i] = text
				}
			})
		}
		wg.Wait()
		*out = texts
	})
	return *out, k.ptsErr
}

// ptsBody returns a body whose amounts are written as 1500.50. The signature covers
// signedAmount in their place.
func (k *kit) ptsBody(i int, signedAmount string) (string, error) {
	order, transaction := fmt.Sprintf("20240%07d", i), fmt.Sprintf("7%09d", i)
	sign, err := k.ptsSigner.Sign(verify.PTSCallback, map[string]string{
		"user_id": "277", "order_id": order, "transaction_id": transaction, "channel": "QRPH",
		"submit_currency": "PHP", "submit_amount": signedAmount, "accept_currency": "PHP", "accept_amount": signedAmount,
		"exchange_rate": "1", "status": "2000", "timestamp": "1731000000",
	})
	return `{"user_id":"277","order_id":"` + order + `","transaction_id":"` + transaction + `","channel":"QRPH",` +
		`"submit_currency":"PHP","submit_amount":1500.50,"accept_currency":"PHP","accept_amount":1500.50,"exchange_rate":1,` +
		`"status":"2000","timestamp":1731000000,"sign":"` + sign + `"}`, err
}

const payatomAmount = "1500.50"

func (k *kit) makePayatom(scheme payack.Scheme) ([]message, error) {
	signed := payatomAmount
	if scheme == payack.SchemePHP {
		signed = "1500.5"
	}
	ring := make([]message, k.ringLen)
	for i := range ring {
		ring[i] = k.payatomCallback(i, signed)
	}
	return ring, nil
}

func (k *kit) payatomCallback(i int, signed string) message {
	order := fmt.Sprintf("ORD%012d", i)
	return message{header: jsonHeader(), body: payatomBody(order, k.atomSigner.PostHash(order, signed, "Approved"))}
}

func payatomBody(order, hash string) []byte {
	return []byte(`{"order_id":"` + order + `","requested_amount":` + payatomAmount + `,"status":"Approved","received_amount":` + payatomAmount +
		`,"bank_ref":"838498153464","sender_upi":"somebody@examplebank","ref_code":"b73ea664c1d04d0f9a",` +
		`"refund_info":{"refunded_upi":"","refund_amount":"","refund_initiated_time":"","refund_completed_time":"",` +
		`"refund_status":"","refund_notes":"none was asked for"},"post_hash":"` + hash + `"}`)
}

// The functions unsigned, wrongHeader and oversized return callbacks that must be
// refused. wrongMember and withoutMember change bodies for such callbacks.

func unsigned(ring []message) message {
	m := message{header: ring[0].header.Clone(), body: ring[0].body}
	m.header.Del("X-Signature")
	return m
}

func wrongHeader(ring []message) message {
	m := message{header: ring[0].header.Clone(), body: ring[0].body}
	text := []byte(m.header.Get("X-Signature"))
	text[10] = other(text[10], "0123456789abcdef")
	m.header.Set("X-Signature", string(text))
	return m
}

// wrongMember exchanges one character of a member's base64, far from its end.
func wrongMember(body []byte, name string, at int) []byte {
	out := bytes.Clone(body)
	i := bytes.Index(out, []byte(`"`+name+`":"`)) + len(name) + 4 + at
	out[i] = other(out[i], "ABCDEFGH")
	return out
}

func withoutMember(body []byte, name string) []byte {
	i := bytes.Index(body, []byte(`,"`+name+`":"`))
	return append(bytes.Clone(body[:i]), '}')
}

func other(c byte, alphabet string) byte {
	for i := range len(alphabet) {
		if alphabet[i] != c {
			return alphabet[i]
		}
	}
	return c
}

func oversized(ring []message) message {
	return message{header: ring[0].header, body: ring[0].body, announced: 64<<10 + 1}
}

func same(m message) func() *message { return func() *message { return &m } }

var strictBase64 = base64.StdEncoding.Strict()
