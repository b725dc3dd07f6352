package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// proxy is a module proxy in a folder, with an environment for go commands that
// read from it.
type proxy struct {
	dir string
	env []string
}

// newProxy makes an empty proxy in a folder. Its environment takes other people's
// modules from the user's cache, or from the user's proxy. The environment has a
// module cache of its own, because the user's cache must never hold a version
// that isn't published.
func newProxy(dir string) (*proxy, error) {
	p := &proxy{dir: filepath.Join(dir, "proxy")}
	var from []string
	for _, name := range []string{"GOMODCACHE", "GOPROXY"} {
		value, err := command(".", nil, "go", "env", name)
		if err != nil {
			return nil, fmt.Errorf("go env %s: %w: %s", name, err, value)
		}
		from = append(from, strings.TrimSpace(value))
	}
	p.env = append(os.Environ(),
		"GOWORK=off",
		"GOMODCACHE="+filepath.Join(dir, "cache"),
		"GOPROXY=file://"+p.dir+",file://"+from[0]+"/cache/download,"+from[1],
		"GONOPROXY=none",
		"GONOSUMDB=github.com/payack/payack",
		"GOFLAGS=-trimpath -modcacherw -buildvcs=false", // -trimpath makes the build cache independent of folders
	)
	return p, nil
}

// add puts a module into the proxy, with the files of a commit or a tree. The
// module is then available by its version; addRelease also lists the version.
func (p *proxy) add(repo, tree string, m workModule, version string) error {
	dir := filepath.Join(p.dir, m.path, "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	archive, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	defer archive.Close()
	sub := m.dir
	if sub == "." {
		sub = ""
	}
	if err := zip.CreateFromVCS(archive, module.Version{Path: m.path, Version: version}, repo, tree, sub); err != nil {
		return err
	}
	mod, err := command(repo, nil, "git", "cat-file", "blob", tree+":"+filepath.Join(sub, "go.mod"))
	if err != nil {
		return fmt.Errorf("%s in %s: %w", m.path, tree, err)
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC()})
	if err != nil {
		return err
	}
	for ext, data := range map[string]string{".mod": mod, ".info": string(info)} {
		if err := os.WriteFile(filepath.Join(dir, version+ext), []byte(data), 0o644); err != nil {
			return err
		}
	}
	return archive.Close()
}

// addRelease adds the last release of a module and returns its version, or "".
func (p *proxy) addRelease(repo string, m workModule) (version string, err error) {
	version, err = lastRelease(repo, m)
	if err != nil || version == "" {
		return "", err
	}
	if err := p.add(repo, m.tag(version), m, version); err != nil {
		return "", err
	}
	list, err := os.OpenFile(filepath.Join(p.dir, m.path, "@v", "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	defer list.Close()
	_, err = fmt.Fprintln(list, version)
	return version, err
}
