package inspector_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
)

var shots = flag.String("screenshots", "", "a `folder` that gets screenshots of the main views")

// browser is a signed-in tab.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string

	// expected is what the console may print.
	expected string

	mu   sync.Mutex
	said []string
}

// browse opens the page in Debian's chromium, or skips the test. Any console
// output fails the test: errors, and violations of the content security policy.
func browse(t *testing.T, s *shop) *browser {
	t.Helper()
	program := testserver.Chromium(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(2*time.Minute),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: s.url}
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank"))) // starts the browser, which lives as long as ctx
	go func() {
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.said = append(b.said, fmt.Sprintf("%s: %s", m.Type, m.Text))
			b.mu.Unlock()
		}
	}()
	t.Cleanup(func() { assert.Empty(t, b.console(), "the console") })
	b.width(1280, 800)
	b.do(chromedp.Navigate(s.url + "/?token=" + url.QueryEscape(token)))
	return b
}

// console returns the console's output, except what a test expects.
func (b *browser) console() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		if b.expected == "" || !strings.Contains(said, b.expected) {
			out = append(out, said)
		}
	}
	return out
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, a := range actions {
		ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
		err := chromedp.Do(ctx, a)
		cancel()
		require.NoError(b.t, err)
	}
}

func (b *browser) width(w, h int64) { b.do(chromedp.EmulateViewport(w, h)) }

func (b *browser) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.url + path)) }

// text evaluates an expression that returns a text.
func (b *browser) text(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	require.NoError(b.t, err, expression)
	return s
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	ok := assert.Eventually(b.t, func() bool {
		s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String(Boolean("+expression+"))"))
		return err == nil && s == "true" // an error may mean that a page is loading
	}, 60*time.Second, 20*time.Millisecond)
	if !ok {
		b.t.Fatalf("it did not come to %s; the page says: %s", expression, b.text("document.body.innerText"))
	}
}

// keys presses keys on a page whose script has started.
func (b *browser) keys(keys string) {
	b.t.Helper()
	b.until(`document.readyState === "complete"`)
	b.do(chromedp.KeyEvent(keys))
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.element(chromedp.Click(chromedp.CSS(selector)))
}

// enter types text into a field.
func (b *browser) enter(selector, text string) {
	b.t.Helper()
	b.element(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// element does what needs an element of a loaded page. If the page replaces the
// element after it was found, the browser has done nothing yet, and element tries
// again.
func (b *browser) element(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.until(`document.readyState === "complete"`)
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	err := chromedp.Do(ctx, action)
	for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "Could not find node") {
		err = chromedp.Do(ctx, action)
	}
	require.NoError(b.t, err)
}

// rows is a JavaScript expression for the text of all rows.
const rows = `[...document.querySelectorAll("#rows tr")].map(r => r.innerText.replace(/\s+/g, " ")).join("\n")`

// shot writes a screenshot of the whole page, if -screenshots is set.
func (b *browser) shot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	require.NoError(b.t, os.MkdirAll(*shots, 0o755))
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, w := range []int64{1280, 380} {
			b.width(w, 800)
			time.Sleep(100 * time.Millisecond) // until the page is painted; no check depends on this
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			require.NoError(b.t, err)
			require.NoError(b.t, os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%d-%s.png", name, w, scheme)), png, 0o644))
		}
	}
	b.width(1280, 800)
	b.scheme("light")
}

func (b *browser) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	require.NoError(b.t, err)
}
