package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/documents"
)

// TestSnippets type-checks and vets each Go block in one run of go vet. A block is
// a whole file, or a fragment that goes into a function beside testdata/scene.go.
func TestSnippets(t *testing.T) {
	found := blocks(t, "go")
	require.Greater(t, len(found), 10, "the snippets are not found")
	files := map[string]string{}
	packages := []string{"vet"}
	for i, b := range found {
		name := fmt.Sprintf("snippet%d", i+1)
		files[name+"/snippet.go"] = b.Text
		if !strings.HasPrefix(b.Text, "package ") {
			scene, err := os.ReadFile(filepath.Join("testdata", "scene.go"))
			require.NoError(t, err)
			files[name+"/snippet.go"], files[name+"/scene.go"] = whole(t, b), string(scene)
		} else if strings.Contains(b.Text, "(t *testing.T)") {
			files[name+"/snippet_test.go"] = b.Text
			delete(files, name+"/snippet.go")
		}
		// The line directive makes an error name the page.
		for file, text := range files {
			if strings.HasPrefix(file, name+"/snippet") {
				files[file] = fmt.Sprintf("//line %s:%d\n%s", filepath.Join(root(t), b.Page), b.Line, text)
			}
		}
		packages = append(packages, "./"+name)
	}
	out, err := inWorkspace(t, files, packages...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// inWorkspace returns a call of go in a new module with these files. The module
// is in a workspace with all modules of the repository.
func inWorkspace(t *testing.T, files map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	work, err := os.ReadFile(filepath.Join(root(t), "go.work"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root(t), "go.work.sum"))
	require.NoError(t, err)
	write := func(name, text string) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	here := regexp.MustCompile(`(?m)(\s)\.(/\S*)?$`).ReplaceAllString(string(work), "${1}"+root(t)+"$2")
	write("go.work", here+"\nuse .\n")
	write("go.work.sum", string(sums))
	write("go.mod", "module pages\n\ngo 1.26.0\n")
	for name, text := range files {
		write(name, text)
	}
	call := exec.Command("go", args...)
	call.Dir = dir
	call.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"))
	return call
}

// importPaths are the packages that fragments use, by name.
var importPaths = func() map[string]string {
	paths := map[string]string{"payack": "github.com/payack/payack"}
	for _, path := range []string{"context", "database/sql", "log", "net/http", "os", "time"} {
		paths[path[strings.LastIndexByte(path, '/')+1:]] = path
	}
	for _, path := range []string{"client", "diagnose", "handlers", "inbox", "inbox/sqlite", "inspector", "middleware", "observe/otelpayack",
		"observe/prompayack", "payacktest", "ratelimit", "ratelimit/redislimit", "reconcile", "store/redisstore", "store/sqlstore", "verify"} {
		paths[path[strings.LastIndexByte(path, '/')+1:]] = "github.com/payack/payack/" + path
	}
	return paths
}()

var declared = regexp.MustCompile(`(?m)^([\w, ]+) :=`)

// whole makes a file of a fragment. Everything before the fragment is on one
// line: the package clause, the imports and the head of the function.
func whole(t *testing.T, b documents.Block) string {
	t.Helper()
	uses := ""
	for _, m := range declared.FindAllStringSubmatch(b.Text, -1) {
		uses += strings.Repeat("_, ", strings.Count(m[1], ",")) + "_ = " + m[1] + "\n"
	}
	body := "func fragment() {\n" + b.Text + uses + "}\n"
	file, err := parser.ParseFile(token.NewFileSet(), b.Page, "package main\n"+body, 0)
	require.NoError(t, err, "%v", b)
	imports := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && importPaths[x.Name] != "" {
				imports[importPaths[x.Name]] = true
			}
		}
		return true
	})
	head := "package main; "
	for path := range imports {
		head += fmt.Sprintf("import %q; ", path)
	}
	return head + strings.Replace(body, "{\n", "{ //line "+filepath.Join(root(t), b.Page)+":"+fmt.Sprint(b.Line)+"\n", 1)
}
