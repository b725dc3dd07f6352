package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repository makes a repository with one commit of these files.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	repo := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(repo, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(repo, name), []byte(text), 0o644))
	}
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "all"},
	} {
		_, err := git(repo, args...)
		require.NoError(t, err)
	}
	return repo
}

func TestCheck(t *testing.T) {
	const good = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-28\n\n- New.\n\n## [0.1.0] - 2026-11-01\n\n- Old.\n"
	for _, test := range []struct{ name, version, changelog, err string }{
		{"good", "v0.2.0", good, ""},
		{"no heading between", "v0.2.0", "## [Unreleased]\n## [0.2.0] - 2026-11-28\n- New.\n", ""},
		{"not a version", "0.2.0", good, `"0.2.0" is no version`},
		{"empty", "", good, `"" is no version`},
		{"short", "v0.2", good, `"v0.2" is no version`},
		{"another path", "v2.0.0", good, "v2.0.0 needs module paths that end in /v2"},
		{"no entry", "v0.3.0", good, `no entry for v0.3.0; put the line "## [0.3.0] - YYYY-MM-DD"`},
		{"no date", "v0.2.0", "## [0.2.0]\n\n- New.\n", "no entry for v0.2.0"},
		{"nothing said", "v0.2.0", "## [0.2.0] - 2026-11-28\n\n## [0.1.0] - 2026-11-01\n\n- Old.\n", "says nothing about v0.2.0"},
		{"unreleased", "v0.2.0", "## [Unreleased]\n\n- Newer.\n\n## [0.2.0] - 2026-11-28\n\n- New.\n", "has unreleased changes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := check(repository(t, map[string]string{"CHANGELOG.md": test.changelog}), test.version)
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.err)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	t.Run("not committed", func(t *testing.T) {
		repo := repository(t, map[string]string{"CHANGELOG.md": good})
		require.NoError(t, os.WriteFile(filepath.Join(repo, "new"), nil, 0o644))
		require.ErrorContains(t, check(repo, "v0.2.0"), "1 paths are not committed")
	})
}

func TestModulesComeAfterWhatTheyRequire(t *testing.T) {
	repo := repository(t, map[string]string{
		"go.work":  "go 1.26.0\n\nuse (\n\t./a\n\t./b\n\t.\n)\n",
		"go.mod":   "module m.example\n\ngo 1.26.0\n",
		"a/go.mod": "module m.example/a\n\ngo 1.26.0\n\nrequire m.example/b v0.1.0\n",
		"b/go.mod": "module m.example/b\n\ngo 1.26.0\n\nrequire m.example v0.1.0\n",
	})
	modules, err := readWork(repo)
	require.NoError(t, err)
	var tags []string
	for _, m := range modules {
		tags = append(tags, m.tag("v0.1.0"))
	}
	assert.Equal(t, []string{"v0.1.0", "b/v0.1.0", "a/v0.1.0"}, tags)
	require.NoError(t, free(repo, "v0.1.0", modules))

	_, err = git(repo, "tag", "b/v0.1.0")
	require.NoError(t, err)
	require.EqualError(t, free(repo, "v0.1.0", modules), "m.example/b has been released as v0.1.0; take a higher version than v0.1.0")

	require.NoError(t, os.WriteFile(filepath.Join(repo, "b/go.mod"), []byte("module m.example/b\n\nrequire m.example/a v0.1.0\n"), 0o644))
	_, err = readWork(repo)
	require.ErrorContains(t, err, "require each other; cut the circle")

	require.NoError(t, os.WriteFile(filepath.Join(repo, "b/go.mod"), []byte("module m.example/b\n\nreplace m.example => ..\n"), 0o644))
	_, err = readWork(repo)
	require.EqualError(t, err, "b/go.mod has a replace, which go install refuses; remove it, go.work has one")
}
