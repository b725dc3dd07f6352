package client

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/payack/payack/verify"
)

// ptsRequest holds the members of all requests. Members that a message doesn't
// have stay empty.
type ptsRequest struct {
	UserID      string `json:"user_id"`
	OrderID     string `json:"order_id,omitempty"`
	Amount      string `json:"amount,omitempty"`
	Currency    string `json:"currency,omitempty"`
	Channel     string `json:"channel,omitempty"`
	Timestamp   int64  `json:"timestamp"`
	CallbackURL string `json:"callback_url,omitempty"`
	RedirectURL string `json:"redirect_url,omitempty"`
	ErrorURL    string `json:"error_url,omitempty"`
	Remark      string `json:"remark,omitempty"`
	Email       string `json:"email,omitempty"`
	Details     any    `json:"details,omitempty"`
	Sign        string `json:"sign"`

	members map[string]string // the merchant's additional members
}

// ptsOwn are the member names of ptsRequest.
var ptsOwn = []string{"user_id", "order_id", "amount", "currency", "channel", "timestamp", "callback_url", "redirect_url",
	"error_url", "remark", "email", "details", "sign"}

// ask signs, seals and sends a request, and verifies the response.
func (c *PTS) ask(ctx context.Context, m, responds verify.PTSMessage, path string, repeatable bool, r ptsRequest) (*verify.PTSResponse, error) {
	r.UserID = c.userID
	a, err := c.t.do(ctx, call{
		name: string(m), path: "/merchant/v2/" + c.guid + path, repeatable: repeatable,
		build: func() (*message, error) { return c.seal(m, r) },
	})
	if err != nil {
		return nil, err
	}
	if e := c.t.ok(a); e != nil {
		if e.Code != verify.PTSAccepted {
			e.Cause = ptsCause(e.Code)
		}
		if e.Cause != nil && a.status < 500 {
			e.Kind = ErrDeclined
		}
		return nil, e
	}
	if e := c.t.opens(a, '{'); e != nil {
		return nil, e
	}
	got, err := c.verify.VerifyResponse(responds, a.body, c.keys)
	switch {
	case err != nil:
		return nil, c.t.unreadable(a, err, "")
	case got.Code != verify.PTSAccepted:
		return nil, c.t.said(c.t.fail(a, ErrDeclined, ptsCause(got.Code), ""), a, got.Code, got.Message.String())
	}
	return got, nil
}

// seal signs and encrypts a request with the current time.
func (c *PTS) seal(m verify.PTSMessage, r ptsRequest) (*message, error) {
	r.Timestamp = c.t.now().Unix()
	timestamp := strconv.FormatInt(r.Timestamp, 10)
	if len(timestamp) != 10 || r.Timestamp < 0 {
		return nil, errors.New("the clock's Unix time does not have the 10 digits that PTS takes; fix the clock in Now")
	}
	values := map[string]string{
		"user_id": r.UserID, "order_id": r.OrderID, "amount": r.Amount, "currency": r.Currency,
		"channel": r.Channel, "timestamp": timestamp,
	}
	var err error
	if r.Sign, err = c.signer.Sign(m, values); err != nil {
		return nil, err
	}
	plaintext, err := encode(r)
	if err == nil && len(r.members) > 0 {
		var more []byte
		more, err = encode(r.members)
		plaintext = append(append(plaintext[:len(plaintext)-1], ','), more[1:]...)
	}
	if err != nil {
		return nil, err
	}
	sealed, err := c.signer.Seal(plaintext)
	if err != nil {
		return nil, err
	}
	out := &message{contentType: "text/plain", body: sealed}
	if c.json {
		out.contentType = typeJSON
		if out.body, err = json.Marshal(map[string]string{"data": string(sealed)}); err != nil {
			return nil, err
		}
	}
	covered := sealed
	if c.whole {
		covered = out.body
	}
	mac, err := c.signer.TransactionSignature(covered, verify.PTSBase64)
	if err != nil {
		return nil, err
	}
	out.header = map[string]string{verify.PTSTransactionHeader: mac}
	out.hide = []string{mac, r.Sign}
	return out, nil
}

// ptsCodes are the codes of failure in PTS's document.
var ptsCodes = map[string]error{
	"1001": ErrField, "1002": ErrNotFound, "1003": ErrDuplicateOrder, "1004": ErrQuota,
	"1005": ErrAmountTooLarge, "1006": ErrAmountTooSmall, "1007": ErrBalance, "1008": ErrCurrency,
	"1009": ErrUnauthorized, "1010": ErrRequestSignature, "1011": ErrService, "1015": ErrChannel,
	"1017": ErrDecryption, "1018": ErrAddress, "1020": ErrBadRequest, "9999": ErrUnrecognised,
}

// ptsCause returns the cause that a code stands for, or nil for an undocumented one.
func ptsCause(code string) error {
	if err, known := ptsCodes[code]; known {
		return err
	}
	if len(code) == 4 {
		switch code[0] {
		case '8':
			return ErrGateway
		case '9':
			return ErrUpstream
		}
	}
	return nil
}
