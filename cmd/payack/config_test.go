package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/ratelimit"
)

// weakPublicKey has 512 bits. Go no longer generates keys that short.
const weakPublicKey = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKgSVYnU2KzODRIGxUjoKPkUZTZd2UVw
LMu4Ln0rCFjQxLQ+NQTxSESmL5l98QxNNO0nS1nSzAMQZMuWAG/iZA8CAwEAAQ==
-----END PUBLIC KEY-----
`

func TestBadConfigurations(t *testing.T) {
	private, public := testPair()
	for _, tt := range []struct {
		name    string
		changes object
		// The error must name member and contain fix.
		member, fix string
	}{
		{"unknown member", object{"adr": "x"}, "adr", "spelling"},
		{"member in another case", object{"Addr": "127.0.0.1:0"}, "Addr", "spelling"},
		{"provider in another case", object{"PTS": object{}}, "PTS", "spelling"},
		{"unknown member of a provider", object{"pts.safe_code": "x"}, "pts.safe_code", "spelling"},
		{"member of a provider in another case", object{"ptop.Path": "/x"}, "ptop.Path", "spelling"},
		{"unknown member of rate_limit", object{"rate_limit": object{"rate": 1}}, "rate_limit.rate", "spelling"},
		{"name with a line break", object{"a\nb": 1}, "a; b", "spelling"},

		{"number for a string", object{"addr": 8080}, "addr", "write a string"},
		{"string for a number", object{"max_body_bytes": "65536"}, "max_body_bytes", "write a whole number"},
		{"fraction for a whole number", object{"max_body_bytes": 1.5}, "max_body_bytes", "write a whole number"},
		{"string for an array", object{"trusted_proxies": "127.0.0.1"}, "trusted_proxies", "write an array of strings"},
		{"number in an array", object{"ptop.signing_keys": []any{1}}, "ptop.signing_keys.0", "write a string"},
		{"string for a boolean", object{"pts.sniff": "yes"}, "pts.sniff", "write true or false"},
		{"string for rate_limit", object{"rate_limit": "50"}, "rate_limit", "write an object"},
		{"string for a rate", object{"rate_limit": object{"per_second": "50"}}, "rate_limit.per_second", "write a number"},
		{"array for a provider", object{"ptop": []any{}}, "ptop", "write an object"},
		{"number for an order's amount", object{"payatom.orders": object{"ORD1": 500}}, "payatom.orders.ORD1", "write a string"},
		{"boolean for a database", object{"database": true}, "database", "write a string"},

		{"database of something else", object{"database": "redis://u:hunter2@db/x"}, "database", "postgres:// or mysql://"},
		{"database URL that can't be read", object{"database": "postgres://u:hunter2%@db/x"}, "database", "%40"},
		{"database URL without a host", object{"database": "mysql:///x"}, "database", "mysql://user:password@host/name"},
		{"retry without a database", object{"retry": object{}}, "retry", "it needs a database"},
		{"retry that is no duration", object{"database": "x.db", "retry": object{"first": "5"}}, "retry.first", "like 5s"},
		{"retry of nothing", object{"database": "x.db", "retry": object{"give_up": "0s"}}, "retry.give_up", "like 5s"},
		{"retry that shrinks", object{"database": "x.db", "retry": object{"first": "2h"}}, "retry.max", "lower retry.first"},
		{"number for a duration", object{"retry": object{"max": 60}}, "retry.max", "write a string"},
		{"unknown member of retry", object{"retry": object{"giveup": "1h"}}, "retry.giveup", "the nearest is give_up"},
		{"negative limit", object{"max_body_bytes": -1}, "max_body_bytes", "leave it out"},
		{"limit without a limit", object{"max_body_bytes": int64(1) << 40}, "max_body_bytes", "leave it out"},
		{"addr without a port", object{"addr": "127.0.0.1"}, "addr", "another addr"},
		{"proxy that is no address", object{"trusted_proxies": []any{"127.0.0.1", "proxy.example"}}, "trusted_proxies", "192.0.2.0/24"},
		{"prefix that is too long", object{"allowed_addresses": []any{"192.0.2.0/33"}}, "allowed_addresses", "192.0.2.0/24"},

		{"proxies that are everybody", object{"trusted_proxies": []any{"0.0.0.0/0"}}, "payack: trusted_proxies: ", "name your proxies"},

		{"redis that is no URL", object{"rate_limit": object{"redis": "hunter2@r:6379"}}, "rate_limit.redis", "redis://"},
		{"redis that can't take the rate", object{"rate_limit": object{"redis": "redis://:hunter2@127.0.0.1:1", "per_second": 1e6}}, "rate_limit.per_second", "at most"},
		{"negative rate", object{"rate_limit": object{"per_second": -1}}, "rate_limit.per_second", "0 switches"},
		{"no burst", object{"rate_limit": object{"burst": 0}}, "rate_limit.burst", "at least 1"},
		{"rate that takes years", object{"rate_limit": object{"per_second": 1e-9}}, "rate_limit.per_second", "raise"},
		{"rate beyond a clock", object{"rate_limit": object{"per_second": 1e10}}, "rate_limit.per_second", "leave rate_limit out"},
		{"unknown charge", object{"rate_limit": object{"charge": "some"}}, "rate_limit.charge", `"failures" or "all"`},

		{"no provider", object{"ptop": nil, "pts": nil, "payatom": nil}, "no provider", "at least one of ptop, pts and payatom"},
		{"two providers on one path", object{"pts.path": "/x", "payatom.path": "/x"}, "payatom.path", "its own"},
		{"another's default path", object{"ptop.path": "/pts"}, "pts.path", "its own"},
		{"relative path", object{"pts.path": "pts"}, "pts.path", "begins with /"},
		{"path with a query", object{"pts.path": "/pts?x=1"}, "pts.path", "neither ?"},

		{"ptop without keys", object{"ptop.signing_keys": nil}, "ptop.signing_keys", "at least one"},
		{"ptop with an empty key", object{"ptop.signing_keys": []any{testPtopKey, ""}}, "ptop.signing_keys", "key 2: it is empty"},
		{"ptop unconfirmed", object{"ptop.insecure_no_confirm": nil}, "ptop.confirm", "give confirm, or set ptop.insecure_no_confirm to true"},
		{"ptop unconfirmed in as many words", object{"ptop.insecure_no_confirm": false, "ptop.confirm": json.RawMessage("null")}, "ptop.confirm", "give confirm, or set ptop.insecure_no_confirm to true"},
		{"ptop confirmed by nonsense", object{"ptop.confirm": 1}, "ptop.confirm", "write an object"},
		{"ptop confirmed by nothing", object{"ptop.confirm": object{}}, "ptop.confirm.website_id: it is empty", "back office"},
		{"ptop confirmed without a base_url", object{"ptop.confirm": confirmBy(nil, "w", "hunter2")}, "ptop.confirm.base_url: it is empty", "give the provider's"},
		{"ptop confirmed without a website_id", object{"ptop.confirm": confirmBy("https://ptop.example", nil, "hunter2")}, "ptop.confirm.website_id: it is empty", "back office"},
		{"ptop confirmed without a secret_key", object{"ptop.confirm": confirmBy("https://ptop.example", "w", nil)}, "ptop.confirm.secret_key: it is empty", "back office"},
		{"ptop confirmed with an empty secret_key", object{"ptop.confirm": confirmBy("https://ptop.example", "w", "")}, "ptop.confirm.secret_key: it is empty", "back office"},
		{"ptop confirmed with a secret_key that is no text", object{"ptop.confirm": confirmBy("https://ptop.example", "w", "hunter2\n")}, "ptop.confirm.secret_key", "ends with a line break"},
		{"ptop confirmed with a website_id and a blank", object{"ptop.confirm": confirmBy("https://ptop.example", " w", "hunter2")}, "ptop.confirm.website_id", "remove it"},
		{"pts user_id with a blank", object{"pts.user_id": "277 "}, "pts.user_id", "remove it"},
		{"ptop confirmed in the clear", object{"ptop.confirm": confirmBy("http://ptop.example", "w", "hunter2")}, "ptop.confirm.base_url", "use https"},
		{"ptop confirmed by a user", object{"ptop.confirm": confirmBy("https://w:hunter2@ptop.example", "w", "hunter2")}, "ptop.confirm.base_url", "leave that out"},
		{"ptop confirmed by no URL", object{"ptop.confirm": confirmBy("ptop.example hunter2", "w", "hunter2")}, "ptop.confirm.base_url", "give one such as https://host"},
		{"unknown member of confirm", object{"ptop.confirm": object{"base_url": "https://ptop.example", "secret": "hunter2"}}, "ptop.confirm.secret", "spelling"},
		{"number for a website_id", object{"ptop.confirm": confirmBy("https://ptop.example", 7, "hunter2")}, "ptop.confirm.website_id", "write a string"},
		{"variable missing in confirm", object{"ptop.confirm": confirmBy("https://ptop.example", "w", "${PAYACK_TEST_NONE}")}, "ptop.confirm.secret_key", "no PAYACK_TEST_NONE; set it"},
		{"ptop unknown scheme", object{"ptop.schemes": []any{"header", "Header"}}, "ptop.schemes", "choose from"},
		{"ptop scheme of the other body", object{"ptop.schemes": []any{"form"}}, "ptop.schemes", "choose from"},
		{"ptop scheme of JSON for a form", object{"ptop.body": "form", "ptop.schemes": []any{"spliced"}}, "ptop.schemes", "choose from"},
		{"ptop unknown body", object{"ptop.body": "xml"}, "ptop.body", `"json" or "form"`},
		{"ptop bad header", object{"ptop.signature_headers": []any{"X Signature"}}, "ptop.signature_headers", "bare name"},
		{"ptop sniffing for forms", object{"ptop.body": "form", "ptop.sniff": true}, "ptop.sniff", "leave one of the two out"},

		{"pts without a safecode", object{"pts.safecode": nil}, "pts.safecode", "back office"},
		{"pts with an empty safecode", object{"pts.safecode": ""}, "pts.safecode", "back office"},
		{"pts safecode that is no AES key", object{"pts.safecode": "hunter2"}, "pts.safecode", "16, 24 or 32 bytes"},
		{"pts safecode that is no hex", object{"pts.safecode": "hunter2", "pts.safecode_encoding": "hex"}, "pts.safecode", "raw"},
		{"pts hex safecode that is no AES key", object{"pts.safecode": "0123", "pts.safecode_encoding": "hex"}, "pts.safecode", "16, 24 or 32 bytes"},
		{"pts unknown safecode encoding", object{"pts.safecode_encoding": "base64"}, "pts.safecode_encoding", `"raw" or "hex"`},
		{"pts without keys", object{"pts.public_keys": nil}, "pts.public_keys", "give PTS's public key"},
		{"pts private key", object{"pts.public_keys": []any{private}}, "pts.public_keys", "give PTS's PUBLIC KEY"},
		{"pts weak key", object{"pts.public_keys": []any{public, weakPublicKey}}, "pts.public_keys", "1024"},
		{"pts no PEM", object{"pts.public_keys": []any{"hunter2"}}, "pts.public_keys", "-----BEGIN"},
		{"pts a file's name", object{"pts.public_keys": []any{"hunter2.pem"}}, "pts.public_keys: key 1: it is no PEM", `write @ before a file's name, like "@pts-public.pem"`},
		{"pts a file's name in confirm", object{"pts.confirm": ptsConfirmWith("private_key", "hunter2.pem")}, "pts.confirm.private_key: it is no PEM", `write @ before a file's name`},
		{"admin that is no address", object{"admin": "8081"}, "admin: ", "127.0.0.1:8081"},
		{"admin that others can reach", object{"admin": "0.0.0.0:8081"}, "admin: ", "set admin_token"},
		{"admin on every address", object{"admin": ":8081"}, "admin: ", "set admin_token"},
		{"admin by another name", object{"admin": "admin.example:8081"}, "admin: ", "set admin_token"},
		{"short token", object{"admin": "127.0.0.1:0", "admin_token": "hunter2"}, "admin_token: ", "longer one"},
		{"token without admin", object{"admin_token": "hunter2hunter2hunter2"}, "admin_token: ", "leave admin_token out"},
		{"record that is no folder", object{"record": "/dev/null/x"}, "record: ", "may write to"},
		{"pts confirmed by nothing", object{"pts.confirm": object{}}, "pts.confirm.", "empty"},
		{"pts confirmed without a base_url", object{"pts.confirm": ptsConfirmWith("base_url", nil)}, "pts.confirm.base_url: it is empty", "give the provider's"},
		{"pts confirmed without a guid", object{"pts.confirm": ptsConfirmWith("guid", nil)}, "pts.confirm.guid: it is empty", "back office"},
		{"pts confirmed without a user_id", object{"pts.confirm": ptsConfirmWith("user_id", nil)}, "pts.confirm.user_id: it is empty", "back office"},
		{"pts confirmed as another", object{"pts.user_id": "78", "pts.confirm": ptsConfirmWith("user_id", "77")}, "pts.confirm.user_id", "leave it out"},
		{"pts confirmed without a key", object{"pts.confirm": ptsConfirmWith("private_key", nil)}, "pts.confirm.private_key: ", ""},
		{"pts confirmed with a public key", object{"pts.confirm": ptsConfirmWith("private_key", public)}, "pts.confirm.private_key: ", ""},
		{"pts confirmed without a secret", object{"pts.confirm": ptsConfirmWith("transaction_secret", nil)}, "pts.confirm.transaction_secret: ", "empty"},
		{"pts confirmed without envelopes", object{"pts.safecode": "hunter2", "pts.no_envelopes": true, "pts.confirm": ptsConfirmWith("user_id", "1")}, "pts.safecode", "16, 24 or 32 bytes"},
		{"pts header without envelopes", object{"pts.safecode": "hunter2", "pts.no_envelopes": true, "pts.transaction_secret": testTxSecret}, "pts.transaction_secret", "leave one"},
		{"pts encoding without envelopes", object{"pts.safecode": "hunter2", "pts.no_envelopes": true, "pts.safecode_encoding": "hex"}, "pts.safecode_encoding", "leave one"},
		{"payatom confirmed by nothing", object{"payatom.confirm": object{}}, "payatom.confirm.", "empty"},
		{"payatom confirmed without a pid", object{"payatom.confirm": object{"base_url": "https://payatom.example"}}, "payatom.confirm.pid: it is empty", "back office"},
		{"payatom confirmed in the clear", object{"payatom.confirm": object{"base_url": "http://payatom.example", "pid": "1"}}, "payatom.confirm.base_url", "use https"},
		{"unknown member of payatom's confirm", object{"payatom.confirm": object{"id": "1"}}, "payatom.confirm.id", "the nearest is pid"},
		{"pts unknown numbers", object{"pts.numbers": []any{"float"}}, "pts.numbers", "choose from literal, php"},
		{"pts unknown header encoding", object{"pts.transaction_secret": testTxSecret, "pts.transaction_signature": "HEX"}, "pts.transaction_signature", `"base64" or "hex"`},

		{"payatom without keys", object{"payatom.secret_keys": []any{}}, "payatom.secret_keys", "at least one"},
		{"payatom with an empty key", object{"payatom.secret_keys": []any{""}}, "payatom.secret_keys", "key 1: it is empty"},
		{"payatom without orders", object{"payatom.orders": nil}, "payatom.orders", "set payatom.insecure_no_expectation to true"},
		{"payatom with no order", object{"payatom.orders": object{}}, "payatom.orders", `like {"ORD1": "500"}, or payatom.confirm`},
		{"the library's name", object{"payatom.expect": object{}}, "payatom.expect", "there is no such member; here it is called orders"},
		{"the library's name, as a member", object{"payatom.expect_in_callback": true}, "payatom.expect_in_callback", "there is no such member; here it is called insecure_no_expectation"},
		{"the library's name of ptop's", object{"ptop.confirm_in_callback": true}, "ptop.confirm_in_callback", "there is no such member; here it is called insecure_no_confirm"},
		{"the library's name of another provider's", object{"pts.expect": object{}}, "pts.expect", "spelling, there are path, user_id, safecode,"},
		{"far from any", object{"rate_limit": object{"speed": 1}}, "rate_limit.speed", "spelling, there are per_second, burst, charge, redis"},
		{"payatom with an odd amount", object{"payatom.orders": object{"ORD1": "5oo"}}, "payatom.orders", "like 500"},
		{"payatom unknown numbers", object{"payatom.numbers": []any{"PHP"}}, "payatom.numbers", "choose from literal, php"},
		{"pts secret with a blank", object{"pts.transaction_secret": testTxSecret + " "}, "pts.transaction_secret: it begins or ends", "remove it"},
		{"payatom sniffing for forms", object{"payatom.body": "form", "payatom.sniff": true}, "payatom.sniff", `body is "form"`},
		{"payatom unknown body", object{"payatom.body": "FORM"}, "payatom.body", `"json" or "form"`},

		{"variable that is missing", object{"pts.safecode": "${PAYACK_TEST_NONE}"}, "pts.safecode", "no PAYACK_TEST_NONE; set it"},
		{"variable missing in an array", object{"ptop.signing_keys": []any{testPtopKey, "${PAYACK_TEST_NONE}"}}, "ptop.signing_keys.1", "no PAYACK_TEST_NONE; set it"},
		{"variable that is empty", object{"ptop.signing_keys": []any{"${PAYACK_TEST_EMPTY}"}}, "ptop.signing_keys.0", "PAYACK_TEST_EMPTY in the environment is empty; set it, or leave the member out"},
		{"variable that is empty where that means no check", object{"pts.user_id": "${PAYACK_TEST_EMPTY}"}, "pts.user_id", "is empty; set it, or leave the member out"},
		{"variable that is empty for the database", object{"database": "${PAYACK_TEST_EMPTY}"}, "database", "is empty; set it, or leave the member out"},
		{"variable that is no text", object{"pts.safecode": "${PAYACK_TEST_BYTES}"}, "pts.safecode", "UTF-8"},
		{"variable for a number", object{"max_body_bytes": "${PAYACK_TEST_NUMBER}"}, "max_body_bytes", "write a whole number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PAYACK_TEST_EMPTY", "")
			t.Setenv("PAYACK_TEST_BYTES", "hunter2\xff")
			t.Setenv("PAYACK_TEST_NUMBER", "4096")
			refused(t, configFile(t, with(testConfig(), tt.changes)), tt.member, tt.fix)
		})
	}
}

func ptopOf(c *config) *ptopConfig { return c.sections[payack.Ptop].(*ptopConfig) }

// confirmBy returns a ptop.confirm; a nil value leaves its member out.
func confirmBy(baseURL, websiteID, secretKey any) object {
	return with(object{}, object{"base_url": baseURL, "website_id": websiteID, "secret_key": secretKey})
}

// ptsConfirmWith returns a pts.confirm with one member changed; nil leaves it
// out.
func ptsConfirmWith(name string, value any) object {
	private, _ := testPair()
	return with(object{"base_url": "https://pts.example", "guid": "g", "user_id": "1", "private_key": private, "transaction_secret": testTxSecret}, object{name: value})
}

// PTS is asked about payments, or about withdrawals if configured.
func TestPTSConfirms(t *testing.T) {
	for withdraw, path := range map[bool]string{false: "/merchant/v2/g/payment/query", true: "/merchant/v2/g/withdraw/query"} {
		asked := make(chan string, 10)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
		defer server.Close()
		confirm := with(ptsConfirmWith("base_url", server.URL), object{"user_id": nil, "withdraw": withdraw})
		r := newReceiver(t, with(testConfig(), object{"pts.user_id": "1", "pts.confirm": confirm}))
		res, err := built(t, testSender(t, testConfig(), "pts"), tamperNothing).Post(t.Context(), nil, r.url+"/pts")
		require.NoError(t, err)
		payacktest.Failed(t, payack.PTS, res)
		require.Equal(t, path, <-asked)
		require.Equal(t, payack.ReasonUnreachable, payack.Reason(r.lines(t)[0].Reason))
	}
}

// With no_envelopes, flat callbacks are accepted and sent, and the safecode need
// not be an AES key.
func TestNoEnvelopes(t *testing.T) {
	for _, changes := range []object{{}, {"pts.safecode_encoding": "raw"}} {
		c := with(with(testConfig(), object{"pts.safecode": "hunter2-of-the-tests", "pts.no_envelopes": true}), changes)
		r := newReceiver(t, c)
		file := configFile(t, c)
		args := []string{"send", "pts", "-config", file, "-key", keyFile(t), "-url", r.url + "/pts"}
		status, stdout, stderr := call(context.Background(), args...)
		require.Equal(t, exitDone, status, stderr)
		require.Equal(t, "HTTP 200 text/plain\nSUCCESS\n", stdout)
		status, _, stderr = call(context.Background(), append(args, "-tamper", "envelope")...)
		require.Equal(t, exitUsage, status)
		require.Contains(t, stderr, "have none")
	}
}

// Ptop is asked if confirm is set, whatever insecure_no_confirm says.
func TestPtopConfirms(t *testing.T) {
	good := confirmBy("https://ptop.example/", "w", "hunter2")
	for _, tt := range []struct {
		changes object
		asks    bool
	}{
		{object{}, false},
		{object{"ptop.confirm": json.RawMessage("null")}, false},
		{object{"ptop.confirm": good}, true},
		{object{"ptop.confirm": good, "ptop.insecure_no_confirm": false}, true},
		{object{"ptop.confirm": good, "ptop.insecure_no_confirm": nil}, true},
		{object{"ptop.confirm": confirmBy("http://127.0.0.1:1", "w", "hunter2")}, true},
	} {
		c := parsed(t, with(testConfig(), tt.changes))
		m, err := ptopOf(c).middleware(middleware.Options{})
		require.NoError(t, err)
		require.Equal(t, tt.asks, m.Confirm != nil, tt.changes)
		require.Equal(t, !tt.asks, m.ConfirmInCallback, tt.changes)
		_, err = c.handler(payack.Ptop, middleware.Options{}, nothing)
		require.NoError(t, err)
	}
}

// Errors of the library are rewritten, whether they begin with the provider's name
// or not.
func TestProviderError(t *testing.T) {
	for _, tt := range []struct{ provider, text, want string }{
		{"pts", "payack: Safecode: it is empty", "pts.safecode: it is empty"},
		{"pts", "payack: pts: Safecode: it is empty", "pts.safecode: it is empty"},
		{"pts", "payack: pts: Safecode: 7 bytes; give 16, or set NoEnvelopes", "pts.safecode: 7 bytes; give 16, or set no_envelopes"},
		{"pts", "payack: PrivateKey: no PEM", "-key: no PEM"},
		{"pts", "payack: pts: PrivateKey: no PEM", "-key: no PEM"},
		{"ptop", "payack: Scheme: unknown", "ptop.schemes: unknown"},
		{"ptop", `payack: Schemes: "Body" does not fit Body "a\"Body"; set Body`, `ptop.schemes: "Body" does not fit body "a\"Body"; set body`},
		{"ptop", "payack: ptop: SignatureHeaders: empty", "ptop.signature_headers: empty"},
		{"ptop", "payack: ptop: SigningKey: empty", "ptop.signing_keys: empty"},
		{"ptop", "payack: ptop: BaseURL: empty", "ptop.confirm.base_url: empty"},
		{"ptop", "payack: ptop: SecretKey: empty", "ptop.confirm.secret_key: empty"},
		{"ptop", "payack: ptop: AllowedAddresses, TrustedProxies: none", "allowed_addresses, trusted_proxies: none"},
		{"pts", "payack: pts: MaxBody: too much", "max_body_bytes: too much"},
		{"payatom", `payack: payatom: Charge is "x"`, `rate_limit.charge is "x"`},
		{"payatom", "payack: payatom: Limiter: nil", "rate_limit: nil"},
		{"payatom", "payack: payatom: SecretKeys: none", "payatom.secret_keys: none"},
		{"payatom", "payack: SecretKey: none", "payatom.secret_keys: none"},
		{"payatom", "payack: ptop: SecretKeys: none", "payatom.ptop: secret_keys: none"},
	} {
		require.EqualError(t, providerError(payack.Provider(tt.provider), errors.New(tt.text)), tt.want)
	}
}

func TestBadConfigurationText(t *testing.T) {
	for _, tt := range []struct{ name, text, member, fix string }{
		{"duplicate member", `{"database":"","addr":"127.0.0.1:0","addr":"0.0.0.0:0"}`, "line 1, column 37: the member addr", "twice"},
		{"escaped duplicate member", `{"database":"","addr":"127.0.0.1:0","\u0061ddr":"0.0.0.0:0"}`, "addr", "twice"},
		{"duplicate member of a provider", `{"pts":{"safecode":"hunter2","safecode":"hunter2"}}`, "pts.safecode", "twice"},
		{"duplicate order", `{"payatom":{"orders":{"ORD1":"1","ORD1":"2"}}}`, "payatom.orders.ORD1", "twice"},
		{"empty file", ``, "line 1, column 1: not valid JSON", "one JSON object"},
		{"cut off", `{"pts":{"safecode":"hunter2"`, "line 1, column 29: not valid JSON", "one JSON object"},
		{"comma too many", "{\n \"pts\":{\n\t\"safecode\":\"hunter2\",\n  }\n}", "line 3, column 22: not valid JSON", "one JSON object"},
		{"byte-order mark", "\ufeff{}", "line 1, column 1: not valid JSON", "one JSON object"},
		{"something behind it", `{"database":""} {"addr":"hunter2"}`, "line 1, column 17: not valid JSON", "one JSON object"},
		{"array", `["hunter2"]`, "line 1, column 1: the configuration", "write an object"},
		{"unknown member", "{\"database\":\"\",\r\n\t\"ädr\":1, \"adr\": 2}", "line 2, column 2: ädr", "the nearest is addr"},
		{"unknown member of a provider", "{\n\"pts\": {\"safecode\":\"hunter2\",\n   \"safe_code_encodng\" :1}}", "line 3, column 4: pts.safe_code_encodng", "the nearest is safecode_encoding"},
		{"unknown member of confirm", `{"ptop":{"confirm":{"secretkey":"hunter2"}}}`, "line 1, column 21: ptop.confirm.secretkey", "the nearest is secret_key"},
		{"unknown member with a slash", `{"ad/dr":1}`, "line 1, column 2: ad~1dr", "the nearest is addr"},
		{"unknown member in another case", `{"PTS":{}}`, "line 1, column 2: PTS", "the nearest is pts"},
		{"unknown member behind a variable", "{\"addr\": \"${PAYACK_TEST_LONG}\",\n\"databse\": \"\"}", "line 2, column 1: databse", "the nearest is database"},
		{"unknown member, far from any", `{"` + strings.Repeat("€", 5000) + `":1}`, "line 1, column 2: €", "there are addr, database, "},
		{"wrong type behind a variable", "{\"addr\": \"${PAYACK_TEST_LONG}\",\n \"pts\":{\"public_keys\":[\"x\",\n  7]}}", "line 3, column 3: pts.public_keys.1", "write a string"},
		{"variable that is missing", "{\n \"pts\":{\"public_keys\":[\"x\",\n  \"${PAYACK_TEST_NONE}\"]}}", "line 3, column 3: pts.public_keys.1", "no PAYACK_TEST_NONE; set it"},
		{"not UTF-8", "{\"addr\":\"hunter2\xff\"}", "line 1, column 17: not valid JSON", "one JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PAYACK_TEST_LONG", strings.Repeat("\n", 100))
			refused(t, writeFile(t, "payack.json", tt.text), tt.member, tt.fix)
		})
	}
	t.Run("no such file", func(t *testing.T) {
		refused(t, "/nonexistent/payack.json", "-config", "no such file")
	})
	t.Run("no file", func(t *testing.T) { refused(t, "", "-config", "give the configuration's file") })
}

// refused runs listen, which must exit with status 2 and print one line that
// names the member and the fix and holds no secret.
func refused(t *testing.T, file, member, fix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	status, stdout, stderr := call(ctx, "listen", "-config", file)
	require.NoError(t, ctx.Err(), "it is serving")
	require.Equal(t, exitUsage, status)
	require.Empty(t, stdout)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	require.True(t, strings.HasPrefix(stderr, "payack: ") && strings.HasSuffix(stderr, "\n"), stderr)
	require.Equal(t, 1, strings.Count(stderr, "payack: "), stderr)
	require.Contains(t, stderr, member)
	require.Contains(t, stderr, fix)
	for _, word := range quotedOrWord.FindAllString(stderr, -1) {
		require.NotContains(t, goNames, word, stderr)
	}
	private, public := testPair()
	for _, secret := range []string{
		testSafecode, testPtopKey, testPayatom, testTxSecret, "hunter2",
		strings.Split(private, "\n")[2], strings.Split(public, "\n")[2],
	} {
		require.NotContains(t, stderr, secret)
	}
}

func TestDefaults(t *testing.T) {
	_, public := testPair()
	c := parsed(t, object{
		"database": "", "rate_limit": object{},
		"ptop":    object{"signing_keys": []any{"k"}, "insecure_no_confirm": true},
		"pts":     object{"safecode": testSafecode, "public_keys": []any{public}},
		"payatom": object{"secret_keys": []any{"k"}, "insecure_no_expectation": true},
	})
	require.Equal(t, "127.0.0.1:8080", c.Addr)
	require.Equal(t, []string{"/ptop", "/pts", "/payatom"}, []string{c.path(payack.Ptop), c.path(payack.PTS), c.path(payack.Payatom)})
	require.Equal(t, 50.0, *c.RateLimit.PerSecond)
	require.Equal(t, 100, *c.RateLimit.Burst)
	require.Equal(t, ratelimit.ChargeFailures, c.RateLimit.Charge)
	require.Nil(t, parsed(t, testConfig()).RateLimit)
}

// The documented example can be read.
func TestDocumentedConfiguration(t *testing.T) {
	_, public := testPair()
	pem, err := json.Marshal(public)
	require.NoError(t, err)
	text := `{
  "addr": "127.0.0.1:0",
  "database": "payack.db",
  "retry": {"first": "5s", "max": "1h", "give_up": "72h"},
  "forward": {"url": "http://127.0.0.1:3000/payments", "secret": "` + testWebhook + `", "timeout": "10s"},
  "max_body_bytes": 65536,
  "trusted_proxies": [], "allowed_addresses": [],
  "rate_limit": {"per_second": 50, "burst": 100, "charge": "failures", "redis": ""},
  "ptop":    {"path": "/ptop", "signing_keys": ["k"], "signature_headers": ["X-Signature", "the_signature"], "body": "json",
              "schemes": ["header", "spliced", "reencoded", "blanked"], "sniff": false, "insecure_no_confirm": true,
              "confirm": {"base_url": "https://ptop.me", "website_id": "w", "secret_key": "k"}},
  "pts":     {"path": "/pts", "user_id": "", "safecode": "` + testSafecode + `", "safecode_encoding": "raw", "public_keys": [` + string(pem) + `],
              "numbers": ["literal", "php"], "sniff": false, "transaction_secret": "", "transaction_signature": "base64"},
  "payatom": {"path": "/payatom", "secret_keys": ["k"], "numbers": ["literal", "php"], "body": "json", "sniff": false,
              "orders": {"ORD1000001": "500"}, "insecure_no_expectation": false}
}`
	c, err := loadConfig(writeFile(t, "payack.json", text))
	require.NoError(t, err)
	logger := slog.New(slog.DiscardHandler)
	out := newLines(io.Discard, logger)
	defer out.end()
	o, err := c.options(out, logger)
	require.NoError(t, err)
	_, err = newHandler(c, o, nothing, unwrapped)
	require.NoError(t, err)
}

func TestEnvironment(t *testing.T) {
	_, public := testPair()
	t.Setenv("PAYACK_TEST_PEM", public)
	t.Setenv("PAYACK_TEST_KEY", `a "quoted" ${PAYACK_TEST_PEM}`)
	t.Setenv("PAYACK_TEST_ADDR", "127.0.0.1:0")
	t.Setenv("PAYACK_TEST_AMOUNT", "700")
	c := parsed(t, with(testConfig(), object{
		"addr":              "${PAYACK_TEST_ADDR}",
		"pts.public_keys":   []any{public, "${PAYACK_TEST_PEM}"},
		"ptop.signing_keys": []any{"${PAYACK_TEST_KEY}", "x${PAYACK_TEST_KEY}", "${PAYACK_TEST_KEY", "$PAYACK_TEST_KEY"},
		"payatom.orders":    object{"${PAYACK_TEST_AMOUNT}": "${PAYACK_TEST_AMOUNT}"},
	}))
	require.Equal(t, "127.0.0.1:0", c.Addr)
	require.Equal(t, []string{public, public}, c.sections[payack.PTS].(*ptsConfig).PublicKeys)
	// Only whole values are replaced, and a replaced value is not replaced again.
	require.Equal(t, []string{`a "quoted" ${PAYACK_TEST_PEM}`, "x${PAYACK_TEST_KEY}", "${PAYACK_TEST_KEY", "$PAYACK_TEST_KEY"}, ptopOf(c).SigningKeys)
	require.Equal(t, map[string]string{"${PAYACK_TEST_AMOUNT}": "700"}, c.sections[payack.Payatom].(*payatomConfig).Orders, "names stay")

	_, err := loadConfig(writeFile(t, "payack.json", "{\n  \"addr\": \"${}\"}"))
	require.ErrorContains(t, err, "addr: ${} names no variable of the environment; write it like ${NAME}")
}

func TestPrefixes(t *testing.T) {
	got, err := prefixes("x", []string{"192.0.2.1", "192.0.2.0/24", "::1", "::ffff:192.0.2.1", "::ffff:192.0.2.0/120", "2001:db8::/32"})
	require.NoError(t, err)
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	require.Equal(t, []string{"192.0.2.1/32", "192.0.2.0/24", "::1/128", "192.0.2.1/32", "192.0.2.0/24", "2001:db8::/32"}, texts)
}
