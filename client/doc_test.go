package client_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The doc comment of every call, and of every type that a call sends or returns,
// says whether it is authenticated and by what.
func TestDocsSayWhatIsAuthenticated(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	set := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			f, err := parser.ParseFile(set, e.Name(), nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, f)
		}
	}
	p, err := doc.NewFromFiles(set, files, "client")
	require.NoError(t, err)
	says := func(name, text string) {
		assert.True(t, strings.Contains(text, "sign") || strings.Contains(text, "authentic"), "%s: say whether it is authenticated and by what", name)
	}
	calls := 0
	for _, typ := range p.Types {
		for _, provider := range []string{"Ptop", "PTS", "Payatom"} {
			_, isStruct := typ.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
			if strings.HasPrefix(typ.Name, provider) && isStruct && !strings.HasSuffix(typ.Name, "Config") &&
				typ.Name != "PayatomBooks" && typ.Name != "PayatomRecord" { // the merchant's own
				says(typ.Name, typ.Doc)
			}
		}
		for _, m := range typ.Methods {
			params := m.Decl.Type.Params.List
			if len(params) > 0 && len(params[0].Names) == 1 && params[0].Names[0].Name == "ctx" {
				says(typ.Name+"."+m.Name, m.Doc)
				calls++
			}
		}
	}
	assert.Greater(t, calls, 15)
}
