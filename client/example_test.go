package client_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/verify"
)

// respond returns a provider's server that always gives the same answer.
func respond(body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
}

func ExamplePtop_CreatePayment() {
	provider := respond(`{"success":true,"transaction_id":"T1","payment_url":"https://pay.example/T1"}`)
	defer provider.Close()

	ptop, err := client.NewPtop(client.PtopConfig{
		BaseURL:   provider.URL, // https://… ; http is for loopback only
		WebsiteID: "website",
		SecretKey: payack.NewSecret("from your configuration"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	payment, err := ptop.CreatePayment(context.Background(), client.PtopPayment{
		OrderID: "O1", Amount: payack.NewAmount("100.50"), Product: "Tea",
		WebhookURL: "https://shop.example/callbacks/ptop",
		SuccessURL: "https://shop.example/thanks", FailURL: "https://shop.example/sorry",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(payment.TransactionID, payment.PaymentURL)
	// Output: T1 https://pay.example/T1
}

// Confirm is one line of the handler's configuration. The merchant's function
// runs only after Ptop has confirmed that the payment is paid, and its amount.
func ExamplePtop_Confirm() {
	provider := respond(`{"status":1,"amount":100.50}`)
	defer provider.Close()
	key := payack.NewSecret("the_signature")

	ptop, err := client.NewPtop(client.PtopConfig{BaseURL: provider.URL, WebsiteID: "website", SecretKey: payack.NewSecret("secret")})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: []payack.Secret{key},
		Confirm:     ptop.Confirm,
		Options:     handlers.Options{Logger: slog.New(slog.DiscardHandler)},
	}, func(_ context.Context, ev *payack.PtopEvent) error {
		fmt.Println("order", ev.OrderID, "paid:", ev.Paid(), ev.Confirmed.Amount)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Ptop's webhook.
	m, err := verify.SignPtopCallback(key, payack.SchemeHeader, verify.PtopLast, `{"success":true,"transaction_id":"T1","order_id":"O1"}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("POST", "/callbacks/ptop", strings.NewReader(m.Body))
	r.Header.Set("Content-Type", m.ContentType)
	r.Header.Set("X-Signature", m.Header["X-Signature"][0])
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// order O1 paid: true 100.50
	// 200
}

func ExamplePTS_Payment() {
	merchant, pts := examplePEM(), examplePEM()
	safecode := payack.NewSecret("8b998abba49ae33a194cb9677b13ecbe")

	// PTS signs its answers.
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: safecode, PrivateKey: payack.NewSecret(pts.private)})
	if err != nil {
		fmt.Println(err)
		return
	}
	data := map[string]string{
		"user_id": "1", "order_id": "O1", "transaction_id": "T1", "channel": "GCASH", "submit_currency": "PHP", "submit_amount": "100.50",
		"accept_currency": "PHP", "accept_amount": "100.50", "exchange_rate": "1", "pay_url": "https://pay.example/T1",
	}
	if data["sign"], err = signer.Sign(verify.PTSPaymentResponse, data); err != nil {
		fmt.Println(err)
		return
	}
	body, _ := json.Marshal(map[string]any{"code": "1000", "message": "ok", "data": data})
	provider := respond(string(body))
	defer provider.Close()

	c, err := client.NewPTS(client.PTSConfig{
		BaseURL: provider.URL, GUID: "your-guid", UserID: "1",
		Safecode: safecode, SafecodeEncoding: envelope.PTSRaw,
		PrivateKey: payack.NewSecret(merchant.private), PublicKeys: []string{pts.public},
		TransactionSecret: payack.NewSecret("f55c19747fde060a4af40dc6ed187ae3"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	payment, err := c.Payment(context.Background(), client.PTSPayment{
		OrderID: "O1", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH",
		CallbackURL: "https://shop.example/callbacks/pts",
	})
	if err != nil {
		fmt.Println(err) // errors.Is(err, client.ErrDuplicateOrder) …
		return
	}
	fmt.Println(payment.TransactionID, payment.AcceptAmount, payment.PayURL)
	// Output: T1 100.50 https://pay.example/T1
}

func ExamplePayatom_Payin() {
	provider := respond(`{"hash_value":"8f3a","status":"ok"}`)
	defer provider.Close()

	payatom, err := client.NewPayatom(client.PayatomConfig{
		BaseURL: provider.URL, PID: "316ec4afb35", SecretKeys: payack.Secrets("from your configuration"),
		Options: client.Options{Timeout: 5 * time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	payin, err := payatom.Payin(context.Background(), client.PayatomPayin{
		OrderID: "ORD1000001", Amount: payack.NewAmount("500"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.TrimPrefix(payin.ConnectURL, provider.URL))
	// Output: /pay/connect.php?code=8f3a
}

type examplePair struct{ private, public string }

// examplePEM stands for a key pair from PTS's back office.
func examplePEM() examplePair {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return examplePair{
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
}
