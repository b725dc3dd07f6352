package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/payack/payack/store/memstore"
)

// If an event is claimed twice, one claim is granted. A claim that is not committed
// ends with its lease, or when it is released; the event can then be claimed again.
func Example() {
	ctx, store := context.Background(), memstore.New(0)
	first, _ := store.Claim(ctx, "pts:ORD-1", "paid", time.Minute)
	second, _ := store.Claim(ctx, "pts:ORD-1", "paid", time.Minute)
	fmt.Println(first.State, second.State)

	if err := store.Commit(ctx, "pts:ORD-1", first.Token); err != nil {
		fmt.Println(err)
	}
	again, _ := store.Claim(ctx, "pts:ORD-1", "paid", time.Minute)
	other, _ := store.Claim(ctx, "pts:ORD-1", "paid, another amount", time.Minute)
	fmt.Println(again.State, other.State)
	// Output:
	// granted busy
	// done conflict
}
