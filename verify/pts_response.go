package verify

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/internal/strictbase64"
)

// PTSAccepted is the code of a response to a request that PTS accepted.
const PTSAccepted = "1000"

// PTSResponse is a response of PTS's API v2 document, {"code","message","data"}.
// Only Verification, Signed and the signed members of Event are authenticated.
type PTSResponse struct {
	// Verification is the zero value unless the code is [PTSAccepted].
	payack.Verification

	// Code and Message are never signed.
	Code    string
	Message payack.Text

	// Signed holds the members of data that the signature covers: all that
	// [PTSMessage.SignedMembers] lists. It is nil unless the code is [PTSAccepted].
	Signed map[string]payack.Text
	// Unsigned holds the other members of data except sign. A nested value is there
	// as its literal. The figures of a balance are here: PTS does not sign them.
	Unsigned map[string]payack.Text
	// Event holds the members of an accepted query response with their types. It is
	// nil for every other response.
	Event *payack.PTSEvent
}

// ptsResponse has the member code among the signed ones, because code decides whether
// there is data to verify.
var ptsResponse = knownOf([]string{"sign", "data", "code"}, "message")

// VerifyResponse decodes and verifies PTS's response to a request. The parameter
// message is the kind of response; a kind that is not a response is
// [payack.ErrInvalid].
//
// If the code is [PTSAccepted], the member data must be an object or an envelope,
// and its signature must match. With any other code VerifyResponse reads Code and
// Message only, which are not authenticated: treat such an answer as a hint only.
//
// The transaction secret of the keys is ignored: PTS's document doesn't say that
// responses carry [PTSTransactionHeader]. Apart from the error for a kind that is not
// a response, the errors are those of [PTS.Verify]. With an error the response is nil.
func (v *PTS) VerifyResponse(message PTSMessage, body []byte, k *PTSKeys) (*PTSResponse, error) {
	switch message {
	case PTSPaymentResponse, PTSWithdrawResponse, PTSQueryResponse, PTSBalanceResponse:
	default:
		return nil, reject(payack.PTS, payack.ReasonInvalid, "this kind of message is not a response; choose PTSPaymentResponse, PTSWithdrawResponse, PTSQueryResponse or PTSBalanceResponse")
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

// responseData returns the members of data and its JSON. Both are hostile until the
// signature has been verified.
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

// queryResponse verifies data as [PTS.Verify] does a callback, because data has the
// members of a callback. It ignores the transaction secret.
func (v *PTS) queryResponse(r *PTSResponse, fields []strict.Field, text string, k *PTSKeys) error {
	without := *k
	without.transactionSecret = payack.Secret{}
	ev, err := v.Verify(Message{ContentType: "application/json", Body: text}, &without)
	if err != nil {
		return err
	}
	r.Event, r.Verification = ev, ev.Verification
	// Verify has accepted these members, so this only marks them.
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
			// A URL may contain &order_id= legitimately. The names are in a fixed
			// order, in which submit_amount follows pay_url. So the text can be read
			// in a second way only if the URL contains &pay_url= or &submit_amount=.
			borders = []string{"pay_url", "submit_amount"}
		}
		if ambiguous(text, borders) {
			return reject(payack.PTS, payack.ReasonMalformed, names[i]+" contains & with the name of a signed member and =, which makes the signed text ambiguous")
		}
	}
	if err := v.verifyResponse(r, names, texts, fields, k); err != nil {
		return err
	}
	return r.fill(names, fields, k)
}

// verifyResponse tries the literal texts first, then PHP's texts of amounts and rate.
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
	return reject(payack.PTS, payack.ReasonSignature, "no public key verifies it under either spelling of the numbers; check safecode and public key")
}

// fill sets Signed and Unsigned and checks identifiers, amounts and user_id.
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
