package sqlstore_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/turns"
	"github.com/payack/payack/store/sqlstore"
)

// Each benchmark runs its sides in turns, and compares their rates. The servers
// keep their data in the folder for temporary files, which should be on a disk:
//
//	go test -run - -bench . -benchtime 1x .

var inTurns = turns.Turns{
	Rounds: flag.Int("rounds", 6, "how often each side of a benchmark gets its turn"),
	Slice:  flag.Duration("slice", 250*time.Millisecond, "how long a turn is"),
}

var benchIDs atomic.Int64

// side returns one of the ways of doing the same work that a benchmark compares.
// Each call does the work for a new event.
func side(name string, do func(ctx context.Context, id string) error) turns.Side {
	return turns.Side{Name: name, Do: func(ctx context.Context) error {
		return do(ctx, fmt.Sprint("payatom:v1::ORD-", benchIDs.Add(1), ":Approved"))
	}}
}

// bare holds statements that claim and mark events without a store. They write as
// many bytes as the store's statements, to a table like the store's.
type bare struct{ insert, update, look, effect string }

func (p *place) bare(t testing.TB) bare {
	for statement := range strings.SplitSeq(sqlstore.Schema(p.dialect, "bare_"), ";\n") {
		if statement != "" {
			p.exec(t, statement)
		}
	}
	return bare{
		p.dialect.Rebind(`INSERT INTO bare_once (k, fingerprint, state, token, at_us, id) VALUES (?, ?, ?, ?, ?, ?)`),
		p.dialect.Rebind(`UPDATE bare_once SET state = 2, at_us = ? WHERE k = ? AND token = ?`),
		p.dialect.Rebind(`SELECT state FROM bare_once WHERE k = ? AND token = ?`),
		p.dialect.Rebind(`INSERT INTO effects (id, part) VALUES (?, 1)`),
	}
}

// bytesOf makes a key of 32 bytes and a token from an id.
func bytesOf(id string) (key, token []byte) {
	key = []byte(fmt.Sprintf("%032s", id[len(id)-16:]))
	return key, key[16:]
}

func (s bare) claim(ctx context.Context, q execer, id string) error {
	key, token := bytesOf(id)
	_, err := q.ExecContext(ctx, s.insert, key, key, 1, token, time.Now().UnixMicro(), id)
	return err
}

func (s bare) mark(ctx context.Context, q execer, id string) error {
	key, token := bytesOf(id)
	_, err := q.ExecContext(ctx, s.update, time.Now().UnixMicro(), key, token)
	return err
}

func (s bare) marked(ctx context.Context, tx *sql.Tx, id string) error {
	key, token := bytesOf(id)
	var state int
	return tx.QueryRowContext(ctx, s.look, key, token).Scan(&state)
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func eachBench(b *testing.B, run func(b *testing.B, p *place, clients int)) {
	for _, d := range databases {
		for _, clients := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", d.name, clients), func(b *testing.B) {
				p := d.place(b)
				if d.dialect != sqlstore.SQLite {
					p.db.SetMaxOpenConns(clients)
					p.db.SetMaxIdleConns(clients)
				}
				run(b, p, clients)
			})
		}
	}
}

func BenchmarkClaimAndCommit(b *testing.B) {
	eachBench(b, func(b *testing.B, p *place, clients int) {
		bare := p.bare(b)
		inTurns.Compare(b, clients,
			side("store", func(ctx context.Context, id string) error {
				claim, err := p.store.Claim(ctx, id, "f", time.Minute)
				if err != nil || claim.State != payack.ClaimGranted {
					return fmt.Errorf("%v: %w", claim.State, err)
				}
				return p.store.Commit(ctx, id, claim.Token)
			}),
			side("two_statements", func(ctx context.Context, id string) error {
				if err := bare.claim(ctx, p.db, id); err != nil {
					return err
				}
				return bare.mark(ctx, p.db, id)
			}),
		)
	})
}

// merchant is what a function does to settle an order.
type merchant func(ctx context.Context, tx *sql.Tx, id string) error

// oneInsert and settlement return a merchant's function. The function from oneInsert
// does the least work. The function from settlement looks an order up, marks it as
// paid, and enters the payment.
func (p *place) oneInsert(bare bare) merchant {
	return func(ctx context.Context, tx *sql.Tx, id string) error {
		_, err := tx.ExecContext(ctx, bare.effect, id)
		return err
	}
}

func (p *place) settlement(b *testing.B, bare bare) merchant {
	const orders = 5000
	p.exec(b, `CREATE TABLE orders (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, paid INTEGER NOT NULL)`)
	tx, err := p.db.Begin()
	require.NoError(b, err)
	insert := p.dialect.Rebind(`INSERT INTO orders VALUES (?, 500, 0)`)
	for i := range orders {
		_, err := tx.Exec(insert, i)
		require.NoError(b, err)
	}
	require.NoError(b, tx.Commit())
	look := p.dialect.Rebind(`SELECT amount FROM orders WHERE id = ?`)
	if p.dialect != sqlstore.SQLite {
		look += ` FOR UPDATE`
	}
	update := p.dialect.Rebind(`UPDATE orders SET paid = paid + 1 WHERE id = ?`)
	return func(ctx context.Context, tx *sql.Tx, id string) error {
		order := rand.IntN(orders)
		var amount int
		if err := tx.QueryRowContext(ctx, look, order).Scan(&amount); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, update, order); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, bare.effect, id)
		return err
	}
}

func BenchmarkInTx(b *testing.B) {
	eachBench(b, func(b *testing.B, p *place, clients int) {
		bare := p.bare(b)
		for name, settle := range map[string]merchant{"insert": p.oneInsert(bare), "settlement": p.settlement(b, bare)} {
			b.Run(name, func(b *testing.B) { p.benchInTx(b, clients, bare, settle) })
		}
	})
}

func (p *place) benchInTx(b *testing.B, clients int, bare bare, settle merchant) {
	// transaction calls the function before, the merchant's settlement and the
	// function after in one transaction.
	transaction := func(ctx context.Context, id string, before func(tx *sql.Tx) error, after func(tx *sql.Tx) error) error {
		tx, err := p.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for _, step := range []func(tx *sql.Tx) error{before, func(tx *sql.Tx) error { return settle(ctx, tx, id) }, after} {
			if step == nil {
				continue
			}
			if err := step(tx); err != nil {
				return err
			}
		}
		return tx.Commit()
	}
	inTurns.Compare(b, clients,
		side("InTx", func(ctx context.Context, id string) error {
			_, err := p.deliver(ctx, id, func(ctx context.Context, tx *sql.Tx) error { return settle(ctx, tx, id) })
			return err
		}),
		side("two_commits", func(ctx context.Context, id string) error {
			if err := bare.claim(ctx, p.db, id); err != nil {
				return err
			}
			return transaction(ctx, id, nil, nil)
		}),
		// These are the statements of InTx, without the store. Code that marks
		// first and checks the mark at the end needs all of them.
		side("two_commits_and_marks", func(ctx context.Context, id string) error {
			if err := bare.claim(ctx, p.db, id); err != nil {
				return err
			}
			return transaction(ctx, id,
				func(tx *sql.Tx) error { return bare.mark(ctx, tx, id) },
				func(tx *sql.Tx) error { return bare.marked(ctx, tx, id) })
		}),
		side("one_commit", func(ctx context.Context, id string) error {
			return transaction(ctx, id, func(tx *sql.Tx) error { return bare.claim(ctx, tx, id) }, nil)
		}),
	)
}

// BenchmarkDuplicate claims a done event, as most redeliveries do.
func BenchmarkDuplicate(b *testing.B) {
	eachBench(b, func(b *testing.B, p *place, clients int) {
		_, err := p.store.Bind(b.Context(), "done", "f")
		require.NoError(b, err)
		look := p.dialect.Rebind(`SELECT fingerprint, state FROM payack_once WHERE k = ?`)
		var key []byte
		require.NoError(b, p.db.QueryRow(`SELECT k FROM payack_once`).Scan(&key))
		inTurns.Compare(b, clients,
			side("store", func(ctx context.Context, _ string) error {
				_, err := p.store.Claim(ctx, "done", "f", time.Minute)
				return err
			}),
			side("one_select", func(ctx context.Context, _ string) error {
				var fp []byte
				var state int
				return p.db.QueryRowContext(ctx, look, key).Scan(&fp, &state)
			}),
		)
	})
}
