package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/payack/payack/middleware"
)

func runConfig(_ context.Context, std stdio, args []string) error {
	fs := newFlags(std, "config", "config -example | -check FILE\n\nShows the whole configuration of listen, or checks a file without serving.",
		"payack config -example > payack.json")
	example := fs.Bool("example", false, "print every member with its default and a line about it")
	file := fs.String("check", "", "say what is wrong with a `file`, and exit with 2 if anything is")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch {
	case *example == (*file != ""):
		return usagef("config: give -example, or -check and a file")
	case *example:
		if err := writeExample(std.out); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		return nil
	}
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return usageError{err}
	}
	var mounted []string
	for _, p := range c.configured() {
		mounted = append(mounted, fmt.Sprintf("%s at %s", p, c.path(p)))
	}
	fmt.Fprintf(std.out, "%s is in order: %s\n", plain(*file), plain(strings.Join(mounted, ", ")))
	return nil
}

// check makes the same objects as listen, except those that need the disk or
// the network.
func (c *config) check() error {
	logger := slog.New(slog.DiscardHandler)
	out := newLines(io.Discard, logger)
	defer out.end()
	o, err := c.options(out, logger)
	if err != nil {
		return err
	}
	if closer, ok := o.Limiter.(io.Closer); ok {
		defer closer.Close()
	}
	if c.Forward != nil {
		if _, err := newForwarder(c.Forward); err != nil {
			return err
		}
		o.Deadline = middleware.DefaultDeadline + c.Forward.timeout
	}
	_, err = newHandler(c, o, nothing, unwrapped)
	return err
}
