package docs_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/documents"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading = regexp.MustCompile("(?m)^#{1,6} +(.*)$")
)

// TestLinks follows each relative link and its anchor. Other links must be https.
// They are not followed, because tests use no network.
func TestLinks(t *testing.T) {
	dir, followed := root(t), 0
	pages := guide(t)
	for _, name := range []string{"SECURITY.md", "BENCHMARKS.md", "CHANGELOG.md", "CONTRIBUTING.md", "release/README.md"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			more, err := documents.Read(dir, name)
			require.NoError(t, err)
			pages = append(pages, more...)
		}
	}
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(page.Prose, -1) {
			target, err := url.Parse(m[1])
			if !assert.NoError(t, err, page.Path) {
				continue
			}
			if target.Scheme != "" {
				assert.Equal(t, "https", target.Scheme, "%s: %s", page.Path, m[1])
				continue
			}
			followed++
			to := page.Path
			if target.Path != "" {
				to = path.Join(path.Dir(page.Path), target.Path)
			}
			if _, err := os.Stat(filepath.Join(dir, to)); !assert.NoError(t, err, page.Path) || target.Fragment == "" {
				continue
			}
			assert.Contains(t, anchors(t, filepath.Join(dir, to)), target.Fragment, "%s: %s", page.Path, m[1])
		}
	}
	require.Greater(t, followed, 60, "links are not found")
}

// anchors returns the anchors of a page's headings.
func anchors(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(m[1])))
	}
	return all
}

func TestAnchors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	require.NoError(t, os.WriteFile(file, []byte("# What, `x_y`-Z?\n#no\n## Ü 2\n"), 0o600))
	require.Equal(t, []string{"what-x_y-z", "ü-2"}, anchors(t, file))
}

// TestIndex checks that the index links to each page.
func TestIndex(t *testing.T) {
	pages := guide(t)
	index, err := documents.Read(root(t), "docs/README.md")
	require.NoError(t, err)
	for _, page := range pages {
		if name, found := strings.CutPrefix(page.Path, "docs/"); found && name != "README.md" {
			assert.Contains(t, index[0].Prose, "]("+name+")")
		}
	}
}

// TestReadmeIsOnePage checks that the README stays short.
func TestReadmeIsOnePage(t *testing.T) {
	info, err := os.Stat(filepath.Join(root(t), "README.md"))
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(10_000), "it has more than 10 KB; move details to docs")
}

// TestReasons checks that faq.md lists each reason.
func TestReasons(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root(t), "errors.go"))
	require.NoError(t, err)
	reasons := regexp.MustCompile(`(?m)^\tReason\w+ +Reason += "(\w+)"$`).FindAllStringSubmatch(string(source), -1)
	require.Greater(t, len(reasons), 20)
	text, err := os.ReadFile("faq.md")
	require.NoError(t, err)
	for _, m := range reasons {
		assert.Contains(t, string(text), "`"+m[1]+"`")
	}
}
