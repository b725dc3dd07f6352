package orm_test

import (
	"context"
	"database/sql"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/payack/payack"
)

type gormPayment struct{ OrderID, Amount string }

func (gormPayment) TableName() string { return "payments" }

// gorm takes the transaction in place of a connection; gorm.io/driver/postgres and
// mysql have the same member Conn. SkipDefaultTransaction keeps gorm from beginning a
// transaction of its own.
func Example_gorm() {
	receive(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		db, err := gorm.Open(sqlite.New(sqlite.Config{Conn: tx}), &gorm.Config{SkipDefaultTransaction: true})
		if err != nil {
			return err
		}
		return db.WithContext(ctx).Create(&gormPayment{ev.OrderID, ev.AcceptAmount.String()}).Error
	})
	// Output: ORD1000001 100.50
}
