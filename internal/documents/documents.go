// Package documents reads the repository's Markdown for the tests that check it:
// they compile its code, run its commands and follow its links.
package documents

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Block is a fenced block of code, or a span of code within a line. A span has
// the language [Inline].
type Block struct {
	Page string // the path of its page from the root, with slashes
	Line int    // the first line of its text, from 1
	// Language is the text after the opening fence: go, json, sh.
	Language string
	Text     string
}

// Inline is the language of a span of code within a line.
const Inline = "inline"

// String names the place, for messages.
func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

// Page is a page of Markdown, separated into prose and code.
type Page struct {
	Path   string // from the root, with slashes
	Prose  string // the text, with empty lines in place of blocks and without spans
	Blocks []Block
}

// Guide returns the README and the pages of docs. The errors are those of [Read].
func Guide(root string) ([]Page, error) {
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	pages := []string{"README.md"}
	for _, path := range paths {
		pages = append(pages, "docs/"+filepath.Base(path))
	}
	return Read(root, pages...)
}

// Read returns pages by their paths from the root. A fence that is not closed is an
// error.
func Read(root string, paths ...string) ([]Page, error) {
	var pages []Page
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		p, err := parse(path, text)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

func parse(path string, text []byte) (Page, error) {
	p, open, number := Page{Path: path}, (*Block)(nil), 0
	var prose strings.Builder
	for line := range bytes.Lines(text) {
		number++
		fence, isFence := strings.CutPrefix(strings.TrimSpace(string(line)), "```")
		switch {
		case isFence && open == nil:
			open = &Block{Page: path, Line: number + 1, Language: fence}
		case isFence:
			p.Blocks, open = append(p.Blocks, *open), nil
		case open != nil:
			open.Text += string(line)
		default:
			rest, spans := split(path, number, string(line))
			p.Blocks = append(p.Blocks, spans...)
			prose.WriteString(rest)
			continue
		}
		prose.WriteByte('\n')
	}
	if open != nil {
		return Page{}, fmt.Errorf("%v: the fence of this block is not closed", open)
	}
	p.Prose = prose.String()
	return p, nil
}

// split separates a line into its text and its spans of code.
func split(path string, number int, line string) (rest string, spans []Block) {
	parts := strings.Split(line, "`")
	for i, part := range parts {
		if i%2 == 1 && i < len(parts)-1 {
			spans = append(spans, Block{Page: path, Line: number, Language: Inline, Text: part})
			continue
		}
		rest += part
	}
	return rest, spans
}
