// Package gateway has fake providers on loopback ports: [Ptop], [PTS] and
// [Payatom]. They follow the providers' documents, and are for tests of programs
// that create payments and receive callbacks.
//
//	gw, err := gateway.NewPTS(gateway.PTSConfig{})
//	…
//	defer gw.Close()
//	// The program creates a payment at gw.URL; then its customer pays.
//	err = gw.Pay("ORD-1")
//	err = gw.Wait(ctx) // until the callbacks are acknowledged or given up
//
// A fake checks requests as strictly as the documents demand. It keeps the
// requests it received (Requests) and the callbacks it sent (Deliveries), and it
// can be made to fail ([Faults]). The documentation of each fake lists what it
// assumes where the provider's documents say nothing.
package gateway
