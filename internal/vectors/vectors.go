// Package vectors reads the callbacks in testdata/vectors, which programs in
// other languages made with throwaway keys. Only tests import it.
package vectors

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// Counts is the number of vectors of each provider. Tests use Counts to check
// that they ran all vectors. [Load] refuses a provider that is not in Counts.
var Counts = map[string]int{"ptop": 348, "pts": 295, "payatom": 264}

// The verdicts, which testdata/vectors/README.md explains.
const (
	MustAccept   = "must_accept"
	MustReject   = "must_reject"
	PolicyReject = "policy_reject"
	RecordReject = "record_reject"
)

// File is one provider's vectors.
type File struct {
	Provider string
	Keys     map[string]Key
	Vectors  []Vector
}

// Key holds the throwaway keys of one key_id. Keys that its provider does not use are
// empty.
type Key struct {
	TheSignature      string `json:"the_signature"`
	WebsiteID         string `json:"website_id"`
	SecretKey         string `json:"secret_key"`
	Safecode          string `json:"safecode"`
	TransactionSecret string `json:"transaction_secret"`
	PrivatePEM        string `json:"private_pem"`
	PrivatePEMPKCS1   string `json:"private_pem_pkcs1"`
	PublicPEM         string `json:"public_pem"`
	PublicPEMPKCS1    string `json:"public_pem_pkcs1"`
	RSABits           int    `json:"rsa_bits"`
}

// Vector is one callback with the verdict that a receiver must reach.
type Vector struct {
	Name       string
	Kind       string
	Verdict    string
	Class      string
	Reason     string
	Flavour    string
	KeyID      string `json:"key_id"`
	Dims       map[string]any
	Request    Request
	SignedText string `json:"signed_text"`
	Signature  string
	Expect     map[string]*string
	Context    struct {
		KnownOrders          map[string]string `json:"known_orders"`
		UndetectableByAmount bool              `json:"undetectable_by_amount"`
	}
}

// Dim returns one of the vector's dims as text, or "" if the vector has none of that
// name. The dims say how the receiver is to be configured.
func (v *Vector) Dim(name string) string {
	if d, found := v.Dims[name]; found {
		return fmt.Sprint(d)
	}
	return ""
}

// Request is a vector's request.
type Request struct {
	Method       string
	Headers      map[string]string
	HeadersExtra [][2]string `json:"headers_extra"`
	Query        string
	BodyBase64   string `json:"body_base64"`
	BodyRecipe   []struct {
		Base64 string
		Repeat int
	} `json:"body_recipe"`
}

// Body returns the body, byte for byte.
func (r *Request) Body() ([]byte, error) {
	if r.BodyRecipe == nil {
		return base64.StdEncoding.DecodeString(r.BodyBase64)
	}
	var out []byte
	for _, part := range r.BodyRecipe {
		b, err := base64.StdEncoding.DecodeString(part.Base64)
		if err != nil {
			return nil, err
		}
		out = append(out, bytes.Repeat(b, part.Repeat)...)
	}
	return out, nil
}

// Header returns the request's headers, repeated ones too.
func (r *Request) Header() http.Header {
	h := make(http.Header)
	for name, value := range r.Headers {
		h.Add(name, value)
	}
	for _, p := range r.HeadersExtra {
		h.Add(p[0], p[1])
	}
	return h
}

// Load reads one provider's file.
func Load(provider string) (*File, error) {
	if _, found := Counts[provider]; !found {
		return nil, fmt.Errorf("vectors: there are none of a provider %q", provider)
	}
	b, err := read(provider + ".json")
	if err != nil {
		return nil, err
	}
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("vectors of %s: %w", provider, err)
	}
	return &f, nil
}

// read reads a file of the repository's testdata/vectors. It searches upwards
// from the working folder, which is the folder of the test's package. It can't start
// from the path of this source file, which a binary built with -trimpath doesn't know.
func read(file string) ([]byte, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "testdata", "vectors", file))
		if err == nil || dir == filepath.Dir(dir) {
			return b, err
		}
		dir = filepath.Dir(dir)
	}
}
