package verify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Suppose that Ptop signs a time, a point and the raw body, and sends time and
// signature in one header: t=1700000000,v1=…. The text contains the whole body, so it
// fixes every member. The time has digits only, so the point ends it and no character
// can move between time and body.
func ExamplePtopReading() {
	timed := func(m verify.Message) (signed, signature string, err error) {
		if len(m.Header["X-Ptop-Signature"]) != 1 {
			return "", "", errors.New("there is not one X-Ptop-Signature")
		}
		at, signature, found := strings.Cut(strings.TrimPrefix(m.Header["X-Ptop-Signature"][0], "t="), ",v1=")
		if !found || at == "" || strings.Trim(at, "0123456789") != "" {
			return "", "", errors.New("X-Ptop-Signature is not t=digits,v1=signature")
		}
		return at + "." + m.Body, signature, nil
	}
	v, err := verify.NewPtop(verify.PtopOptions{Custom: timed})
	if err != nil {
		panic(err)
	}
	keys, err := verify.NewPtopKeys("", payack.NewSecret("the_signature"))
	if err != nil {
		panic(err)
	}

	body := `{"success":true,"transaction_id":"T1","order_id":"O1"}`
	mac := hmac.New(sha256.New, []byte("the_signature")) // as Ptop would
	mac.Write([]byte("1700000000." + body))
	ev, err := v.Verify(verify.Message{
		ContentType: "application/json", Body: body,
		Header: map[string][]string{"X-Ptop-Signature": {"t=1700000000,v1=" + hex.EncodeToString(mac.Sum(nil))}},
	}, keys)
	if err != nil {
		panic(err)
	}
	fmt.Println(ev.OrderID, ev.Success, ev.Scheme)
	// Output: O1 true custom
}
