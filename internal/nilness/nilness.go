// Package nilness recognises nil values within interfaces, so that constructors can
// refuse them before the first callback panics.
package nilness

import "reflect"

// Of reports whether a value is nil, or an interface that holds a nil pointer, map,
// function, channel or slice.
func Of(value any) bool {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return v.IsNil()
	}
	return false
}
