package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/payacktest"
)

// asCommand makes the test binary act as the command, so that signals, exit
// statuses and broken pipes are real.
const asCommand = "PAYACK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	code := m.Run()
	testserver.StopAll()
	os.Exit(code)
}

// Keys for tests; no account has them.
const (
	testSafecode = "0123456789abcdef0123456789abcdef"
	testPtopKey  = "ptop-signing-key-of-the-tests"
	testPayatom  = "payatom-secret-key-of-the-tests"
	testTxSecret = "transaction-secret-of-the-tests"
	testTimeout  = 20 * time.Second
)

// testsBegan is before each line's time.
var testsBegan = time.Now()

// testPair is a key pair of PTS, in PEM.
var testPair = sync.OnceValues(func() (private, public string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
})

// object is a JSON object.
type object = map[string]any

// testConfig returns a valid configuration of all providers.
func testConfig() object {
	_, public := testPair()
	return object{
		"addr": "127.0.0.1:0", "database": "",
		"ptop":    object{"signing_keys": []any{testPtopKey}, "insecure_no_confirm": true},
		"pts":     object{"safecode": testSafecode, "public_keys": []any{public}},
		"payatom": object{"secret_keys": []any{testPayatom}, "orders": object{"ORD1000001": "500", "ORD2000002": "700"}},
	}
}

// with changes members of c and returns c. Each name in changes is the path of a
// member: a dot selects a member of an object. The value nil removes the member.
func with(c object, changes object) object {
	for path, value := range changes {
		at := c
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			if at[name] == nil {
				at[name] = object{}
			}
			at = at[name].(object)
		}
		if last := names[len(names)-1]; value == nil {
			delete(at, last)
		} else {
			at[last] = value
		}
	}
	return c
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func configFile(t *testing.T, c object) string {
	t.Helper()
	b, err := json.Marshal(c)
	require.NoError(t, err)
	return writeFile(t, "payack.json", string(b))
}

func keyFile(t *testing.T) string {
	t.Helper()
	private, _ := testPair()
	return writeFile(t, "key.pem", private)
}

// parsed returns a configuration as the command reads it.
func parsed(t *testing.T, c object) *config {
	t.Helper()
	got, err := loadConfig(configFile(t, c))
	require.NoError(t, err)
	return got
}

// call runs the command in this process.
func call(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(ctx, stdio{strings.NewReader(""), &out, &errs}, args)
	return status, out.String(), errs.String()
}

// buffer is a bytes.Buffer that is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// process is the command in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	pipe   interface{ Close() error }
	stderr buffer
	exited chan error
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcessIn(t, "", args...)
}

// startProcessIn starts the command in a folder.
func startProcessIn(t *testing.T, folder string, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(program, args...), exited: make(chan error, 1)}
	p.cmd.Dir = folder
	// The race detector sleeps a second at each exit unless it is told not to.
	p.cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = &p.stderr
	// StdoutPipe is not used, because Wait would close the pipe before the last
	// line is read.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	p.cmd.Stdout, p.stdout, p.pipe = w, bufio.NewReader(r), r
	require.NoError(t, p.cmd.Start())
	w.Close()
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error means that the process has ended
		r.Close()
	})
	return p
}

// status waits for the end and returns the exit status.
func (p *process) status() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(testTimeout):
		require.FailNow(p.t, "the process does not end", p.stderr.String())
		return -1
	}
}

func (p *process) signal(s os.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// readLine returns the next line of standard output, without its end.
func (p *process) readLine() string {
	p.t.Helper()
	type result struct {
		text string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		text, err := p.stdout.ReadString('\n')
		read <- result{text, err}
	}()
	select {
	case r := <-read:
		require.NoError(p.t, r.err, p.stderr.String())
		return strings.TrimSuffix(r.text, "\n")
	case <-time.After(testTimeout):
		require.FailNow(p.t, "no line comes", p.stderr.String())
		return ""
	}
}

// listener is payack listen in a process of its own.
type listener struct {
	*process
	url string
	// kept means that there is a database, so that events are in the lines of
	// attempts.
	kept bool
}

func startListener(t *testing.T, c object) *listener {
	t.Helper()
	return listening(startProcess(t, "listen", "-config", configFile(t, c)), c["database"] != "")
}

// listening waits until the process listens.
func listening(p *process, kept bool) *listener {
	t, l := p.t, &listener{process: p, kept: kept}
	t.Helper()
	first := l.readLine()
	require.Regexp(t, `^\{"listening":"http://127\.0\.0\.1:[1-9][0-9]*"\}$`, first)
	l.url = strings.TrimSuffix(strings.TrimPrefix(first, `{"listening":"`), `"}`)
	return l
}

// end stops the process and checks that standard output has no further line.
func (l *listener) end() {
	l.t.Helper()
	l.signal(syscall.SIGTERM)
	require.Equal(l.t, exitDone, l.status(), l.stderr.String())
	rest, err := l.stdout.ReadString('\n')
	require.Error(l.t, err, "standard output has a line too many: %s", rest)
}

// letsNobodyIn waits until the process takes no more connections, because it is
// about to end.
func (l *listener) letsNobodyIn() {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, testTimeout, 10*time.Millisecond)
}

// logged is a line of standard output.
type logged struct {
	Detail   string          `json:"detail"`
	Time     time.Time       `json:"time"`
	Provider string          `json:"provider"`
	Outcome  string          `json:"outcome"`
	Reason   string          `json:"reason"`
	Scheme   string          `json:"scheme"`
	EventID  string          `json:"event_id"`
	Status   int             `json:"status"`
	Attempt  int             `json:"attempt"`
	Dead     bool            `json:"dead"`
	Event    json.RawMessage `json:"event"`
}

// verdict returns the provider, the outcome and the reason of a line.
func (l logged) verdict() string {
	return strings.TrimSpace(strings.Join([]string{l.Provider, l.Outcome, l.Reason}, " "))
}

// line reads the next line and checks that it has exactly the members of the
// documented format.
func (l *listener) line() logged {
	l.t.Helper()
	text := l.readLine()
	var members object
	require.NoError(l.t, json.Unmarshal([]byte(text), &members), text)
	names := []string{"time", "provider", "outcome", "reason", "detail", "scheme", "event_id", "status"}
	for _, name := range []string{"event", "attempt", "dead"} {
		if _, found := members[name]; found {
			names = append(names, name)
		}
	}
	require.Len(l.t, members, len(names), text)
	for _, name := range names {
		require.Contains(l.t, members, name)
	}
	var got logged
	require.NoError(l.t, json.Unmarshal([]byte(text), &got), text)
	oldest := time.Now().Add(-testTimeout)
	if got.Attempt > 0 {
		oldest = testsBegan // the event may have waited for another process
	}
	require.WithinRange(l.t, got.Time, oldest, time.Now())
	inLine := got.EventID != "" && l.kept == (got.Attempt > 0)
	require.Equal(l.t, inLine, got.Event != nil, "an event is there for verified ones only, with a database in the attempt's line: %s", text)
	require.Equal(l.t, got.Dead, members["dead"] != nil, text)
	return got
}

// post posts a callback and returns the answer and the callback's line.
func (l *listener) post(path string, cb payacktest.Callback) (*http.Response, string, logged) {
	l.t.Helper()
	resp, body := l.do(http.MethodPost, path, cb)
	line := l.line()
	require.Equal(l.t, resp.StatusCode, line.Status)
	return resp, body, line
}

func (l *listener) do(method, path string, cb payacktest.Callback) (*http.Response, string) {
	l.t.Helper()
	cb.Method = method
	resp, err := cb.Post(context.Background(), nil, l.url+path)
	require.NoError(l.t, err)
	a, err := answerOf(resp)
	require.NoError(l.t, err)
	return resp, a.Body
}

// bare returns a callback without a signature.
func bare(contentType, body string) payacktest.Callback {
	return payacktest.Callback{Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
}

// testSender builds a provider's callbacks for a configuration.
func testSender(t *testing.T, c object, provider string) sender {
	t.Helper()
	private, _ := testPair()
	s := sender{parsed(t, c), payack.Provider(provider), payack.NewSecret(private)}
	require.NoError(t, s.check())
	return s
}

func built(t *testing.T, s sender, tamper tampering, set ...assignment) payacktest.Callback {
	t.Helper()
	cb, err := s.build(set, tamper)
	require.NoError(t, err)
	return cb
}
