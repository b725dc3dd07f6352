package inspector

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
)

// detail is one delivery with everything that is known about it.
type detail struct {
	Entry
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Scheme string `json:"scheme,omitempty"`
	Key    int    `json:"key,omitempty"`
	// Why says what is wrong, what to do, and which steps the request went
	// through.
	Why diagnosis `json:"diagnosis"`
	// Signed and Unsigned are the members of the event.
	Signed   []member `json:"signed"`
	Unsigned []member `json:"unsigned"`
	// Missing is why there is no event to show.
	Missing string    `json:"missing,omitempty"`
	Log     []attempt `json:"attempts_log"`
	// Took is how long the stages of the request took.
	Took    []stage  `json:"stages"`
	Headers []header `json:"headers"`
	Omitted []string `json:"headers_not_kept"`
	// OmittedOthers counts dropped headers whose names aren't shown, because a
	// name could be a key.
	OmittedOthers int `json:"headers_not_named,omitempty"`
	Bytes         int `json:"body_bytes"`
	// Body is set if the request asked for it and the page may show it.
	Body *body `json:"body,omitempty"`

	delivery *payack.Delivery
	receiver string // the receiver's name in the inbox
	redact   func(string) string
	hidden   bool // the keys aren't known, so the message isn't shown
}

// attempt is one attempt to process a kept event.
type attempt struct {
	Number  int           `json:"number"`
	Started time.Time     `json:"started"`
	Took    float64       `json:"took_seconds"`
	Reason  payack.Reason `json:"reason,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// Duration is how long the attempt took.
func (a attempt) Duration() string { return duration(time.Duration(a.Took * float64(time.Second))) }

type stage struct {
	Name string  `json:"name"`
	Took float64 `json:"took_seconds"`
}

// Duration is how long the stage took.
func (s stage) Duration() string { return duration(time.Duration(s.Took * float64(time.Second))) }

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (i *Inspector) showDelivery(w http.ResponseWriter, r *http.Request) {
	d, ok := i.detailOf(w, r)
	if !ok {
		return
	}
	if wantsJSON(r) {
		i.writeJSON(w, http.StatusOK, d)
		return
	}
	i.render(w, r, http.StatusOK, "delivery", d.Title(), d)
}

// detailOf returns the delivery that a request names. If there is none, it
// answers the request.
func (i *Inspector) detailOf(w http.ResponseWriter, r *http.Request) (*detail, bool) {
	d, err := i.find(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		i.problem(w, r, http.StatusNotFound, "There is no such delivery. A delivery that was not kept is forgotten when the process ends, or when newer ones replace it.")
		return nil, false
	case err != nil:
		i.failed(w, r, "finding a delivery", err)
		return nil, false
	}
	d.Why = i.explain(r.Context(), d)
	d.read()
	if i.cfg.ShowBodies && r.URL.Query().Get("body") != "" && d.delivery != nil && !d.hidden {
		d.Body = bodyOf(d.delivery.Body, d.redact)
	} else {
		d.Why.hideBody()
	}
	return d, true
}

// find returns a delivery by its ID.
func (i *Inspector) find(ctx context.Context, key string) (*detail, error) {
	if seq, ok := memorySeq(key); ok {
		s := i.memory.get(seq)
		if s == nil {
			return nil, inbox.ErrNotFound
		}
		return s.whole(), nil
	}
	id, err := strconv.ParseInt(key, 10, 64)
	if err != nil || i.cfg.Inbox == nil {
		return nil, inbox.ErrNotFound
	}
	r, err := i.cfg.Inbox.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	d := &detail{Entry: *entryOf(&r.Item), delivery: r.Delivery, receiver: r.Receiver, Omitted: []string{}}
	for _, a := range r.Log {
		d.Log = append(d.Log, attempt{a.Number, a.Started.UTC(), a.Took.Seconds(), a.Reason, withoutNames(a.Error, r.Provider, a.Reason)})
	}
	switch {
	case r.Unreadable != nil:
		d.Missing = sentence(r.Unreadable.Error())
	case r.Delivery == nil:
		d.Missing = "The message is no longer kept: it is older than the inbox's retention."
	default:
		d.Source = r.Delivery.Source
		if r.Delivery.Client.IsValid() {
			d.Client = r.Delivery.Client.String()
		}
	}
	return d, nil
}

func (s *seen) whole() *detail {
	d := &detail{Entry: *s.entry(), delivery: &s.delivery, Omitted: append([]string{}, s.omitted...)}
	for name, took := range s.took.Stages() {
		d.Took = append(d.Took, stage{string(name), took.Seconds()})
	}
	if s.took.Total > 0 {
		d.Took = append(d.Took, stage{"total", s.took.Total.Seconds()})
	}
	if !s.verified {
		d.Missing = "Nothing verified, so there is no event. What the sender claims is in the body."
	}
	return d
}

// read fills in the members that come from the message, and removes secrets.
func (d *detail) read() {
	d.Entry.redacted(d.redact)
	d.Missing = d.redact(d.Missing)
	d.Omitted, d.OmittedOthers = shownNames(d.Omitted, d.redact)
	d.Signed, d.Unsigned = []member{}, []member{}
	d.Log = append([]attempt{}, d.Log...)
	for n := range d.Log {
		d.Log[n].Error = d.redact(d.Log[n].Error)
	}
	d.Took = append([]stage{}, d.Took...)
	d.Headers = []header{}
	if d.delivery == nil {
		return
	}
	if d.hidden {
		d.Missing = keyFuncFailed
		return
	}
	d.Method, d.Path, d.Bytes = d.redact(d.delivery.Method), d.redact(d.delivery.Path), len(d.delivery.Body)
	if ev := d.delivery.Event; ev != nil {
		by := ev.VerifiedBy()
		d.Scheme, d.Key = string(by.Scheme), by.Key+1
		d.Signed, d.Unsigned = membersOf(ev, d.redact)
	}
	for name, values := range d.delivery.Header {
		for _, v := range values {
			d.Headers = append(d.Headers, header{name, d.redact(v)})
		}
	}
	slices.SortFunc(d.Headers, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
}

// Title returns a heading for the delivery.
func (d *detail) Title() string {
	if d.Order != "" {
		return "Order " + short(d.Order)
	}
	return "Delivery " + d.ID
}
