package inbox

import (
	"fmt"
	"strings"

	"github.com/payack/payack"
)

// States of a row, as numbered in the tables and in the statements below.
const (
	pending    = 1
	running    = 2
	done       = 3
	dead       = 4
	superseded = 5
	closed     = 6
	refuted    = 7
)

// statements are all statements of the inbox, composed once for the dialect.
//
// All times come from the database server. NOW reads its clock. CLOCK reads it in
// a subquery, for conditions that an index must answer: PostgreSQL would read NOW
// again for each row. STILL is the column state in a form that no index on the
// state fits. It is for statements in which another condition finds the row. With
// the plain column, PostgreSQL might choose an index on the state: its statistics
// may say that no row has this state, while many rows have come since.
type statements struct {
	// Receipt.
	keepNew, isFirst, keepRow, keepAside, doneBefore, copies, revive, giveWay, drop, dropAttempts string
	// Attempts.
	anythingDue, due, hold, holdAll, ofPayments, start, supersede, letGo, letGoAll, load                                                                      string
	record, renew, anyExpired, expired, stillRuns, crashedRow, again, finish, finishAnyway, markDone, attempt, amend, setApart, siblings, stateNow, doneAtAll string
	// For an engine that schedules the attempts in place of the poller.
	rowNow, dueByID, dueByKey, forgotten string
	// By hand.
	item, log, retry, closeRow, stateOf string
	// The rest.
	stats, orphans, late, waiting, ahead, old, dropBodies string
}

// columns are the columns of a new row, in the order of receipt.args. All times
// come from one reading of the clock, except happened_us if the provider signs a
// time.
const columns = `k, event, fingerprint, payment, slot, token, state, final, attempts, base, happened_us, received_us, since_us, next_us, started_us, ended_us, dropped,
	sender, receiver, provider, event_id, order_id, transaction_id, reference, amount, status, reason, error, note, trace, encoded, delivery, body`

// valuesOf returns the values of a new row in a state, with the time of its end,
// the reason and the error text.
func valuesOf(state int, ended, reason, text string) string {
	return fmt.Sprintf(`?, ?, ?, ?, ?, EMPTY, %d, ?, 0, 0, COALESCE(NULLIF(?, 0), at_us), at_us, at_us, at_us, 0, %s, 0,
	?, ?, ?, ?, ?, ?, ?, ?, ?, '%s', '%s', '', ?, ?, ?, ?`, state, ended, reason, text)
}

// otherDetails is the error text of a row that is dead from the start.
const otherDetails = "the event came before with other details, which are not signed; compare them with the records of the provider"

// itemColumns are the columns of a listed row.
const itemColumns = `id, receiver, provider, event_id, order_id, state, attempts, received_us, CASE WHEN state = 1 THEN next_us ELSE 0 END, ended_us, reason, error, note, trace, transaction_id, reference, amount, status`

func newStatements(d Dialect, prefix string) statements {
	conflict, skip := " ON CONFLICT DO NOTHING", " FOR UPDATE SKIP LOCKED"
	switch d {
	case MySQL:
		conflict = "" // a duplicate is an error on MySQL, because INSERT IGNORE would also cut values
	case SQLite:
		skip = "" // SQLite has one writer, so no row is locked
	}
	empty := map[Dialect]string{SQLite: "x''", PostgreSQL: `'\x'`, MySQL: "''"}[d]
	cast := func(list string) string { return list }
	if d == PostgreSQL { // on PostgreSQL, a parameter in a SELECT has no type
		types := strings.Split("bytea bytea bytea bytea bytea smallint bigint text text text text text text text text text text bytea bytea bytea", " ")
		cast = func(list string) string {
			for _, t := range types {
				list = strings.Replace(list, "?", "CAST(\x00 AS "+t+")", 1)
			}
			return strings.ReplaceAll(list, "\x00", "?")
		}
	}
	due, aside := valuesOf(pending, "0", "", ""), valuesOf(dead, "at_us", string(payack.ReasonConflict), otherDetails)
	row := func(values string) string {
		if d == MySQL { // MySQL would copy the row of a SELECT into a temporary table
			return `VALUES (` + strings.ReplaceAll(values, "at_us", "NOW") + `)`
		}
		return `SELECT ` + cast(values) + ` FROM (SELECT NOW AS at_us) AS c WHERE 1 = 1`
	}
	spell := strings.NewReplacer("INBOX", prefix+"inbox", "ONCE", prefix+"once", "ATTEMPTS", prefix+"attempts", "RUNNING", prefix+"running",
		"NOW", d.Now(), "CLOCK", "(SELECT "+d.Now()+")", "CONFLICT", conflict, "SKIP", skip, "EMPTY", empty, "STILL", "state + 0")
	write := func(s string) string { return d.Rebind(spell.Replace(s)) }
	return statements{
		// keepNew keeps an event that has no row yet, in one statement. It does
		// not wait for a running attempt.
		keepNew: write(`INSERT INTO INBOX (` + columns + `) SELECT ` + cast(due) + ` FROM (SELECT NOW AS at_us) AS c
	WHERE NOT EXISTS (SELECT 1 FROM INBOX WHERE payment = ? AND event = ?) AND NOT EXISTS (SELECT 1 FROM ONCE WHERE k = ?)CONFLICT`),
		isFirst:   write(`SELECT NOT EXISTS (SELECT 1 FROM INBOX WHERE payment = ? AND event = ?) AND NOT EXISTS (SELECT 1 FROM ONCE WHERE k = ?)`),
		keepRow:   write(`INSERT INTO INBOX (` + columns + `) ` + row(due) + `CONFLICT`),
		keepAside: write(`INSERT INTO INBOX (` + columns + `) ` + row(aside) + `CONFLICT`),
		// ONCE is the table of package sqlstore. Its key is documented there.
		doneBefore: write(`SELECT COUNT(*) FROM ONCE WHERE k = ? AND fingerprint = ? AND state = 2`),
		copies:     write(`SELECT id, k, state, slot, sender, reason FROM INBOX WHERE payment = ? AND event = ? AND fingerprint = ? ORDER BY id`),
		revive: write(`UPDATE INBOX SET state = 1, slot = ?, base = attempts, since_us = NOW, ended_us = 0,
	next_us = CASE WHEN started_us + ? > NOW THEN started_us + ? ELSE NOW END WHERE id = ? AND state IN (4, 7)`),
		giveWay:      write(`UPDATE INBOX SET state = 7 WHERE payment = ? AND event = ? AND fingerprint = ? AND STILL = 4 AND reason = 'unconfirmed'`),
		drop:         write(`DELETE FROM INBOX WHERE id = ? AND state = 7`),
		dropAttempts: write(`DELETE FROM ATTEMPTS WHERE row_id = ?`),

		anythingDue: write(`SELECT COUNT(*) FROM (SELECT 1 AS one FROM INBOX WHERE state = 1 AND receiver = ? AND next_us <= CLOCK LIMIT 1) AS found`),
		due: write(`SELECT payment FROM INBOX WHERE state = 1 AND receiver = ? AND next_us <= CLOCK
	AND NOT EXISTS (SELECT 1 FROM RUNNING WHERE RUNNING.payment = INBOX.payment) ORDER BY next_us LIMIT ?SKIP`),
		hold: write(`INSERT INTO RUNNING (payment, token, lease_us) VALUES (?, ?, NOW + ?)CONFLICT`),
		// The next four statements are incomplete, since they need as many
		// placeholders as they get arguments. The caller replaces ROW, or appends
		// the list after IN.
		holdAll:    spell.Replace(`INSERT INTO RUNNING (payment, token, lease_us) VALUES ROWCONFLICT RETURNING payment`),
		ofPayments: spell.Replace(`SELECT payment, id, state, final, happened_us, receiver, next_us <= CLOCK FROM INBOX WHERE payment IN`),
		letGoAll:   spell.Replace(`DELETE FROM RUNNING WHERE token = ? AND payment IN`),
		start:      spell.Replace(`UPDATE INBOX SET state = 2, token = ?, attempts = attempts + 1, started_us = NOW WHERE STILL = 1 AND id IN`),
		supersede:  write(`UPDATE INBOX SET state = 5, slot = NULL, ended_us = NOW WHERE id = ? AND STILL = 1`),
		letGo:      write(`DELETE FROM RUNNING WHERE payment = ? AND token = ?`),
		load:       write(`SELECT event, fingerprint, attempts, base, since_us, started_us, NOW, provider, event_id, encoded, delivery, body FROM INBOX WHERE id = ? AND token = ? AND state = 2`),

		renew: spell.Replace(`UPDATE RUNNING SET lease_us = NOW + ? WHERE token IN`),
		// A lease that ends too far in the future was written before the clock
		// was set back.
		anyExpired: write(`SELECT COUNT(*) FROM RUNNING WHERE lease_us <= NOW OR lease_us > NOW + ?`),
		stillRuns:  write(`SELECT COUNT(*) FROM INBOX WHERE payment = ? AND token = ? AND state = 2`),
		expired:    write(`SELECT payment, token FROM RUNNING WHERE lease_us <= NOW OR lease_us > NOW + ? ORDER BY lease_us LIMIT ?SKIP`),
		crashedRow: write(`SELECT id, attempts, base, since_us, started_us, NOW FROM INBOX WHERE payment = ? AND token = ? AND state = 2SKIP`),
		again:      write(`UPDATE INBOX SET state = 1, next_us = NOW + ?, reason = ?, error = ? WHERE id = ? AND token = ? AND state = 2`),
		finish:     write(`UPDATE INBOX SET state = ?, slot = NULL, ended_us = NOW, reason = ?, error = ?, final = ? WHERE id = ? AND token = ? AND state = 2`),
		// For rows that the transaction of InTx has marked done already.
		finishAnyway: write(`UPDATE INBOX SET state = ?, slot = NULL, ended_us = NOW, reason = ?, error = ?, final = ? WHERE id = ? AND token = ? AND state IN (2, 3)`),
		markDone:     write(`UPDATE INBOX SET state = 3, slot = NULL, ended_us = NOW, reason = '', error = '' WHERE id = ? AND token = ? AND state = 2`),
		attempt:      write(`INSERT INTO ATTEMPTS (row_id, number, started_us, took_us, reason, error) VALUES (?, ?, ?, ?, ?, ?)`),
		record:       write(`INSERT INTO ATTEMPTS (row_id, number, started_us, took_us, reason, error) SELECT id, attempts, started_us, NOW - started_us, '', '' FROM INBOX WHERE id = ?`),
		amend:        write(`UPDATE ATTEMPTS SET took_us = ?, reason = ?, error = ? WHERE row_id = ? AND number = ?`),
		stateNow:     write(`SELECT state, NOW FROM INBOX WHERE id = ? AND token = ?`),
		doneAtAll:    write(`SELECT COUNT(*) FROM ONCE WHERE k = ? AND state = 2`),
		siblings:     write(`SELECT COUNT(*) FROM INBOX WHERE payment = ? AND event = ? AND fingerprint = ? AND id <> ? AND state IN (1, 2, 3)`),

		rowNow:   write(`SELECT payment, receiver, state, next_us - NOW FROM INBOX WHERE id = ?`),
		dueByID:  write(`SELECT id, receiver, next_us - NOW FROM INBOX WHERE id = ?`),
		dueByKey: write(`SELECT id, receiver, next_us - NOW FROM INBOX WHERE payment = ? AND k = ?`),
		forgotten: write(`SELECT id, next_us FROM INBOX WHERE state = 1 AND receiver = ? AND next_us <= CLOCK - ? AND next_us >= ? AND (next_us > ? OR id > ?)
	AND NOT EXISTS (SELECT 1 FROM RUNNING WHERE RUNNING.payment = INBOX.payment) ORDER BY next_us, id LIMIT ?`),

		item: write(`SELECT ` + itemColumns + `, encoded, delivery, body FROM INBOX WHERE id = ?`),
		log:  write(`SELECT number, started_us, took_us, reason, error FROM ATTEMPTS WHERE row_id = ? ORDER BY number DESC LIMIT 1000`),
		retry: write(`UPDATE INBOX SET state = 1, base = attempts, since_us = NOW, next_us = NOW, ended_us = 0 WHERE id = ? AND state IN (1, 4, 6, 7)
	AND NOT EXISTS (SELECT 1 FROM ONCE WHERE ONCE.k = INBOX.event AND ONCE.fingerprint = INBOX.fingerprint AND ONCE.state = 2)`),
		// Inbox.setApart explains this statement.
		setApart: write(`UPDATE INBOX SET event = ?, k = ? WHERE id = ? AND token = ?`),
		closeRow: write(`UPDATE INBOX SET state = 6, slot = NULL, ended_us = NOW, note = ? WHERE id = ? AND state IN (1, 4, 7)`),

		// Stats runs one copy of this statement for each state that it counts.
		stats:      write(`SELECT STATE, COUNT(*), COALESCE(MIN(received_us), 0), NOW FROM INBOX WHERE state = STATE`),
		orphans:    write(`SELECT id, token FROM INBOX WHERE state = 2 AND NOT EXISTS (SELECT 1 FROM RUNNING WHERE RUNNING.payment = INBOX.payment AND RUNNING.token = INBOX.token) LIMIT 100`),
		stateOf:    write(`SELECT state FROM INBOX WHERE id = ?`),
		late:       write(`SELECT receiver, COUNT(*), MIN(next_us), NOW FROM INBOX WHERE state = 1 AND next_us <= CLOCK - ? GROUP BY receiver ORDER BY receiver LIMIT 20`),
		waiting:    write(`SELECT receiver, COUNT(*) FROM INBOX WHERE state = 1 GROUP BY receiver ORDER BY receiver LIMIT 200`),
		ahead:      write(`UPDATE INBOX SET next_us = NOW WHERE state = 1 AND next_us > CLOCK + ?`),
		old:        write(`SELECT id, state, dropped, ended_us <= CLOCK - ?, received_us <= CLOCK - ? FROM INBOX WHERE id > ? ORDER BY id LIMIT 500`),
		dropBodies: write(`UPDATE INBOX SET dropped = 1, encoded = EMPTY, delivery = EMPTY, body = EMPTY, error = '', trace = '', reference = '', amount = '', status = '' WHERE id = ? AND state IN (3, 5, 6, 7)`),
	}
}
