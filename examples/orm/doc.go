// Package orm has examples for libraries on top of database/sql: how a function of
// sqlstore.InTx writes by them within its transaction.
package orm
