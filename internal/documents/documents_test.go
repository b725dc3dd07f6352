package documents_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/documents"
)

func TestRead(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	write("a.md", "# A `x y`\n```go\npackage a\n\n```\nb [c](d)\n  ```sh\n  e\n  ```\n")
	pages, err := documents.Read(root, "a.md")
	require.NoError(t, err)
	require.Equal(t, []documents.Page{{
		Path: "a.md", Prose: "# A \n\n\n\n\nb [c](d)\n\n\n\n",
		Blocks: []documents.Block{
			{Page: "a.md", Line: 1, Language: documents.Inline, Text: "x y"},
			{Page: "a.md", Line: 3, Language: "go", Text: "package a\n\n"},
			{Page: "a.md", Line: 8, Language: "sh", Text: "  e\n"},
		},
	}}, pages)

	write("open.md", "x\n```go\n")
	_, err = documents.Read(root, "a.md", "open.md")
	require.ErrorContains(t, err, "open.md:3")
	_, err = documents.Read(root, "none.md")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCommands(t *testing.T) {
	b := documents.Block{Page: "a.md", Line: 7, Text: `
# only a comment
A=1 B="2 3" run 'a b' "#c"  # why
cd x && go test . | tee "y z" && echo d#e > file
$ `}
	var words [][]string
	var lines []int
	for _, c := range b.Commands() {
		words, lines = append(words, c.Words), append(lines, c.Line)
	}
	require.Equal(t, [][]string{{"run", "a b", "#c"}, {"cd", "x"}, {"go", "test", "."}, {"tee", "y z"}, {"echo", "d#e"}, {"$"}}, words)
	require.Equal(t, []int{9, 10, 10, 10, 10, 11}, lines)
}
