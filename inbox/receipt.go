package inbox

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/payack/payack"
)

// receipt is a verified delivery in the form of the table's columns.
type receipt struct {
	k, event, fingerprint, payment []byte
	// done is the key of the mark that makes the event count as done.
	done             []byte
	kind             kind
	differs          bool // the event was done with other details
	allowed          bool
	sender           string
	final            int
	happened         int64
	receiver         string
	provider         string
	eventID, orderID string
	summary          summary
	trace            string
	encoded          []byte
	delivery         []byte
	body             []byte
}

// args returns the arguments of the statements that insert. slot may be nil.
func (r *receipt) args(slot []byte) []any {
	var place any // NULL
	if slot != nil {
		place = slot
	}
	return []any{r.k, r.event, r.fingerprint, r.payment, place, r.final, r.happened,
		r.sender, r.receiver, r.provider, r.eventID, r.orderID,
		r.summary.transaction, r.summary.reference, r.summary.amount, r.summary.status, r.trace, r.encoded, r.delivery, r.body}
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// eventKey returns the key of an event in the table. An invalid event has a key
// and a mark of its own. Where the signature doesn't cover a value's spelling, an
// attacker can write a signed 500 as 5e2. This makes an invalid copy of a valid
// event, with the same identity and fingerprint. Neither copy may count as a
// duplicate of the other.
func eventKey(id string, invalid bool) []byte {
	if invalid {
		return digest("invalid\x00" + id)
	}
	return digest(id)
}

// keyOf returns the key of a row, a digest of event, fingerprint and variant.
func keyOf(event, fingerprint []byte, variant string) []byte {
	h := sha256.New()
	h.Write(event)
	h.Write(fingerprint)
	h.Write(digest(variant))
	return h.Sum(nil)
}

func (in *Inbox) receipt(r *payack.Receipt) (*receipt, error) {
	if r == nil || r.Delivery == nil || r.Delivery.Event == nil {
		return nil, errors.New("inbox: Keep: the receipt has no event; give the delivery of a verified callback")
	}
	d, ev := r.Delivery, r.Delivery.Event
	encoded, err := payack.EncodeEvent(ev)
	if err != nil {
		return nil, fmt.Errorf("inbox: Keep: %w", err)
	}
	delivery, err := in.encodeDelivery(d)
	if err != nil {
		return nil, fmt.Errorf("inbox: Keep: %w", err)
	}
	id := ev.ID()
	kind, variant, err := kindOf(r)
	if err != nil {
		return nil, fmt.Errorf("inbox: Keep: %w", err)
	}
	out := &receipt{
		event: eventKey(id, d.Invalid != ""), fingerprint: digest(ev.Fingerprint()), payment: digest(ev.Payment()),
		kind: kind, differs: r.Differs, allowed: r.Allowed, sender: senderOf(d.Client),
		receiver: r.Receiver, provider: string(d.Provider), eventID: readable(id, 512), orderID: readable(ev.Order(), 512), summary: summaryOf(ev),
		trace: traceOf(d.Header), encoded: encoded, delivery: delivery, body: []byte(d.Body),
	}
	out.k, out.done = keyOf(out.event, out.fingerprint, variant), out.event
	if kind == ruled {
		out.done = eventKey(id, false)
	}
	if ev.Final() {
		out.final = 1
	}
	if timed, ok := ev.(interface{ Time() (time.Time, bool) }); ok {
		if at, ok := timed.Time(); ok {
			out.happened = at.UnixMicro()
		}
	}
	return out, nil
}

// senderOf identifies a sender by its address. For IPv6 it uses the /64 prefix,
// because one sender usually has all addresses of such a prefix.
func senderOf(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.String()
}

var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

func traceOf(h http.Header) string {
	if t := h.Get("Traceparent"); traceparent.MatchString(t) {
		return t
	}
	return ""
}

// keptHeaders is the closed list of headers that a row holds. It leaves out
// cookies and credentials of proxies.
var keptHeaders = []string{
	"Content-Type", "Content-Length", "Content-Encoding", "User-Agent", "Date", "Host", "Traceparent", "Tracestate",
	"X-Signature", "The_signature", "The-Signature", "X-Transaction-Signature",
}

// Bounds of each kept header.
const (
	maxHeaderValues = 4
	maxHeaderValue  = 4096
)

// deliveryVersion is the version of a stored delivery's format. It is a variable
// so that a test can raise it.
var deliveryVersion = 1

// keptDelivery is a delivery without its body and event. The sender's texts are
// byte slices, because JSON strings can't hold text that is not UTF-8.
type keptDelivery struct {
	Version  int                 `json:"v"`
	Received int64               `json:"received_us"`
	Client   string              `json:"client,omitempty"`
	Provider payack.Provider     `json:"provider"`
	Source   payack.Source       `json:"source,omitempty"`
	Method   []byte              `json:"method"`
	Path     []byte              `json:"path"`
	Header   map[string][][]byte `json:"header,omitempty"`
	Invalid  []byte              `json:"invalid,omitempty"`
	OwnRule  bool                `json:"own_rule,omitempty"`
}

func (in *Inbox) encodeDelivery(d *payack.Delivery) ([]byte, error) {
	k := keptDelivery{
		Version: deliveryVersion, Received: d.Received.UnixMicro(), Provider: d.Provider, Source: d.Source,
		Method: []byte(d.Method), Path: []byte(d.Path), Invalid: []byte(d.Invalid), OwnRule: d.OwnRule,
	}
	if d.Client.IsValid() {
		k.Client = d.Client.String()
	}
	for _, name := range in.headers {
		for _, value := range d.Header[name] {
			if len(value) > maxHeaderValue || len(k.Header[name]) == maxHeaderValues {
				continue
			}
			if k.Header == nil {
				k.Header = map[string][][]byte{}
			}
			k.Header[name] = append(k.Header[name], []byte(value))
		}
	}
	return json.Marshal(k)
}

// decodeDelivery reads a stored delivery with its event. The error says which of
// the two can't be read.
func decodeDelivery(encoded, delivery, body []byte) (*payack.Delivery, error) {
	var k keptDelivery
	if err := json.Unmarshal(delivery, &k); err != nil {
		return nil, fmt.Errorf("the row's delivery no longer decodes: %w", payack.ErrMalformed)
	}
	if k.Version > deliveryVersion {
		return nil, fmt.Errorf("the row's delivery has format %d and this module reads format %d: %w", k.Version, deliveryVersion, payack.ErrNewer)
	}
	ev, err := payack.DecodeEvent(encoded)
	if err != nil {
		return nil, fmt.Errorf("the row's event no longer decodes: %w", err)
	}
	d := &payack.Delivery{
		Provider: k.Provider, Source: k.Source, Received: time.UnixMicro(k.Received), Method: string(k.Method), Path: string(k.Path),
		Header: http.Header{}, Body: string(body), Event: ev, Invalid: string(k.Invalid), OwnRule: k.OwnRule,
	}
	d.Client, _ = netip.ParseAddr(k.Client)
	for name, values := range k.Header {
		for _, value := range values {
			d.Header[name] = append(d.Header[name], string(value))
		}
	}
	return d, nil
}
