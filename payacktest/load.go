package payacktest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// Recorded is a callback from a file, with what the file says about it. Members
// that a dump or a bare body does not have are zero.
type Recorded struct {
	Callback

	// Name is the file's name, without its directory.
	Name string
	// Time is when the delivery arrived.
	Time time.Time
	// Path is the escaped path that the callback was sent to, "/" if it is unknown.
	Path string
	// Redacted are the names of headers that were sent but are missing here.
	Redacted []string
	// Incomplete reports that the recorder cut the body, or that the body was not
	// read to its end. Such a callback does not verify.
	Incomplete bool

	// Answer is the answer that the callback got.
	Answer payack.Answer
	// Outcome, Reason, Scheme and EventID are the result of the delivery, as far as
	// the recording has them.
	Outcome payack.Outcome
	Reason  payack.Reason
	Scheme  payack.Scheme
	EventID string
}

// Bounds for loading.
const (
	// MaxFile is the largest file that [Load] reads, in bytes.
	MaxFile = 8 << 20
	// MaxDirFiles is the largest number of files that [LoadDir] loads.
	MaxDirFiles = 10000
)

// Load reads a callback from a file in one of three forms:
//   - A recording of a [Recorder]. Redacted headers are missing. If the body was
//     recorded in part, the callback announces the full length.
//   - A dump of an HTTP request, as curl sends it and [Callback.Dump] writes it:
//     request line, headers, a blank line, the body. Lines may end in LF or CRLF.
//     Output of curl -v is a dump too, once you add the body after the head: curl
//     -v shows no body. The lines of the head begin with "> ", other lines of
//     the output with "* " or "< ". Content-Length must fit the body, apart from
//     one line break that an editor may have added at the end.
//   - A bare body. Its content type is guessed: application/json if it begins with
//     {, text/plain if it is strict base64, application/x-www-form-urlencoded if it
//     has at least one pair. One line break at the end of base64 or of a form is
//     dropped, because neither can end in a line break.
//
// Load returns an error for a file that is damaged, larger than [MaxFile], or in
// none of these forms. The error holds nothing of the body.
func Load(path string) (Recorded, error) {
	name := filepath.Base(path)
	data, err := readFile(path)
	if err != nil {
		return Recorded{}, fmt.Errorf("payacktest: %w", err)
	}
	rec, err := Parse(data)
	if err != nil {
		return Recorded{}, fmt.Errorf("%w (in %s)", err, name)
	}
	rec.Name = name
	return rec, nil
}

// readFile reads a regular file. It refuses other kinds, because opening them may
// block for ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file; LoadDir loads a directory", filepath.Base(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile+1))
}

// LoadDir loads the files of a directory, sorted by name. It skips subdirectories,
// and files whose names begin with a dot or end in .md. It returns the first error.
func LoadDir(dir string) ([]Recorded, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("payacktest: %w", err)
	}
	var out []Recorded
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), ".md") {
			continue
		}
		if len(out) == MaxDirFiles {
			return nil, fmt.Errorf("payacktest: the directory has more than %d files", MaxDirFiles)
		}
		rec, err := Load(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// Run loads a directory and runs fn as a subtest for each file, with the file's
// name. A file that can't be loaded fails the test, and so does a directory without
// files.
func Run(t *testing.T, dir string, fn func(t *testing.T, rec Recorded)) {
	t.Helper()
	all, err := LoadDir(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if len(all) == 0 {
		t.Fatalf("payacktest: there are no recordings in %s", dir)
	}
	for _, rec := range all {
		t.Run(rec.Name, func(t *testing.T) { fn(t, rec) })
	}
}

// Parse is like [Load], for bytes that are in memory.
func Parse(data []byte) (Recorded, error) {
	switch {
	case len(data) > MaxFile:
		return Recorded{}, fmt.Errorf("payacktest: it is larger than %d bytes", MaxFile)
	case len(data) == 0:
		return Recorded{}, errors.New("payacktest: it is empty")
	case isRecording(data):
		return parseRecording(data)
	case requestLine.Match(firstLine(data)):
		return parseDump(data)
	case bytes.HasPrefix(data, []byte("HTTP/")):
		return Recorded{}, errors.New("payacktest: it is the dump of an answer; dump the request")
	}
	if at := verboseHead.FindIndex(data); at != nil {
		return parseVerbose(data[at[0]:])
	}
	return parseBare(data)
}

var (
	requestLine = regexp.MustCompile(`^[!#$%&'*+.^_` + "`" + `|~0-9A-Za-z-]+ \S+ HTTP/[0-9](\.[0-9])?\r?$`)
	verboseHead = regexp.MustCompile(`(?m)^> [A-Z]+ \S+ HTTP/[0-9](\.[0-9])?\r?$`)
)

func firstLine(data []byte) []byte {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return line
}

// isRecording looks for the first member of a recording. A damaged recording is
// thus not taken for a bare body.
func isRecording(data []byte) bool {
	head := data[:min(len(data), 256)]
	head = bytes.TrimLeft(head, " \t\r\n{")
	rest, found := bytes.CutPrefix(head, []byte(`"format"`))
	return found && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n:"), []byte(`"payack-delivery/`))
}

func parseRecording(data []byte) (Recorded, error) {
	fail := func(what string) (Recorded, error) {
		return Recorded{}, errors.New("payacktest: a damaged recording: " + what)
	}
	// encoding/json would accept repeated names, and names in another case.
	fields, err := strict.JSON(nil, string(data))
	if err != nil {
		return fail(err.Error())
	}
	if f := strict.Find(fields, "format"); f == nil || f.Kind != strict.String || f.Text != fileFormat {
		return Recorded{}, errors.New("payacktest: a recording of another version; this package reads " + fileFormat)
	}
	for _, f := range fields {
		if !fileMembers[f.Name] {
			return fail("it has a member that the format does not know")
		}
	}
	for name := range fileMembers {
		if strings.HasPrefix(name, "content_l") || name == "method" || name == "header" {
			if strict.Find(fields, name) == nil {
				return fail(name + " is missing")
			}
		}
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return fail("a member has another type than the format's") // err's text would quote the value
	}
	body, ok := f.bytes()
	_, unknown := descriptors.Of(f.Provider)
	switch {
	case !ok:
		return fail("there must be body or body_base64, and that in strict base64")
	case f.Provider != "" && unknown != nil:
		return fail("provider is none that payack knows")
	case !isToken(f.Method):
		return fail("method is no token of HTTP")
	case f.ContentLength < -1 || f.BodyBytes < int64(len(body)):
		return fail("content_length or body_bytes is too small")
	}
	rec := Recorded{
		Callback: Callback{Provider: f.Provider, Method: f.Method, Header: http.Header{}, Body: body},
		Time:     f.Time, Path: f.Path, Redacted: f.Redacted,
		Incomplete: !f.BodyRead || f.BodyBytes > int64(len(body)) || f.ContentLength >= 0 && f.ContentLength != int64(len(body)),
		Outcome:    f.Outcome, Reason: f.Reason, Scheme: f.Scheme, EventID: f.EventID,
	}
	if f.Answer != nil {
		rec.Answer = payack.Answer{Status: f.Answer.Status, ContentType: f.Answer.ContentType, Body: f.Answer.Body}
	}
	if f.ContentLength != int64(len(body)) {
		rec.length = &f.ContentLength
	}
	for name, values := range f.Header {
		for _, value := range values {
			if err := addHeader(rec.Header, name, value); err != nil {
				return fail(err.Error())
			}
		}
	}
	if rec.Path == "" {
		rec.Path = "/"
	}
	if u, err := url.ParseRequestURI(rec.Path); err != nil || u.Path == "" || u.Path[0] != '/' || u.Host != "" {
		return fail("path is none")
	}
	return rec, nil
}

var fileMembers = map[string]bool{
	"format": true, "time": true, "provider": true, "method": true, "path": true, "header": true, "redacted": true,
	"content_length": true, "body": true, "body_base64": true, "body_bytes": true, "body_read": true,
	"answer": true, "outcome": true, "reason": true, "scheme": true, "event_id": true,
}

func (f *file) bytes() ([]byte, bool) {
	switch {
	case (f.Body == nil) == (f.BodyBase64 == nil):
		return nil, false
	case f.Body != nil:
		return []byte(*f.Body), true
	}
	b, err := base64.StdEncoding.Strict().DecodeString(*f.BodyBase64)
	return b, err == nil
}

// addHeader adds a header, unless it is one that client or server set themselves.
func addHeader(h http.Header, name, value string) error {
	if !isToken(name) || !isHeaderValue(value) {
		return errors.New("a header's name or value is not valid")
	}
	switch name = http.CanonicalHeaderKey(name); name {
	case "Host", "Content-Length", "Transfer-Encoding":
	default:
		h[name] = append(h[name], value)
	}
	return nil
}

// parseDump parses the dump of a request.
func parseDump(data []byte) (Recorded, error) {
	head, body, ok := cutHead(data)
	if !ok {
		return Recorded{}, errors.New("payacktest: the dump ends within its headers; a blank line ends them")
	}
	lines := strings.Split(strings.ReplaceAll(head, "\r\n", "\n"), "\n")
	return dumped(lines, body)
}

// cutHead splits a dump at the first blank line.
func cutHead(data []byte) (head string, body []byte, ok bool) {
	for at := 0; ; {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return "", nil, false
		}
		if line := bytes.TrimSuffix(data[at:at+i], []byte("\r")); len(line) == 0 {
			return strings.TrimRight(string(data[:at]), "\r\n"), data[at+i+1:], true
		}
		at += i + 1
	}
}

// parseVerbose parses output of curl -v that begins with the request line.
func parseVerbose(data []byte) (Recorded, error) {
	var head []string
	rest := data
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return Recorded{}, errors.New(`payacktest: the dump of curl -v ends within its headers; a line ">" ends them, and the body follows it`)
		}
		rest = after
		text, isHead := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\r")), []byte(">"))
		switch {
		case !isHead: // a line with "* " or the like
			continue
		case len(bytes.TrimSpace(text)) > 0:
			head = append(head, strings.TrimPrefix(string(text), " "))
			continue
		}
		break
	}
	body := rest
	for at := 0; at < len(rest); {
		line := firstLine(rest[at:])
		if marked := string(line[:min(2, len(line))]); marked == "* " || marked == "< " || marked == "} " || marked == "{ " && bytes.HasSuffix(bytes.TrimSuffix(line, []byte("\r")), []byte(" data]")) {
			body = bytes.TrimSuffix(bytes.TrimSuffix(rest[:at], []byte("\n")), []byte("\r"))
			break
		}
		at += len(line) + 1
	}
	if len(body) == 0 {
		return Recorded{}, errors.New(`payacktest: the dump has no body, and curl -v shows none; put it behind the line ">"`)
	}
	return dumped(head, body)
}

// dumped builds a callback from the lines of a head and a body.
func dumped(head []string, body []byte) (Recorded, error) {
	if !requestLine.MatchString(head[0]) {
		return Recorded{}, errors.New("payacktest: the dump does not begin with a request line")
	}
	parts := strings.Fields(head[0])
	rec := Recorded{Callback: Callback{Method: parts[0], Header: http.Header{}}, Path: "/"}
	if u, err := url.Parse(parts[1]); err != nil {
		return Recorded{}, errors.New("payacktest: the request line of the dump has no URL")
	} else if path := u.EscapedPath(); strings.HasPrefix(path, "/") {
		rec.Path = path
	}
	length := int64(-1)
	for i, line := range head[1:] {
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !found || addHeader(rec.Header, name, value) != nil {
			return Recorded{}, fmt.Errorf("payacktest: header %d of the dump is not valid; write it as Name: value, on one line", i+1)
		}
		if strings.EqualFold(name, "Content-Length") {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 || length >= 0 && n != length {
				return Recorded{}, errors.New("payacktest: the Content-Length of the dump is no length, or is given twice")
			}
			length = n
		}
	}
	if length >= 0 && int64(len(body)) != length {
		// An editor or a shell may have added a line break.
		for _, end := range []string{"\n", "\r\n"} {
			if int64(len(body)-len(end)) == length && bytes.HasSuffix(body, []byte(end)) {
				body = body[:length]
			}
		}
		if int64(len(body)) != length {
			return Recorded{}, fmt.Errorf("payacktest: the dump announces %d bytes and has %d; was the body changed?", length, len(body))
		}
	}
	rec.Body = bytes.Clone(body)
	return rec, nil
}

// parseBare makes a callback of a bare body, and guesses the content type.
func parseBare(data []byte) (Recorded, error) {
	rec := Recorded{Callback: Callback{Method: http.MethodPost, Header: http.Header{}}, Path: "/"}
	line := bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case looksLikeJSON(data):
		rec.Header.Set("Content-Type", "application/json")
		rec.Body = bytes.Clone(data)
	case isBase64(line):
		rec.Header.Set("Content-Type", "text/plain")
		rec.Body = bytes.Clone(line)
	case isForm(line):
		rec.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec.Body = bytes.Clone(line)
	default:
		return Recorded{}, errors.New("payacktest: it is no recording, no dump of a request, and neither JSON, base64 nor a form")
	}
	return rec, nil
}

// isForm reports whether a body is a single line that has a pair.
func isForm(body []byte) bool {
	return bytes.IndexByte(body, '=') > 0 && utf8.Valid(body) && !bytes.ContainsAny(body, " \t\r\n\x00<>{}\"")
}
