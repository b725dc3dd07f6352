package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/documents"
)

const module = "github.com/payack/payack"

// TestGoCommands checks the go commands that the pages show. Their packages,
// modules, tests and flags must exist. It runs no command: go test and the
// benchmarks take minutes, and go get needs a release. TestRehearsal in folder
// release covers go get, and the tests of cmd/payack run the payack commands of
// the pages.
func TestGoCommands(t *testing.T) {
	r, checked := readTests(t), 0
	for _, page := range guide(t) {
		for _, b := range page.Blocks {
			if b.Language != "sh" && b.Language != documents.Inline {
				continue
			}
			dir, line := ".", 0
			for _, c := range b.Commands() {
				if c.Line != line {
					dir, line = ".", c.Line
				}
				if c.Words[0] == "cd" {
					dir = c.Words[1]
					continue
				}
				if c.Words[0] != "go" || len(c.Words) < 3 || strings.HasPrefix(c.Words[1], "1.") {
					continue
				}
				checked++
				switch what, args := c.Words[1], c.Words[2:]; what {
				case "get", "install":
					path, version, _ := strings.Cut(args[0], "@")
					assert.Equal(t, "latest", version, "%v", c)
					assert.FileExists(t, filepath.Join(r.root, strings.TrimPrefix(path, module), "go.mod"), "%v", c)
				case "run":
					// "go run ." alone is run in the reader's own folder.
					assert.DirExists(t, filepath.Join(r.root, dir, args[0]), "%v", c)
				case "mod": // in the reader's own folder
					assert.Contains(t, []string{"init", "tidy"}, args[0], "%v", c)
				case "test":
					r.check(t, c, args)
				default:
					t.Errorf("%v: go %s is not known here; add how it is checked", c, what)
				}
			}
		}
	}
	require.Greater(t, checked, 10, "commands are not found")
}

// repository has the names of the tests in all modules, and the flags of the
// tests.
type repository struct {
	root  string
	tests []string // Test and Benchmark functions
	flags []string
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w+)\(`)
	testFlag = regexp.MustCompile(`flag\.\w+\((?:&\w+, )?"(\w+)"`)
)

func readTests(t *testing.T) (r repository) {
	t.Helper()
	r.root = root(t)
	require.NoError(t, filepath.WalkDir(r.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			r.tests = append(r.tests, m[1])
		}
		for _, m := range testFlag.FindAllStringSubmatch(string(text), -1) {
			r.flags = append(r.flags, m[1])
		}
		return err
	}))
	return r
}

// check checks a call of go test: its flags, its patterns and its packages.
func (r repository) check(t *testing.T, c documents.Command, args []string) {
	t.Helper()
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, isFlag := strings.CutPrefix(arg, "-")
		if !isFlag {
			if arg != "work" { // all modules of go.work
				assert.DirExists(t, filepath.Join(r.root, arg), "%v", c)
			}
			continue
		}
		switch name {
		case "v":
			continue
		case "run", "bench":
			if !slices.Contains([]string{"-", ".", "^$"}, args[0]) {
				for one := range strings.SplitSeq(args[0], "|") {
					if name == "bench" {
						one = "Benchmark" + strings.TrimPrefix(one, "Benchmark")
					}
					assert.True(t, slices.ContainsFunc(r.tests, func(test string) bool { return strings.HasPrefix(test, one) }), "%v: no test begins with %s", c, one)
				}
			}
		case "timeout", "count", "benchtime":
		default:
			assert.Contains(t, r.flags, name, "%v: no test has the flag -%s", c, name)
		}
		require.NotEmpty(t, args, "%v: -%s has no value", c, name)
		args = args[1:]
	}
}
