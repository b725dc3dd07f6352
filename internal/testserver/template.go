package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// template is the initial data of PostgreSQL or of MariaDB. Making the data takes
// seconds, so a test binary makes it once, and each server starts with a copy.
type template struct {
	sync.Mutex
	folder string
}

var postgresTemplate, mariaTemplate template

func (t *template) copyTo(data string, create func(to string) *exec.Cmd) error {
	t.Lock()
	defer t.Unlock()
	if t.folder == "" {
		folder, err := os.MkdirTemp("", "db")
		if err != nil {
			return err
		}
		c := create(filepath.Join(folder, "data"))
		if out, err := c.CombinedOutput(); err != nil {
			_ = os.RemoveAll(folder)
			return fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, out)
		}
		t.folder = folder
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(t.folder, "data"), data).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

func (t *template) remove() {
	t.Lock()
	defer t.Unlock()
	if t.folder != "" {
		_ = os.RemoveAll(t.folder)
		t.folder = ""
	}
}
