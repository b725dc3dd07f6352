package fiberpayack

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v3"
)

// answer holds a response back until the handler has returned.
type answer struct {
	header http.Header // as it was when the status was written
	live   http.Header // the handler changes this one
	status int         // 0 until it is written
	body   []byte
}

func newAnswer() *answer { return &answer{live: http.Header{}} }

func (a *answer) Header() http.Header { return a.live }

func (a *answer) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("fiberpayack: %d is not the status of an answer", status))
	case status < 200 || a.status != 0: // informational responses are not sent
		return
	}
	a.status, a.header = status, a.live.Clone()
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

// send copies the answer to fiber's response.
func (a *answer) send(c fiber.Ctx) {
	a.WriteHeader(http.StatusOK)
	response := c.Response()
	response.SetStatusCode(a.status)
	response.SetBody(a.body)
	if len(a.body) == 0 {
		response.Header.SetNoDefaultContentType(true)
	} else if a.header.Get("Content-Type") == "" {
		response.Header.SetContentType(http.DetectContentType(a.body))
	}
	for name, values := range a.header {
		response.Header.Del(name)
		for _, value := range values {
			response.Header.Add(name, value)
		}
	}
}

// bounded is a writer whose read deadline does nothing: fiber has read the body
// already.
type bounded struct{ *answer }

// SetReadDeadline does nothing. Payack calls it to bound the reading of a body.
func (bounded) SetReadDeadline(time.Time) error { return nil }

// writer returns the writer for the handler. timeout says whether fiber has a read
// timeout. If not, the writer has no SetReadDeadline, so payack warns.
func (a *answer) writer(timeout bool) http.ResponseWriter {
	if timeout {
		return bounded{a}
	}
	return a
}
