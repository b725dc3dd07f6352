package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every character that a terminal might obey, or that could be read as the end
// of a line, is escaped.
func TestEncoded(t *testing.T) {
	for text, want := range map[string]string{
		"a b é 你 <&>😀":             `"a b é 你 <&>😀"`,
		"\x1b[2J\n\x7f":            `"\u001b[2J\n\u007f"`,
		"\u0085\u009b\u202e\u2028": `"\u0085\u009b\u202e\u2028"`,
		"\u2066\u200b\ufeff\u00a0": `"\u2066\u200b\ufeff\u00a0"`,
		"\U000e0041":               `"\udb40\udc41"`,
		"\xff":                     `"\ufffd"`,
	} {
		got, err := encoded(text)
		require.NoError(t, err)
		require.Equal(t, want+"\n", string(got))
	}
}

// withoutCallbacks drops records that only repeat a line. It keeps records
// that say more, whatever attributes and groups the logger has.
func TestWithoutCallbacks(t *testing.T) {
	var out buffer
	plain := slog.New(withoutCallbacks{slog.NewTextHandler(&out, nil)})
	for _, logger := range []*slog.Logger{plain, plain.With("a", 1), plain.WithGroup("g"), plain.WithGroup("g").With("a", 1)} {
		logger.Warn("payack: callback failed")
		logger.Info("payack: callback accepted")
		logger.Error("payack: callback rejected", "reason", "unexpected")
		require.Empty(t, out.String())
	}
	plain.With("a", 1).Error("payack: callback failed", "stack", "goroutine 1")
	require.Contains(t, out.String(), "payack: callback failed")
	plain.Error("payack: callback accepted", "error", "it could not be recorded as done")
	require.Contains(t, out.String(), "payack: callback accepted")
	plain.Info("something else")
	require.Contains(t, out.String(), "something else")
}

// The reasons that inbox retry -reason accepts are exactly the library's.
func TestReasons(t *testing.T) {
	const file = "../../errors.go"
	if _, err := os.Stat(file); err != nil {
		t.Skip("the library is not here: this is the command's module alone")
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	var want []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if name, typed := (*ast.Ident)(nil), false; ok {
			if name, typed = spec.Type.(*ast.Ident); typed && name.Name == "Reason" {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				want = append(want, text)
			}
		}
		return true
	})
	require.ElementsMatch(t, want, reasons)
}
