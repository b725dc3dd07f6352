package docs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/documents"
)

// root is the repository's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(dir, "go.work")); err != nil {
		t.Skip("the other modules are not here: this is the core module alone")
	}
	return dir
}

// guide is the README and the pages of this folder.
func guide(t *testing.T) []documents.Page {
	t.Helper()
	pages, err := documents.Guide(root(t))
	require.NoError(t, err)
	require.Greater(t, len(pages), 10, "the pages are not found")
	return pages
}

// blocks are the pages' blocks of a language.
func blocks(t *testing.T, language string) (all []documents.Block) {
	t.Helper()
	for _, page := range guide(t) {
		for _, b := range page.Blocks {
			if b.Language == language {
				all = append(all, b)
			}
		}
	}
	return all
}
