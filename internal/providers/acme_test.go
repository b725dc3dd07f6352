package providers_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// acmeFiles maps the files of an invented provider in testdata/acme to their places
// in the repository.
var acmeFiles = map[string]string{
	"payack/acme.go":     "acme.go",
	"verify/acme.go":     "verify/acme.go",
	"middleware/acme.go": "middleware/acme.go",
	"handlers/acme.go":   "handlers/acme.go",
	"payacktest/acme.go": "payacktest/acme.go",
	"diagnose/acme.go":   "diagnose/acme.go",
	"e2e/acme.go":        "internal/e2e/acme.go",
	"e2e/acme_test.go":   "internal/e2e/acme_test.go",
	"cmd/acme.go":        "cmd/payack/acme.go",
	"cmd/acme_test.go":   "cmd/payack/acme_test.go",
}

// acmeEntries are the replacements in existing files that register the provider.
var acmeEntries = map[string][2]string{
	list:                       {"payack.Payatom}", "payack.Payatom, payack.Acme}"},
	"encode.go":                {"\n}\n\n// EncodeEvent", "\n\tAcme: reflect.TypeOf((*AcmeEvent)(nil)),\n}\n\n// EncodeEvent"},
	"middleware/contracts.go":  {"&payatomAnswers,", "&payatomAnswers, payack.Acme: &acmeAnswers,"},
	"diagnose/provider.go":     {"payack.Payatom: payatom,", "payack.Payatom: payatom, payack.Acme: acme,"},
	"payacktest/provider.go":   {"&payatomCallbacks,", "&payatomCallbacks, payack.Acme: &acmeCallbacks,"},
	"internal/e2e/provider.go": {"&payatom,", "&payatom, payack.Acme: &acme,"},
	"cmd/payack/provider.go":   {"payack.Payatom: payatom,", "payack.Payatom: payatom, payack.Acme: acme,"},
}

// TestFourthProvider adds an invented provider, acme, and runs its tests. Only the
// registries change in existing files. The go command sees the files as an overlay;
// the repository itself does not change.
func TestFourthProvider(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the library and the command once more")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("the command's module is not here: it is no clone of the repository")
	}
	packages := []string{"./cmd/payack", "./diagnose", "./middleware", "./payacktest", "./internal/e2e", "./internal/providers"}
	out, err := goTest(root, overlay(t, root, true), "^(TestAcme.*|"+complete+")$", packages...)
	require.NoError(t, err, out)
	require.Equal(t, len(packages), strings.Count(out, "ok  \t"), out)
	require.NotContains(t, out, "no tests to run")

	// If a registry lacks the provider, a test of its package fails.
	out, err = goTest(root, overlay(t, root, false), "^("+complete+")$", packages...)
	require.Error(t, err)
	require.Equal(t, len(packages), strings.Count(out, "FAIL\t"), out)
	require.Equal(t, len(packages)-1, strings.Count(out, "the registry is incomplete: it lacks acme"), out)
	require.Equal(t, 1, strings.Count(out, "the provider is not known"), out)
}

// complete matches the names of the tests that compare a registry with
// providers.All.
const complete = "Test.*(Are|Is)Complete|TestEventsAreKnown"

// list is the file with providers.All.
const list = "internal/providers/providers.go"

// overlay writes the overlay file for the go command. It contains the provider's
// files and an entry in each registry. If registered is false, the only entry is
// that in the list of providers.
func overlay(t *testing.T, root string, registered bool) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for from, to := range acmeFiles {
		file, err := filepath.Abs(filepath.Join("testdata", "acme", from))
		require.NoError(t, err)
		replace[filepath.Join(root, to)] = file
	}
	for name, entry := range acmeEntries {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), entry[0]), "%s: it does not have %q once", name, entry[0])
		if !registered && name != list {
			continue
		}
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), entry[0], entry[1], 1)), 0o600))
		replace[filepath.Join(root, name)] = file
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return file
}

func goTest(root, overlay, run string, packages ...string) (string, error) {
	cmd := exec.Command("go", append([]string{"test", "-overlay", overlay, "-run", run}, packages...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
