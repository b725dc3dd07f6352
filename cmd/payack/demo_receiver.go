package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// demoReceiver is payack listen in a process of its own, which can be killed.
type demoReceiver struct {
	folder, file string // file is the receiver's configuration
	url, admin   string // URLs: the receiver's, and the inspector's with the token

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process's standard output has ended
	log   *bytes.Buffer // the process's standard error, complete after the process has ended

	mu    sync.Mutex
	lines []demoLine    // not consumed yet
	came  chan struct{} // signals a new line
}

// demoLine is a line of the receiver's output.
type demoLine struct {
	said
	text []byte // as it was written
}

// startDemoReceiver starts a receiver with its configuration and database in a
// new folder.
func startDemoReceiver(folder string, members map[string]any) (*demoReceiver, error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	r := &demoReceiver{folder: folder, file: filepath.Join(folder, "payack.json"), came: make(chan struct{}, 1)}
	file, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(r.file, file, 0o600); err != nil {
		return nil, err
	}
	return r, r.start()
}

// start starts the process and waits until it listens.
func (r *demoReceiver) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd, log := exec.Command(program, "listen", "-config", r.file), new(bytes.Buffer)
	cmd.Dir, cmd.Stderr = r.folder, log // the database is made in the working directory
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	in := bufio.NewReader(stdout)
	var first struct{ Listening, Admin string }
	text, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &first)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // its log says what went wrong
		return fmt.Errorf("the receiver did not start: %s", bytes.TrimSpace(log.Bytes()))
	}
	r.cmd, r.log, r.ended, r.url, r.admin = cmd, log, make(chan struct{}), first.Listening, first.Admin
	go r.read(in, r.ended)
	return nil
}

func (r *demoReceiver) read(in *bufio.Reader, ended chan struct{}) {
	defer close(ended)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		line := demoLine{text: text}
		_ = json.Unmarshal(text, &line.said) // nobody waits for a line that can't be decoded
		r.mu.Lock()
		r.lines = append(r.lines, line)
		r.mu.Unlock()
		select {
		case r.came <- struct{}{}:
		default:
		}
	}
}

// lineTimeout bounds the wait for an expected line.
const lineTimeout = 30 * time.Second

// line removes and returns the first line that matches, and waits if there is
// none yet.
func (r *demoReceiver) line(ctx context.Context, matches func(demoLine) bool) (demoLine, error) {
	late := time.After(lineTimeout)
	for {
		ended := false
		select {
		case <-r.ended: // all its lines have been read
			ended = true
		default:
		}
		r.mu.Lock()
		i := slices.IndexFunc(r.lines, matches)
		var found demoLine
		if i >= 0 {
			found = r.lines[i]
			r.lines = slices.Delete(r.lines, i, i+1)
		}
		r.mu.Unlock()
		switch {
		case i >= 0:
			return found, nil
		case ended:
			_ = r.cmd.Wait() // its log says what went wrong
			return found, fmt.Errorf("%w: %s", errEnded, bytes.TrimSpace(r.log.Bytes()))
		}
		select {
		case <-r.came:
		case <-r.ended:
		case <-ctx.Done():
			return found, ctx.Err()
		case <-late:
			return found, errors.New("the receiver wrote no line that says what came of it")
		}
	}
}

var errEnded = errors.New("the receiver has ended")

// show writes new lines until the context ends.
func (r *demoReceiver) show(ctx context.Context, w io.Writer) error {
	r.mu.Lock()
	r.lines = nil
	r.mu.Unlock()
	t := terminalOf(w)
	for {
		line, err := r.line(ctx, func(demoLine) bool { return true })
		switch {
		case err == nil:
			if t != nil {
				line.text = []byte(t.text(line.said))
			}
			fmt.Fprintf(w, "%s", line.text)
		case errors.Is(err, errEnded):
			select {
			case <-ctx.Done(): // the terminal interrupts both this process and the receiver
				return nil
			case <-time.After(time.Second):
				return err
			}
		case ctx.Err() != nil:
			return nil
		}
	}
}

// restart kills the process, like a crash, and starts another one.
func (r *demoReceiver) restart() error {
	if err := r.cmd.Process.Kill(); err != nil {
		return err
	}
	<-r.ended
	_ = r.cmd.Wait() // the error says that the process was killed
	return r.start()
}

// stop ends the process.
func (r *demoReceiver) stop() {
	if r.cmd.Process.Signal(syscall.SIGTERM) != nil {
		_ = r.cmd.Process.Kill() // SIGTERM is not available, or the process has ended
	}
	killed := time.AfterFunc(shutdownTimeout, func() { _ = r.cmd.Process.Kill() })
	defer killed.Stop()
	<-r.ended
	_ = r.cmd.Wait()
}
