package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/payacktest"
)

var kills = flag.Int("kills", 0, "how often TestKilledUnderLoad kills the process; 0 is 20, or 3 with -short")

// The process is killed again and again while eight clients call it and the
// application fails every fifth time. Every acknowledged event reaches the
// application, correctly signed, and is a duplicate when it is delivered again.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel() // waits for leases to end
	verifier, err := standardwebhooks.NewWebhook(testWebhook)
	require.NoError(t, err)
	var app applicationOf
	app.serve(t, func(w http.ResponseWriter, n int) {
		if n%5 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	c := with(keptConfig(t), object{"forward": object{"url": app.url, "secret": testWebhook}})
	s := testSender(t, c, "pts")
	var mu sync.Mutex
	acknowledged := map[string]payacktest.Callback{}
	order := 0
	start := func() (l *listener, output *buffer, read chan struct{}) {
		l, output, read = startListener(t, c), new(buffer), make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(output, l.stdout)
		}()
		return l, output, read
	}
	rounds, most := *kills, 200 // the kill of a round comes after 1 to this many new acknowledgements
	switch {
	case testing.Short():
		rounds, most = max(rounds, 3), 30
	case rounds == 0:
		rounds = 20
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	for range rounds {
		before := count()
		l, _, _ := start()
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for {
					mu.Lock()
					order++
					id := fmt.Sprintf("ORD%d", order)
					mu.Unlock()
					cb, err := s.build(assignments{{"order_id", id}}, tamperNothing)
					if err != nil {
						t.Error(err)
						return
					}
					res, err := cb.Post(context.Background(), nil, l.url+"/pts")
					if err != nil {
						return // the process was killed
					}
					a, err := answerOf(res)
					if err != nil {
						return
					}
					if a.Body != "SUCCESS" {
						t.Errorf("it was answered %s", short(a))
						return
					}
					mu.Lock()
					acknowledged[id] = cb
					mu.Unlock()
				}
			})
		}
		enough := before + 1 + rand.N(most)
		require.Eventually(t, func() bool { return count() >= enough }, time.Minute, time.Millisecond)
		time.Sleep(rand.N(20 * time.Millisecond))
		l.signal(syscall.SIGKILL)
		clients.Wait()
		l.status()
	}
	require.NotEmpty(t, acknowledged)

	l, output, read := start()
	seen, arrived := 0, map[string]bool{}
	missing := func() int {
		for _, call := range app.calls()[seen:] {
			seen++
			require.NoError(t, verifier.VerifyIgnoringTimestamp([]byte(call.body), call.header))
			var event struct {
				Event struct {
					OrderID string `json:"order_id"`
				} `json:"event"`
			}
			require.NoError(t, json.Unmarshal([]byte(call.body), &event))
			if seen%5 != 0 { // answered 200
				arrived[event.Event.OrderID] = true
			}
		}
		n := 0
		for id := range acknowledged {
			if !arrived[id] {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(time.Minute); missing() > 0 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
	}
	require.Zero(t, missing(), "of %d acknowledged events", len(acknowledged))
	for _, cb := range acknowledged {
		_, body := l.do("POST", "/pts", cb)
		require.Equal(t, "SUCCESS", body)
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, l.status())
	<-read
	duplicates := 0
	for text := range strings.Lines(output.String()) {
		// Skip the lines of attempts. An attempt has the outcome duplicate if its event
		// was settled before the process was killed.
		if strings.Contains(text, `"outcome":"duplicate"`) && !strings.Contains(text, `"attempt":`) {
			duplicates++
		}
	}
	require.Equal(t, len(acknowledged), duplicates)
	t.Logf("%d kills, %d acknowledged events, %d posts to the application", rounds, len(acknowledged), len(app.calls()))
}
