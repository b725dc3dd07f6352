// Command payack receives payment callbacks, makes them, and shows both.
//
//	payack demo                                   the whole thing over HTTP, in seconds
//	payack listen -config FILE                    a receiver of all configured providers
//	payack send PROVIDER -config FILE -url URL    a callback as the provider would send it
//
// Each has -h. The exit status is 0 when it is done, 1 when the thing asked
// about failed (a check, a delivery), 2 when the call or the configuration is
// wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a wrong call or configuration.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// stdio is where a subcommand reads and writes.
type stdio struct{ out, err io.Writer }

type command struct {
	name, summary string
	run           func(ctx context.Context, io stdio, args []string) error
}

var commands = []command{
	{"demo", "play every provider's genuine and forged callbacks at a receiver, and check the answers", runDemo},
	{"listen", "receive callbacks of all configured providers", runListen},
	{"send", "build a callback as a provider would, and post it", runSend},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends a shutdown that takes too long.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, stdio{os.Stdout, os.Stderr}, os.Args[1:]))
}

func run(ctx context.Context, io stdio, args []string) int {
	err := dispatch(ctx, io, args)
	var usage usageError
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	fmt.Fprintln(io.err, "payack:", oneLine.Replace(err.Error()))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// oneLine keeps names that came from a file or the command line from breaking
// the line.
var oneLine = strings.NewReplacer("\r\n", "; ", "\n", "; ", "\r", "; ")

func dispatch(ctx context.Context, io stdio, args []string) error {
	if len(args) == 0 {
		return usagef("no subcommand is given; try: payack demo")
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		fmt.Fprintln(io.out, "payack receives payment callbacks of Ptop, PTS and Payatom.")
		for _, c := range commands {
			fmt.Fprintf(io.out, "  payack %-8s %s\n", c.name, c.summary)
		}
		fmt.Fprintln(io.out, "Each has -h, with an example.")
		return nil
	case "inspect", "replay":
		return usagef("%s does not exist yet in this version; demo, listen and send do", args[0])
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, io, args[1:])
		}
	}
	return usagef("there is no subcommand %q; there are demo, listen and send", args[0])
}

// newFlags returns a flag set whose -h shows the usage line and an example, on
// standard output since it was asked for.
func newFlags(io stdio, name, usage, example string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.out)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: payack %s\n\nexample: %s\n\n", usage, example)
		fs.PrintDefaults()
	}
	return fs
}

// parse reads flags; nothing may be left over. A wrong call is one line: the
// long help is for -h.
func parse(fs *flag.FlagSet, args []string) error {
	full := fs.Usage
	out := fs.Output()
	fs.Usage = func() {}
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	fs.SetOutput(out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		full()
		return err
	case err != nil:
		return usagef("%s: %w; see payack %s -h", fs.Name(), err, fs.Name())
	case fs.NArg() > 0:
		return usagef("%s: %q is left over; see payack %s -h", fs.Name(), fs.Arg(0), fs.Name())
	}
	return nil
}
