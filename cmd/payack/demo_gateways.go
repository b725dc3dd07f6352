package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
)

// demoGateways are fakes of all providers, and the configuration of a receiver
// that asks them before it accepts.
type demoGateways struct {
	config *config
	all    []demoGateway
}

// fake is what the fake gateways have in common.
type fake interface {
	Close()
	Pay(id string) error
	Wait(ctx context.Context) error
	Deliveries(id string) []gateway.Delivery
}

// demoGateway is a fake with a merchant, who creates payments of demoAmount.
type demoGateway struct {
	fake
	provider payack.Provider
	create   func(ctx context.Context, id, callbackURL string) error
	// fail ends a payment without money and without a callback.
	fail func(id string) error
	// lie calls back and says paid, whatever is true.
	lie func(ctx context.Context, id string) (gateway.Delivery, error)
	// failed is the provider's word for what fail does.
	failed string
}

// startDemoGateways starts the fakes with fresh keys. Close them.
func startDemoGateways() (g *demoGateways, err error) {
	g = &demoGateways{}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	once := gateway.Options{Retries: -1} // a row is one delivery
	ptop, err := gateway.NewPtop(gateway.PtopConfig{Options: once})
	if err != nil {
		return g, err
	}
	if err := g.addPtop(ptop); err != nil {
		return g, err
	}
	pts, err := gateway.NewPTS(gateway.PTSConfig{Shape: gateway.PTSSealed, Options: once})
	if err != nil {
		return g, err
	}
	ptsClient, err := g.addPTS(pts)
	if err != nil {
		return g, err
	}
	payatom, err := gateway.NewPayatom(gateway.PayatomConfig{Options: once})
	if err != nil {
		return g, err
	}
	payatomClient, err := g.addPayatom(payatom)
	if err != nil {
		return g, err
	}
	// Written as a file would be. The file has no members for asking PTS and
	// Payatom.
	file, err := json.Marshal(map[string]any{
		"addr": "127.0.0.1:0", "database": "",
		"ptop": map[string]any{"signing_keys": []string{ptop.SigningKey().Reveal()}, "confirm": map[string]any{
			"base_url": ptop.URL, "website_id": ptop.WebsiteID(), "secret_key": ptop.SecretKey().Reveal()}},
		"pts":     map[string]any{"user_id": pts.UserID(), "safecode": pts.Safecode().Reveal(), "public_keys": []string{pts.PublicKey()}},
		"payatom": map[string]any{"secret_keys": []string{payatom.SecretKey().Reveal()}, "insecure_no_expectation": true},
	})
	if err != nil {
		return g, err
	}
	if g.config, err = parseConfig(file); err != nil {
		return g, err
	}
	g.config.confirm.pts, g.config.confirm.payatom = ptsClient.Confirm, payatomClient.Confirm
	return g, nil
}

func (g *demoGateways) close() {
	for _, gw := range g.all {
		gw.Close()
	}
}

const (
	demoShop  = "https://shop.example/"
	demoEmail = "customer@shop.example"
)

func (g *demoGateways) addPtop(gw *gateway.Ptop) error {
	merchant, err := client.NewPtop(client.PtopConfig{BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey()})
	g.all = append(g.all, demoGateway{
		fake: gw, provider: payack.Ptop,
		create: func(ctx context.Context, id, callbackURL string) error {
			_, err := merchant.CreatePayment(ctx, client.PtopPayment{
				OrderID: id, Amount: payack.NewAmount(demoAmount), Product: "Tea",
				WebhookURL: callbackURL, SuccessURL: demoShop, FailURL: demoShop,
			})
			return err
		},
		fail: func(id string) error { return gw.SetStatus(id, gateway.PtopCancelled) }, failed: "cancelled",
		lie: func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, func(c *gateway.PtopCallback) { c.Success = true })
		},
	})
	return err
}

func (g *demoGateways) addPTS(gw *gateway.PTS) (*client.PTS, error) {
	merchant, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
		PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
	})
	g.all = append(g.all, demoGateway{
		fake: gw, provider: payack.PTS,
		create: func(ctx context.Context, id, callbackURL string) error {
			_, err := merchant.Payment(ctx, client.PTSPayment{
				OrderID: id, Amount: payack.NewAmount(demoAmount), Currency: "PHP", Channel: "GCASH", CallbackURL: callbackURL,
			})
			return err
		},
		fail: func(id string) error { return gw.SetStatus(id, payack.PTSFailed) }, failed: "failed",
		lie: func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, func(c *gateway.PTSCallback) { c.Status = payack.PTSSuccess })
		},
	})
	return merchant, err
}

func (g *demoGateways) addPayatom(gw *gateway.Payatom) (*client.Payatom, error) {
	merchant, err := client.NewPayatom(client.PayatomConfig{BaseURL: gw.URL, PID: gw.PID(), SecretKeys: []payack.Secret{gw.SecretKey()}})
	g.all = append(g.all, demoGateway{
		fake: gw, provider: payack.Payatom,
		create: func(ctx context.Context, id, callbackURL string) error {
			gw.SetWebhookURL(callbackURL) // which is the back office's, and not the payment's
			_, err := merchant.Payin(ctx, client.PayatomPayin{
				OrderID: id, Amount: payack.NewAmount(demoAmount), Name: "Customer", Email: demoEmail, Phone: "9000000000",
			})
			return err
		},
		fail: func(id string) error { return gw.SetStatus(id, payack.PayatomDeclined) }, failed: "declined",
		lie: func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, func(c *gateway.PayatomCallback) {
				c.Status, c.ReceivedAmount = payack.PayatomApproved, demoAmount
			})
		},
	})
	return merchant, err
}

// rows are, of every provider, a payment that is paid, and two that are not and
// whose callbacks lie.
func (g *demoGateways) rows() []row {
	var rows []row
	for _, gw := range g.all {
		add := func(what, id string, callBack func(ctx context.Context, id string) (gateway.Delivery, error), o payack.Outcome, reason payack.Reason) {
			send := func(ctx context.Context, url string) (payack.Answer, error) {
				if err := gw.create(ctx, id, url); err != nil {
					return payack.Answer{}, err
				}
				d, err := callBack(ctx, id)
				if err != nil {
					return payack.Answer{}, err
				}
				return answerTo(d)
			}
			rows = append(rows, row{gw.provider, what, send, 1, payacktest.Answer(gw.provider, reason), o, []payack.Reason{reason}})
		}
		add("created, paid, called back", "ORD1000001", gw.pay, payack.OutcomeAccepted, "")
		add("created, called back as paid: a lie, it is pending", "ORD1000002", gw.lie, payack.OutcomeFailed, payack.ReasonUnreachable)
		add("created, "+gw.failed+", called back as paid: a lie", "ORD1000003", gw.failAndLie, payack.OutcomeRejected, payack.ReasonUnconfirmed)
	}
	return rows
}

// pay has the customer pay, and waits for what comes of it.
func (gw demoGateway) pay(ctx context.Context, id string) (d gateway.Delivery, err error) {
	if err := gw.Pay(id); err != nil {
		return d, err
	}
	if err := gw.Wait(ctx); err != nil {
		return d, err
	}
	all := gw.Deliveries(id)
	if len(all) != 1 {
		return d, fmt.Errorf("the fake gateway called back %d times in place of once", len(all))
	}
	return all[0], nil
}

func (gw demoGateway) failAndLie(ctx context.Context, id string) (d gateway.Delivery, err error) {
	if err := gw.fail(id); err != nil {
		return d, err
	}
	return gw.lie(ctx, id)
}

// answerTo is what the gateway was answered.
func answerTo(d gateway.Delivery) (payack.Answer, error) {
	if len(d.Attempts) == 0 {
		return payack.Answer{}, errors.New("the fake gateway did not call back")
	}
	a := d.Attempts[len(d.Attempts)-1]
	return payack.Answer{Status: a.Status, ContentType: a.Header.Get("Content-Type"), Body: a.Body}, a.Err
}
