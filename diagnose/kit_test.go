package diagnose_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/e2e/field"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
)

// quiet are options without logs.
var quiet = middleware.Options{Logger: slog.New(slog.DiscardHandler)}

func settled[E payack.Event](context.Context, E) error { panic("nothing is processed") }

// receiverOf configures a receiver for a case of package field. The merchant's
// function and Confirm panic, because a diagnosis must call neither.
func receiverOf(t testing.TB, c *field.Case, key vectors.Key) *middleware.Handler {
	t.Helper()
	h, err := map[payack.Provider]func() (*middleware.Handler, error){
		payack.Ptop: func() (*middleware.Handler, error) {
			return handlers.NewPtop(ptopConfig(c, key), settled[*payack.PtopEvent])
		},
		payack.PTS: func() (*middleware.Handler, error) {
			return handlers.NewPTS(ptsConfig(c, key), settled[*payack.PTSEvent])
		},
		payack.Payatom: func() (*middleware.Handler, error) {
			return handlers.NewPayatom(payatomConfig(c, key), settled[*payack.PayatomEvent])
		},
	}[c.Provider]()
	require.NoError(t, err)
	return h
}

func asked[E payack.Event](c *field.Case) middleware.ConfirmFunc[E] {
	if c.Config.Confirm == nil {
		return nil
	}
	return func(context.Context, E) (*payack.Confirmation, error) { panic("no provider is asked") }
}

func ptopConfig(c *field.Case, key vectors.Key) middleware.PtopConfig {
	return middleware.PtopConfig{
		SigningKeys: payack.Secrets(key.TheSignature), Body: c.Config.Body, Schemes: c.Config.Schemes, Sniff: c.Config.Sniff,
		SignatureHeaders: c.Config.SignatureHeaders, Confirm: asked[*payack.PtopEvent](c), ConfirmInCallback: c.Config.Confirm == nil, Options: quiet,
	}
}

func ptsConfig(c *field.Case, key vectors.Key) middleware.PTSConfig {
	out := middleware.PTSConfig{
		UserID: c.Config.UserID, Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}, Numbers: c.Config.Numbers,
		Sniff: c.Config.Sniff, TransactionSignature: c.Config.TransactionSignature, Confirm: asked[*payack.PTSEvent](c), Options: quiet,
	}
	if c.Config.TransactionSignature != "" {
		out.TransactionSecret = payack.NewSecret(key.TransactionSecret)
	}
	return out
}

func payatomConfig(c *field.Case, key vectors.Key) middleware.PayatomConfig {
	out := middleware.PayatomConfig{
		SecretKeys: payack.Secrets(key.SecretKey), Body: c.Config.Body, Numbers: c.Config.Numbers, Sniff: c.Config.Sniff,
		Confirm: asked[*payack.PayatomEvent](c), OlderSpelling: c.Config.OlderSpelling, Options: quiet,
	}
	if c.Config.Orders != nil {
		out.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			order, found := c.Config.Orders[ev.OrderID] // a delivery may replace the case's orders
			return payack.Expectation{Found: found, Amount: payack.NewAmount(order.Amount), RefCode: order.RefCode}, nil
		}
	}
	if c.Config.AnyAmount {
		out.Match = payack.AnyAmount
	}
	out.ExpectInCallback = out.Expect == nil && out.Confirm == nil
	return out
}

// both calls Explain and Suggest, and checks what holds for all their results.
func both(t testing.TB, h *middleware.Handler, d *payack.Delivery, o diagnose.Options) (*diagnose.Report, *diagnose.Advice) {
	t.Helper()
	report, err := diagnose.Explain(t.Context(), h, d, o)
	require.NoError(t, err)
	advice, err := diagnose.Suggest(t.Context(), h, d, o)
	require.NoError(t, err)
	require.Equal(t, report.Outcome == payack.OutcomeAccepted, report.Cause == "", report)
	require.Equal(t, report.Outcome == payack.OutcomeAccepted, advice.Fix == "", advice)
	if report.EventID != "" {
		require.Equal(t, advice.Fix, report.Fix(), "nothing is searched for where something verified")
	}
	require.NotContains(t, report.Cause+advice.Fix, "\n")
	require.LessOrEqual(t, advice.Trials, diagnose.MaxTrials)
	return report, advice
}

func delivery(contentType, body string) *payack.Delivery {
	return &payack.Delivery{Method: "POST", Path: "/", Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

func stepsOf(r *diagnose.Report) string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(s.Name + ": " + s.Text + "\n")
	}
	return b.String()
}
