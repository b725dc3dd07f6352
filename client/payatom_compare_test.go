package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/payacktest/gateway"
)

func records(list ...client.PayatomRecord) iter.Seq2[client.PayatomRecord, error] {
	return func(yield func(client.PayatomRecord, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func differences(t *testing.T, d *client.PayatomUnsignedDay, b client.PayatomBooks) []string {
	t.Helper()
	var out []string
	for diff, err := range d.Compare(b) {
		require.NoError(t, err)
		assert.Equal(t, diff.Kind == client.PayatomMissingThere, diff.Row == nil)
		assert.Equal(t, diff.Kind == client.PayatomMissingHere, diff.Record == nil)
		out = append(out, string(diff.Kind)+" "+diff.OrderID)
	}
	return out
}

func record(id, amount string, status payack.PayatomStatus) client.PayatomRecord {
	return client.PayatomRecord{OrderID: id, Amount: payack.NewAmount(amount), Status: status}
}

func TestPayatomCompare(t *testing.T) {
	row := func(id, amount string, status payack.PayatomStatus) client.PayatomUnsignedRow {
		return client.PayatomUnsignedRow{OrderID: id, SettledAmount: payack.NewAmount(amount), Status: status}
	}
	day := &client.PayatomUnsignedDay{Rows: []client.PayatomUnsignedRow{
		row("A", "500", "Approved"), row("B", "950", "Late Approved"), row("C", "0", "Pending"), row("D", "10", "Approved"),
		row("E", "5", "Approved"), row("E", "5", "Approved"), row("F", "nothing", "Approved"),
	}}
	books := []client.PayatomRecord{
		record("A", "500.00", "Approved"), record("B", "950.0", "Approved"), record("C", "", "Pending"), record("D", "10", "Approved"),
		record("E", "5", "Approved"), record("F", "7", "Approved"),
	}
	assert.Equal(t, []string{"listed twice E", "other amount F"}, differences(t, day, client.PayatomBooks{Records: records(books...)}))
	assert.Equal(t, []string{"missing there G", "other amount A", "other status A", "other status C", "missing here B", "missing here D",
		"missing here E", "missing here E", "missing here F"},
		differences(t, day, client.PayatomBooks{Records: records(record("G", "1", "Approved"), record("A", "50", "Declined"), record("C", "0", "Failed"))}))
	assert.Len(t, differences(t, day, client.PayatomBooks{}), 7, "no records at all")
	paise := &client.PayatomUnsignedDay{Rows: []client.PayatomUnsignedRow{row("A", "50050", "Approved")}}
	assert.Empty(t, differences(t, paise, client.PayatomBooks{Records: records(record("A", "500.50", "Approved")), MinorDigits: 2}))
	assert.Equal(t, []string{"other amount A"}, differences(t, paise, client.PayatomBooks{Records: records(record("A", "500.50", "Approved"))}))

	// An error of the records ends the comparison before Compare yields orders that
	// are missing here.
	gone := errors.New("the database is gone")
	var got []error
	for diff, err := range day.Compare(client.PayatomBooks{Records: func(yield func(client.PayatomRecord, error) bool) {
		_ = yield(record("A", "500", "Approved"), nil) && yield(client.PayatomRecord{}, gone) && yield(record("B", "1", "Approved"), nil)
	}}) {
		assert.Empty(t, diff)
		got = append(got, err)
	}
	assert.Equal(t, []error{gone}, got)
	for range day.Compare(client.PayatomBooks{Records: records(record("A", "50", "Declined"))}) {
		break // in the middle
	}
}

// A fake gateway's list is compared with the merchant's books. In the books one
// paid order is still pending, one amount differs, one order is missing, and one
// order is not in the list.
func TestPayatomReconciliationAgainstAGateway(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, paise := range []bool{false, true} {
		gw, err := gateway.NewPayatom(gateway.PayatomConfig{PaiseInLists: paise, Options: gateway.Options{Now: func() time.Time { return noon }}})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		c, err := client.NewPayatom(client.PayatomConfig{
			BaseURL: gw.URL, PID: gw.PID(), SecretKeys: []payack.Secret{gw.SecretKey()}, ReconcileToken: gw.Token(),
		})
		require.NoError(t, err)
		for _, id := range []string{"ORD-0000001", "ORD-0000002", "ORD-0000003", "ORD-0000004"} {
			p := payin()
			p.OrderID, p.Amount = id, payack.NewAmount("500.50")
			made, err := c.Payin(t.Context(), p)
			require.NoError(t, err)
			known, _ := gw.Payment(id)
			assert.Equal(t, known.RefCode, made.RefCode)
			if id != "ORD-0000004" {
				require.NoError(t, gw.Pay(id))
			}
		}
		day, err := c.ReconcilePayins(t.Context(), noon)
		require.NoError(t, err)
		digits := 0
		if paise {
			digits = 2
		}
		assert.Equal(t, []string{"other status ORD-0000001", "other amount ORD-0000001", "other amount ORD-0000002", "missing there ORD-0000009", "missing here ORD-0000003"},
			sortFirst(differences(t, day, client.PayatomBooks{MinorDigits: digits, Records: records(
				record("ORD-0000001", "", "Pending"), record("ORD-0000002", "400", "Approved"), record("ORD-0000004", "", "Pending"),
				record("ORD-0000009", "1", "Approved"))})))
	}
}

// sortFirst puts "other status" before "other amount" of the same order.
func sortFirst(all []string) []string {
	if len(all) > 1 && strings.HasPrefix(all[0], "other amount") {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

func dayBody(rows int) string {
	var b strings.Builder
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"orderCreateDateTime":"October 15, 2023, 2:30 pm","statusChangeDateTime":"October 15, 2023, 2:45 pm","order_id":"ORD%d",`+
			`"ref_code":"R","amount_requested":1000,"amount_received":950,"transaction_status":"Approved","bank_ref":"UTR","fee":1}`, i)
	}
	return `{"status":"success","message":"Success","data":[` + b.String() + `],"page":1}`
}

// A day's list may be larger than any callback, and its rows may have undocumented
// members.
func TestPayatomReconcileAnswers(t *testing.T) {
	g := says(t, 200, dayBody(20000)) // some 5 MB
	c := newPayatom(t, g.URL)
	day, err := c.ReconcilePayins(t.Context(), clock)
	require.NoError(t, err)
	require.Len(t, day.Rows, 20000)
	assert.Equal(t, "ORD19999", day.Rows[19999].OrderID)
	assert.Equal(t, map[string]payack.Text{"fee": payack.NewText("1")}, day.Rows[0].Extra)
	assert.Equal(t, map[string]payack.Text{"page": payack.NewText("1")}, day.Extra)
	created, changed, err := day.Rows[0].Times(time.FixedZone("IST", 19800))
	require.NoError(t, err)
	assert.Equal(t, "2023-10-15T14:30:00+05:30 15m0s", created.Format(time.RFC3339)+" "+changed.Sub(created).String())
	day.Rows[0].Created = payack.NewText("15-10-2023")
	_, _, err = day.Rows[0].Times(time.UTC)
	require.ErrorIs(t, err, client.ErrResponse)

	config := payatomConfig(g.URL)
	config.MaxResponse = 1 << 20
	bounded, err := client.NewPayatom(config)
	require.NoError(t, err)
	_, err = bounded.ReconcilePayins(t.Context(), clock)
	require.ErrorIs(t, err, payack.ErrTooLarge)

	for body, want := range map[string]error{
		`{"status":"success","data":[]}`:                 nil,
		`{"status":"success"}`:                           client.ErrResponse,
		`{"status":"success","data":null}`:               client.ErrResponse,
		`{"status":"success","data":{}}`:                 client.ErrResponse,
		`{"status":"success","data":[1]}`:                client.ErrResponse,
		`{"status":"success","data":[{"order_id":"O"}]}`: client.ErrResponse,
		`{"status":"success","data":[{"order_id":"O","Order_ID":"P","transaction_status":"x"}]}`: client.ErrResponse,
		`{"status":"success","data":[{"order_id":"O","order_id":"P","transaction_status":"x"}]}`: payack.ErrMalformed,
		`{"status":"error","message":"limit"}`:                                                   client.ErrDeclined,
		`<html>`:                                                                                 client.ErrResponse,
	} {
		g := says(t, 200, body)
		_, err := newPayatom(t, g.URL).ReconcilePayouts(t.Context(), clock)
		if want == nil {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, want, body)
		silent(t, err)
		assert.Len(t, g.requests(), 1, "it is counted, so it isn't repeated")
	}
}

// The requests for lists have the expected bytes, and the errors show no secret.
func TestPayatomListRequests(t *testing.T) {
	sum := sha256.Sum256([]byte("316ec4afb35" + payatomKey + "09-02-2024"))
	day := time.Date(2024, 2, 9, 23, 0, 0, 0, time.FixedZone("", 5*3600))
	reconcile := `{"date":"09-02-2024","pid":"316ec4afb35","signature":"` + hex.EncodeToString(sum[:]) + `"}`
	for path, c := range map[string]struct {
		call         func(context.Context, *client.Payatom) error
		method, body string
		header       [2]string
	}{
		"/api/reconcile_polling.php": {func(ctx context.Context, c *client.Payatom) error { _, err := c.ReconcilePayins(ctx, day); return err },
			"POST", reconcile, [2]string{"Token", "payatom-token-0123"}},
		"/payout/api/payout_reconcile_polling.php": {func(ctx context.Context, c *client.Payatom) error { _, err := c.ReconcilePayouts(ctx, day); return err },
			"POST", reconcile, [2]string{"Token", "payatom-token-0123"}},
		"/api/wallet_balance.php": {func(ctx context.Context, c *client.Payatom) error {
			_, err := c.WalletBalance(ctx, payatomOperator())
			return err
		},
			"POST", `{"email":"operator@shop.example","verification_code":"operator-code-0123"}`, [2]string{"Authorization", "payatom-auth-0123"}},
		"/bot/api_v2/account_deposit.php": {func(ctx context.Context, c *client.Payatom) error {
			w := payatomWalletDay()
			w.Day = day
			_, err := c.WalletTransactions(ctx, w)
			return err
		}, "POST", `{"account_number":"1234567890","filter_date":"09-02-2024","filter_date_type":"c_date"}`, [2]string{"Api-Key", payatomAPI}},
		"/bot/api_v2/account_status.php": {func(ctx context.Context, c *client.Payatom) error { _, err := c.WalletData(ctx); return err },
			"GET", "", [2]string{"Api-Key", payatomAPI}},
	} {
		for body, want := range map[string]error{
			`{"status":"success","data":{"active":[]},"wallets":[]}`:   nil,
			`{"status":"error","message":"operator-code-0123"}`:        client.ErrDeclined,
			`{"data":{"active":7},"wallets":7}`:                        client.ErrResponse,
			`{"data":{"active":{"accounts":{}}},"wallets":{"upi":{}}}`: client.ErrResponse,
			`{"a":1,"a":2}`: client.ErrResponse,
			`[]`:            client.ErrResponse,
			`{`:             client.ErrResponse,
		} {
			g := says(t, 200, body)
			config := payatomConfig(g.URL)
			config.WalletDataPath = ""
			payatom, err := client.NewPayatom(config)
			require.NoError(t, err)
			err = c.call(t.Context(), payatom)
			r := g.only(t)
			assert.Equal(t, c.method+" "+path, r.Method+" "+r.Path)
			assert.Equal(t, c.body, r.Body)
			assert.Equal(t, []string{c.header[1]}, r.Header[c.header[0]])
			if err != nil {
				silent(t, err)
				if path == "/api/wallet_balance.php" {
					silent(t, err, "operator-code-0123")
				}
			}
			if want == nil && strings.Contains(path, "reconcile") {
				want = client.ErrResponse // the list is missing
			}
			if path == "/bot/api_v2/account_deposit.php" && strings.Contains(body, "accounts") {
				continue // the summary's groups may have any name
			}
			if want != nil {
				assert.ErrorIs(t, err, want, path+body)
			} else {
				assert.NoError(t, err, path)
			}
		}
	}
}
