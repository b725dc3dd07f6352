package payack_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var snippet = regexp.MustCompile("(?s)```go\n(.*?)```")

// The README is held to its word: each Go snippet in it is a whole file, and
// builds in the module of the examples, which has the routers.
func TestReadmeSnippetsCompile(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	found := snippet.FindAllSubmatch(text, -1)
	require.GreaterOrEqual(t, len(found), 4, "the README has lost its snippets")
	require.Equal(t, len(found), strings.Count(string(text), "```go"), "a snippet's fence is not closed")

	// An overlay lets the snippets stand in this module without a file in it.
	here, err := filepath.Abs("examples")
	require.NoError(t, err)
	if _, err := os.Stat(here); err != nil {
		t.Skip("the examples are not here: this is the core module alone")
	}
	dir := t.TempDir()
	overlay := map[string]map[string]string{"Replace": {}}
	var packages []string
	for i, m := range found {
		require.True(t, strings.HasPrefix(string(m[1]), "package "), "snippet %d is no whole file", i+1)
		file := filepath.Join(dir, fmt.Sprintf("snippet%d.go", i+1))
		require.NoError(t, os.WriteFile(file, m[1], 0o600))
		name := fmt.Sprintf("snippet%d", i+1)
		overlay["Replace"][filepath.Join(here, name, "main.go")] = file
		if strings.Contains(string(m[1]), "func main()") {
			packages = append(packages, "./"+name)
			continue
		}
		stub := filepath.Join(dir, name+"_main.go") // a file of declarations
		require.NoError(t, os.WriteFile(stub, []byte("package main\n\nfunc main() {}\n"), 0o600))
		overlay["Replace"][filepath.Join(here, name, "stub.go")] = stub
		packages = append(packages, "./"+name)
	}
	list, err := json.Marshal(overlay)
	require.NoError(t, err)
	listFile := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(listFile, list, 0o600))

	build := exec.Command("go", append([]string{"build", "-overlay", listFile, "-o", dir}, packages...)...)
	build.Dir = here
	// The examples need the workspace, even where the core is tested without it.
	build.Env = append(os.Environ(), "GOWORK="+filepath.Join(filepath.Dir(here), "go.work"))
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
