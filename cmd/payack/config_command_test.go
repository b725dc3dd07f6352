package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// exampleText returns what -example prints.
func exampleText(t *testing.T) string {
	t.Helper()
	status, stdout, stderr := call(context.Background(), "config", "-example")
	require.Equal(t, exitDone, status, stderr)
	return stdout
}

// exampleIn writes the example into a file and returns its name. It writes the
// files of keys into folder, and sets the environment variables.
func exampleIn(t *testing.T, folder string) (file string) {
	t.Helper()
	text := exampleText(t)
	private, public := testPair()
	for name, value := range map[string]string{"pts-public.pem": public, "merchant-private.pem": private} {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
		text = strings.ReplaceAll(text, "@"+name, "@"+path)
	}
	values := map[string]string{
		"PAYACK_WEBHOOK_SECRET": testWebhook, "PTS_SAFECODE": testSafecode, "PAYACK_ADMIN_TOKEN": "a token of 24 characters",
		"PTS_URL": "https://pts.example", "PAYATOM_URL": "https://payatom.example",
	}
	for _, m := range regexp.MustCompile(`"\$\{([A-Z_]+)\}"`).FindAllStringSubmatch(text, -1) {
		if values[m[1]] == "" {
			values[m[1]] = "of-the-tests"
		}
		t.Setenv(m[1], values[m[1]])
	}
	return writeFile(t, "payack.json", text)
}

// The printed example passes -check once the keys are there.
func TestExample(t *testing.T) {
	file := exampleIn(t, t.TempDir())
	status, stdout, stderr := call(context.Background(), "config", "-check", file)
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, file+" is in order: ptop at /ptop, pts at /pts, payatom at /payatom\n", stdout)
	text := exampleText(t)
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), 81, line)
	}
	_, help, _ := call(context.Background(), "listen", "-h")
	require.True(t, strings.HasSuffix(help, text), "the help of listen shows it too")

	t.Setenv("PTS_SAFECODE", "hunter2")
	status, _, stderr = call(context.Background(), "config", "-check", file)
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "pts.safecode")
}

// The function configuration describes exactly the members that the program reads.
func TestExampleHasEveryMember(t *testing.T) {
	var described func(prefix string, members []member) map[string]bool
	described = func(prefix string, members []member) map[string]bool {
		names := map[string]bool{}
		for _, m := range members {
			require.NotEmpty(t, m.about, m.name)
			require.Equal(t, m.value == "", len(m.members) > 0, m.name)
			names[prefix+m.name] = true
			maps.Copy(names, described(prefix+m.name+".", m.members))
		}
		return names
	}
	read := map[string]bool{}
	var collect func(prefix string, of reflect.Type)
	collect = func(prefix string, of reflect.Type) {
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for i := range of.NumField() {
			if name := of.Field(i).Tag.Get("json"); name != "" {
				read[prefix+name] = true
				collect(prefix+name+".", of.Field(i).Type)
			}
		}
	}
	collect("", reflect.TypeFor[config]())
	for _, p := range providers.All {
		read[string(p)] = true
		collect(string(p)+".", reflect.TypeOf(registry[p].section()))
	}
	require.Equal(t, read, described("", configuration()))
}

// Removing any member that is no key and has a default changes nothing.
func TestExampleShowsTheDefaults(t *testing.T) {
	shown, err := loadConfig(exampleIn(t, t.TempDir()))
	require.NoError(t, err)
	s := func(p payack.Provider) section { return shown.sections[p] }
	_, public := testPair()
	key := []any{"of-the-tests"}
	least := parsed(t, object{
		"forward": object{"url": shown.Forward.URL, "secret": testWebhook}, "rate_limit": object{},
		"ptop":    object{"signing_keys": key, "confirm": confirmBy("https://ptop.me", "of-the-tests", "of-the-tests")},
		"pts":     object{"safecode": testSafecode, "public_keys": []any{public}, "confirm": s(payack.PTS).(*ptsConfig).Confirm},
		"payatom": object{"secret_keys": key, "confirm": s(payack.Payatom).(*payatomConfig).Confirm},
	})
	require.Equal(t, shown.Addr, least.Addr)
	require.Equal(t, shown.Database, least.Database)
	require.Equal(t, shown.Record, least.Record)
	times := func(r retry) string { return fmt.Sprint(r.first, r.max, r.giveUp) }
	require.Equal(t, times(*shown.Retry), times(*least.Retry))
	require.Equal(t, shown.Forward.timeout, least.Forward.timeout)
	require.Equal(t, shown.RateLimit, least.RateLimit)
	require.Empty(t, shown.proxies)
	require.Empty(t, shown.allowed)
	for _, p := range providers.All {
		require.Equal(t, shown.path(p), least.path(p))
		made := func(c *config) (int64, string) {
			h, err := c.handler(p, middleware.Options{MaxBody: c.MaxBodyBytes}, nothing)
			require.NoError(t, err)
			verifier, _, err := h.Verifier(t.Context(), nil)
			require.NoError(t, err)
			var fields strings.Builder
			for v, i := reflect.ValueOf(verifier).Elem(), 0; i < v.NumField(); i++ {
				if name := v.Type().Field(i).Name; name != "options" { // options keeps the text of the configuration; the other fields keep its meaning
					fmt.Fprintf(&fields, "%s %v\n", name, v.Field(i))
				}
			}
			return h.MaxBody(), fields.String()
		}
		limit, verifier := made(shown)
		leastLimit, leastVerifier := made(least)
		require.Equal(t, limit, leastLimit)
		require.Equal(t, verifier, leastVerifier, p)
		require.NotEmpty(t, verifier)
	}
	require.Equal(t, "", s(payack.PTS).(*ptsConfig).UserID)
	require.False(t, ptopOf(shown).InsecureNoConfirm)
}

func TestConfigCalls(t *testing.T) {
	good := configFile(t, testConfig())
	for _, tt := range []struct {
		args []string
		fix  string
	}{
		{nil, "give -example, or -check and a file"},
		{[]string{"-example", "-check", good}, "give -example, or -check and a file"},
		{[]string{"-check", "/nonexistent/payack.json"}, "no such file"},
		{[]string{"-check", configFile(t, with(testConfig(), object{"adr": ""}))}, "the nearest is addr"},
		{[]string{"-check", configFile(t, with(testConfig(), object{"trusted_proxies": []any{"0.0.0.0/0"}}))}, "name your proxies"},
		{[]string{"-check", configFile(t, with(testConfig(), object{"rate_limit": object{"burst": 0}}))}, "at least 1"},
	} {
		status, stdout, stderr := call(context.Background(), append([]string{"config"}, tt.args...)...)
		require.Equal(t, exitUsage, status, tt.args)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Contains(t, stderr, tt.fix)
	}
	status, stdout, _ := call(context.Background(), "config", "-check", good)
	require.Equal(t, exitDone, status)
	require.Contains(t, stdout, "is in order")
}

// Only keys are read from files.
func TestKeysFromFiles(t *testing.T) {
	_, public := testPair()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return "@" + path
	}
	t.Setenv("PAYACK_TEST_AT", "@"+folder)
	c := parsed(t, with(testConfig(), object{
		"ptop.signing_keys": []any{file("a", "one\n"), file("b", "two\r\n"), file("c", "three"), "${PAYACK_TEST_AT}", "x@y"},
		"pts.safecode":      file("safecode", testSafecode), "pts.public_keys": []any{file("pem", public)},
		"pts.transaction_secret": file("secret", testTxSecret+"\n"),
		"payatom.secret_keys":    []any{file("payatom", testPayatom)},
		"pts.user_id":            "@user",
	}))
	require.Equal(t, []string{"one", "two", "three", "@" + folder, "x@y"}, ptopOf(c).SigningKeys, "what the environment has is taken as it is")
	p := c.sections[payack.PTS].(*ptsConfig)
	require.Equal(t, []string{testSafecode, testTxSecret, "@user"}, []string{p.Safecode, p.TransactionSecret, p.UserID}, "a number is no key")
	require.Equal(t, strings.TrimSuffix(public, "\n"), p.PublicKeys[0])
	require.NoError(t, c.check())

	for name, value := range map[string]string{
		"no such file": "@hunter2", "is a directory": "@" + folder, "too long": file("long", strings.Repeat("x", maxKeyFile+1)), "or no UTF-8 text": file("bytes", "hunter2\xff"),
	} {
		refused(t, configFile(t, with(testConfig(), object{"ptop.signing_keys": []any{"k", value}})), "ptop.signing_keys.1", name)
		refused(t, configFile(t, with(testConfig(), object{"ptop.signing_keys": []any{"k", value}})), "line 1, column ", "")
	}
	for _, text := range []string{"", "\n", "\r\n"} {
		empty := with(testConfig(), object{"pts.transaction_secret": file("empty", text)})
		refused(t, configFile(t, empty), "pts.transaction_secret", "the file is empty; write the key into it, or leave the member out")
	}
	for _, name := range []string{"forward.secret", "ptop.signing_keys.0", "ptop.confirm.secret_key", "pts.safecode", "pts.public_keys.3", "pts.transaction_secret", "pts.confirm.private_key", "pts.confirm.transaction_secret", "payatom.secret_keys.1"} {
		require.True(t, isKey(name), name)
	}
	for _, name := range []string{"", "addr", "database", "forward", "forward.url", "pts", "pts.user_id", "payatom.orders.ORD1", "nobody.secret", "payatom.confirm"} {
		require.False(t, isKey(name), name)
	}
}

// Lines that are comments are ignored, and positions in errors are positions in
// the file.
func TestComments(t *testing.T) {
	text := "// one {\n{\n\t// \"addr\": 1,\r\n  \"database\": \"\", // \n \"addr\": \"http://x//y\"\n}\n//"
	require.Equal(t, "        \n{\n              \r\n  \"database\": \"\", // \n \"addr\": \"http://x//y\"\n}\n  ", string(withoutComments([]byte(text))))
	refused(t, writeFile(t, "payack.json", text), "line 4, column 19: not valid JSON", "")
	refused(t, writeFile(t, "payack.json", "{\n// ä\n  \"adr\": \"\"}"), "line 3, column 3: adr", "the nearest is addr")
}

// A full folder drops its oldest recording, so that a sender with many refusals
// can't end the recording.
func TestRecordWhenFull(t *testing.T) {
	folder := t.TempDir()
	for i := range payacktest.DefaultRecordFiles {
		name := fmt.Sprintf("20200101T000000.%09dZ-0123456789abcdef.json", i)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("{}"), 0o600))
	}
	l := startListener(t, with(testConfig(), object{"record": folder}))
	_, _, line := l.post("/ptop", bare(jsonType, "{}"))
	require.NotEqual(t, "accepted", line.Outcome)
	l.end()
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, payacktest.DefaultRecordFiles)
	require.Contains(t, files[0].Name(), ".000000001Z")
	require.NotContains(t, files[len(files)-1].Name(), "20200101T")
	require.NotContains(t, l.stderr.String(), "not recorded")
}

// Deliveries that are not accepted are recorded in the format of inspect and
// replay. Secret headers are left out, but not the headers that are needed to
// verify a delivery.
func TestRecord(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "record")
	c := with(testConfig(), object{
		"record": folder, "ptop.signature_headers": []any{"X-Ours"}, "ptop.schemes": []any{"header"}, "ptop.signing_keys": []any{"another-key-of-the-tests"},
	})
	l := startListener(t, c)
	s := testSender(t, with(testConfig(), object{"ptop.signature_headers": []any{"X-Ours"}, "ptop.schemes": []any{"header"}}), "ptop")
	refusedOne := built(t, s, tamperNothing)
	refusedOne.Header.Set("Authorization", "Bearer hunter2")
	_, _, line := l.post("/ptop", refusedOne)
	require.Equal(t, "ptop rejected signature", line.verdict())
	pts := built(t, testSender(t, testConfig(), "pts"), tamperNothing)
	l.post("/pts", pts)
	_, _, line = l.post("/pts", pts)
	require.Equal(t, "pts duplicate", line.verdict())
	_, _, line = l.post("/payatom", bare("text/html", "{}"))
	require.Equal(t, "payatom refused content_type", line.verdict())
	l.end()

	info, err := os.Stat(folder)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	all, err := payacktest.LoadDir(folder)
	require.NoError(t, err)
	require.Len(t, all, 2, "nothing that was accepted, nor a duplicate")
	require.Equal(t, []payack.Reason{"signature", "content_type"}, []payack.Reason{all[0].Reason, all[1].Reason})
	require.Equal(t, payack.Ptop, all[0].Provider)
	require.NotEmpty(t, all[0].Header["X-Ours"])
	require.Equal(t, []string{"Authorization"}, all[0].Redacted)
	file := filepath.Join(folder, all[0].Name)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.False(t, bytes.Contains(raw, []byte("hunter2")))

	// With the key that signed it, inspect would accept the delivery.
	right := configFile(t, with(c, object{"ptop.signing_keys": []any{testPtopKey}, "record": ""}))
	status, stdout, stderr := call(context.Background(), "inspect", "ptop", "-config", right, file)
	require.Equal(t, exitDone, status, stderr)
	require.Contains(t, stdout, "it was rejected (signature)")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NotEmpty(t, r.Header.Get("X-Ours"))
	}))
	defer server.Close()
	status, _, stderr = call(context.Background(), "replay", "-url", server.URL, file)
	require.Equal(t, exitDone, status, stderr)
}
