package inspector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/providers"
)

// pageSize is how many deliveries a page lists.
const pageSize = 100

// listing is a page of deliveries.
type listing struct {
	Deliveries []*Entry `json:"deliveries"`
	// Older is where the next page begins; empty if there is none.
	Older string `json:"older,omitempty"`
	State state  `json:"state"`

	filter filter
	first  bool // this is the newest page
}

func (i *Inspector) showList(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r, "older")
	var f filter
	if err == nil {
		f, err = filterOf(q, time.Now())
	}
	if err == nil {
		_, err = placeOf(q.Get("older"))
	}
	if err != nil {
		i.problem(w, r, http.StatusBadRequest, err.Error())
		return
	}
	l, err := i.list(r.Context(), f, q.Get("older"))
	if err != nil {
		i.failed(w, r, "listing deliveries", err)
		return
	}
	if wantsJSON(r) {
		i.writeJSON(w, http.StatusOK, l)
		return
	}
	i.render(w, r, http.StatusOK, "list", "Deliveries", l)
}

// place is a position in the two sources of a list. The next page holds rows with
// an ID below row, and remembered deliveries with a number below seen. 0 is the
// beginning of a source. A negative number is its end.
type place struct{ row, seen int64 }

func placeOf(text string) (p place, err error) {
	if text == "" {
		return p, nil
	}
	row, seen, _ := strings.Cut(text, ".")
	if p.row, err = strconv.ParseInt(row, 10, 64); err == nil {
		p.seen, err = strconv.ParseInt(seen, 10, 64)
	}
	if err != nil {
		return p, errors.New("older: not a position in the list; take it from the previous page")
	}
	return p, nil
}

func (p place) String() string {
	if p.row < 0 && p.seen < 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d", p.row, p.seen)
}

// list returns a page from the inbox and the memory, the newest first.
func (i *Inspector) list(ctx context.Context, f filter, older string) (*listing, error) {
	at, err := placeOf(older)
	if err != nil {
		return nil, err
	}
	l := &listing{Deliveries: []*Entry{}, filter: f, first: older == "", State: i.state.now(ctx, i)}
	rows, next, err := i.page(ctx, f, at.row)
	if err != nil {
		return nil, err
	}
	var remembered []*seen
	if at.seen >= 0 {
		remembered = slices.DeleteFunc(i.memory.newest(at.seen), func(s *seen) bool { return !f.remembered(s) })
	}
	i.merge(l, &at, rows, remembered)
	if at.row < 0 && next > 0 { // more rows follow
		at.row = next
	}
	l.Older = at.String()
	return l, nil
}

// merge fills a page from both sources, the newest first, and advances the place.
// When nothing is left of a source, its position becomes negative.
func (i *Inspector) merge(l *listing, at *place, rows []inbox.Item, seen []*seen) {
	for len(l.Deliveries) < pageSize && len(rows)+len(seen) > 0 {
		if len(seen) == 0 || len(rows) > 0 && !rows[0].Received.Before(seen[0].delivery.Received) {
			l.Deliveries = append(l.Deliveries, entryOf(&rows[0]).redacted(i.redact))
			at.row, rows = rows[0].ID, rows[1:]
			continue
		}
		l.Deliveries = append(l.Deliveries, seen[0].entry().redacted(i.redact))
		at.seen, seen = seen[0].seq, seen[1:]
	}
	if len(rows) == 0 {
		at.row = -1
	}
	if len(seen) == 0 {
		at.seen = -1
	}
}

// page returns at most pageSize rows of the inbox, beginning at the position older,
// and the position of the next page. That is 0 if no rows follow.
func (i *Inspector) page(ctx context.Context, f filter, older int64) ([]inbox.Item, int64, error) {
	rows, ok := f.rows()
	if i.cfg.Inbox == nil || !ok || older < 0 {
		return nil, 0, nil
	}
	return i.cfg.Inbox.Page(ctx, rows, older, pageSize)
}

// Methods for the page's template.

// Filter returns the filter's query parameters by name.
func (l *listing) Filter() map[string]string {
	out := map[string]string{}
	for name, values := range l.filter.query() {
		out[name] = values[0]
	}
	return out
}

// Query returns the query of the filter.
func (l *listing) Query() string { return l.filter.query().Encode() }

// Filtered reports whether the query sets any parameter of the filter.
func (l *listing) Filtered() bool { return len(l.filter.query()) > 0 }

// First reports whether this is the newest page.
func (l *listing) First() bool { return l.first }

// OlderQuery returns the query of the next page.
func (l *listing) OlderQuery() string {
	q := l.filter.query()
	q.Set("older", l.Older)
	return q.Encode()
}

// Providers returns the providers to choose from.
func (*listing) Providers() []payack.Provider { return providers.All }

// Reasons returns the reasons to choose from.
func (*listing) Reasons() []payack.Reason { return reasons }

// Spans returns the periods to choose from.
func (*listing) Spans() any { return spans }

// reasons are all reasons, in the order of their stages. The last one is given by
// the inbox only: the process ended during an attempt.
var reasons = []payack.Reason{
	payack.ReasonMethod, payack.ReasonContentType, payack.ReasonContentEncoding, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate,
	payack.ReasonBodyConsumed, payack.ReasonBodyRead, payack.ReasonEnvelope, payack.ReasonMalformed, payack.ReasonSignature, payack.ReasonUnknownTenant,
	payack.ReasonInvalid, payack.ReasonSpliced, payack.ReasonUnexpected, payack.ReasonUnconfirmed, payack.ReasonConflict,
	payack.ReasonCallback, payack.ReasonPanic, payack.ReasonDeadline, payack.ReasonBusy, payack.ReasonUnreachable,
	payack.ReasonExpectation, payack.ReasonKeys, payack.ReasonStore, payack.ReasonInbox, "crashed",
}
