//go:build !cgo

package sqlstore_test

import "testing"

func TestMattn(t *testing.T) { t.Skip("github.com/mattn/go-sqlite3 needs cgo, which is off") }
