package fiberpayack

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v3"
)

// requestOf returns a request of net/http that shares no memory with fiber's.
func requestOf(c fiber.Ctx) (*http.Request, error) {
	target := strings.Clone(c.OriginalURL())
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	r := (&http.Request{
		Method:     strings.Clone(c.Method()),
		URL:        u,
		RequestURI: target,
		Header:     headerOf(c),
		Host:       string(c.Request().Header.Host()),
		RemoteAddr: c.RequestCtx().RemoteAddr().String(),
		TLS:        c.RequestCtx().TLSConnectionState(),
	}).WithContext(c.Context())
	r.Proto = string(c.Request().Header.Protocol())
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(r.Proto)
	setBody(r, c)
	for _, name := range c.Route().Params {
		r.SetPathValue(strings.Clone(name), pathValue(c, name))
	}
	return r, nil
}

// headerOf copies the headers. In net/http, Host is not among them.
func headerOf(c fiber.Ctx) http.Header {
	header := http.Header{}
	for name, value := range c.Request().Header.All() {
		header.Add(string(name), string(value))
	}
	header.Del("Host")
	// Fasthttp keeps only the last content type. If there are two, different
	// readers could each choose another one, so payack needs to see both.
	var types []string
	for name, value := range c.Request().Header.AllInOrder() {
		if strings.EqualFold(string(name), "Content-Type") {
			types = append(types, string(value))
		}
	}
	if len(types) > 1 {
		header["Content-Type"] = types
	}
	return header
}

// setBody gives the request a copy of the body as it was sent. It doesn't use fiber's
// c.Body, which decompresses the body. If the body is a stream, the handler reads the
// stream itself.
func setBody(r *http.Request, c fiber.Ctx) {
	if stream := c.Request().BodyStream(); stream != nil {
		r.Body, r.ContentLength = io.NopCloser(stream), int64(max(c.Request().Header.ContentLength(), -1))
		return
	}
	body := bytes.Clone(c.Request().Body())
	r.Body, r.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
}

// pathValue returns a path parameter as net/http would unescape it.
func pathValue(c fiber.Ctx, name string) string {
	value := c.Params(name)
	if !c.App().Config().UnescapePath {
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
	}
	return strings.Clone(value)
}
