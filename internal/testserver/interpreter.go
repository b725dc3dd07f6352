package testserver

import (
	"os/exec"
	"slices"
	"testing"
)

// Interpreter is the interpreter of another language, with a check for the features
// that tests need.
type Interpreter struct {
	// Names are commands. Command returns the first one that runs successfully with
	// the arguments Flag and Check.
	Names       []string
	Flag, Check string
	// Needs says what to install.
	Needs string
}

// The languages of the programs that tests exchange messages with.
var (
	PHP    = Interpreter{[]string{"php"}, "-r", `exit(function_exists('openssl_sign') ? 0 : 1);`, "php-cli with openssl"}
	Python = Interpreter{[]string{"python3", "/usr/bin/python3", "/usr/local/bin/python3"}, "-c", `import hashlib`, "python3"}
	Node   = Interpreter{[]string{"node", "nodejs"}, "-e", `require('crypto').createHash('md5')`, "node"}
)

// That returns a copy of i with this check, and with needs as what to install.
func (i Interpreter) That(check, needs string) Interpreter {
	i.Check, i.Needs = check, needs
	return i
}

// Command returns the first of i.Names that passes the check, or skips the test if
// none does.
func (i Interpreter) Command(t testing.TB) string {
	t.Helper()
	at := slices.IndexFunc(i.Names, func(name string) bool { return exec.Command(name, i.Flag, i.Check).Run() == nil })
	if at < 0 {
		skip(t, "SKIP-SERVER: needs "+i.Needs)
	}
	return i.Names[at]
}

// Program returns the path of the program with this name, or skips the test if it
// is not installed.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, "SKIP-SERVER: needs "+name)
	}
	return path
}
