package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
)

var try = flag.String("try", "", "make one release, put it into a module proxy in this `folder`, and end")

// TestRehearsal makes two releases in a clone, and serves their tags as a module
// proxy in a folder. It then uses modules as a stranger would: with that proxy, a
// module cache of its own and no checkout.
func TestRehearsal(t *testing.T) {
	tmp := t.TempDir()
	// Take modules from the configured proxies only, never from their origins.
	out, err := command(".", nil, "go", "env", "GOPROXY")
	require.NoError(t, err, out)
	t.Setenv("GOPROXY", regexp.MustCompile(`[,|]direct`).ReplaceAllString(strings.TrimSpace(out), ""))
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "rehearsal")
		t.Setenv("GIT_"+who+"_EMAIL", "rehearsal@localhost")
	}
	folder := tmp
	if *try != "" {
		folder, err = filepath.Abs(*try)
		require.NoError(t, err)
		// The module cache in it would keep what was tried before.
		before, err := os.ReadDir(folder)
		require.True(t, len(before) == 0 && (err == nil || os.IsNotExist(err)), "-try: %s isn't empty; give a new folder", folder)
	}
	p, err := newProxy(folder)
	require.NoError(t, err)
	r := rehearsal{tmp: tmp, clone: filepath.Join(tmp, "clone"), proxy: p}
	r.takeClone(t)
	first, patch, minor := r.versions(t)

	if *try == "" {
		r.step(t, "a clone builds in its workspace, with an empty module cache", func(t *testing.T) { r.workspace(t) })
	}
	r.step(t, "release "+first, func(t *testing.T) {
		r.change(t, "CHANGELOG.md", func(text string) string { return entry(first, text) })
		require.NoError(t, r.release(t, first))
		r.serve(t)
	})
	if *try != "" {
		env := ""
		for _, v := range append(p.env[len(os.Environ()):], "GOBIN="+filepath.Join(folder, "bin")) {
			env += "export '" + v + "'\n"
		}
		env += "export PATH='" + filepath.Join(folder, "bin") + "':\"$PATH\"\n"
		require.NoError(t, os.WriteFile(filepath.Join(folder, "env"), []byte(env), 0o644))
		return
	}
	r.step(t, "the release's clone still builds in its workspace", func(t *testing.T) { r.workspace(t) })
	r.step(t, "strangers at "+first, func(t *testing.T) { r.strangers(t, first, func(workModule) bool { return true }) })

	r.change(t, "rehearsed.go", func(string) string {
		return "package payack\n\n// Rehearsed is new.\nfunc Rehearsed() bool { return true }\n"
	})
	r.step(t, "a changed API is refused as "+patch, func(t *testing.T) {
		r.change(t, "CHANGELOG.md", func(text string) string { return entry(patch, text) })
		head := r.git(t, "rev-parse", "HEAD")
		err := r.release(t, patch)
		require.ErrorContains(t, err, patch+" is too low for what changed in github.com/payack/payack since "+first+"; release "+minor)
		require.Equal(t, head, r.git(t, "rev-parse", "HEAD"), "a release that failed has committed")
		require.Empty(t, r.git(t, "status", "--porcelain"), "a release that failed has left changes")
		require.Empty(t, r.git(t, "tag", "--list", "*"+patch), "a release that failed has tagged")
	})
	r.step(t, "release "+minor, func(t *testing.T) {
		r.change(t, "CHANGELOG.md", func(text string) string {
			return strings.Replace(text, "## ["+patch[1:]+"]", "## ["+minor[1:]+"]", 1)
		})
		require.NoError(t, r.release(t, minor))
		r.serve(t)
	})
	r.step(t, "strangers at "+minor, func(t *testing.T) {
		// Install only the commands, which need most of the other modules.
		r.strangers(t, minor, func(m workModule) bool { return strings.HasPrefix(m.dir, "cmd/") })
		r.program(t, "github.com/payack/payack", minor, "package main\n\nimport \"github.com/payack/payack\"\n\nfunc main() {\n\tif !payack.Rehearsed() {\n\t\tpanic(\"old\")\n\t}\n}\n")
	})
}

type rehearsal struct {
	tmp, clone string
	proxy      *proxy
}

// step runs and times a part. A failed require in the part ends the rehearsal.
func (r *rehearsal) step(t *testing.T, name string, part func(t *testing.T)) {
	start := time.Now()
	part(t)
	t.Logf("%s: %s", name, time.Since(start).Round(time.Second))
}

func (r *rehearsal) git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := git(r.clone, args...)
	require.NoError(t, err)
	return out
}

// takeClone clones the repository, and commits its uncommitted changes to the
// clone.
func (r *rehearsal) takeClone(t *testing.T) {
	root, err := git(".", "rev-parse", "--show-toplevel")
	require.NoError(t, err)
	_, err = git(root, "clone", "-q", ".", r.clone)
	require.NoError(t, err)
	r.git(t, "config", "commit.gpgsign", "false")
	r.git(t, "config", "tag.gpgsign", "false")
	r.git(t, "--work-tree="+root, "add", "-A")
	r.git(t, "commit", "-q", "--allow-empty", "-m", "What is being rehearsed")
	r.git(t, "reset", "-q", "--hard")
}

// change rewrites a file of the clone and commits it.
func (r *rehearsal) change(t *testing.T, file string, how func(text string) string) {
	t.Helper()
	name := filepath.Join(r.clone, file)
	text, err := os.ReadFile(name)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	changed := how(string(text))
	require.NotEqual(t, string(text), changed, "%s stays as it is", file)
	require.NoError(t, os.WriteFile(name, []byte(changed), 0o644))
	r.git(t, "add", "-A")
	r.git(t, "commit", "-q", "-m", "Change "+file)
}

// entry turns the changelog's Unreleased section into a version's section.
func entry(version, text string) string {
	heading := fmt.Sprintf("## [Unreleased]\n\n## [%s] - %s\n\n- Rehearsed.\n", version[1:], time.Now().Format(time.DateOnly))
	return strings.Replace(text, "## [Unreleased]\n", heading, 1)
}

// versions returns the version to release first, and the patch and minor versions
// after it. If there has been no release yet, the first version is the one in the
// replace lines of go.work. Otherwise it is the next minor version.
func (r *rehearsal) versions(t *testing.T) (first, patch, minor string) {
	modules, err := readWork(r.clone)
	require.NoError(t, err)
	last := ""
	for _, m := range modules {
		v, err := lastRelease(r.clone, m)
		require.NoError(t, err)
		if last == "" || semver.Compare(v, last) > 0 {
			last = v
		}
	}
	if last == "" {
		work, err := parseWork(r.clone)
		require.NoError(t, err)
		require.NotEmpty(t, work.Replace, "go.work has no replaces")
		first = work.Replace[0].Old.Version
	} else {
		_, first = after(t, last)
	}
	patch, minor = after(t, first)
	return first, patch, minor
}

func after(t *testing.T, version string) (nextPatch, nextMinor string) {
	var major, minor, patch int
	_, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch)
	require.NoError(t, err, version)
	return fmt.Sprintf("v%d.%d.%d", major, minor, patch+1), fmt.Sprintf("v%d.%d.0", major, minor+1)
}

// release runs Command release as its documentation says.
func (r *rehearsal) release(t *testing.T, version string) error {
	env := append(os.Environ(), "GOWORK=off")
	out, err := command(r.clone, env, "go", "-C", "release", "run", ".", version)
	t.Logf("release %s:\n%s", version, out)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	require.Empty(t, r.git(t, "status", "--porcelain"), "a release has left changes")
	return nil
}

// serve puts the last release's tags into the proxy, and compares the checksums
// with those in the released go.sum files.
func (r *rehearsal) serve(t *testing.T) {
	modules, err := readWork(r.clone)
	require.NoError(t, err)
	for _, m := range modules {
		_, err := r.proxy.addRelease(r.clone, m)
		require.NoError(t, err)
		out, err := command(filepath.Join(r.clone, m.dir), r.proxy.env, "go", "mod", "tidy", "-diff")
		require.NoError(t, err, "%s isn't tidy: %s", m.tag(""), out)
	}
}

// workspace vets the workspace of the clone.
func (r *rehearsal) workspace(t *testing.T) {
	env := append(r.proxy.env, "GOWORK="+filepath.Join(r.clone, "go.work"), "GOMODCACHE="+filepath.Join(r.tmp, "workspace"))
	for _, verb := range []string{"build", "vet"} {
		out, err := command(r.clone, env, "go", verb, "work")
		require.NoError(t, err, out)
	}
}

// strangers uses each selected module as a stranger would: it runs the module's
// program in release/testdata/stranger, or installs the commands listed there.
func (r *rehearsal) strangers(t *testing.T, version string, uses func(workModule) bool) {
	modules, err := readWork(r.clone)
	require.NoError(t, err)
	for _, m := range modules {
		if !uses(m) {
			continue
		}
		dir := filepath.Join(r.clone, "release", "testdata", "stranger", m.dir)
		if program, err := os.ReadFile(filepath.Join(dir, "main.go")); err == nil {
			r.program(t, m.path, version, string(program))
			continue
		}
		install, err := os.ReadFile(filepath.Join(dir, "install"))
		if err != nil {
			assert.Fail(t, m.path+" has no stranger; write release/testdata/stranger/"+m.dir+"/main.go, a program that uses it, or install")
		}
		for line := range strings.Lines(string(install)) {
			args := strings.Fields(line)
			r.install(t, args[0], version, args[1:])
		}
	}
}

// program makes a new module, gets the module that the program uses, and runs the
// program.
func (r *rehearsal) program(t *testing.T, path, version, program string) {
	dir, err := os.MkdirTemp(r.tmp, "stranger")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644))
	for _, args := range []string{"mod init stranger", "get " + path + "@latest", "mod tidy", "vet .", "run ."} {
		if out, err := command(dir, r.proxy.env, "go", strings.Fields(args)...); !assert.NoError(t, err, "%s: go %s: %s", path, args, out) {
			return
		}
	}
	out, err := command(dir, r.proxy.env, "go", "list", "-m", "-f", "{{.Version}}", path)
	if assert.NoError(t, err, out) && assert.Equal(t, version, strings.TrimSpace(out), path) {
		t.Logf("%s: a program with it runs", path)
	}
}

// install installs a command, and runs it if there are arguments.
func (r *rehearsal) install(t *testing.T, path, version string, args []string) {
	bin, err := os.MkdirTemp(r.tmp, "bin")
	require.NoError(t, err)
	if out, err := command(bin, append(r.proxy.env, "GOBIN="+bin), "go", "install", path+"@latest"); !assert.NoError(t, err, "%s: go install: %s", path, out) {
		return
	}
	program := filepath.Join(bin, filepath.Base(path))
	out, err := command(bin, nil, "go", "version", "-m", program)
	if !assert.NoError(t, err, out) || !assert.Regexp(t, `(?m)^\s*mod\s+\S+\s+`+regexp.QuoteMeta(version)+`\s`, out, path) {
		return
	}
	if len(args) > 0 {
		if out, err = command(bin, nil, program, args...); !assert.NoError(t, err, "%s %s: %s", path, args, out) {
			return
		}
	}
	t.Logf("%s: installed, %d arguments", path, len(args))
}
