package field

import (
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
)

// provider is what the cases know of one provider. Each has one, in its file.
type provider struct {
	// key names the usual one among the keys of the provider's vectors.
	key string
	// genuine are a paid callback's members, in the order of the documents, and
	// form are what of them a form has: nothing nests there.
	genuine, form Members
	// query are the members of a genuine answer when the provider is asked.
	query Members

	// shapes and places say which of Delivery's members it has.
	shapes, places bool

	// member holds the signature; it is empty where the query's answer isn't
	// signed.
	member string
	// sign returns the signature over members, whose signed texts text returns. It
	// is called where a delivery's sign is the provider's name.
	sign func(key vectors.Key, members Members, text func(name string) string) (string, error)
	// signBody puts the signature into a body, where that is more than a member at
	// the end.
	signBody func(d *Delivery, key vectors.Key, body string) (string, error)

	// receiver returns the handler that a case asks for. The URL is that of the
	// gateway to be asked, empty where nobody is.
	receiver func(m *merchant, o handlers.Options, url string) (http.Handler, error)
	// open opens a question, nil where it is sent as it is.
	open func(key vectors.Key, question []byte) ([]byte, error)
	// enclose puts the answer of a query into its frame, nil where it has none.
	enclose func(answer string) string
}

var registry = providers.Registry[*provider]{
	payack.Ptop:    &ptop,
	payack.PTS:     &pts,
	payack.Payatom: &payatom,
}
