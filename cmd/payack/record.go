package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// recorder records what is not accepted, for inspect and replay.
func (c *config) recorder(logger *slog.Logger) (*payacktest.Recorder, error) {
	var keep []string
	for _, s := range c.sections {
		keep = append(keep, s.signatureHeaders()...)
	}
	var full sync.Once
	rec, err := payacktest.NewRecorder(c.Record, payacktest.RecorderOptions{
		Keep: keep, MaxBody: c.MaxBodyBytes,
		Outcomes: []payack.Outcome{payack.OutcomeFailed, payack.OutcomeRejected, payack.OutcomeRefused},
		OnError: func(err error) {
			if errors.Is(err, payacktest.ErrFull) {
				full.Do(func() {
					logger.Warn(fmt.Sprintf("record: the folder has %d files, or %d MiB, and nothing more is recorded; move them away and start listen again",
						payacktest.DefaultRecordFiles, payacktest.DefaultRecordBytes>>20))
				})
				return
			}
			logger.Warn("a delivery was not recorded", "error", err)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("record: %s; name a folder that this user may write to", strings.TrimPrefix(err.Error(), "payacktest: NewRecorder: "))
	}
	return rec, nil
}
