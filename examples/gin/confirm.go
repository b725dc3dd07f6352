package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/payack/payack"
)

// paymentCheck asks Ptop what became of a transaction.
type paymentCheck struct {
	url       string
	websiteID string
	secretKey payack.Secret
}

// noRedirects keeps the secret key from being posted anywhere else.
var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// confirm is payack's Confirm hook. The context ends in time for the answer to
// the webhook.
func (p paymentCheck) confirm(ctx context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
	body, err := json.Marshal(map[string]string{
		"website_id": p.websiteID, "secret_key": p.secretKey.Reveal(), "transaction_id": ev.TransactionID,
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := noRedirects.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("payment-check answered with status %d", response.StatusCode)
	}

	var found struct {
		Status *int        `json:"status"`
		Amount json.Number `json:"amount"` // the exact text; never a float
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&found); err != nil {
		return nil, errors.New("payment-check answered with what is no JSON") // its text could be anything
	}
	amount := payack.NewAmount(found.Amount.String())
	switch {
	case found.Status == nil:
		return nil, errors.New("payment-check answered without a status")
	case *found.Status == 1 && amount.Valid():
		return &payack.Confirmation{Paid: true, Status: strconv.Itoa(*found.Status), Amount: amount}, nil
	case *found.Status == 2: // cancelled, for good
		return nil, payack.ErrUnconfirmed
	}
	return nil, fmt.Errorf("payment-check says status %d, amount %q: nothing to credit yet", *found.Status, found.Amount)
}
