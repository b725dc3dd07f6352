package inspector

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/reconcile"
)

// askTimeout bounds a call of Config.Ask, which asks a provider about an order.
const askTimeout = 30 * time.Second

// row returns the id of the inbox's row that a request names. If the id is not a
// number, or if there is no inbox, row answers the request.
func (i *Inspector) row(w http.ResponseWriter, r *http.Request) (id int64, ok bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || i.cfg.Inbox == nil {
		i.problem(w, r, http.StatusNotFound, "There is no such kept delivery.")
		return 0, false
	}
	return id, true
}

// did answers a request to retry or close a kept delivery. err is the error of the
// inbox. After a success, a browser gets the delivery's page, and a program gets the
// delivery's current state.
func (i *Inspector) did(w http.ResponseWriter, r *http.Request, err error) {
	i.state.forget()
	i.live.stir()
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		i.problem(w, r, http.StatusNotFound, "There is no such kept delivery.")
	case errors.Is(err, inbox.ErrDone), errors.Is(err, inbox.ErrRunning):
		i.problem(w, r, http.StatusConflict, sentence(err.Error())+".")
	case err != nil:
		i.failed(w, r, "acting", err)
	case wantsJSON(r):
		i.showDelivery(w, r)
	default:
		http.Redirect(w, r, i.cfg.Prefix+"/deliveries/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
	}
}

func (i *Inspector) retryOne(w http.ResponseWriter, r *http.Request) {
	id, ok := i.row(w, r)
	if !ok {
		return
	}
	is, err := i.cfg.Inbox.Get(r.Context(), id)
	if err == nil && is.State == inbox.Closed {
		i.problem(w, r, http.StatusConflict, "It was closed by hand, and can't be tried again from here: somebody may have paid it out. Its note says what was done.")
		return
	}
	if err == nil {
		err = i.cfg.Inbox.Retry(r.Context(), id)
	}
	i.did(w, r, err)
}

func (i *Inspector) closeOne(w http.ResponseWriter, r *http.Request) {
	id, ok := i.row(w, r)
	if !ok {
		return
	}
	note := strings.TrimSpace(r.PostForm.Get("note"))
	if note == "" || !utf8.ValidString(note) || len([]rune(note)) > 1000 || strings.ContainsFunc(note, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		i.problem(w, r, http.StatusBadRequest, "The note is missing, too long, more than one line or no UTF-8: say in 1 to 1,000 characters what was done.")
		return
	}
	i.did(w, r, i.cfg.Inbox.CloseByHand(r.Context(), id, note))
}

// said is a provider's answer.
type said struct {
	Delivery string `json:"delivery"`
	Order    string `json:"order"`
	// Failed is why there is no answer.
	Failed string `json:"failed,omitempty"`
	Status string `json:"status,omitempty"`
	Amount string `json:"amount,omitempty"`
	Paid   bool   `json:"paid"`
	Final  bool   `json:"final"`
	Signed bool   `json:"signed"`
	// HandedOn reports whether the receiver got the event; Outcome, Reason and
	// Detail are the result.
	HandedOn bool           `json:"handed_on"`
	Outcome  payack.Outcome `json:"outcome,omitempty"`
	Reason   payack.Reason  `json:"reason,omitempty"`
	Detail   string         `json:"detail,omitempty"`
}

// asks reports whether the page offers to ask the provider about an order.
func (i *Inspector) asks() bool { return i.cfg.Ask != nil && !i.cfg.ReadOnly }

// askNow asks the provider about a delivery's order. The form may give the
// provider's id of the payment. The default is the transaction in the message.
func (i *Inspector) askNow(w http.ResponseWriter, r *http.Request) {
	if i.cfg.Ask == nil {
		i.problem(w, r, http.StatusNotFound, "The page can't ask providers: Config.Ask is not set.")
		return
	}
	d, err := i.find(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		i.problem(w, r, http.StatusNotFound, "There is no such delivery.")
		return
	case err != nil:
		i.failed(w, r, "finding a delivery", err)
		return
	}
	o := reconcile.Order{Provider: d.Provider, Account: r.PostForm.Get("account"), OrderID: d.Order, Handle: d.Transaction}
	if h := strings.TrimSpace(r.PostForm.Get("handle")); h != "" {
		o.Handle = h
	}
	if d.delivery != nil && d.delivery.Event != nil {
		o.OrderID, o.Tenant = d.delivery.Event.Order(), d.delivery.Event.VerifiedBy().Tenant
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	answer, err := i.cfg.Ask(ctx, o)
	i.state.forget()
	i.live.stir()
	out := saidOf(d.ID, o, answer, err)
	for _, text := range []*string{&out.Order, &out.Failed, &out.Status, &out.Amount, &out.Detail} {
		*text = i.redact(*text)
	}
	if wantsJSON(r) {
		i.writeJSON(w, http.StatusOK, out)
		return
	}
	i.render(w, r, http.StatusOK, "said", "What the provider says", out)
}

func saidOf(id string, o reconcile.Order, a reconcile.Answer, err error) *said {
	out := &said{Delivery: id, Order: o.OrderID}
	if err != nil {
		out.Failed = sentence(withoutNames(strings.TrimPrefix(err.Error(), "reconcile: "), o.Provider, ""))
		return out
	}
	out.Status, out.Amount, out.Paid, out.Final, out.Signed = a.Status, a.Amount.String(), a.Paid(), a.Final(), a.Signed
	if out.HandedOn = a.Delivered; a.Delivered {
		out.Outcome, out.Reason = a.Observation.Outcome, a.Observation.Reason
		if a.Observation.Err != nil {
			out.Detail = withoutNames(oneLine(a.Observation.Err.Error()), o.Provider, out.Reason)
		}
	}
	return out
}
