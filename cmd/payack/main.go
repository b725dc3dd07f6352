// Command payack receives, sends and inspects payment callbacks.
//
//	payack demo                                       plays genuine and forged callbacks over HTTP
//	payack listen -config FILE                        receives callbacks of all configured providers
//	payack send PROVIDER -config FILE -url URL        sends a callback as the provider would
//	payack inspect PROVIDER -config FILE [FILE|-]     explains why a recorded delivery is refused
//	payack replay -url URL FILE…                      posts recorded deliveries again
//	payack inbox -config FILE list|show|retry|close   shows, retries and closes events that listen keeps
//	payack ask PROVIDER -config FILE ORDER…           asks a provider about orders
//	payack config -example|-check FILE                shows the whole configuration, or checks a file
//
// Each subcommand has -h. The exit status is 0 after success. It is 1 if an
// operation or a check failed, such as a delivery that is not accepted. It is 2
// if the command line or the configuration is wrong.
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

// usageError is an error of the command line or of the configuration.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// stdio holds the standard streams of a subcommand.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

type command struct {
	name, summary string
	run           func(ctx context.Context, io stdio, args []string) error
}

var commands = []command{
	{"demo", "play genuine and forged callbacks, and check what comes of it", runDemo},
	{"listen", "receive callbacks of all configured providers", runListen},
	{"send", "build a callback as a provider would, and post it", runSend},
	{"inspect", "show step by step what becomes of a recorded delivery, and why", runInspect},
	{"replay", "post recorded deliveries again", runReplay},
	{"config", "show the whole configuration, or check a file", runConfig},
	{"ask", "ask a provider about orders, and keep what is found paid", runAsk},
	{"inbox", "list events that listen keeps, show, retry and close them", runInbox},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal, a second one has its default effect: it ends a
	// shutdown that takes too long.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, stdio{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
}

func run(ctx context.Context, io stdio, args []string) int {
	err := dispatch(ctx, io, args)
	var usage usageError
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	// The library's errors begin with the prefix that is written here.
	fmt.Fprintln(io.err, "payack:", plain(oneLine.Replace(strings.TrimPrefix(err.Error(), "payack: "))))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// oneLine keeps an error on one line, whatever names it quotes.
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
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, io, args[1:])
		}
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	return usagef("there is no subcommand %q; there are %s", args[0], strings.Join(names, ", "))
}

// newFlags returns a flag set whose -h prints the usage line and an example to
// standard output.
func newFlags(io stdio, name, usage, example string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.out)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: payack %s\n\nexample: %s\n\n", usage, example)
		fs.PrintDefaults()
	}
	return fs
}

// parse parses flags and allows no operands.
func parse(fs *flag.FlagSet, args []string) error {
	_, err := parseOperands(fs, args, 0)
	return err
}

// parseOperands parses flags and returns the operands, which may stand before,
// between and after the flags. most is the greatest number of operands; -1 allows
// any number. The error of a wrong call is one line; only -h prints the long help.
func parseOperands(fs *flag.FlagSet, args []string, most int) (operands []string, err error) {
	full := fs.Usage
	out := fs.Output()
	fs.Usage = func() {}
	fs.SetOutput(io.Discard)
	for {
		if err = fs.Parse(args); err != nil || fs.NArg() == 0 {
			break
		}
		operands, args = append(operands, fs.Arg(0)), fs.Args()[1:]
	}
	fs.SetOutput(out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		full()
		return nil, err
	case err != nil:
		return nil, usagef("%s: %w; see payack %s -h", fs.Name(), err, fs.Name())
	case most >= 0 && len(operands) > most:
		return nil, usagef("%s: %q is left over; see payack %s -h", fs.Name(), operands[most], fs.Name())
	}
	return operands, nil
}
