package main

import (
	"fmt"
	"time"

	"github.com/payack/payack/inbox"
)

// retry configures when a failed event is retried.
type retry struct {
	First  string `json:"first"`
	Max    string `json:"max"`
	GiveUp string `json:"give_up"`

	first, max, giveUp time.Duration
}

func (r *retry) complete() error {
	for _, d := range []struct {
		name, text string
		usual      time.Duration
		value      *time.Duration
	}{
		{"retry.first", r.First, inbox.DefaultRetryFirst, &r.first},
		{"retry.max", r.Max, inbox.DefaultRetryMax, &r.max},
		{"retry.give_up", r.GiveUp, inbox.DefaultGiveUp, &r.giveUp},
	} {
		var err error
		if *d.value, err = duration(d.name, d.text, d.usual); err != nil {
			return err
		}
	}
	if r.max < r.first {
		return fmt.Errorf("retry.max: %v is shorter than retry.first, which is %v; raise it, or lower retry.first", r.max, r.first)
	}
	return nil
}

// duration parses a member that is a duration above 0. For an empty text it
// returns the argument usual.
func duration(member, text string, usual time.Duration) (time.Duration, error) {
	if text == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s: %q is no duration above 0; write it like 5s, 10m or 72h", member, text)
	}
	return d, nil
}
