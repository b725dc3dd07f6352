package middleware

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/payack/payack"
)

// gate refuses requests by what is known before the body is read. It does no
// cryptography.
func (rc *receiver) gate(d *delivery) error {
	o, r := &rc.options, d.r
	addr, addrErr := clientAddr(r, o.TrustedProxies, o.ForwardedHeader)
	d.Client = addr // before anything is refused, so that every refusal is logged with it
	if err := rc.admit(r); err != nil {
		return err
	}
	if len(o.TrustedProxies) == 0 && r.Header[o.ForwardedHeader] != nil && rc.proxyWarned.CompareAndSwap(false, true) {
		o.Logger.Warn("payack: requests carry "+o.ForwardedHeader+" but no proxy is trusted, so the peer counts as the client; set TrustedProxies if your own proxy is in front",
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

// admit checks what does not depend on the sender: method, length, content type and
// encoding.
func (rc *receiver) admit(r *http.Request) error {
	if r.Method != http.MethodPost {
		return rc.refusals[payack.ReasonMethod]
	}
	if r.ContentLength > rc.options.MaxBody {
		return rc.refusals[payack.ReasonTooLarge]
	}
	// With two Content-Type lines, two parsers could disagree on which one counts.
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

// refused returns the detail of each refusal at the gate, with its fix.
func (o *Options) refused() map[payack.Reason]string {
	return map[payack.Reason]string{
		payack.ReasonMethod:          "only POST is accepted",
		payack.ReasonTooLarge:        tooLarge(o.MaxBody),
		payack.ReasonContentType:     "it is not the content type of the configured Body; if it announces JSON wrongly, set Sniff",
		payack.ReasonContentEncoding: "an encoded body is not what was signed; switch compression off in the proxy or server in front",
		payack.ReasonAddress:         "the client is not in AllowedAddresses; behind a proxy, set TrustedProxies, so that the client's own address is seen",
		payack.ReasonRate:            "the Limiter's budget for this client is used up",
	}
}

func tooLarge(limit int64) string {
	return fmt.Sprintf("the body is over the limit of %d bytes; raise MaxBody if the provider's bodies are larger", limit)
}

func contentType(r *http.Request) string {
	if types := r.Header["Content-Type"]; len(types) > 0 {
		return types[0]
	}
	return ""
}
