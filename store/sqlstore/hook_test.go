package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/store/sqlstore"
)

// A hook's writes are committed or rolled back with the marks.
func TestHook(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		errFail := errors.New("failed")
		for _, tc := range []struct {
			id       string
			hook, fn error
		}{{"both", nil, nil}, {"hook fails", errFail, nil}, {"function fails", nil, errFail}} {
			called := false
			ctx := sqlstore.WithHook(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				require.NoError(t, p.settle(ctx, tx, tc.id))
				return tc.hook
			})
			_, err := p.deliver(ctx, tc.id, func(context.Context, *sql.Tx) error {
				called = true
				return tc.fn
			})
			require.Equal(t, tc.hook == nil, called)
			if tc.hook != nil || tc.fn != nil {
				require.ErrorIs(t, err, errFail)
				require.Zero(t, p.count(t, tc.id))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, 1, p.count(t, tc.id))
		}
	})
}
