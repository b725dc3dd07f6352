package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/documents"
	"github.com/payack/payack/payacktest/gateway"
)

// guide is the README and the pages of docs.
func guide(t *testing.T) []documents.Page {
	t.Helper()
	pages, err := documents.Guide("../..")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the documentation is not here: this is the command's module alone")
	}
	require.NoError(t, err)
	require.Greater(t, len(pages), 10)
	return pages
}

// configurations are all that the pages show: what is JSON, and what is written
// into a file by echo.
func configurations(t *testing.T) (all []documents.Block) {
	t.Helper()
	echoed := regexp.MustCompile(`(?m)^echo '(.*)' > payack\.json$`)
	for _, page := range guide(t) {
		for _, b := range page.Blocks {
			switch b.Language {
			case "json":
				all = append(all, b)
			case "sh":
				for _, m := range echoed.FindAllStringSubmatch(b.Text, -1) {
					b.Text = m[1]
					all = append(all, b)
				}
			}
		}
	}
	require.Greater(t, len(all), 3, "configurations are not found")
	return all
}

// TestConfigurations checks each configuration of the pages by config -check. Of
// Ptop, PTS and Payatom they hold names of variables and files only.
func TestConfigurations(t *testing.T) {
	all, folder := configurations(t), t.TempDir()
	t.Chdir(folder)
	exampleIn(t, folder) // its variables and its files
	for _, b := range all {
		file := writeFile(t, "payack.json", b.Text)
		status, stdout, stderr := call(t.Context(), "config", "-check", file)
		require.Equal(t, exitDone, status, "%v: %s", b, stderr)
		require.Contains(t, stdout, "is in order")
	}
}

// firstConfiguration is what the README showed when the command was new.
const firstConfiguration = `{
  "addr": "127.0.0.1:8080",
  "database": "",
  "rate_limit": {"per_second": 50, "burst": 100, "charge": "failures"},
  "payatom": {"secret_keys": ["${PAYATOM_SECRET_KEY}"], "orders": {"ORD1000001": "500"}}
}`

// TestConfigurationsOfTheDocumentation runs what the pages show first as it is
// written, but for the port, and what the README showed once.
func TestConfigurationsOfTheDocumentation(t *testing.T) {
	t.Setenv("PAYATOM_SECRET_KEY", testPayatom)
	t.Setenv("PAYACK_WEBHOOK_SECRET", testWebhook)
	texts := map[string]string{"first": firstConfiguration}
	for _, file := range []string{"../../docs/command.md", "../../docs/gateway.md"} {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("the documentation is not here: this is the command's module alone")
		}
		require.NoError(t, err)
		_, rest, found := strings.Cut(string(text), "```json\n{\n")
		require.True(t, found, file)
		shown, _, _ := strings.Cut(rest, "```")
		texts[file] = "{\n" + shown
	}
	for name, text := range texts {
		c, err := parseConfig([]byte(text))
		require.NoError(t, err, name)
		require.Equal(t, "127.0.0.1:8080", c.Addr)
		folder := t.TempDir()
		text = strings.Replace("{ \"addr\": \"127.0.0.1:0\","+text[1:], `"addr": "127.0.0.1:8080",`, "", 1)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "payack.json"), []byte(text), 0o600))
		l := listening(startProcessIn(t, folder, "listen", "-config", "payack.json"), *c.Database != "")
		_, body := l.do("POST", "/payatom", built(t, sender{c, payack.Payatom, payack.Secret{}}, tamperNothing))
		require.Equal(t, payatomYes, body, name)
		require.Equal(t, "payatom accepted", l.line().verdict(), name)
		_, err = os.Stat(filepath.Join(folder, "payack.db"))
		require.Equal(t, *c.Database == "", err != nil, name)
	}
}

// TestConfigurationPage holds the page of the command equal to what it prints.
func TestConfigurationPage(t *testing.T) {
	example := exampleText(t)
	for _, b := range configurations(t) {
		if b.Page == "docs/command.md" && strings.HasPrefix(b.Text, "//") {
			require.True(t, example == b.Text, "%v: it differs from the output of payack config -example; paste that", b)
			return
		}
	}
	t.Fatal("docs/command.md does not show the whole configuration")
}

// TestCommands runs each command of the pages, once: in a folder with the files
// that they name, beside a listen with fake providers and an application that
// fails, so that events stay in the inbox. TestDemo runs demo.
func TestCommands(t *testing.T) {
	pages := guide(t)
	s, ran := startSession(t), map[string]bool{"demo": true}
	for _, page := range pages {
		for _, b := range page.Blocks {
			if b.Language != "sh" {
				continue
			}
			for _, c := range b.Commands() {
				args := c.Words
				switch {
				case args[0] == "payack":
					args = args[1:]
				case len(args) > 2 && args[0] == "go" && args[1] == "run" && args[2] == "./cmd/payack":
					args = args[3:]
				default:
					continue
				}
				if line := strings.Join(args, " "); !ran[line] {
					ran[line] = true
					s.run(c, args)
				}
			}
		}
	}
	require.Greater(t, len(ran), 15, "commands are not found")
}

// listenCall is the call that the pages show.
var listenCall = []string{"listen", "-config", "payack.json"}

// session is a folder of a reader who follows the pages.
type session struct {
	t       *testing.T
	config  object
	url     string // of listen
	ordered string // ORDER=TRANSACTION_ID of an order of ptop
}

func startSession(t *testing.T) *session {
	folder := t.TempDir()
	t.Chdir(folder)
	fails := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(fails.Close)
	s := &session{t: t, config: with(testConfig(), object{
		"database": "payack.db", "record": "refused", "retry.first": "1h",
		"forward.url": fails.URL, "forward.secret": testWebhook,
	})}
	private, public := testPair()
	for _, p := range []payack.Provider{payack.PTS, payack.Ptop} {
		gw, err := registry[p].demo.gateway(gateway.Options{Retries: -1})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		require.NoError(t, gw.create(t.Context(), "ORD-1", "http://127.0.0.1:1/lost"))
		require.NoError(t, gw.Pay("ORD-1"))
		s.config[string(p)] = object(gw.section)
		s.ordered = handleOf(t, gw, "ORD-1")
	}
	keys := s.config["pts"].(object)["public_keys"].([]string)
	with(s.config, object{"pts.public_keys": append([]string{public}, keys...)}) // those of pts.pem, too
	copyFile := func(from, to string) {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, to), text, 0o600))
	}
	copyFile(configFile(t, s.config), "payack.json")
	require.NoError(t, os.WriteFile("pts.pem", []byte(private), 0o600))

	p := startProcessIn(t, folder, listenCall...)
	s.url = listening(p, true).url
	for i := range 20 { // so that rows have the numbers that the pages name
		cb := built(t, testSender(t, s.config, "pts"), tamperNothing, assignment{"order_id", "ORD-N" + string(rune('A'+i))}, assignment{"status", "1000"})
		res, err := cb.Post(t.Context(), nil, s.url+"/pts")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	return s
}

// run runs a command as it stands in a page, but for the port.
func (s *session) run(c documents.Command, args []string) {
	t := s.t
	for _, p := range []string{"ptop", "pts", "payatom"} {
		if strings.Contains(strings.Join(args, " "), p) {
			dump, err := built(t, testSender(t, s.config, p), tamperNothing).Dump("/" + p)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile("recorded.json", dump, 0o600))
			break
		}
	}
	want := exitDone
	args = append([]string(nil), args...)
	for i, arg := range args {
		arg = strings.Replace(arg, "http://127.0.0.1:8080", s.url, 1)
		arg = strings.Replace(arg, "/callbacks/pts", "/pts", 1) // that is the smallest receiver's
		if arg == "ORD-1=TRANSACTION_ID" {
			arg = s.ordered
		}
		if arg == "-tamper" {
			want = exitFailed // it is refused
		}
		args[i] = arg
	}
	if args[0] == "listen" {
		require.Equal(t, listenCall, args, "%v: another call than the one that is running", c)
		return
	}
	var status int
	var stdout, stderr string
	require.Eventually(t, func() bool {
		status, stdout, stderr = call(context.Background(), args...)
		return status != exitFailed || want == exitFailed // a row that is running is asked for again
	}, 30*time.Second, 100*time.Millisecond, "%v: payack %s", c, strings.Join(args, " "))
	require.Equal(t, want, status, "%v: payack %s: %s%s", c, strings.Join(args, " "), stdout, stderr)
}
