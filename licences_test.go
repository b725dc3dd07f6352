package payack_test

import (
	"cmp"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var writeLicences = flag.Bool("write-licences", false, "write LICENSES.md")

// licenceTexts has, for each licence, a phrase by which its text is recognised, in
// lower case and with single blanks. (The text of BSD-3-Clause contains the phrase of
// BSD-2-Clause, too.) A person must read a licence before it is added.
var licenceTexts = map[string]*regexp.Regexp{
	"Apache-2.0":    regexp.MustCompile(`apache license,? version 2\.0`),
	"BSD-2-Clause":  regexp.MustCompile(`redistribution and use in source and binary forms`),
	"BSD-3-Clause":  regexp.MustCompile(`neither the names? of|may not be used to endorse or promote`),
	"MIT":           regexp.MustCompile(`permission is hereby granted, free of charge, to any person obtaining a copy`),
	"MPL-2.0":       regexp.MustCompile(`mozilla public license,? version 2\.0`),
	"public domain": regexp.MustCompile(`(is|are|been) (dedicated|placed|in)( to| in)? the public domain`),
}

const licencesHead = `# What is linked, and under which licence

payack itself is under the MIT licence ([LICENSE](LICENSE)), and the Go standard library under BSD-3-Clause. No other code
is embedded. The table lists the other modules that are linked into programs, and the modules of payack that link them. Modules that only
tests use are not listed. The texts are in the modules themselves. A test compares this list with the build; ` + "`go test . -run Licences -write-licences`" + ` writes it.

| module | licence | linked by |
|---|---|---|
`

// TestLicences requires that LICENSES.md lists the modules that payack's modules
// link, with their licences.
func TestLicences(t *testing.T) {
	if _, err := os.Stat("go.work"); err != nil {
		t.Skip("the workspace is not here: this is the core module alone")
	}
	linkedBy := map[string][]string{}
	folders := map[string]string{}
	for _, folder := range usedModules(t) {
		own := cmp.Or(strings.TrimPrefix(folder, "."), "the core")
		for line := range strings.Lines(goList(t, folder, "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./...")) {
			module, dir, found := strings.Cut(strings.TrimSpace(line), " ")
			if found && !slices.Contains(linkedBy[module], own) {
				folders[module], linkedBy[module] = dir, append(linkedBy[module], own)
			}
		}
	}
	require.Greater(t, len(linkedBy), 20, "go list finds hardly any module")
	var list strings.Builder
	list.WriteString(licencesHead)
	for _, module := range slices.Sorted(maps.Keys(linkedBy)) {
		list.WriteString("| " + module + " | " + strings.Join(licencesOf(t, module, folders[module]), ", ") + " | " + strings.Join(linkedBy[module], ", ") + " |\n")
	}
	if *writeLicences {
		require.NoError(t, os.WriteFile("LICENSES.md", []byte(list.String()), 0o644))
	}
	now, err := os.ReadFile("LICENSES.md")
	require.NoError(t, err)
	if list.String() != string(now) { // an Equal would print both texts
		require.Fail(t, "LICENSES.md is not what is linked; write it, and look at the difference: go test . -run Licences -write-licences")
	}
}

// usedModules returns the folders in go.work.
func usedModules(t *testing.T) []string {
	work, err := os.ReadFile("go.work")
	require.NoError(t, err)
	var folders []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\.\S*)$`).FindAllStringSubmatch(string(work), -1) {
		folders = append(folders, filepath.Clean(m[1]))
	}
	return folders
}

// goList runs go list in the workspace, even if the core is tested outside of the
// workspace.
func goList(t *testing.T, dir string, args ...string) string {
	here, err := os.Getwd()
	require.NoError(t, err)
	list := exec.Command("go", append([]string{"list"}, args...)...)
	list.Dir = dir
	list.Env = append(os.Environ(), "GOWORK="+filepath.Join(here, "go.work"))
	list.Stderr = os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	return string(out)
}

// licencesOf returns the licences whose texts a module contains.
func licencesOf(t *testing.T, module, dir string) []string {
	var files, found []string
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		files = append(files, names...)
	}
	require.NotEmpty(t, files, "%s has no licence: look for it, or do without the module", module)
	for _, file := range files {
		if strings.HasSuffix(file, "-LOGO") { // a picture, which is not linked
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		of := recognised(strings.ToLower(strings.Join(strings.Fields(string(text)), " ")))
		require.NotEmpty(t, of, "%s: nobody knows the licence in %s: read it, and add it to licenceTexts if it may be linked", module, filepath.Base(file))
		found = append(found, of...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func recognised(text string) (of []string) {
	for licence, phrase := range licenceTexts {
		if phrase.MatchString(text) {
			of = append(of, licence)
		}
	}
	if slices.Contains(of, "BSD-3-Clause") {
		of = slices.DeleteFunc(of, func(licence string) bool { return licence == "BSD-2-Clause" })
	}
	return of
}
