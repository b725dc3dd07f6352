package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A floor is a handwritten handler that does only the necessary work of a callback,
// with the fastest primitives. It shows what a callback costs at least. It accepts
// one key, one scheme and one form of body. It has no rate limit, no idempotency, no
// log and no exact errors, so nobody should use it as a receiver.

var errFloor = errors.New("refused")

const floorDeadline = 8 * time.Second

// floorBody reads a body into a buffer of its announced size.
func floorBody(r *http.Request) ([]byte, error) {
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

type floorDecoder struct {
	dec jsontext.Decoder
	buf bytes.Buffer
}

var floorDecoders = sync.Pool{New: func() any { return new(floorDecoder) }}

// floorPass decodes a flat object strictly, and calls the function member once for each
// member. Names come with their quotes, and values as they are written in data.
func floorPass(data []byte, member func(name, value []byte)) error {
	d := floorDecoders.Get().(*floorDecoder)
	defer floorDecoders.Put(d)
	d.buf = *bytes.NewBuffer(data)
	d.dec.Reset(&d.buf)
	if t, err := d.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return errFloor
	}
	for d.dec.PeekKind() != '}' {
		name, err := d.dec.ReadValue()
		if err != nil {
			return err
		}
		end := d.dec.InputOffset()
		start := end - int64(len(name))
		value, err := d.dec.ReadValue()
		if err != nil {
			return err
		}
		member(data[start:end], value)
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	if _, err := d.dec.ReadToken(); err != io.EOF {
		return errFloor
	}
	return nil
}

// floorText returns the content of a JSON string, or a number as it is written.
func floorText(value []byte) []byte {
	if value[0] != '"' {
		return value
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, value) // valid, or the pass would have failed
	return text
}

type floorMAC struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func floorMACs(key []byte) *sync.Pool {
	return &sync.Pool{New: func() any { return &floorMAC{hash: hmac.New(sha256.New, key)} }}
}

// floorMACEqual reports whether want is the MAC of the joined parts.
func floorMACEqual(pool *sync.Pool, want []byte, parts ...[]byte) bool {
	m := pool.Get().(*floorMAC)
	defer pool.Put(m)
	m.hash.Reset()
	for _, p := range parts {
		m.hash.Write(p)
	}
	return hmac.Equal(m.hash.Sum(m.sum[:0]), want)
}

// floorBase64 decodes strictly. It refuses line breaks, which the decoder alone would
// skip.
func floorBase64(text []byte) ([]byte, error) {
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return nil, errFloor
	}
	return strictBase64.AppendDecode(make([]byte, 0, strictBase64.DecodedLen(len(text))), text)
}

func floorUnpad(padded []byte) ([]byte, error) {
	n := int(padded[len(padded)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, errFloor
	}
	for _, b := range padded[len(padded)-n:] {
		if int(b) != n {
			return nil, errFloor
		}
	}
	return padded[:len(padded)-n], nil
}

func floorHandler(accepted, refused answer, contentType string, verify func(ctx context.Context, body []byte, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := floorBody(r)
		if err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), floorDeadline)
			defer cancel()
			err = verify(ctx, body, r)
		}
		a := accepted
		if err != nil {
			a = refused
		}
		if contentType != "" {
			w.Header()["Content-Type"] = []string{contentType}
		}
		w.WriteHeader(a.status)
		if a.body != "" {
			_, _ = io.WriteString(w, a.body)
		}
	})
}

type floorPtopEvent struct {
	success            bool
	transaction, order string
}

func floorPtop(key []byte, callback func(context.Context, *floorPtopEvent) error) http.Handler {
	macs := floorMACs(key)
	return floorHandler(ptopAccepted, ptopRejected, "", func(ctx context.Context, body []byte, r *http.Request) error {
		var want [sha256.Size]byte
		var ev floorPtopEvent
		err := floorPass(body, func(name, value []byte) {
			switch string(name) {
			case `"success"`:
				ev.success = string(value) == "true"
			case `"transaction_id"`:
				ev.transaction = string(floorText(value))
			case `"order_id"`:
				ev.order = string(floorText(value))
			}
		})
		if err != nil {
			return err
		}
		signature := r.Header.Get("X-Signature")
		if len(signature) != 2*len(want) {
			return errFloor
		}
		if _, err := hex.Decode(want[:], []byte(signature)); err != nil {
			return err
		}
		if !floorMACEqual(macs, want[:], body) || ev.transaction == "" || ev.order == "" {
			return errFloor
		}
		return callback(ctx, &ev)
	})
}

type floorPTSEvent struct{ order, transaction, amount, currency, status string }

// floorSigned are the names of the signed members, in the order of the signed text.
var floorSigned = [11]string{
	"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id", "status",
	"submit_amount", "submit_currency", "timestamp", "transaction_id", "user_id",
}

func floorPTS(safecode string, public *rsa.PublicKey, sealed bool, callback func(context.Context, *floorPTSEvent) error) (http.Handler, error) {
	block, err := aes.NewCipher([]byte(safecode))
	if err != nil {
		return nil, err
	}
	return floorHandler(ptsAccepted, ptsRejected, "text/plain", func(ctx context.Context, body []byte, _ *http.Request) error {
		plain := body
		if sealed {
			var err error
			if plain, err = floorBase64(body); err != nil {
				return err
			}
			if len(plain) == 0 || len(plain)%aes.BlockSize != 0 {
				return errFloor
			}
			for b := plain; len(b) > 0; b = b[aes.BlockSize:] {
				block.Decrypt(b, b)
			}
			if plain, err = floorUnpad(plain); err != nil {
				return err
			}
		}
		var values [len(floorSigned)][]byte
		var sign []byte
		err := floorPass(plain, func(name, value []byte) {
			if string(name) == `"sign"` {
				sign = value
				return
			}
			for i, known := range floorSigned {
				if string(name[1:len(name)-1]) == known {
					values[i] = floorText(value)
					return
				}
			}
		})
		if err != nil || sign == nil {
			return errFloor
		}
		var buf [512]byte
		text := buf[:0]
		for i, name := range floorSigned {
			if values[i] == nil {
				return errFloor
			}
			text = append(append(append(append(text, name...), '='), values[i]...), '&')
		}
		digest := sha256.Sum256(append(text, safecode...))
		signature, err := floorBase64(floorText(sign))
		if err != nil {
			return err
		}
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			return err
		}
		return callback(ctx, &floorPTSEvent{
			order: string(values[4]), transaction: string(values[9]),
			amount: string(values[0]), currency: string(values[1]), status: string(values[5]),
		})
	}), nil
}

type floorPayatomEvent struct{ order, amount, status string }

func floorPayatom(secret string, callback func(context.Context, *floorPayatomEvent) error) (http.Handler, error) {
	key := sha256.Sum256([]byte(secret))
	macs := floorMACs(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	const prefix = aes.BlockSize + sha256.Size
	return floorHandler(payatomAccepted, payatomRejected, payatomType, func(ctx context.Context, body []byte, _ *http.Request) error {
		var order, amount, status, sealed []byte
		err := floorPass(body, func(name, value []byte) {
			switch string(name) {
			case `"order_id"`:
				order = floorText(value)
			case `"received_amount"`:
				amount = floorText(value)
			case `"status"`:
				status = floorText(value)
			case `"post_hash"`:
				sealed = floorText(value)
			}
		})
		if err != nil {
			return err
		}
		blob, err := floorBase64(sealed)
		if err != nil || len(blob) != prefix+3*aes.BlockSize {
			return errFloor
		}
		iv, mac, text := blob[:aes.BlockSize], blob[aes.BlockSize:prefix], blob[prefix:]
		if !floorMACEqual(macs, mac, text, iv) {
			return errFloor
		}
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
		if text, err = floorUnpad(text); err != nil {
			return err
		}
		var buf [256]byte
		sum := md5.Sum(append(append(append(append(buf[:0], order...), amount...), status...), secret...))
		var digits [2 * md5.Size]byte
		hex.Encode(digits[:], sum[:])
		if !hmac.Equal(text, digits[:]) {
			return errFloor
		}
		return callback(ctx, &floorPayatomEvent{string(order), string(amount), string(status)})
	}), nil
}
