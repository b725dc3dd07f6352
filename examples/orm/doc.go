// Package orm has an example for each of some libraries above database/sql: how a
// function of sqlstore.InTx writes by them within its transaction.
package orm
