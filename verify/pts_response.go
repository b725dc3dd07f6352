package verify

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/internal/strictbase64"
)

// PTSAccepted is the code of a response that says that the request was taken.
const PTSAccepted = "1000"

// PTSResponse is a response of PTS's API v2, {"code","message","data"}.
type PTSResponse struct {
	// Scheme, Key and Signature are empty unless the code is [PTSAccepted].
	payack.Verification

	// Code and Message are never signed.
	Code    string
	Message payack.Text

	// Signed holds the members of data that the signature covers, all of those
	// that [PTSMessage.SignedMembers] lists; nil unless the code is
	// [PTSAccepted].
	Signed map[string]payack.Text
	// Unsigned holds the other members of data, sign aside, as their text (a
	// nested value as its literal). Of a balance these are the figures.
	Unsigned map[string]payack.Text
	// Event is the same for a query response, with its members typed; nil for
	// the other messages.
	Event *payack.PTSEvent
}

// The code decides here whether there is data, though it is not signed.
var ptsResponse = knownOf([]string{"sign", "data", "code"}, "message")

// VerifyResponse decodes a response to one of our requests. When its code is
// [PTSAccepted], data (an object, or the string of an envelope) must be there
// and verify as this message; otherwise only Code and Message are read, and
// nothing of them is authenticated. The keys' transaction secret plays no part:
// that responses carry its header is not documented.
//
// Errors are those of Verify.
func (v *PTS) VerifyResponse(message PTSMessage, body []byte, k *PTSKeys) (*PTSResponse, error) {
	switch message {
	case PTSPaymentResponse, PTSWithdrawResponse, PTSQueryResponse, PTSBalanceResponse:
	default:
		return nil, reject(payack.PTS, payack.ReasonInvalid, "this message is no response")
	}
	if k == nil {
		return nil, reject(payack.PTS, payack.ReasonUnknownTenant, "no keys")
	}
	wrapper, err := parseJSON(string(body))
	if err == nil {
		err = ptsResponse.mark(wrapper)
	}
	if err != nil {
		return nil, malformed(payack.PTS, err)
	}
	m := members{fields: wrapper}
	r := &PTSResponse{Code: m.id("code").String(), Message: m.shown("message")}
	switch {
	case m.err != nil:
		return nil, malformed(payack.PTS, m.err)
	case r.Code == "":
		return nil, reject(payack.PTS, payack.ReasonMalformed, "code is empty")
	case r.Code != PTSAccepted:
		return r, nil
	}
	fields, text, err := responseData(strict.Find(wrapper, "data"), k)
	if err != nil {
		return nil, err
	}
	if message == PTSQueryResponse {
		err = v.queryResponse(r, fields, text, k)
	} else {
		err = v.response(r, message, fields, k)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// responseData returns the members of data and their JSON, both hostile until
// the signature has been verified.
func responseData(data *strict.Field, k *PTSKeys) (fields []strict.Field, text string, err error) {
	switch {
	case data == nil:
		return nil, "", reject(payack.PTS, payack.ReasonMalformed, "data is missing")
	case data.Kind == strict.Object:
		text = data.Text
	case data.Kind != strict.String:
		return nil, "", reject(payack.PTS, payack.ReasonMalformed, "data is neither a string nor an object")
	case k.envelope == nil:
		return nil, "", reject(payack.PTS, payack.ReasonEnvelope, "an envelope, and envelopes are switched off")
	default:
		plain, err := k.envelope.Open([]byte(data.Text))
		if text = string(plain); err != nil || !looksLikeJSON(text) {
			return nil, "", reject(payack.PTS, payack.ReasonEnvelope, "it does not open to JSON with the safecode")
		}
	}
	if fields, err = parseJSON(text); err != nil {
		return nil, "", malformed(payack.PTS, err)
	}
	if sign := strict.Find(fields, "sign"); sign == nil || sign.Kind != strict.String {
		return nil, "", reject(payack.PTS, payack.ReasonMalformed, "sign is missing or not a string")
	}
	return fields, text, nil
}

// queryResponse reads data as a callback, which it is member for member.
func (v *PTS) queryResponse(r *PTSResponse, fields []strict.Field, text string, k *PTSKeys) error {
	without := *k
	without.transactionSecret = payack.Secret{}
	ev, err := v.Verify(Message{ContentType: "application/json", Body: text}, &without)
	if err != nil {
		return err
	}
	r.Event, r.Verification = ev, ev.Verification
	// Verify took the same members, so this only marks them.
	if err := strict.Know(fields, append([]string{"sign"}, ptsSigned...)); err != nil {
		return malformed(payack.PTS, err)
	}
	return r.fill(ptsSigned, fields, k)
}

func (v *PTS) response(r *PTSResponse, message PTSMessage, fields []strict.Field, k *PTSKeys) error {
	names := ptsMessages[message]
	if err := strict.Know(fields, append([]string{"sign"}, names...)); err != nil {
		return malformed(payack.PTS, err)
	}
	m := members{fields: fields}
	texts := make([]string, len(names))
	for i, name := range names {
		switch name {
		case "user_id", "order_id", "transaction_id":
			texts[i] = m.id(name).String()
		default:
			texts[i] = m.word(name).String()
		}
	}
	if m.err != nil {
		return malformed(payack.PTS, m.err)
	}
	for i, text := range texts {
		borders := names
		if names[i] == "pay_url" {
			// A URL may well go on with &order_id=. As all names stand in one
			// order and no other value holds a border, only these two borders
			// in it would allow a second reading.
			borders = []string{"pay_url", "submit_amount"}
		}
		if ambiguous(text, borders) {
			return reject(payack.PTS, payack.ReasonMalformed, names[i]+" holds the border of another signed member")
		}
	}
	if err := v.verifyResponse(r, names, texts, fields, k); err != nil {
		return err
	}
	return r.fill(names, fields, k)
}

// verifyResponse tries the literal texts, then PHP's text of the three numbers.
func (v *PTS) verifyResponse(r *PTSResponse, names, texts []string, fields []strict.Field, k *PTSKeys) error {
	sign := strict.Find(fields, "sign")
	signature, ok := strictbase64.Decode(nil, sign.Text)
	if !ok || len(signature) == 0 {
		return reject(payack.PTS, payack.ReasonSignature, because("sign is not strict base64", mangledBase64(sign.Text)))
	}
	found := func(scheme payack.Scheme) bool {
		digest := sha256.Sum256(appendPTSText(nil, names, texts, k.safecode))
		for i, key := range k.public {
			if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil {
				r.Verification = payack.Verification{Tenant: k.tenant, Scheme: scheme, Key: i, Signature: sign.Text}
				return true
			}
		}
		return false
	}
	if v.literal && found(payack.SchemeLiteral) {
		return nil
	}
	if v.php && phpTexts(names, texts, fields, !v.literal) && found(payack.SchemePHP) {
		return nil
	}
	return reject(payack.PTS, payack.ReasonSignature, "no key and no text of numbers verifies it; check safecode and public key")
}

// fill keeps the verified members, with the literal of each, and checks the
// identifiers among them.
func (r *PTSResponse) fill(names []string, fields []strict.Field, k *PTSKeys) error {
	m := members{fields: fields}
	r.Signed = make(map[string]payack.Text, len(names))
	for _, name := range names {
		text := m.word(name)
		switch name {
		case "user_id", "order_id", "transaction_id":
			if text.String() == "" {
				return reject(payack.PTS, payack.ReasonInvalid, name+" is empty")
			}
		case "accept_amount", "exchange_rate", "submit_amount":
			if amount := payack.AmountOf(text); !amount.IsEmpty() && !amount.Valid() {
				return reject(payack.PTS, payack.ReasonInvalid, name+" is no amount")
			}
		}
		r.Signed[name] = text
	}
	r.Unsigned = m.extra()
	if k.userID != "" && r.Signed["user_id"].String() != k.userID {
		return reject(payack.PTS, payack.ReasonInvalid, "user_id is not the configured one")
	}
	return nil
}

func parseJSON(text string) ([]strict.Field, error) {
	return strict.JSON(make([]strict.Field, 0, len(room{})), text, ptsNames...)
}
