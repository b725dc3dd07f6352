// Package confirming tells the constructor of a receiver how long a Confirm method
// of package client may take. The constructor has only the method's value (Confirm:
// ptop.Confirm), so it calls the method with a question in the context. By
// [ErrNotAsked] a receiver recognises that such a method did not ask the provider.
package confirming

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/payack/payack"
)

// Func is the type of Confirm methods and hooks.
type Func[E payack.Event] = func(ctx context.Context, ev E) (*payack.Confirmation, error)

// ErrNotAsked is ErrRequest of package client: nothing was sent to the provider.
// It is defined here because a receiver can't import package client.
var ErrNotAsked = errors.New("payack: the request is not valid")

var (
	mu    sync.Mutex
	known = map[uintptr]bool{}
)

// Register records a method that calls [Told] first. Pass the method of any client,
// even of a zero client: all values of a method share one code pointer, which
// identifies the method.
func Register[E payack.Event](method Func[E]) {
	mu.Lock()
	defer mu.Unlock()
	known[reflect.ValueOf(method).Pointer()] = true
}

type question struct{}

// Timeout returns the longest time that fn takes with all its attempts. It
// reports false for a function that is not a registered method. It does not call
// such a function, because the call might have any effect. A method of a nil client
// is an error.
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

// Told is called by a Confirm method, and reports whether [Timeout] called that
// method. If so, Told has passed atMost to Timeout, and the method must return at
// once.
func Told(ctx context.Context, atMost time.Duration) bool {
	asks, ok := ctx.Value(question{}).(*time.Duration)
	if ok {
		*asks = atMost
	}
	return ok
}
