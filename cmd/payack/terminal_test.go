package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// The method text formats a line for a person.
func TestTerminalText(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 28, 12, 30, 5, 0, time.UTC) }
	long := strings.Repeat("€", 200)
	for want, s := range map[string]said{
		"12:30:05 pts      accepted  200        ORD1, paid\n":                                          {Provider: "pts", Outcome: "accepted", Status: 200, EventID: "pts:ORD1", order: "ORD1", paid: true},
		"12:30:05 pts      accepted  attempt 2  pts:v1:ORD1\n":                                         {Provider: "pts", Outcome: "accepted", Attempt: 2, EventID: "pts:v1:ORD1"},
		"12:30:05 ptop     rejected  403        signature\n         no key\n":                          {Provider: "ptop", Outcome: "rejected", Reason: "signature", Status: 403, Detail: "no key"},
		"12:30:05 payatom  failed    dead       callback: ORD1\n         x\n":                          {Provider: "payatom", Outcome: "failed", Reason: "callback", Attempt: 12, Dead: true, order: "ORD1", paid: true, Detail: "x"},
		"12:30:05 pts      duplicate 200        \\u001b[2J\\u202e\\u000a\n":                            {Provider: "pts", Outcome: "duplicate", Status: 200, order: "\x1b[2J\u202e\n"},
		"12:30:05 pts      accepted  200        " + long[:3*40] + "…\n         " + long[:3*70] + "…\n": {Provider: "pts", Outcome: "accepted", Status: 200, order: long, Detail: long},
	} {
		require.Equal(t, want, (&terminal{now: now}).text(s))
		coloured := (&terminal{now: now, colours: true}).text(s)
		require.NotEqual(t, want, coloured)
		_, rest, _ := strings.Cut(coloured, "\x1b[")
		require.Regexp(t, `^3[1-6]m(accepted |duplicate|failed   |rejected )`+"\x1b"+`\[0m `, rest)
		for line := range strings.Lines(want) {
			require.LessOrEqual(t, len([]rune(line)), 81, line)
		}
	}
	for _, o := range []payack.Outcome{payack.OutcomeAccepted, payack.OutcomeDuplicate, payack.OutcomeFailed, payack.OutcomeRejected, payack.OutcomeRefused} {
		require.NotEmpty(t, colours[o])
	}
}

// The help of each subcommand fits 80 columns.
func TestHelpFitsATerminal(t *testing.T) {
	args := [][]string{{"-h"}}
	for _, c := range commands {
		args = append(args, []string{c.name, "-h"})
	}
	for _, args := range args {
		_, stdout, _ := call(context.Background(), args...)
		for line := range strings.Lines(stdout) {
			require.LessOrEqual(t, len([]rune(strings.ReplaceAll(line, "\t", "    "))), 81, line)
		}
	}
}

// A shell splits the printed curl line into the right words.
func TestSendPrints(t *testing.T) {
	file := configFile(t, testConfig())
	hostile := "it's $HOME `id` \"x\" \\ \n@y"
	for provider, args := range map[string][]string{
		"ptop": {"-set", "order_id=" + hostile}, "payatom": {"-set", "bank_ref=" + hostile}, "pts": {"-set", "channel=" + hostile, "-key", keyFile(t)},
	} {
		status, stdout, stderr := call(t.Context(), append([]string{"send", provider, "-config", file, "-print", "-url", "http://127.0.0.1:1/a b?c='d'"}, args...)...)
		require.Equal(t, exitDone, status, stderr)
		require.True(t, strings.HasPrefix(stdout, "curl "))
		out, err := exec.Command("sh", "-c", `curl() { for a; do printf '%s\0' "$a"; done; }; `+stdout).Output()
		require.NoError(t, err)
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		n := len(words)
		require.Equal(t, "http://127.0.0.1:1/a b?c='d'", words[n-1])
		require.Equal(t, []string{"-sS", "--globoff", "-X", "POST"}, words[:4], "a URL may hold brackets")
		require.Equal(t, "--data-raw", words[n-3])
		cb := bare("", words[n-2])
		delete(cb.Header, "Content-Type")
		for i := 4; i < n-3; i += 2 {
			require.Equal(t, "-H", words[i])
			name, value, found := strings.Cut(words[i+1], ": ")
			require.True(t, found)
			cb.Header.Add(name, value)
		}
		r := newReceiver(t, testConfig())
		res, err := cb.Post(t.Context(), nil, r.url+"/"+provider)
		require.NoError(t, err)
		payacktest.Accepted(t, payack.Provider(provider), res)
	}
	for word, want := range map[string]string{"": "''", "a": "a", "a b": "'a b'", "~": "'~'", "it's": `'it'\''s'`, "é": "'é'", "*": "'*'"} {
		require.Equal(t, want, shellWord(word))
	}
	status, stdout, _ := call(t.Context(), "send", "ptop", "-config", file, "-print", "-tamper", "replay", "-url", "http://127.0.0.1:1/")
	require.Equal(t, exitDone, status)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, lines[0], lines[1])
}

// Without a terminal the output is JSON.
func TestNoTerminal(t *testing.T) {
	require.Nil(t, terminalOf(new(strings.Builder)))
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	require.Nil(t, terminalOf(f))
}
