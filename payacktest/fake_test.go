package payacktest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// fakeTB is a testing.TB that records failures.
type fakeTB struct {
	testing.TB
	text  string
	fatal bool
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	f.fatal = true
	runtime.Goexit()
}

// run runs fn in its own goroutine, because Fatalf ends it.
func run(fn func(t testing.TB)) *fakeTB {
	f := &fakeTB{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(f)
	}()
	<-done
	return f
}
