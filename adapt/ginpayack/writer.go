package ginpayack

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// unsent is the size of an answer before its first byte is sent, as in gin.
const unsent = -1

// writer is the writer of gin handlers behind Wrap. Like gin's own writer it
// sends the status with the first byte. Unlike gin's, it distinguishes a status
// that was set from the initial 200. It sends through payack's writer, which must
// see whether the handlers answer.
type writer struct {
	gin.ResponseWriter // the original writer, for everything except answers
	tracked            http.ResponseWriter
	status             int // 0 until it is set
	size               int
}

var _ gin.ResponseWriter = (*writer)(nil)

// Unwrap supports http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.tracked }

// WriteHeader sets the status, which may change until something is sent. Gin
// calls it with -1 to keep the current status.
func (w *writer) WriteHeader(status int) {
	switch {
	case status <= 0 || w.Written():
		return
	case status < 200 || status > 999:
		// net/http would send it as an informational response, or would panic too
		// late for payack to answer.
		panic(fmt.Sprintf("ginpayack: %d is not the status of an answer", status))
	}
	w.status = status
}

// WriteHeaderNow sends the status.
func (w *writer) WriteHeaderNow() {
	if !w.Written() {
		w.size = 0
		w.tracked.WriteHeader(w.Status())
		w.ResponseWriter.WriteHeaderNow()
	}
}

func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeaderNow()
	n, err := w.tracked.Write(b)
	w.size += n
	return n, err
}

func (w *writer) WriteString(s string) (int, error) {
	w.WriteHeaderNow()
	n, err := io.WriteString(w.tracked, s)
	w.size += n
	return n, err
}

// Status returns the status that was set, or that will be sent.
func (w *writer) Status() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *writer) Size() int { return w.size }

func (w *writer) Written() bool { return w.size != unsent }

func (w *writer) Flush() {
	w.WriteHeaderNow()
	w.ResponseWriter.Flush()
}

// Hijack returns an error: payack could not know what the provider was answered.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, fmt.Errorf("ginpayack: the connection of a callback can't be taken over: %w", http.ErrNotSupported)
}

// finish sends a status that was set without a body.
func (w *writer) finish() {
	if w.status != 0 {
		w.WriteHeaderNow()
	}
}
