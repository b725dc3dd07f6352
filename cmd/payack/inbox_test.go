package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// inboxOf calls the subcommand on a configuration file.
func inboxOf(file string, args ...string) (status int, stdout, stderr string) {
	return call(context.Background(), append([]string{"inbox", "-config", file}, args...)...)
}

// inbox shows events that could not be processed, retries them, and closes the
// rest.
func TestInbox(t *testing.T) {
	var app applicationOf
	var up atomic.Bool
	app.serve(t, func(w http.ResponseWriter, _ int) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	c := with(keptConfig(t), object{
		"pts.user_id": "77", "retry": object{"first": "1000h", "max": "1000h"},
		"forward": object{"url": app.url, "secret": testWebhook},
	})
	file := configFile(t, c)
	l := startListener(t, c)
	status, stdout, stderr := inboxOf(file, "list")
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, "no event is pending, running or dead\n", stdout)

	s := testSender(t, c, "pts")
	for _, set := range []assignments{{{"order_id", "ORD-1"}}, {{"order_id", "ORD-2"}}, {{"order_id", "ORD-3"}, {"user_id", "1"}}} {
		l.do("POST", "/pts", built(t, s, tamperNothing, set...))
		l.both()
	}
	status, stdout, stderr = inboxOf(file, "list")
	require.Equal(t, exitDone, status, stderr)
	shown := strings.Split(stdout, "\n")
	require.Len(t, shown, 5)
	require.Regexp(t, `^ID     STATE   PROVIDER TRIES  RECEIVED \(UTC\)      REASON      ORDER$`, shown[0])
	for i, want := range []string{`dead    pts          1  .{19} invalid     ORD-3`, `pending pts          1  .{19} callback    ORD-2`, `pending pts          1  .{19} callback    ORD-1`} {
		require.Regexp(t, `^[0-9]+ +`+want+`$`, shown[i+1])
		require.LessOrEqual(t, len(shown[i+1]), 80)
	}
	id := func(order string) string {
		return regexp.MustCompile(`(?m)^([0-9]+) .*` + order + `$`).FindStringSubmatch(stdout)[1]
	}

	status, stdout2, stderr := inboxOf(file, "show", id("ORD-1"))
	require.Equal(t, exitDone, status, stderr)
	for _, want := range []string{"(?m)^state     pending$", "(?m)^order     ORD-1$", "(?m)^next      .* UTC$", `(?m)^event     \{.*"order_id":"ORD-1"`,
		"(?m)^attempt   1, .* UTC, took .*: callback: .*forward.url answered 502"} {
		require.Regexp(t, want, stdout2)
	}
	require.NotContains(t, stdout2, testWebhook)

	up.Store(true)
	status, out, stderr := inboxOf(file, "retry", id("ORD-1"))
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, id("ORD-1")+" is due now\n", out)
	line := l.line() // the line of the listening process
	require.Equal(t, "pts accepted", line.verdict())
	require.Equal(t, 2, line.Attempt)

	status, out, stderr = inboxOf(file, "retry", "-reason", "callback")
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, "1 dead or pending with the reason \"callback\": due now\n", out)
	require.Equal(t, "pts accepted", l.line().verdict())

	status, out, stderr = inboxOf(file, "retry", id("ORD-1"), "999")
	require.Equal(t, exitFailed, status)
	require.Empty(t, out)
	require.Equal(t, "payack: "+id("ORD-1")+": the event is done, and is never processed again; 999: there is no row with this ID; payack inbox list has the IDs\n", stderr)

	status, out, stderr = inboxOf(file, "close", id("ORD-3"), "-note", "it was another shop's")
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, id("ORD-3")+" is closed\n", out)
	_, out, _ = inboxOf(file, "show", id("ORD-3"))
	require.Regexp(t, "(?m)^state     closed$", out)
	require.Regexp(t, "(?m)^note      it was another shop's$", out)
	_, out, _ = inboxOf(file, "list")
	require.Equal(t, "no event is pending, running or dead\n", out)
	l.end()
}

// Wrong calls are refused, and create no database.
func TestInboxCalls(t *testing.T) {
	c := keptConfig(t)
	file := configFile(t, c)
	for _, tt := range []struct {
		args []string
		fix  string
	}{
		{[]string{}, "give list, show ID"},
		{[]string{"lst"}, `there is no "lst"; give list`},
		{[]string{"list", "1"}, "give show and the ID"},
		{[]string{"show"}, "it takes one ID"},
		{[]string{"show", "1", "2"}, "it takes one ID"},
		{[]string{"show", "x"}, `"x" is no ID`},
		{[]string{"show", "0"}, `"0" is no ID`},
		{[]string{"retry"}, "or -reason"},
		{[]string{"retry", "1", "-reason", "callback"}, "or -reason"},
		{[]string{"close", "1"}, "-note is missing"},
		{[]string{"close", "1", "-note", " "}, "-note is missing"},
		{[]string{"list", "-note", "x"}, "-note: it goes with close only"},
		{[]string{"retry", "-reason", "tpyo"}, `-reason: there is no "tpyo"; there are callback, panic, `},
		{[]string{"retry", "-reason", "calback"}, `-reason: there is no "calback"; the nearest is callback`},
		{[]string{"show", "1", "-reason", "x"}, "-reason: it goes with retry only"},
		{[]string{"list"}, "start payack listen first"},
	} {
		status, stdout, stderr := inboxOf(file, tt.args...)
		require.Equal(t, exitUsage, status, tt.args)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Contains(t, stderr, tt.fix)
	}
	_, err := os.Stat(c["database"].(string))
	require.ErrorIs(t, err, os.ErrNotExist)

	status, _, stderr := inboxOf(configFile(t, testConfig()), "list")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "memory only")

	empty := filepath.Join(t.TempDir(), "empty.db")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	status, _, stderr = inboxOf(configFile(t, with(keptConfig(t), object{"database": empty})), "list")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "start payack listen once with this configuration")
}
