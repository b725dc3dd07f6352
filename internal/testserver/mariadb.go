package testserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// MariaDB returns the MariaDB server of this test binary, or the one whose data
// source name is in PAYACK_TEST_MYSQL.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	if dsn := os.Getenv("PAYACK_TEST_MYSQL"); dsn != "" {
		return &Server{DSN: dsn}
	}
	return sharedMariaDB.get(t, func() (*Server, error) { return NewMariaDB("") })
}

// NewMariaDB starts a server that is not shared. The caller closes it. The server
// keeps its data in folder, or in a temporary folder if folder is "". settings are
// flags of mariadbd.
func NewMariaDB(folder string, settings ...string) (*Server, error) {
	const debian = "/usr/sbin"
	install, err := program("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	mariadbd, err := program("mariadbd", debian)
	if err != nil {
		return nil, err
	}
	own := folder == ""
	if own {
		if folder, err = os.MkdirTemp("", "my"); err != nil {
			return nil, err
		}
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	err = mariaTemplate.copyTo(data, func(to string) *exec.Cmd {
		return exec.Command(install, "--no-defaults", "--datadir="+to, "--auth-root-authentication-method=normal", "--skip-test-db",
			"--innodb-log-file-size=64M", "--user="+me.Username)
	})
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Addr:   fmt.Sprintf("127.0.0.1:%d", port),
		DSN:    fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port),
		folder: folder,
		stop:   syscall.SIGTERM,
	}
	if !own {
		s.folder = ""
	}
	s.start = func() *exec.Cmd {
		args := []string{"--no-defaults", "--user=" + me.Username, "--datadir=" + data, "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
			"--socket=" + filepath.Join(folder, "s"), "--pid-file=" + filepath.Join(folder, "pid"), "--max-connections=300", "--innodb-buffer-pool-size=64M",
			"--innodb-log-file-size=64M", "--skip-name-resolve", "--log-warnings=0"}
		c := exec.Command(mariadbd, append(args, settings...)...)
		c.SysProcAttr = attributes(nil)
		return c
	}
	s.ready = func() error {
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		greeting := make([]byte, 5)
		if _, err := c.Read(greeting); err != nil {
			return err
		}
		if greeting[4] != 10 {
			return errors.New("it does not greet as a server")
		}
		return nil
	}
	return s, s.Start()
}
