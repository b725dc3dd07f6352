package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
)

// PtopPlace is the position of the signature among the members of a callback.
type PtopPlace int

// The places.
const (
	PtopLast PtopPlace = iota
	PtopFirst
	PtopMiddle // last, where there is only one other member
)

const ptopKeySource = "give the key that Ptop calls the_signature"

// SignPtopCallback returns the callback that Ptop would send under one reading of
// its API v3 document, for tests and tools. The body is a JSON object or a
// urlencoded form without a signature. Under [payack.SchemeHeader] the signature is in
// the header X-Signature. Under the other schemes it becomes a member at the given
// place. Under [payack.SchemeReencoded] the signed text is that of PHP code that
// decodes to arrays.
//
// These are errors: an empty key, a scheme that does not fit the body, and a body that
// has a signature, has no member at all, or can't be decoded by [Ptop.Verify]. Under
// SchemeReencoded, numbers that PHP would round, or that are too expensive to convert,
// are errors. Under [payack.SchemeFormRebuilt], names with brackets are errors. The
// body need not have the members that Verify requires.
func SignPtopCallback(key payack.Secret, scheme payack.Scheme, place PtopPlace, body string) (Message, error) {
	if err := checkSecret("SigningKey", key, ptopKeySource); err != nil {
		return Message{}, err
	}
	m := Message{ContentType: "application/x-www-form-urlencoded", Body: body}
	format, fit := BodyForm, ptopFormSchemes
	if looksLikeJSON(body) {
		m.ContentType, format, fit = "application/json", BodyJSON, ptopJSONSchemes
	}
	if !slices.Contains(fit, scheme) {
		return Message{}, errors.New("payack: Scheme: " + strconv.Quote(string(scheme)) + " does not fit a " + string(format) + " body; choose from " + list(fit))
	}
	fields, posted, err := ptopDecode(nil, format, body)
	switch {
	case err != nil:
		return Message{}, errors.New("payack: body: " + err.Error())
	case strict.Find(fields, ptopSignature) != nil:
		return Message{}, errors.New("payack: body: it has a signature already; leave it out")
	case len(fields) == 0:
		return Message{}, errors.New("payack: body: it has no members")
	case scheme == payack.SchemeFormRebuilt && posted == nil:
		return Message{}, errors.New("payack: body: a name has brackets, of which PHP makes arrays; choose the scheme form or header")
	}

	signed := body
	switch scheme {
	case payack.SchemeReencoded:
		arrays, _, err := php.Reencode([]byte(body), ptopSignature)
		if err != nil {
			return Message{}, errors.New("payack: body: PHP cannot write it again without loss; send no integers beyond 64 bits, no exponents beyond 40 and at most 64 fractions")
		}
		signed = string(arrays)
	case payack.SchemeBlanked:
		signed = ptopPlaced(format, place, body, fields, "")
	case payack.SchemeFormRebuilt:
		signed = ptopRebuilt(posted)
	}
	signature := ptopSum(key, signed)
	if scheme == payack.SchemeHeader {
		m.Header = map[string][]string{"X-Signature": {signature}}
	} else {
		m.Body = ptopPlaced(format, place, body, fields, signature)
	}
	return m, nil
}

// ptopPlaced inserts a signature among the fields of a body.
func ptopPlaced(format Body, place PtopPlace, body string, fields []strict.Field, signature string) string {
	member, separator := `"signature":"`+signature+`"`, ","
	end := fields[len(fields)-1].End
	if format == BodyForm {
		member, separator = "signature="+signature, "&"
		end = len(body) // after empty pairs at the end
	}
	switch half := (len(fields) + 1) / 2; {
	case place == PtopFirst:
		at := fields[0].Start
		return body[:at] + member + separator + body[at:]
	case place == PtopMiddle && half < len(fields):
		at := fields[half].Start
		return body[:at] + member + separator + body[at:]
	}
	return body[:end] + separator + member + body[end:]
}

// PtopPayoutSignature returns the signature of a payout request of Ptop's API v3:
// lower-case hex HMAC-SHA256 of website_id|secret_key|reviverEmail|amount. (Ptop
// spells the member reviverEmail.) The amount must be the text in the request,
// byte for byte.
//
// A part that contains | is an error that names the member: the signed text does
// not escape its separator, so the signature would also fit other parts.
func PtopPayoutSignature(key payack.Secret, websiteID, secretKey, receiverEmail, amount string) (string, error) {
	if err := checkSecret("SigningKey", key, ptopKeySource); err != nil {
		return "", err
	}
	for _, part := range [...]struct{ member, text string }{
		{"WebsiteID", websiteID}, {"SecretKey", secretKey}, {"reviverEmail", receiverEmail}, {"amount", amount},
	} {
		if strings.Contains(part.text, "|") {
			return "", errors.New("payack: " + part.member + ": it contains |, which separates the signed parts; such a request cannot be signed safely")
		}
	}
	return ptopSum(key, websiteID+"|"+secretKey+"|"+receiverEmail+"|"+amount), nil
}

func ptopSum(key payack.Secret, text string) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
