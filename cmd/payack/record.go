package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// recorder records deliveries that are not accepted, for inspect and replay.
func (c *config) recorder(logger *slog.Logger) (*payacktest.Recorder, error) {
	var keep []string
	for _, s := range c.sections {
		keep = append(keep, s.signatureHeaders()...)
	}
	rec, err := payacktest.NewRecorder(c.Record, payacktest.RecorderOptions{
		Keep: keep, MaxBody: c.MaxBodyBytes, DropOldest: true,
		Outcomes: []payack.Outcome{payack.OutcomeFailed, payack.OutcomeRejected, payack.OutcomeRefused},
		OnError:  func(err error) { logger.Warn("a delivery was not recorded", "error", err) },
	})
	if err != nil {
		return nil, fmt.Errorf("record: %s; name a folder that this user may write to", strings.TrimPrefix(err.Error(), "payacktest: NewRecorder: "))
	}
	return rec, nil
}
