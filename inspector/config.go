package inspector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/nilness"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/reconcile"
)

// Defaults of [Config]: the number of remembered deliveries, and the bytes of
// their bodies and headers.
const (
	DefaultRemember      = 1000
	DefaultRememberBytes = 8 << 20
)

// minToken is the least length of a configured token.
const minToken = 16

// Config says what the page shows and to whom. The zero value shows the deliveries
// since the process started, to everybody who has the token.
type Config struct {
	// Receivers are used to explain refusals. A receiver that has the inspector as
	// its observer is made after the inspector: pass such a receiver to
	// [Inspector.Add].
	Receivers []*middleware.Handler
	// Inbox, if set, adds the events that it keeps to the page.
	Inbox *inbox.Inbox
	// Ask asks a provider about an order and gives a verified answer to the
	// receiver: use the method Ask of a [reconcile.Reconciler]. If nil, the page
	// does not offer to ask.
	Ask func(ctx context.Context, o reconcile.Order) (reconcile.Answer, error)

	// Authorize returns nil for a request that may look (and act, unless
	// ReadOnly). It is called for each request, concurrently. Its error is
	// logged, and not shown. With Authorize there is neither a token nor a check
	// of the host name.
	Authorize func(r *http.Request) error
	// Token is the token to ask for when Authorize is nil. If it is zero, the
	// token is random. A configured token needs at least 16 characters.
	Token payack.Secret
	// Hosts are additional host names, without port, that requests may use when
	// Authorize is nil. Loopback names are always allowed. "*" allows any name.
	Hosts []string

	// ReadOnly removes every action from the page, and refuses requests for
	// actions.
	ReadOnly bool
	// ShowBodies lets the page show bodies. They hold what the provider sent:
	// names, addresses, accounts.
	ShowBodies bool
	// Prefix is the path under which the page is mounted, such as /payack; empty
	// means /.
	Prefix string

	// KeepHeaders names headers to remember in addition to a closed list
	// (content, date, host, trace context and the usual signature headers). Of
	// all other headers only the names are remembered.
	KeepHeaders []string
	// Remember is how many deliveries are remembered besides those that the inbox
	// keeps; 1,000 if zero. The deliveries that verified and those that did not
	// are counted separately. RememberBytes bounds their bodies and headers in the
	// same way; 8 MiB if zero.
	Remember, RememberBytes int

	// Logger gets errors of the page and of its inbox, and refused requests; nil
	// is slog.Default.
	Logger *slog.Logger
}

var validPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

// withDefaults returns the completed configuration, or an error that names the
// member and the fix.
func (c Config) withDefaults() (Config, error) {
	c.Prefix = strings.TrimSuffix(c.Prefix, "/")
	switch {
	case !validPrefix.MatchString(c.Prefix), c.Prefix != "" && path.Clean(c.Prefix) != c.Prefix:
		return c, fmt.Errorf("inspector: Config.Prefix is %.60q; give a path of letters, digits, dots and dashes without . and .. as parts, such as /payack, or leave it out", c.Prefix)
	case c.Authorize != nil && !c.Token.IsZero():
		return c, errors.New("inspector: Config.Token has no effect with Authorize; leave one of them out")
	case c.Authorize != nil && len(c.Hosts) > 0:
		return c, errors.New("inspector: Config.Hosts has no effect with Authorize; leave one of them out")
	case !c.Token.IsZero() && len(c.Token.Reveal()) < minToken:
		return c, fmt.Errorf("inspector: Config.Token has fewer than %d characters and could be guessed; give a longer one, or leave it out for a random one", minToken)
	case c.Remember < 0 || c.RememberBytes < 0:
		return c, errors.New("inspector: Config.Remember and RememberBytes can't be negative; leave them 0 for the defaults")
	}
	for _, h := range c.Hosts {
		if h == "" || h != strings.ToLower(h) || h != "*" && strings.ContainsAny(h, "/:*@ ") {
			return c, fmt.Errorf("inspector: Config.Hosts has %.60q; give names in lower case without port, such as admin.example.com, or \"*\"", h)
		}
	}
	if c.Remember == 0 {
		c.Remember = DefaultRemember
	}
	if c.RememberBytes == 0 {
		c.RememberBytes = DefaultRememberBytes
	}
	if nilness.Of(c.Logger) {
		c.Logger = slog.Default()
	}
	return c, nil
}
