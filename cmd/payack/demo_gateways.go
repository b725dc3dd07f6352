package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
)

// demoGateways holds the fake gateways of all providers that have one. It also
// holds the configuration of a receiver that asks them before it accepts a
// callback.
type demoGateways struct {
	members map[string]any // of the configuration file
	all     []demoGateway
}

// fake is the common interface of the fake gateways.
type fake interface {
	Close()
	Pay(id string) error
	Wait(ctx context.Context) error
	Deliveries(id string) []gateway.Delivery
}

// demoGateway is a fake with a merchant who creates payments of demoAmount.
type demoGateway struct {
	fake
	provider payack.Provider
	// section configures a receiver that confirms this gateway's callbacks.
	section map[string]any
	create  func(ctx context.Context, id, callbackURL string) error
	// fail ends a payment unpaid, without a callback.
	fail func(id string) error
	// lie sends a callback that says paid, whatever the payment's status is.
	lie func(ctx context.Context, id string) (gateway.Delivery, error)
	// failed is the provider's status of a payment that fail ended.
	failed string
}

// startDemoGateways starts the fakes with fresh keys. The caller closes them.
func startDemoGateways() (g *demoGateways, err error) {
	g = &demoGateways{}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	once := gateway.Options{Retries: -1}                                                      // each row is one delivery
	g.members = map[string]any{"addr": "127.0.0.1:0", "retry": map[string]any{"first": "1h"}} // so long that no question is repeated
	for _, p := range providers.All {
		start := registry[p].demo.gateway
		if start == nil {
			continue
		}
		gw, err := start(once)
		if gw.fake != nil {
			gw.provider = p
			g.all = append(g.all, gw)
		}
		if err != nil {
			return g, err
		}
		g.members[string(p)] = gw.section
	}
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

// rows returns three payments for each provider. One is paid. The other two
// are unpaid, but their callbacks say that they are paid.
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
			rows = append(rows, row{
				provider: gw.provider, what: what, send: send, times: 1, want: payacktest.Answer(gw.provider, ""),
				door: accepted, desk: fate{o, []payack.Reason{reason}}, // correctly signed, so the inbox keeps it
			})
		}
		add("a payment that is paid", "ORD1000001", gw.pay, payack.OutcomeAccepted, "")
		add("a pending one says paid", "ORD1000002", gw.lie, payack.OutcomeFailed, payack.ReasonUnreachable)
		add("a "+gw.failed+" one says paid", "ORD1000003", gw.failAndLie, payack.OutcomeRejected, payack.ReasonUnconfirmed)
	}
	return rows
}

// pay lets the customer pay, and waits for the gateway's delivery.
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

// answerTo returns the answer that the gateway received.
func answerTo(d gateway.Delivery) (payack.Answer, error) {
	if len(d.Attempts) == 0 {
		return payack.Answer{}, errors.New("the fake gateway did not call back")
	}
	a := d.Attempts[len(d.Attempts)-1]
	return payack.Answer{Status: a.Status, ContentType: a.Header.Get("Content-Type"), Body: a.Body}, a.Err
}
