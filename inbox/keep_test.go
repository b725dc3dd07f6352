package inbox_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// An event is kept before it is acknowledged, and processed later. A redelivery
// is a duplicate, whether the event waits or is done.
func TestDuplicates(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		cb := ptsCallback(t, "ORD-1", payack.PTSSuccess)
		s.kept(payack.PTS, s.pts, cb)
		assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		assert.Empty(t, s.calls(), "it is processed later")
		s.kept(payack.PTS, s.pts, cb)
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome, "it waits")
		assert.Equal(t, []string{"pending"}, s.states())
		s.drain()
		assert.Len(t, s.calls(), 1)
		s.kept(payack.PTS, s.pts, cb)
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome, "it is done")
		s.drain()
		assert.Equal(t, []string{"done"}, s.states())
		assert.Len(t, s.calls(), 1)

		// An event that was done before there was an inbox.
		id, fp := "payatom:v1::ORD-2:Approved", "500"
		claim, err := s.in.Store.Claim(t.Context(), id, fp, time.Minute)
		require.NoError(t, err)
		require.NoError(t, s.in.Store.Commit(t.Context(), id, claim.Token))
		s.kept(payack.Payatom, s.atom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-2").Amount("500").Callback(t))
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
		assert.Len(t, s.states(), 1)
	})
}

// An event with the identity of another event and a different fingerprint is a
// conflict only if the other event is done. It is no conflict if the other event
// is only kept.
func TestAnotherFingerprintGetsARowOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.says(func(_ context.Context, ev payack.Event) error {
			if strings.Contains(ev.Fingerprint(), "7777") {
				return payack.ErrUnexpected
			}
			return nil
		}, nil)
		wrong := payacktest.PTS(payacktest.NewPTSKeys()).Order("ORD-1").Amount("7777").Callback(t)
		right := payacktest.PTS(payacktest.NewPTSKeys()).Order("ORD-1").Amount("100").Callback(t)
		late := payacktest.PTS(payacktest.NewPTSKeys()).Order("ORD-1").Amount("200").Callback(t)
		s.kept(payack.PTS, s.pts, wrong)
		s.kept(payack.PTS, s.pts, right)
		assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		s.until("settled", func() bool { return len(s.calls()) == 1 })
		s.kept(payack.PTS, s.pts, late)
		assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome, "kept, and found out at the desk")
		s.until("all ended", func() bool {
			return assert.ObjectsAreEqual([]string{"dead conflict", "done", "dead conflict"}, s.states())
		})
		assert.Len(t, s.calls(), 1)
	})
}

func refuting(bad ...string) func(string) error {
	return func(ref string) error {
		for _, b := range bad {
			if strings.HasPrefix(ref, b) {
				return payack.ErrUnconfirmed
			}
		}
		return nil
	}
}

// A replay with another ref_code does not prevent the genuine event from being
// settled, whichever comes first.
func TestVariants(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for name, order := range map[string][]string{
			"an attacker's copy first": {"bad1", "good"},
			"the genuine one third":    {"bad1", "bad2", "good"},
			"the genuine one first":    {"good", "bad1", "bad2"},
		} {
			t.Run(name, func(t *testing.T) {
				s := open(t, d).mount()
				s.says(nil, refuting("bad"))
				for i, ref := range order {
					s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", ref), fmt.Sprintf("192.0.2.%d", i+1))
					assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
				}
				s.until("all ended", func() bool { return !strings.Contains(strings.Join(s.states(), " "), "pending") })
				assert.Len(t, s.calls(), 1, "settled once")
				stats, err := s.in.Stats(t.Context())
				require.NoError(t, err)
				assert.Equal(t, inbox.Stats{}, stats, "refuted ones are no dead letters")
				s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "bad9"), "192.0.2.77")
				assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome, "a done event, whatever handle")
			})
		}
		t.Run("after a dead letter", func(t *testing.T) {
			s := open(t, d).mount()
			s.says(nil, refuting("bad"))
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "bad"))
			s.drain()
			assert.Equal(t, []string{"dead unconfirmed"}, s.states(), "the only copy of it")
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "bad"))
			s.drain()
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"))
			assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
			s.drain()
			assert.Equal(t, []string{"dead unconfirmed"}, s.statesOf("ORD-2"), "another order's")
			assert.Equal(t, []string{"refuted unconfirmed", "done"}, s.statesOf("ORD-1"))
			assert.Len(t, s.calls(), 1)
		})
		t.Run("none waits for another", func(t *testing.T) {
			s := open(t, d, func(c *inbox.Config) { c.RetryFirst, c.RetryMax = time.Hour, time.Hour }).mount()
			s.says(nil, func(ref string) error {
				if ref == "bad" {
					return errShop // the query fails, so the copy waits for a retry
				}
				return nil
			})
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "bad"), "192.0.2.1")
			s.drain()
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"), "192.0.2.2")
			s.drain()
			assert.Equal(t, []string{"pending unreachable", "done"}, s.states())
		})
	})
}

// At most one variant of each sender waits, and at most MaxVariants in all. If
// there is no room for a variant, its sender is asked to deliver again. There is
// always room for allowed addresses.
func TestRoomForVariants(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.MaxVariants = 3 }).mount()
		busy := func(ref, from string) {
			t.Helper()
			payacktest.Failed(t, payack.Payatom, send(s.atom, atomCallback(t, "ORD-1", ref), from))
			assert.Equal(t, payack.ReasonBusy, s.last().Reason)
		}
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r1"), "192.0.2.1")
		busy("r2", "192.0.2.1")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r1"), "192.0.2.1") // a duplicate takes no place
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "r2"), "192.0.2.1") // another event has places of its own
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r3"), "192.0.2.3")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r4"), "[2001:db8::1]")
		busy("r5", "192.0.2.5")
		busy("r6", "[2001:db8::2]")

		allowed := s.in.Keep
		r := receiptOf(t, s, "ORD-1", "r7")
		r.Allowed = true
		state, err := allowed(t.Context(), r)
		require.NoError(t, err)
		assert.Equal(t, payack.ClaimGranted, state)

		// Once the copies are refuted, there is room again.
		s.says(nil, refuting("r"))
		s.until("all refuted", func() bool { return !strings.Contains(strings.Join(s.states(), " "), "pending") })
		s.says(nil, nil)
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"), "192.0.2.1")
		s.until("settled", func() bool { return len(s.calls()) >= 1 })
	})
}

// All handles that are not printable text share one place, because no provider
// knows such a handle. An empty handle takes no place. How many copies have such
// handles, and who sends them, doesn't matter.
func TestImpossibleHandlesTakeNoRoom(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.MaxVariants, c.RetryFirst, c.RetryMax = 3, time.Hour, time.Hour }).mount()
		s.says(nil, func(ref string) error {
			if ref != "good" {
				return errShop // the query fails, so the copy waits for a retry
			}
			return nil
		})
		for i, ref := range []string{"", "a\x00", "a\x01", "\x7f", "a\nb", "\t"} {
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", ref), fmt.Sprintf("192.0.2.%d", i+1))
		}
		s.drain()
		assert.Equal(t, []string{"pending unreachable", "pending unreachable"}, s.states(), "the empty one, and one for all others")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r1"), "192.0.2.21")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"), "192.0.2.22")
		assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		s.drain()
		assert.Len(t, s.calls(), 1)
	})
}

// By spelling a signed 500 as 5e2, an attacker makes an invalid copy of a valid
// event. Both have the same identity and fingerprint. Neither counts as a
// duplicate of the other, whichever comes first.
func TestInvalidCopyOfAValidEvent(t *testing.T) {
	t.Parallel()
	both := func(order string) (valid, twin payacktest.Callback) {
		valid = payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Amount("500").Callback(t)
		twin = valid.Clone()
		twin.Body = []byte(strings.Replace(string(valid.Body), `"received_amount":"500"`, `"received_amount":5e2`, 1))
		require.NotEqual(t, string(valid.Body), string(twin.Body))
		return valid, twin
	}
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		for name, order := range map[string]string{
			"the attacker first":                "tv",
			"the attacker first, processed":     "t.v",
			"the attacker twice, processed":     "t.t.v",
			"the attacker second":               "vt",
			"the attacker second, processed":    "v.t",
			"the attacker third":                "vvt",
			"the attacker third, processed":     "v.v.t",
			"the attacker first and third":      "tvt",
			"the genuine one between dead ones": "t.t.vt",
		} {
			t.Run(name, func(t *testing.T) {
				id := strings.ReplaceAll(order, ".", "-")
				valid, twin := both(id)
				for _, what := range order {
					switch what {
					case 't':
						s.kept(payack.Payatom, s.atom, twin, "192.0.2.66")
					case 'v':
						s.kept(payack.Payatom, s.atom, valid)
					case '.':
						s.drain()
					}
				}
				s.until("all ended", func() bool { return !strings.Contains(strings.Join(s.states(), " "), "pending") })
				assert.ElementsMatch(t, []string{"done", "dead invalid"}, s.statesOf(id))
				assert.Equal(t, 1, strings.Count(strings.Join(s.calls(), " "), ":"+id+":"))
			})
		}
		t.Run("it stays invalid", func(t *testing.T) {
			s := open(t, d).mount()
			_, twin := both("ORD-1")
			s.kept(payack.Payatom, s.atom, twin)
			s.drain()
			record, err := s.in.Get(t.Context(), s.items()[0].ID)
			require.NoError(t, err)
			assert.NotEmpty(t, record.Delivery.Invalid)
			require.NoError(t, s.in.Retry(t.Context(), record.ID))
			s.drain()
			assert.Equal(t, []string{"dead invalid"}, s.states())
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", ""))
			s.drain()
			require.NoError(t, s.in.CloseByHand(t.Context(), record.ID, "a forgery"), "it is no part of what is done")
		})
	})
}

// A callback for another account of PTS verifies with the same keys. Only the
// receiver's UserID shows that it is invalid. The event is not processed.
func TestInvalidForTheReceiverOnly(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		cfg := payacktest.NewPTSKeys().Config()
		cfg.UserID, cfg.Options = "1", s.options("pts")
		h, err := handlers.NewPTS(cfg, func(ctx context.Context, ev *payack.PTSEvent) error { return s.call(ctx, ev) })
		require.NoError(t, err)
		s.kept(payack.PTS, h, ptsCallback(t, "ORD-1", payack.PTSSuccess, "user_id", "2"))
		s.drain()
		assert.Equal(t, []string{"dead invalid"}, s.states())
		assert.Empty(t, s.calls())
	})
}

// catch is an inbox that records the receipt.
type catch struct {
	payack.Inbox
	r *payack.Receipt
}

func (c *catch) Mount(string, payack.Desk) error { return nil }
func (c *catch) Keep(_ context.Context, r *payack.Receipt) (payack.ClaimState, error) {
	c.r = r
	return payack.ClaimGranted, nil
}

// receiptOf returns what a receiver named payatom hands to its inbox.
func receiptOf(t testing.TB, s *shop, order, ref string, from ...string) *payack.Receipt {
	t.Helper()
	c := &catch{Inbox: s.in}
	cfg := payacktest.NewPayatomKeys().Config()
	cfg.ExpectInCallback, cfg.Confirm = false, s.ask
	cfg.Options = handlers.Options{Inbox: c, Name: "payatom", Logger: s.log.logger()}
	h, err := handlers.NewPayatom(cfg, func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)
	send(h, atomCallback(t, order, ref), append(from, "198.51.100.1")[0])
	require.NotNil(t, c.r)
	return c.r
}

// With AllowedAddresses, there is room for every admitted sender.
func TestAllowedAddressesFindRoom(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.MaxVariants = 1 }).mount(func(o *handlers.Options) {
			o.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		})
		for i := range 5 {
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", fmt.Sprint("r", i)), "192.0.2.1")
			assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		}
	})
}

// At most MaxVariants copies of an event are kept, even if all copies come at the
// same time.
func TestVariantsAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.MaxVariants = 4 }).mount()
		var receipts []*payack.Receipt
		for i := range 24 {
			receipts = append(receipts, receiptOf(t, s, "ORD-1", fmt.Sprint("r", i), fmt.Sprintf("198.51.100.%d", i)))
		}
		var mu sync.Mutex
		counts := map[payack.ClaimState]int{}
		var all sync.WaitGroup
		for _, r := range receipts {
			all.Go(func() {
				state, err := s.in.Keep(t.Context(), r)
				mu.Lock()
				defer mu.Unlock()
				if assert.NoError(t, err) {
					counts[state]++
				}
			})
		}
		all.Wait()
		assert.Equal(t, map[payack.ClaimState]int{payack.ClaimGranted: 4, payack.ClaimBusy: 20}, counts)
		assert.Len(t, s.items(), 4)
	})
}

// Concurrent deliveries of one event make one row.
func TestOneRowForOneEvent(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		cb := ptsCallback(t, "ORD-1", payack.PTSSuccess)
		var all sync.WaitGroup
		for range 24 {
			all.Go(func() { payacktest.Accepted(t, payack.PTS, send(s.pts, cb, "192.0.2.1")) })
		}
		all.Wait()
		assert.Len(t, s.items(), 1)
		s.drain()
		assert.Len(t, s.calls(), 1)
	})
}

// A redelivery makes a dead letter due again, at a bounded rate. This holds for
// the genuine copy even while another copy waits.
func TestDeadLettersBecomeDueAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Revive = time.Hour }).mount()
		anHourLater := func() { s.exec(`UPDATE payack_inbox SET next_us = 1 WHERE state = 1`) }
		s.says(nil, refuting("good"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"))
		s.drain()
		assert.Equal(t, []string{"dead unconfirmed"}, s.states())
		s.says(nil, nil)
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"))
		assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		s.drain()
		assert.Empty(t, s.calls(), "not before Revive has passed since its attempt")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"))
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome, "it waits")
		anHourLater()
		s.until("settled", func() bool { return len(s.calls()) == 1 })
		assert.Equal(t, []string{"done"}, s.states())

		// The genuine copy is dead, an attacker's copy waits, and the genuine one
		// comes again.
		s.says(nil, refuting("good"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "good"))
		s.drain()
		s.says(nil, func(ref string) error {
			if ref == "bad" {
				return errShop
			}
			return nil
		})
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "bad"), "192.0.2.66")
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "good"))
		assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		anHourLater()
		s.until("settled", func() bool { return len(s.calls()) == 2 })
	})
}

// The number of refuted copies is bounded, so that a replay with ever new handles
// does not fill the table.
func TestRefutedCopiesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.MaxVariants = 3 }).mount()
		s.says(nil, refuting("bad"))
		refute := func(order string, i int) {
			s.kept(payack.Payatom, s.atom, atomCallback(t, order, fmt.Sprint("bad", i)))
			s.drain()
		}
		refute("ORD-0", 0)
		refute("ORD-0", 1)
		others := s.statesOf("ORD-0")
		assert.Equal(t, []string{"refuted unconfirmed", "dead unconfirmed"}, others)
		for i := range 15 {
			refute("ORD-1", i)
		}
		assert.LessOrEqual(t, len(s.statesOf("ORD-1")), 3+2)
		assert.Equal(t, others, s.statesOf("ORD-0"), "those of another order have room of their own")
	})
}

// A copy that the provider refuted is a dead letter, which a person sees, unless
// another copy of the same event is done or may still be.
func TestRefutedCopyBesideOthers(t *testing.T) {
	ordered := payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-1").Set("ref_code", "good")
	later := fmt.Sprintf(`next_us = next_us + %d`, decade)
	each(t, func(t *testing.T, d database) {
		for _, tc := range []struct {
			name  string
			other payacktest.PayatomBuilder
			set   string // what the other row is when the first one is refuted
			want  string
		}{
			{"another copy waits", ordered, later, "refuted unconfirmed"},
			{"another copy is running", ordered, later + `, state = 2`, "refuted unconfirmed"},
			{"another copy is done", ordered, `state = 3`, "refuted unconfirmed"},
			{"another copy was closed", ordered, `state = 6`, "dead unconfirmed"},
			{"another event of the order waits", ordered.Status("Declined"), later, "dead unconfirmed"},
			{"another amount waits", ordered.Amount("7"), later, "dead unconfirmed"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := open(t, d).mount()
				s.says(nil, refuting("bad"))
				send(s.atom, atomCallback(t, "ORD-1", "bad"), "192.0.2.1")
				send(s.atom, tc.other.Callback(t), "192.0.2.2")
				s.exec(fmt.Sprintf(`UPDATE payack_inbox SET %s WHERE id = %d`, tc.set, s.items()[0].ID))
				s.drain()
				assert.Contains(t, s.states(), tc.want)
			})
		}
	})
}

// If an event can't be kept, the provider is asked to deliver again.
func TestKeepFails(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		require.NoError(t, s.db.Close())
		res := send(s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess), "192.0.2.1")
		payacktest.Failed(t, payack.PTS, res)
		assert.Equal(t, payack.ReasonInbox, s.last().Reason)
		assert.NotContains(t, s.last().Err.Error(), "\n")
	})
}

// The receiver's Deadline bounds how long a request waits for a database that
// does not answer.
func TestKeepEndsWithTheDeadline(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount(func(o *handlers.Options) { o.Deadline, o.Lease = 300*time.Millisecond, time.Minute })
		conn, err := s.db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		exec := func(statement string) {
			_, err := conn.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		switch d.dialect {
		case inbox.SQLite:
			exec(`BEGIN IMMEDIATE`)
		case inbox.PostgreSQL:
			exec(`BEGIN`)
			exec(`LOCK TABLE payack_inbox IN ACCESS EXCLUSIVE MODE`)
		default:
			exec(`LOCK TABLES payack_inbox WRITE`)
		}
		began := time.Now()
		payacktest.Failed(t, payack.PTS, send(s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess), "192.0.2.1"))
		assert.Less(t, time.Since(began), 3*time.Second)
		assert.Equal(t, payack.ReasonInbox, s.last().Reason)
		if d.dialect == inbox.MySQL {
			exec(`UNLOCK TABLES`)
		} else {
			exec(`ROLLBACK`)
		}
		// The same receiver works again, although a slow machine may need several tries.
		for end := time.Now().Add(time.Minute); s.last().Outcome == payack.OutcomeFailed && time.Now().Before(end); {
			send(s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess), "192.0.2.1")
		}
		s.until("settled", func() bool { return len(s.calls()) == 1 })
	})
}

// A query's answer about a dead event is kept like a delivery, and settles the
// event.
func TestAnswerOfAQueryAfterADeadLetter(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.says(nil, refuting("bad"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "bad"))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.drain()
		assert.ElementsMatch(t, []string{"dead unconfirmed", "done"}, s.states())
		answer := receiptOf(t, s, "ORD-1", "of the query")
		answer.Delivery = &payack.Delivery{Provider: payack.Payatom, Received: time.Now(), Event: answer.Delivery.Event}
		state, err := s.in.Keep(t.Context(), answer)
		require.NoError(t, err)
		assert.Equal(t, payack.ClaimGranted, state)
		s.drain()
		assert.ElementsMatch(t, []string{"refuted unconfirmed", "done", "done"}, s.states())
		state, err = s.in.Keep(t.Context(), answer)
		require.NoError(t, err)
		assert.Equal(t, payack.ClaimDone, state)
	})
}

// If a refuted copy is delivered again, the provider is asked again. Such copies
// take no room from the genuine webhook, whatever their addresses.
func TestRefutedCopiesSentAgainKeepNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for name, sender := range map[string]func(i int) string{
			"from many addresses": func(i int) string { return fmt.Sprintf("192.0.2.%d", i+10) },
			"from one proxy":      func(int) string { return "192.0.2.1" },
		} {
			t.Run(name, func(t *testing.T) {
				s := open(t, d, func(c *inbox.Config) { c.MaxVariants, c.Revive = 3, time.Minute }).mount()
				s.says(nil, refuting("bad"))
				for range 2 { // the second time within Revive
					for i := range 3 {
						send(s.atom, atomCallback(t, "ORD-1", fmt.Sprint("bad", i)), sender(i))
						s.drain()
					}
				}
				s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"), "192.0.2.1")
				s.drain()
				states := s.states()
				require.Equal(t, "done", states[len(states)-1], states)
				require.Len(t, s.calls(), 1)
			})
		}
	})
}
