package inspector_test

import (
	"fmt"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// TestScreenshots writes screenshots of the five main views with sample data,
// at two widths, light and dark:
//
//	go test -run TestScreenshots -screenshots FOLDER .
func TestScreenshots(t *testing.T) {
	if *shots == "" {
		t.Skip("give it a folder: -screenshots FOLDER")
	}
	s := open(t)
	pts, ptop, atom := payacktest.PTS(payacktest.NewPTSKeys()), payacktest.Ptop(payacktest.NewPtopKeys()), payacktest.Payatom(payacktest.NewPayatomKeys())
	order := func(n int) string { return fmt.Sprint("SHOP-", 48210+n) }
	for n := range 9 {
		deliver(s.pts, pts.Order(order(n)).Amount(fmt.Sprintf("%d.50", 120+n*37)).Set("transaction_id", fmt.Sprint("T2611", 29000+n*7)).Callback(t))
	}
	s.work()
	s.fail(order(12), errLedger)
	s.fail(order(14), payack.ErrUnexpected)
	deliver(s.ptop, ptop.Order(order(10)).Transaction("8801442").Callback(t))
	deliver(s.ptop, ptop.Order(order(10)).Transaction("8801442").Callback(t)) // a redelivery
	deliver(s.ptop, ptop.Order(order(11)).Transaction("8801467").Scheme(payack.SchemeSpliced).Callback(t))
	deliver(s.atom, atom.Order(order(12)).Amount("2500").Callback(t))
	deliver(s.atom, atom.Order(order(13)).Amount("750").Callback(t))
	deliver(s.pts, pts.Order(order(14)).Amount("9999").Callback(t))
	s.work()
	cb := pts.Order(order(15)).Amount("310.00").PHPNumbers().Callback(t)
	deliver(s.pts, cb.Tampered(t, payacktest.AnnounceType("text/plain")))
	deliver(s.pts, pts.Order(order(16)).Amount("64.00").Callback(t))
	s.work()
	deliver(s.pts, pts.Order(order(17)).Amount("88.20").Callback(t))

	b := browse(t, s)
	b.until(`document.querySelector("#live").textContent === "Live"`)
	b.shot("list")
	for _, e := range first(s.entries("")) {
		switch e.Order {
		case order(11):
			b.open("/deliveries/" + e.ID)
			b.shot("refused")
		case order(14):
			b.open("/deliveries/" + e.ID)
			b.shot("kept")
		}
	}
	b.open("/numbers")
	b.shot("numbers")
	b.open("/retry?outcome=dead")
	b.shot("retry")
}
