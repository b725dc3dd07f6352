package middleware

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/payack/payack"
)

// gate turns away what needs no reading. It costs no cryptography.
func (rc *receiver) gate(d *delivery) error {
	o, r := &rc.options, d.r
	addr, addrErr := clientAddr(r, o.TrustedProxies, o.ForwardedHeader)
	d.Client = addr // first, so that every refusal says whose it is
	if err := rc.admit(r); err != nil {
		return err
	}
	if len(o.TrustedProxies) == 0 && r.Header[o.ForwardedHeader] != nil && rc.proxyWarned.CompareAndSwap(false, true) {
		o.Logger.Warn("payack: requests carry "+o.ForwardedHeader+" and no proxy is trusted, so clients are known by the peer's address only; set TrustedProxies if there is a proxy of yours in front",
			"provider", rc.stages.provider)
	}
	needed := len(o.AllowedAddresses) > 0 || len(o.TrustedProxies) > 0 || o.Limiter != nil && o.LimitKey == nil
	switch {
	case addrErr != nil && needed:
		return rc.unknownAddress
	case len(o.AllowedAddresses) > 0 && !within(addr, o.AllowedAddresses):
		return rc.refusals[payack.ReasonAddress]
	}
	return rc.limitGate(d)
}

// admit looks at what is the request's own, whoever sent it.
func (rc *receiver) admit(r *http.Request) error {
	if r.Method != http.MethodPost {
		return rc.refusals[payack.ReasonMethod]
	}
	if r.ContentLength > rc.options.MaxBody {
		return rc.refusals[payack.ReasonTooLarge]
	}
	// With two types, two readers could each take another one.
	if len(r.Header["Content-Type"]) > 1 || !rc.stages.accepts(contentType(r)) {
		return rc.refusals[payack.ReasonContentType]
	}
	for _, encoding := range r.Header["Content-Encoding"] {
		switch {
		case encoding == "", strings.EqualFold(encoding, "identity"):
		case strings.EqualFold(encoding, "utf-8"), strings.EqualFold(encoding, "utf8"):
			return rc.charsetAsEncoding
		default:
			return rc.refusals[payack.ReasonContentEncoding]
		}
	}
	return nil
}

// refused says why the gate turns a request away, and names the fix.
func (o *Options) refused() map[payack.Reason]string {
	return map[payack.Reason]string{
		payack.ReasonMethod:          "only POST is taken",
		payack.ReasonTooLarge:        tooLarge(o.MaxBody),
		payack.ReasonContentType:     "it is not the content type of the configured Body; if it announces JSON wrongly, set Sniff",
		payack.ReasonContentEncoding: "bodies are taken as they were signed; switch compression off in whatever stands in front",
		payack.ReasonAddress:         "the client is not among AllowedAddresses; behind a proxy it is known by TrustedProxies only",
		payack.ReasonRate:            "the Limiter's budget for this client is used up",
	}
}

func tooLarge(limit int64) string {
	return fmt.Sprintf("the body is over the limit of %d bytes; raise MaxBody if the provider's are larger", limit)
}

func contentType(r *http.Request) string {
	if types := r.Header["Content-Type"]; len(types) > 0 {
		return types[0]
	}
	return ""
}
