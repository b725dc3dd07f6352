package verify_test

import (
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

// A callback from a recording or a queue is verified without HTTP. Verify does not
// know whether it was processed before.
func ExamplePTS_Verify() {
	test := payacktest.NewPTSKeys() // yours are from PTS
	v, err := verify.NewPTS(verify.PTSOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Safecode: test.Safecode, PublicKeys: []string{test.PublicKey},
	})
	if err != nil {
		fmt.Println(err) // a PEM of the wrong kind, say
		return
	}

	callback, _ := payacktest.PTS(test).Order("ORD-1").Amount("100.50").Envelope().Build()
	ev, err := v.Verify(callback.Message(), keys)
	fmt.Println(ev.OrderID, ev.AcceptAmount, ev.Paid(), err)

	forged, _ := callback.Tamper(payacktest.SetMember("accept_amount", "9100.50"))
	_, err = v.Verify(forged.Message(), keys)
	fmt.Println(errors.Is(err, payack.ErrSignature))
	// Output:
	// ORD-1 100.50 true <nil>
	// true
}

// Payatom's hash is sealed with a random IV, so a verifier opens it and compares the
// contents.
func ExamplePayatom_Verify() {
	secret := payack.NewSecret("a secret key of nobody")
	v, err := verify.NewPayatom(verify.PayatomOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := verify.NewPayatomKeys("", secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := verify.NewPayatomSigner(secret) // as the gateway does
	if err != nil {
		fmt.Println(err)
		return
	}
	ev, err := v.Verify(verify.Message{
		ContentType: "application/json",
		Body: `{"order_id":"ORD-1","requested_amount":"500","received_amount":"500","status":"Approved",` +
			`"post_hash":"` + signer.PostHash("ORD-1", "500", "Approved") + `"}`,
	}, keys)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ev.OrderID, ev.ReceivedAmount, ev.Status, ev.Scheme)
	// Output: ORD-1 500 Approved literal
}

// The signed text of a callback shows why a signature does not match: compare it
// with what the provider signs.
func ExamplePTSSigner_SignedText() {
	keys := payacktest.NewPTSKeys()
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret("0123456789abcdef0123456789abcdef"), PrivateKey: keys.PrivateKey,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := signer.SignedText(verify.PTSCallback, map[string]string{
		"user_id": "1", "order_id": "ORD-1", "transaction_id": "T-1", "status": "2000", "timestamp": "1700000000",
		"submit_currency": "PHP", "submit_amount": "100.50", "accept_currency": "PHP", "accept_amount": "100.50",
		"exchange_rate": "1", "channel": "2",
	})
	fmt.Println(text, err)
	// Output:
	// accept_amount=100.50&accept_currency=PHP&channel=2&exchange_rate=1&order_id=ORD-1&status=2000&submit_amount=100.50&submit_currency=PHP&timestamp=1700000000&transaction_id=T-1&user_id=1&0123456789abcdef0123456789abcdef <nil>
}
