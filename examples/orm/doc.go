// Package orm has examples for libraries on top of database/sql. They show how the
// function that is given to sqlstore.InTx uses a library within its transaction.
package orm
