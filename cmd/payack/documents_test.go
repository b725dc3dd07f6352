package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/documents"
)

// guide returns the README and the pages of docs.
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

// configurations returns all configurations in the pages: JSON blocks, and files
// written by echo.
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

// config -check accepts each configuration in the pages. The configurations hold
// no keys of Ptop, PTS and Payatom, only names of variables and files.
func TestConfigurations(t *testing.T) {
	all, folder := configurations(t), t.TempDir()
	t.Chdir(folder)
	exampleIn(t, folder) // sets the variables and writes the files that the pages name
	for _, b := range all {
		file := writeFile(t, "payack.json", b.Text)
		status, stdout, stderr := call(t.Context(), "config", "-check", file)
		require.Equal(t, exitDone, status, "%v: %s", b, stderr)
		require.Contains(t, stdout, "is in order")
	}
}

// firstConfiguration is the configuration that the README showed for the
// command's first version.
const firstConfiguration = `{
  "addr": "127.0.0.1:8080",
  "database": "",
  "rate_limit": {"per_second": 50, "burst": 100, "charge": "failures"},
  "payatom": {"secret_keys": ["${PAYATOM_SECRET_KEY}"], "orders": {"ORD1000001": "500"}}
}`

// listen runs with the first configuration of each page, in which only the port
// is changed, and with firstConfiguration.
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

// docs/command.md shows what config -example prints. -update rewrites the page.
func TestConfigurationPage(t *testing.T) {
	const page = "docs/command.md"
	example := exampleText(t)
	for _, b := range configurations(t) {
		if b.Page != page || !strings.HasPrefix(b.Text, "//") {
			continue
		}
		if *update {
			file := filepath.Join("../..", page)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte(b.Text), []byte(example), 1), 0o600))
			return
		}
		require.True(t, example == b.Text, "%v: it is not what payack config -example prints; run: go test ./cmd/payack -run TestConfigurationPage -update", b)
		return
	}
	t.Fatal(page + " does not show the whole configuration")
}

// Each command in the pages runs once, in a folder with the files that the pages
// name. Meanwhile payack listen runs with fake providers. The application that it
// forwards to fails, so that events stay in the inbox. TestDemo runs demo.
func TestCommands(t *testing.T) {
	pages := guide(t)
	s, ran := startReader(t), map[string]bool{"demo": true}
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
