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

// Defaults of [Config].
const (
	DefaultRemember      = 1000
	DefaultRememberBytes = 8 << 20
)

// minToken is the least length of a token that is no random one.
const minToken = 16

// Config says what is shown to whom. The zero value shows what came since the process
// started, to whoever has the token.
type Config struct {
	// Receivers explain what was refused. [Inspector.Add] adds those that need the
	// inspector as their observer first.
	Receivers []*middleware.Handler
	// Inbox, when set, has what verified and was kept, for as long as it is kept.
	Inbox *inbox.Inbox
	// Ask asks a provider about an order and hands on what it says: it is the method
	// Ask of a [reconcile.Reconciler]. Nil offers no asking.
	Ask func(ctx context.Context, o reconcile.Order) (reconcile.Answer, error)

	// Authorize returns nil for whoever may look (and act, unless ReadOnly). It is
	// called for each request. The error is logged, and not shown. With it there is
	// neither a token nor a rule for host names.
	Authorize func(r *http.Request) error
	// Token is what is asked for without Authorize, random if zero. Give 16
	// characters or more.
	Token payack.Secret
	// Hosts are names, without port, by which the page may be called besides loopback
	// ones, where Authorize is nil. "*" is any.
	Hosts []string

	// ReadOnly takes away all that acts.
	ReadOnly bool
	// ShowBodies lets bodies be asked for. They hold what the provider sent: names,
	// addresses, accounts.
	ShowBodies bool
	// Prefix is the path that the page is mounted under, such as /payack; empty is /.
	Prefix string

	// KeepHeaders names headers that are remembered besides those of a closed list
	// (content, date, host, trace context and the usual signature headers). All
	// others are dropped, and only their names are kept.
	KeepHeaders []string
	// Remember is how many deliveries are remembered that no inbox keeps, 1,000 if
	// zero: so many that verified, and so many that did not. RememberBytes bounds
	// their bodies and headers in the same way, 8 MiB if zero.
	Remember, RememberBytes int

	// Logger gets what went wrong on this side; nil is slog.Default.
	Logger *slog.Logger
}

var validPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

// withDefaults returns the configuration completed, or an error that names the member
// and the fix.
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
		return c, fmt.Errorf("inspector: Config.Token has less than %d characters and could be guessed; give a longer one, or leave it out for a random one", minToken)
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
