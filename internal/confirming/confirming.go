// Package confirming lets the constructor of a receiver learn how long a confirm
// method of package client may take, from the method's value alone: what fits the
// hook in one line (Confirm: ptop.Confirm) says nothing else about its client.
package confirming

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/payack/payack"
)

// Func is the type of confirm methods and hooks.
type Func[E payack.Event] = func(ctx context.Context, ev E) (*payack.Confirmation, error)

var (
	mu    sync.Mutex
	known = map[uintptr]bool{}
)

// Register makes a method known as one that begins with [Told]. Any value of the
// method will do, one of a zero receiver too: all values share their code.
func Register[E payack.Event](method Func[E]) {
	mu.Lock()
	defer mu.Unlock()
	known[reflect.ValueOf(method).Pointer()] = true
}

type question struct{}

// Timeout returns how long fn may take at most, all its attempts included. It is
// false for a function that is no registered method; such a function is not
// called, since nobody knows what it does.
// The error is for a method of a nil client.
func Timeout[E payack.Event](fn Func[E]) (atMost time.Duration, ok bool, err error) {
	if fn == nil {
		return 0, false, nil
	}
	mu.Lock()
	ok = known[reflect.ValueOf(fn).Pointer()]
	mu.Unlock()
	if !ok {
		return 0, false, nil
	}
	defer func() {
		if recover() != nil {
			err = errors.New("the client is nil; look at the error that its constructor returned")
		}
	}()
	var none E
	_, _ = fn(context.WithValue(context.Background(), question{}, &atMost), none)
	return atMost, true, nil
}

// Told reports whether [Timeout] asks, and answers it. The method then returns
// at once.
func Told(ctx context.Context, atMost time.Duration) bool {
	asks, ok := ctx.Value(question{}).(*time.Duration)
	if ok {
		*asks = atMost
	}
	return ok
}
