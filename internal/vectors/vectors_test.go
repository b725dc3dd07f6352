package vectors_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
)

// Every provider has as many vectors as Counts says.
func TestCounts(t *testing.T) {
	assert.Len(t, vectors.Counts, len(providers.All))
	for _, p := range providers.All {
		f, err := vectors.Load(string(p))
		require.NoError(t, err)
		assert.Len(t, f.Vectors, vectors.Counts[string(p)])
	}
	_, err := vectors.Load("stripe")
	assert.EqualError(t, err, `vectors: there are none of a provider "stripe"`)
}

// Load returns an error for a provider in Counts that has no file.
func TestLoadWithoutFile(t *testing.T) {
	vectors.Counts["acme"] = 1
	defer delete(vectors.Counts, "acme")
	_, err := vectors.Load("acme")
	assert.ErrorContains(t, err, "acme.json")
}

func TestBody(t *testing.T) {
	type parts = []struct {
		Base64 string
		Repeat int
	}
	for _, tc := range []struct {
		r    vectors.Request
		want string
	}{
		{vectors.Request{}, ""},
		{vectors.Request{BodyBase64: "eyJhIjoxfQ=="}, `{"a":1}`},
		{vectors.Request{BodyRecipe: parts{{"YWI=", 3}, {"", 5}, {"Yw==", 1}, {"ZA==", 0}}}, "abababc"},
		{vectors.Request{BodyBase64: "ignored", BodyRecipe: parts{}}, ""},
	} {
		got, err := tc.r.Body()
		require.NoError(t, err)
		assert.Equal(t, tc.want, string(got))
	}
	for _, r := range []vectors.Request{{BodyBase64: "!"}, {BodyRecipe: parts{{"YWI=", 1}, {"!", 1}}}} {
		_, err := r.Body()
		assert.ErrorContains(t, err, "illegal base64")
	}
}

func TestHeader(t *testing.T) {
	r := vectors.Request{
		Headers:      map[string]string{"content-type": "application/json", "X-Signature": "a"},
		HeadersExtra: [][2]string{{"x-signature", "b"}, {"X-Other", ""}},
	}
	assert.Equal(t, http.Header{"Content-Type": {"application/json"}, "X-Signature": {"a", "b"}, "X-Other": {""}}, r.Header())
}

func TestDimAndIsForm(t *testing.T) {
	v := vectors.Vector{Flavour: "form_last", Dims: map[string]any{"xsig": "hex", "depth": 2.0, "bom": true}}
	assert.Equal(t, []string{"hex", "2", "true", ""}, []string{v.Dim("xsig"), v.Dim("depth"), v.Dim("bom"), v.Dim("none")})
	assert.True(t, v.IsForm())
	assert.False(t, (&vectors.Vector{Flavour: "json_form_"}).IsForm())
	assert.Empty(t, (&vectors.Vector{}).Dim("xsig"))
}
