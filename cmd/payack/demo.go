package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/payacktest/gateway"
)

func runDemo(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "demo", "demo [-serve]\n\nPlays every provider's genuine and forged callbacks at a receiver, which is\n"+
		"killed and started again; then creates payments at fake gateways, whose\n"+
		"callbacks, true ones and lies, a receiver confirms by asking.\n"+
		"Exits 1 if anything differs from what is expected.", "payack demo")
	serve := fs.Bool("serve", false, "keep the first receiver up afterwards, until interrupted")
	if err := parse(fs, args); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "payack-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	app, err := startDemoApplication()
	if err != nil {
		return err
	}
	defer app.Close()
	keys, err := newDemoKeys(app)
	if err != nil {
		return err
	}
	rows, err := keys.rows(app)
	if err != nil {
		return err
	}
	r, err := startDemoReceiver(filepath.Join(folder, "receiver"), keys.members)
	if err != nil {
		return err
	}
	defer r.stop()
	gateways, err := startDemoGateways()
	if err != nil {
		return err
	}
	defer gateways.close()
	confirming, err := startDemoReceiver(filepath.Join(folder, "confirming"), gateways.members)
	if err != nil {
		return err
	}
	defer confirming.stop()
	err = playAll(ctx, io.out,
		scene{"A receiver at %s keeps what verifies in a SQLite file, and forwards it.", r, rows},
		scene{"Another one, at %s, confirms by asking fake gateways, which call it back.", confirming, gateways.rows()})
	if err != nil || !*serve {
		return err
	}
	return keys.serve(ctx, io, r)
}

// demoProvider is what the demonstration needs for one provider.
type demoProvider struct {
	// section makes fresh keys and a section of the configuration with them.
	// private is the signing key if the section holds only its public half.
	section func() (section map[string]any, private payack.Secret)
	// set holds the members of the genuine callback that is then tampered with.
	set assignments
	// complete adds the spliced callback, which has the genuine signature of another
	// message. It also adds the callbacks that only this provider has.
	complete func(b *builder, d *demoDeliveries)
	// gateway starts a fake gateway with a merchant; nil if there is none.
	gateway func(o gateway.Options) (demoGateway, error)
}

// demoKeys are the keys of one run.
type demoKeys struct {
	members map[string]any // of the configuration file
	config  *config
	private map[payack.Provider]payack.Secret
}

// The orders of the demonstration, each with amount demoAmount. The callback of
// demoKept comes while the application fails. demoFirst is left for the user:
// payack send takes the first order.
const (
	demoFirst, demoOrder, demoOther, demoKept = "ORD1000000", "ORD1000001", "ORD1000002", "ORD1000003"
	demoAmount                                = "500"
)

func newDemoKeys(app *demoApplication) (*demoKeys, error) {
	k := &demoKeys{private: map[payack.Provider]payack.Secret{}, members: map[string]any{
		"addr": "127.0.0.1:0", "admin": "127.0.0.1:0",
		// The demonstration pretends to be a proxy, so that it can send from
		// several clients.
		"trusted_proxies": []string{"127.0.0.1"},
		"rate_limit":      map[string]any{"per_second": 0.01, "burst": demoBudget},
		// The wait is so long that probably no attempt runs when the receiver is
		// killed. The event of a killed attempt would have to wait for the end of
		// a lease.
		"retry":   map[string]any{"first": "3s"},
		"forward": map[string]any{"url": app.URL, "secret": app.secret},
	}}
	for _, p := range providers.All {
		k.members[string(p)], k.private[p] = registry[p].demo.section()
	}
	file, err := json.Marshal(k.members)
	if err != nil {
		return nil, err
	}
	k.config, err = parseConfig(file)
	return k, err
}

// serve shows new deliveries until the context ends.
func (k *demoKeys) serve(ctx context.Context, io stdio, r *demoReceiver) error {
	fmt.Fprintf(io.out, "\nIt goes on until interrupted, with the configuration %s\n", r.file)
	for _, p := range k.config.configured() {
		url := r.url + k.config.path(p)
		call := fmt.Sprintf("payack send %s -config %s -url %s", p, r.file, url)
		if private := k.private[p]; !private.IsZero() {
			file := filepath.Join(r.folder, string(p)+".pem")
			if err := os.WriteFile(file, []byte(private.Reveal()), 0o600); err != nil {
				return err
			}
			call += " -key " + file
		}
		fmt.Fprintf(io.out, "%-8s receives at %s; try\n  %s\n", p, url, call)
	}
	fmt.Fprintf(io.out, "%-8s is at %s (for one browser; others enter its token)\n\n", "inspector", r.admin)
	return r.show(ctx, io.out)
}
