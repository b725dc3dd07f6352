package inbox_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// rule gives Payatom's receiver a rule of the merchant's own.
func rule(field, tag string) func(*handlers.Options) {
	return func(o *handlers.Options) {
		if o.Name == "payatom" {
			o.Validate = map[string]string{field: tag}
		}
	}
}

// bare is a correctly signed webhook without its unsigned members, as if somebody
// had removed them.
func bare(t testing.TB, order string) payacktest.Callback {
	b := payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order)
	for _, name := range []string{"requested_amount", "bank_ref", "sender_upi", "ref_code", "refund_info"} {
		b = b.Remove(name)
	}
	return b.Callback(t)
}

// A copy whose unsigned members break a rule of the merchant's own never replaces
// the genuine copy, whichever comes first.
func TestCopyThatBreaksARule(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount(rule("Unsigned", "required"))
		for order, want := range map[string][]string{
			"ag":    {"dead invalid", "done"},
			"a.g":   {"dead invalid", "done"},
			"a.a.g": {"dead invalid", "done"},
			"aga":   {"dead invalid", "done"},
			"g.a":   {"done"}, // a duplicate of a done event
		} {
			id := strings.ReplaceAll(order, ".", "-")
			for _, what := range order {
				switch what {
				case 'a':
					s.kept(payack.Payatom, s.atom, bare(t, id), "192.0.2.66")
				case 'g':
					s.kept(payack.Payatom, s.atom, atomCallback(t, id, "r"))
				case '.':
					s.drain()
				}
			}
			s.until("all ended", func() bool { return !strings.Contains(strings.Join(s.states(), " "), "pending") })
			assert.Equal(t, want, s.statesOf(id), order)
			assert.Equal(t, 1, strings.Count(strings.Join(s.calls(), " "), ":"+id+":"), order)
		}
	})
}

// A retry judges a refused event by the current rules. After a rule that was too
// strict is corrected, the genuine copy is settled and the attacker's copy is
// refused again.
func TestRuleThatIsCorrected(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount(rule("OrderID", "ne=ORD-1"))
		for range 2 {
			s.kept(payack.Payatom, s.atom, bare(t, "ORD-1"), "192.0.2.66")
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r"))
			s.drain()
		}
		assert.Equal(t, []string{"dead invalid", "dead invalid"}, s.states())
		require.NoError(t, s.in.Close())

		again := d.openAt(t, s.dsn).mount(rule("Unsigned", "required"))
		n, err := again.in.RetryAll(t.Context(), inbox.Filter{}, 10, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		again.drain()
		assert.Equal(t, []string{"dead invalid", "done"}, again.states())
		assert.Equal(t, []string{"payatom:v1::ORD-1:Approved"}, again.calls())
		again.kept(payack.Payatom, again.atom, atomCallback(t, "ORD-1", "r"))
		assert.Equal(t, payack.OutcomeDuplicate, again.last().Outcome)
	})
}

// A copy that was valid when it came, and breaks a later rule, does not prevent
// another copy from being settled.
func TestRuleThatIsNew(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.Payatom, s.atom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-1").Remove("ref_code").Callback(t))
		s.kept(payack.Payatom, s.atom, bare(t, "ORD-2"), "192.0.2.66")
		require.NoError(t, s.in.Close())

		again := d.openAt(t, s.dsn, func(c *inbox.Config) { c.Revive = time.Hour }).mount(rule("Unsigned", "required"))
		again.drain()
		assert.Equal(t, []string{"done", "dead invalid"}, again.states())
		again.kept(payack.Payatom, again.atom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-2").Remove("ref_code").Callback(t))
		assert.Equal(t, payack.OutcomeAccepted, again.last().Outcome)
		again.drain()
		assert.Equal(t, []string{"done", "dead invalid", "done"}, again.states())
		require.NoError(t, again.in.Retry(t.Context(), again.items()[1].ID))
		again.drain()
		assert.Equal(t, []string{"done", "dead invalid", "done"}, again.states())
		assert.Len(t, again.calls(), 2)
	})
}

// A copy that breaks a later rule changes no other event that was leased with it.
func TestRuleThatIsNewChangesOneRow(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.Payatom, s.atom, bare(t, "ORD-1"), "192.0.2.66")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "r"))
		require.NoError(t, s.in.Close())

		again := d.openAt(t, s.dsn).mount(rule("Unsigned", "required"))
		again.says(func(ctx context.Context, _ payack.Event) error { // the first attempt fails, after the other row has ended
			for ctx.Err() == nil && again.states()[0] != "dead invalid" {
				time.Sleep(time.Millisecond)
			}
			again.says(nil, nil)
			return errShop
		}, nil)
		again.until("both ended", func() bool { return len(again.attempts()) == 3 })
		assert.Equal(t, []string{"dead invalid", "done"}, again.states())
	})
}

// The number of copies that break a rule is bounded for each event. A valid copy
// does not count among them, and there is always room for allowed addresses.
func TestCopiesThatBreakARuleAreBounded(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		copyOf := func(n int) payacktest.Callback {
			return payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-1").Status(payack.PayatomDeclined).Set("sender_upi", fmt.Sprint(n)).Callback(t)
		}
		refuse := rule("Status", "ne=Declined")
		few := func(c *inbox.Config) { c.MaxVariants = 3 }
		s := open(t, d, few).mount(refuse)
		for n := range 12 {
			res := send(s.atom, copyOf(n), fmt.Sprintf("192.0.2.%d", n))
			if n < 3 {
				payacktest.Accepted(t, payack.Payatom, res)
			} else {
				payacktest.Failed(t, payack.Payatom, res)
				assert.Equal(t, payack.ReasonBusy, s.last().Reason)
			}
			s.drain()
		}
		assert.Equal(t, []string{"dead invalid", "dead invalid", "dead invalid"}, s.states())
		s.kept(payack.Payatom, s.atom, copyOf(1)) // kept already
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r"))
		s.until("settled", func() bool { return len(s.calls()) == 1 })
		require.NoError(t, s.in.CloseByHand(t.Context(), s.items()[3].ID, "a forgery"))
		s.kept(payack.Payatom, s.atom, copyOf(20)) // there is room again

		trusted := open(t, d, few).mount(refuse, func(o *handlers.Options) {
			o.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		})
		for n := range 6 {
			trusted.kept(payack.Payatom, trusted.atom, copyOf(n))
		}
		assert.Len(t, trusted.items(), 6)
	})
}
