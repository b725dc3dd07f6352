// Package gateway has fakes of the providers on loopback ports, made after the
// providers' documents, for the tests of programs that create payments and
// receive callbacks: [Ptop], [PTS] and [Payatom].
//
//	gw, err := gateway.NewPTS(gateway.PTSConfig{})
//	…
//	defer gw.Close()
//	// The program creates a payment at gw.URL; then its customer pays.
//	err = gw.Pay("ORD-1")
//	err = gw.Wait(ctx) // until the callbacks are acknowledged or given up
//
// A fake checks requests as strictly as the documents say, keeps what was asked
// (Requests) and what it sent (Deliveries), and misbehaves when told to
// ([Faults]). What the documents leave open is listed at each of them.
package gateway
