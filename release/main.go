// Command release makes a release of all modules in go.work: one commit, and a
// tag for each module. It pushes nothing.
//
//	GOWORK=off go -C release run . v0.1.0
//
// README.md beside it says what to do before and after.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "release: no version; call it with one, such as v0.1.0")
		os.Exit(2)
	}
	if err := release(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release checks the repository, and prepares everything in a clone. The function
// publish is the last step and the only one that changes the repository. A release
// that fails before that step leaves nothing behind.
func release(version string) error {
	repo, err := git(".", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if err := check(repo, version); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	clone := filepath.Join(tmp, "clone")
	if _, err := git(repo, "clone", "-q", "--shared", ".", clone); err != nil {
		return err
	}
	modules, err := readWork(clone)
	if err != nil {
		return err
	}
	if err := free(repo, version, modules); err != nil {
		return err
	}
	p, err := newProxy(tmp)
	if err != nil {
		return err
	}
	if err := prepare(clone, version, modules, p); err != nil {
		return err
	}
	if err := fits(clone, version, modules, p); err != nil {
		return err
	}
	return publish(repo, clone, version, modules)
}

// check refuses a version, a tree or a changelog that is not ready to be
// released.
func check(repo, version string) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version || module.IsPseudoVersion(version) {
		return fmt.Errorf("%q is no version; call it like v0.1.0 or v0.2.0-rc.1", version)
	}
	if major := semver.Major(version); major != "v0" && major != "v1" {
		return fmt.Errorf("%s needs module paths that end in /%s; change them first", version, major)
	}
	status, err := git(repo, "status", "--porcelain")
	if err != nil {
		return err
	}
	if status != "" {
		return fmt.Errorf("%d paths are not committed; commit or remove them", strings.Count(status, "\n")+1)
	}
	text, err := os.ReadFile(filepath.Join(repo, "CHANGELOG.md"))
	if err != nil {
		return fmt.Errorf("%w; write it first", err)
	}
	number := strings.TrimPrefix(version, "v")
	entry := regexp.MustCompile(`(?m)^## \[` + regexp.QuoteMeta(number) + `\] - \d{4}-\d\d-\d\d\n`)
	switch body, ok := section(string(text), entry); {
	case !ok:
		return fmt.Errorf("CHANGELOG.md has no entry for %s; put the line \"## [%s] - YYYY-MM-DD\" below \"## [Unreleased]\"", version, number)
	case body == "":
		return fmt.Errorf("CHANGELOG.md says nothing about %s; write what changed", version)
	}
	if body, _ := section(string(text), regexp.MustCompile(`(?m)^## \[Unreleased\]\n`)); body != "" {
		return fmt.Errorf("CHANGELOG.md has unreleased changes; move them below \"## [%s]\"", number)
	}
	return nil
}

// section returns the text between a heading and the next one.
func section(text string, heading *regexp.Regexp) (body string, ok bool) {
	at := heading.FindStringIndex(text)
	if at == nil {
		return "", false
	}
	body, _, _ = strings.Cut("\n"+text[at[1]:], "\n## ")
	return strings.TrimSpace(body), true
}

// workModule is a module in go.work.
type workModule struct {
	path string
	dir  string // with slashes, relative to the repository; "." for its root
	file *modfile.File
}

func (m workModule) tag(version string) string {
	if m.dir == "." {
		return version
	}
	return m.dir + "/" + version
}

// readWork returns the modules of go.work, each after those that it requires.
func readWork(repo string) ([]workModule, error) {
	work, err := parseWork(repo)
	if err != nil {
		return nil, err
	}
	var all []workModule
	for _, use := range work.Use {
		name := filepath.Join(repo, use.Path, "go.mod")
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := modfile.Parse(name, data, nil)
		if err != nil {
			return nil, err
		}
		m := workModule{path: file.Module.Mod.Path, dir: filepath.ToSlash(filepath.Clean(use.Path)), file: file}
		if len(file.Replace) > 0 {
			return nil, fmt.Errorf("%s has a replace, which go install refuses; remove it, go.work has one", filepath.Join(m.dir, "go.mod"))
		}
		all = append(all, m)
	}
	return inOrder(all)
}

func parseWork(repo string) (*modfile.WorkFile, error) {
	name := filepath.Join(repo, "go.work")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.ParseWork(name, data, nil)
}

func inOrder(all []workModule) (sorted []workModule, err error) {
	for len(all) > 0 {
		next := slices.IndexFunc(all, func(m workModule) bool {
			return !slices.ContainsFunc(m.file.Require, func(r *modfile.Require) bool {
				return slices.ContainsFunc(all, func(o workModule) bool { return o.path == r.Mod.Path })
			})
		})
		if next < 0 {
			return nil, fmt.Errorf("%s and others require each other; cut the circle", all[0].path)
		}
		sorted = append(sorted, all[next])
		all = slices.Delete(all, next, next+1)
	}
	return sorted, nil
}

// free refuses a version unless it is above the last release of each module.
func free(repo, version string, modules []workModule) error {
	for _, m := range modules {
		if last, err := lastRelease(repo, m); err != nil {
			return err
		} else if last != "" && semver.Compare(version, last) <= 0 {
			return fmt.Errorf("%s has been released as %s; take a higher version than %s", m.path, last, version)
		}
		if _, err := git(repo, "rev-parse", "-q", "--verify", "refs/tags/"+m.tag(version)); err == nil {
			return fmt.Errorf("the tag %s exists; take another version", m.tag(version))
		}
	}
	return nil
}

// lastRelease returns the highest version of a module among the tags on HEAD and its
// ancestors, or "".
func lastRelease(repo string, m workModule) (string, error) {
	tags, err := git(repo, "tag", "--merged", "HEAD", "--list", m.tag("v*"))
	last := ""
	for tag := range strings.FieldsSeq(tags) {
		if v := strings.TrimPrefix(tag, m.tag("")); semver.IsValid(v) && (last == "" || semver.Compare(v, last) > 0) {
			last = v
		}
	}
	return last, err
}

// prepare makes the commit in the clone. A module's go.sum has the checksums of
// the modules that it requires, so each module is put into the proxy before the
// next module is tidied.
func prepare(clone, version string, modules []workModule, p *proxy) error {
	if err := setVersions(clone, version, modules); err != nil {
		return err
	}
	for _, m := range modules {
		for _, verb := range [][]string{{"mod", "tidy"}, {"vet", "./..."}} {
			if out, err := command(filepath.Join(clone, m.dir), p.env, "go", verb...); err != nil {
				return fmt.Errorf("go %s fails in %s at %s: %w\n%s", verb[0], m.dir, version, err, out)
			}
		}
		if _, err := git(clone, "add", "-A"); err != nil {
			return err
		}
		tree, err := git(clone, "write-tree")
		if err != nil {
			return err
		}
		if err := p.add(clone, tree, m, version); err != nil {
			return err
		}
		fmt.Printf("%s: prepared %s\n", m.path, version)
	}
	env := append(os.Environ(), "GOWORK="+filepath.Join(clone, "go.work"))
	if out, err := command(clone, env, "go", "list", "-deps", "-test", "work"); err != nil {
		return fmt.Errorf("the workspace doesn't load at %s: %w\n%s", version, err, out)
	}
	// This commit is only for gorelease; publish makes the commit that stays.
	_, err := git(clone, "-c", "user.name=release", "-c", "user.email=release@localhost", "commit", "-q", "--allow-empty", "-m", version)
	return err
}

// setVersions writes the version into each go.mod and into go.work. It drops the
// checksums of our own modules: they belong to another version, or to an attempt
// that failed.
func setVersions(clone, version string, modules []workModule) error {
	work, err := parseWork(clone)
	if err != nil {
		return err
	}
	ours := func(path string) bool {
		return slices.ContainsFunc(modules, func(m workModule) bool { return m.path == path })
	}
	for _, r := range slices.Clone(work.Replace) {
		if ours(r.Old.Path) {
			if err := work.DropReplace(r.Old.Path, r.Old.Version); err != nil {
				return err
			}
		}
	}
	for _, m := range modules {
		if err := work.AddReplace(m.path, version, "./"+strings.TrimPrefix(m.dir, "."), ""); err != nil {
			return err
		}
		for _, r := range m.file.Require {
			if ours(r.Mod.Path) {
				if err := m.file.AddRequire(r.Mod.Path, version); err != nil {
					return err
				}
			}
		}
		data, err := m.file.Format()
		if err != nil {
			return err
		}
		dir := filepath.Join(clone, m.dir)
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), data, 0o644); err != nil {
			return err
		}
		sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // requires nothing
		} else if err != nil {
			return err
		}
		var kept strings.Builder
		for line := range strings.Lines(string(sums)) {
			if path, _, _ := strings.Cut(line, " "); !ours(path) {
				kept.WriteString(line)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "go.sum"), []byte(kept.String()), 0o644); err != nil {
			return err
		}
	}
	work.Cleanup()
	return os.WriteFile(filepath.Join(clone, "go.work"), modfile.Format(work.Syntax), 0o644)
}

var suggestion = regexp.MustCompile(`Suggested version: (v\S+)`)

// fits asks gorelease for the lowest version that the changes of each module
// allow, and refuses a version below that. It does not let gorelease judge the
// version, because gorelease accepts any version below v1. In this repository a
// patch must leave the API and the requirements unchanged.
func fits(clone, version string, modules []workModule, p *proxy) error {
	bases := map[string]string{}
	for _, m := range modules {
		base, err := p.addRelease(clone, m)
		if err != nil {
			return err
		}
		if base != "" {
			bases[m.path] = base
			continue
		}
		fmt.Printf("%s: the first release, nothing to compare %s with\n", m.path, version)
	}
	if len(bases) == 0 {
		return nil
	}
	program := filepath.Join(filepath.Dir(clone), "gorelease")
	env := append(os.Environ(), "GOWORK=off")
	if out, err := command(clone, env, "go", "build", "-modfile=tools.mod", "-o", program, "golang.org/x/exp/cmd/gorelease"); err != nil {
		return fmt.Errorf("can't build gorelease: %w\n%s", err, out)
	}
	// In parallel, since each module takes seconds.
	errs := make([]error, len(modules))
	places := make(chan struct{}, runtime.NumCPU())
	var all sync.WaitGroup
	for i, m := range modules {
		base, ok := bases[m.path]
		if !ok {
			continue
		}
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			errs[i] = fit(clone, version, base, program, m, p)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fit does for one module what fits describes.
func fit(clone, version, base, program string, m workModule, p *proxy) error {
	out, err := command(filepath.Join(clone, m.dir), p.env, program, "-base="+base)
	found := suggestion.FindStringSubmatch(out)
	if err != nil || found == nil {
		return fmt.Errorf("gorelease finds no version for %s after %s; fix what it says\n%s", m.path, base, out)
	}
	if core, _, _ := strings.Cut(version, "-"); semver.Compare(core, found[1]) < 0 {
		return fmt.Errorf("%s is too low for what changed in %s since %s; release %s or higher\n%s", version, m.path, base, found[1], out)
	}
	fmt.Printf("%s: %s fits the changes since %s\n%s\n", m.path, version, base, out)
	return nil
}

// publish copies the clone's result into the repository as one commit, and tags
// it.
func publish(repo, clone, version string, modules []workModule) error {
	commit := [][]string{
		{"fetch", "-q", "--no-tags", clone, "HEAD"},
		{"read-tree", "-m", "-u", "HEAD", "FETCH_HEAD"},
		{"commit", "-q", "--allow-empty", "-m", "Release " + version},
	}
	for _, args := range commit {
		if _, err := git(repo, args...); err != nil {
			return fmt.Errorf("%w; undo with: git reset --hard", err)
		}
	}
	push := "git push --atomic origin HEAD"
	for _, m := range modules {
		if _, err := git(repo, "tag", "-m", m.path+" "+version, m.tag(version)); err != nil {
			return err
		}
		push += " " + m.tag(version)
	}
	fmt.Printf("released %s in this clone only; push it with:\n%s\n", version, push)
	return nil
}

// git returns what git prints, without white space around it.
func git(dir string, args ...string) (string, error) {
	out, err := command(dir, nil, "git", args...)
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(out))
	}
	return strings.TrimSpace(out), nil
}

// command returns what a program prints to standard output and standard error.
func command(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
