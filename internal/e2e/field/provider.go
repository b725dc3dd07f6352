package field

import (
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
)

// provider describes one provider to this package.
type provider struct {
	// key is the name of the usual key among those of the provider's vectors.
	key string
	// genuine are the members of a paid callback, in the order of the documents. form
	// are the members of such a callback as a form, which can't nest.
	genuine, form Members
	// query are the members of a genuine answer to a query.
	query Members

	// shapes and places say whether a delivery may have Shape and Place.
	shapes, places bool

	// member is the member that holds the signature, empty if the provider does not
	// sign answers to queries.
	member string
	// sign returns the signature over members. text returns the signed text of a
	// member. sign is used if the delivery's sign is the provider's name.
	sign func(key vectors.Key, members Members, text func(name string) string) (string, error)
	// signBody signs a body. It is nil if the signature is a member at the end.
	signBody func(d *Delivery, key vectors.Key, body string) (string, error)

	// receiver returns the handler of a case. url is the fake gateway's URL, or empty
	// if there is no fake gateway.
	receiver func(m *merchant, o handlers.Options, url string) (http.Handler, error)
	// open decrypts a query. It is nil if queries are not encrypted.
	open func(key vectors.Key, question []byte) ([]byte, error)
	// enclose puts the members of an answer into an outer object. It is nil if the
	// provider's answers have no outer object.
	enclose func(answer string) string
}

var registry = providers.Registry[*provider]{
	payack.Ptop:    &ptop,
	payack.PTS:     &pts,
	payack.Payatom: &payatom,
}
