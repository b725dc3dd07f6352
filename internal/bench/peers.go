package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	paddle "github.com/PaddleHQ/paddle-go-sdk/v4"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
)

// The peers are webhook libraries of other providers. They verify and decode. Only
// paddle-go-sdk and wechatpay-go also read the request's body. Limits, deadlines,
// idempotency and the answer are left to the user.

// The sizes of the bodies. Most peers get bodies as long as Ptop's callbacks. The
// peer with encrypted bodies gets bodies as long as PTS's sealed callbacks.
const (
	peerSize   = 600
	sealedSize = 812
)

func (k *kit) peerRows() []*row {
	const g = "peer"
	return []*row{
		{group: g, name: "stripe-go ConstructEvent", base: "ptop/" + rowPinned, worker: newStripe},
		{group: g, name: "standard-webhooks Verify and encoding/json", base: "ptop/" + rowPinned, worker: newStandard},
		{group: g, name: "paddle-go-sdk middleware and encoding/json", base: "ptop/" + rowPinned, worker: newPaddle},
		{group: g, name: "wechatpay-go ParseNotifyRequest", base: "pts/" + rowPinned + ", sealed", worker: k.newWechat},
		{group: g, name: "crypto/rsa alone", base: g + "/wechatpay-go ParseNotifyRequest", worker: k.newRSA},
	}
}

// newRSA is not a peer. It only verifies an RSA signature, the work that PTS and
// WeChat Pay have in common.
func (k *kit) newRSA(int, int) (worker, error) {
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := rsa.SignPKCS1v15(nil, k.rsaKey, crypto.SHA256, digest[:])
	if err != nil {
		return nil, err
	}
	w := &funcWorker{sign: func() int { return len(signature) }, verify: func(int) error {
		return rsa.VerifyPKCS1v15(&k.rsaKey.PublicKey, crypto.SHA256, digest[:], signature)
	}}
	return proved(w, len(signature), len(signature), func(tampered bool) error {
		d := digest
		if tampered {
			d[0] ^= 1
		}
		return rsa.VerifyPKCS1v15(&k.rsaKey.PublicKey, crypto.SHA256, d[:], signature)
	})
}

// proved returns w if the library accepts a genuine message and refuses a changed
// one, and if the size is close to the wanted one.
func proved(w worker, size, wanted int, verify func(tampered bool) error) (worker, error) {
	if err := verify(false); err != nil {
		return nil, fmt.Errorf("it refuses a genuine message: %w", err)
	}
	if verify(true) == nil {
		return nil, errors.New("it accepts a message that was changed")
	}
	if size < wanted-20 || size > wanted+20 {
		return nil, fmt.Errorf("the message has %d bytes", size)
	}
	return w, nil
}

// changed returns a body with another first digit in its amount.
func changed(body []byte) []byte { return bytes.Replace(body, []byte("150050"), []byte("950050"), 1) }

func newStripe(int, int) (worker, error) {
	const secret = "whsec_benchmark"
	text := `{"id":"evt_1","object":"event","api_version":"` + stripe.APIVersion + `","created":1731000000,"livemode":true,` +
		`"pending_webhooks":1,"type":"payment_intent.succeeded","request":{"id":"req_1","idempotency_key":"k1"},"data":{"object":{` +
		`"id":"pi_1","object":"payment_intent","amount":150050,"currency":"php","status":"succeeded","description":"`
	payload := []byte(text + filler(peerSize-len(text)-4) + `"}}}`)
	var header string
	w := &funcWorker{
		sign: func() int {
			signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: payload, Secret: secret})
			header = signed.Header
			return len(payload)
		},
		verify: func(int) error {
			ev, err := webhook.ConstructEvent(payload, header, secret)
			if err == nil && ev.ID == "" {
				err = errFloor
			}
			return err
		},
	}
	size := w.sign()
	return proved(w, size, peerSize, func(tampered bool) error {
		body := payload
		if tampered {
			body = changed(body)
		}
		_, err := webhook.ConstructEvent(body, header, secret)
		return err
	})
}

// payment is the decoded body for libraries that leave decoding to the user.
type payment struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Created  int64  `json:"created"`
	Order    string `json:"order_id"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Status   string `json:"status"`
	Text     string `json:"description"`
}

func paymentBody() []byte {
	text := `{"id":"evt_1","type":"payment.succeeded","created":1731000000,"order_id":"ORD1000001","amount":150050,` +
		`"currency":"PHP","status":"succeeded","description":"`
	return []byte(text + filler(peerSize-len(text)-2) + `"}`)
}

func filler(n int) string { return strings.Repeat("Payment received. ", n/18+1)[:n] }

func decodePayment(body []byte) error {
	var p payment
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	return settled(p.Order)
}

func newStandard(int, int) (worker, error) {
	wh, err := standardwebhooks.NewWebhookRaw([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		return nil, err
	}
	payload := paymentBody()
	header := make(http.Header)
	verify := func(body []byte) error {
		if err := wh.Verify(body, header); err != nil {
			return err
		}
		return decodePayment(body)
	}
	w := &funcWorker{verify: func(int) error { return verify(payload) }}
	w.sign = func() int {
		now := time.Now()
		signature, err := wh.Sign("msg_1", now, payload)
		w.failed = errors.Join(w.failed, err)
		header.Set(standardwebhooks.HeaderWebhookID, "msg_1")
		header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
		header.Set(standardwebhooks.HeaderWebhookSignature, signature)
		return len(payload)
	}
	size := w.sign()
	return proved(w, size, peerSize, func(tampered bool) error {
		if tampered {
			return verify(changed(payload))
		}
		return verify(payload)
	})
}

func newPaddle(int, int) (worker, error) {
	const secret = "pdl_benchmark"
	payload := paymentBody()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("1731000000:"))
	mac.Write(payload)
	header := http.Header{"Paddle-Signature": {"ts=1731000000;h1=" + hex.EncodeToString(mac.Sum(nil))}}
	h := paddle.NewWebhookVerifier(secret).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = decodePayment(body)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusOK)
	}))
	genuine := message{header: header, body: payload}
	w := newHTTPWorker(h, answer{http.StatusOK, ""}, same(genuine))
	return proved(w, len(payload), peerSize, func(tampered bool) error {
		m := genuine
		if tampered {
			m.body = changed(m.body)
		}
		one := newHTTPWorker(h, answer{http.StatusOK, ""}, same(m))
		one.load(batch)
		for i := range batch {
			one.call(i)
		}
		return one.check()
	})
}

func (k *kit) newWechat(int, int) (worker, error) {
	const apiKey, serial = "0123456789abcdef0123456789abcdef", "PUB_KEY_ID_1"
	h, err := notify.NewRSANotifyHandler(apiKey, verifiers.NewSHA256WithRSAPubkeyVerifier(serial, k.rsaKey.PublicKey))
	if err != nil {
		return nil, err
	}
	body, err := wechatBody(apiKey)
	if err != nil {
		return nil, err
	}
	header := make(http.Header)
	parse := func(m *message) error {
		r := http.Request{Method: http.MethodPost, URL: target, Header: m.header, ContentLength: int64(len(m.body)), Body: io.NopCloser(bytes.NewReader(m.body))}
		var content payments.Transaction
		if _, err := h.ParseNotifyRequest(context.Background(), &r, &content); err != nil {
			return err
		}
		if content.OutTradeNo == nil {
			return errFloor
		}
		return settled(*content.OutTradeNo)
	}
	genuine := &message{header: header, body: body}
	w := &funcWorker{verify: func(int) error { return parse(genuine) }}
	signedAt := int64(0)
	w.sign = func() int {
		now := time.Now().Unix()
		if now-signedAt < 60 { // signing is slow, so reuse a signature for a minute
			return len(body)
		}
		signedAt = now
		text := strconv.FormatInt(now, 10) + "\nnonce1\n" + string(body) + "\n"
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, k.rsaKey, crypto.SHA256, digest[:])
		w.failed = errors.Join(w.failed, err)
		header.Set("Wechatpay-Serial", serial)
		header.Set("Wechatpay-Nonce", "nonce1")
		header.Set("Wechatpay-Timestamp", strconv.FormatInt(now, 10))
		header.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
		return len(body)
	}
	size := w.sign()
	return proved(w, size, sealedSize, func(tampered bool) error {
		m := *genuine
		if tampered {
			m.body = bytes.Replace(body, []byte(`"id":"evt_1"`), []byte(`"id":"evt_2"`), 1)
		}
		return parse(&m)
	})
}

// wechatBody returns a notification whose resource is encrypted.
func wechatBody(apiKey string) ([]byte, error) {
	block, err := aes.NewCipher([]byte(apiKey))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain := []byte(`{"mchid":"1900000100","appid":"wx1234567890abcdef","out_trade_no":"ORD1000001","transaction_id":"4200000000202611080000000001",` +
		`"trade_type":"JSAPI","trade_state":"SUCCESS","trade_state_desc":"paid","bank_type":"CMC","attach":"table 12 upstairs","success_time":"2026-11-08T10:00:00+08:00","payer":{"openid":"o1"},` +
		`"amount":{"total":150050,"payer_total":150050,"currency":"CNY"}}`)
	nonce := "0123456789ab"
	sealed := gcm.Seal(nil, []byte(nonce), plain, []byte("transaction"))
	return json.Marshal(map[string]any{
		"id": "evt_1", "create_time": "2026-11-08T10:00:00+08:00", "resource_type": "encrypt-resource",
		"event_type": "TRANSACTION.SUCCESS", "summary": "payment received",
		"resource": map[string]any{
			"original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "associated_data": "transaction",
			"nonce": nonce, "ciphertext": base64.StdEncoding.EncodeToString(sealed),
		},
	})
}
