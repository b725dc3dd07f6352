package verify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

const customKey = "custom-signing-0123456789"

func customSum(text string) string {
	mac := hmac.New(sha256.New, []byte(customKey))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// customText returns a reading. To get the signed text, the reading calls the given
// function with the members. It takes the signature from the header X-Ours.
func customText(text func(m map[string]any) string) verify.PtopReading {
	return func(m verify.Message) (string, string, error) {
		var members map[string]any
		if err := json.Unmarshal([]byte(m.Body), &members); err != nil {
			return "", "", err
		}
		if len(m.Header["X-Ours"]) != 1 {
			return "", "", errors.New("no X-Ours in " + m.Body)
		}
		return text(members), m.Header["X-Ours"][0], nil
	}
}

func str(v any) string {
	b, _ := json.Marshal(v)
	return strings.Trim(string(b), `"`)
}

func customVerifier(t *testing.T, o verify.PtopOptions) (*verify.Ptop, *verify.PtopKeys) {
	t.Helper()
	v, err := verify.NewPtop(o)
	require.NoError(t, err)
	k, err := verify.NewPtopKeys("", payack.NewSecret("another"), payack.NewSecret(customKey))
	require.NoError(t, err)
	return v, k
}

func TestPtopCustomReading(t *testing.T) {
	lines := func(m map[string]any) string {
		return str(m["order_id"]) + "\n" + str(m["transaction_id"]) + "\n" + str(m["success"])
	}
	for name, body := range map[string]string{
		"texts":    `{"success":true,"transaction_id":"T1","order_id":"O1","message":"paid","fee":1}`,
		"numbers":  `{"success":false,"transaction_id":17,"order_id":9,"message":null}`,
		"one char": `{"success":true,"transaction_id":"1","order_id":"1"}`,
		"escapes":  `{"success":true,"transaction_id":"T\"1\u00e9","order_id":"O\\1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var members map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &members))
			v, k := customVerifier(t, verify.PtopOptions{Custom: customText(lines)})
			m := verify.Message{ContentType: "application/json", Body: body, Header: map[string][]string{"X-Ours": {customSum(lines(members))}}}
			ev, err := v.Verify(m, k)
			require.NoError(t, err)
			assert.Equal(t, payack.SchemeCustom, ev.Scheme)
			assert.Equal(t, 1, ev.Key)
			assert.Equal(t, m.Header["X-Ours"][0], ev.Signature)
			assert.Equal(t, members["success"], ev.Success)

			forged := m
			forged.Body = strings.Replace(body, `"order_id":`, `"order_id":1`, 1)
			forged.Body = strings.Replace(forged.Body, `"order_id":1"`, `"order_id":"1`, 1)
			_, err = v.Verify(forged, k)
			require.ErrorIs(t, err, payack.ErrSignature)

			var steps []string
			for _, s := range v.Explain(m, k).Steps {
				steps = append(steps, s.Name+": "+s.Text)
			}
			all := strings.Join(steps, "\n")
			assert.Contains(t, all, "signature: where the custom reading finds it")
			assert.Contains(t, all, "signed text: custom: ")
			assert.Contains(t, all, "key: custom: key 2 matches")
		})
	}
	// A form, with the signature in a pair of its own.
	v, k := customVerifier(t, verify.PtopOptions{Body: verify.BodyForm, Custom: func(m verify.Message) (string, string, error) {
		pairs, err := url.ParseQuery(m.Body)
		signature := pairs.Get("signature")
		pairs.Del("signature")
		return pairs.Encode(), signature, err
	}})
	for success, want := range map[string]bool{"1": true, "0": false, "true": true, "false": false, "": false} {
		text := "order_id=O+1&success=" + success + "&transaction_id=1"
		body := "transaction_id=1&success=" + success + "&order_id=O+1&signature=" + customSum(text)
		ev, err := v.Verify(verify.Message{ContentType: "application/x-www-form-urlencoded", Body: body}, k)
		require.NoError(t, err, success)
		assert.Equal(t, want, ev.Success, success)
		assert.Equal(t, "O 1", ev.OrderID)
		assert.Nil(t, ev.Extra)
	}
}

// With a reading whose text does not fix a member, every message is refused, even
// with a right signature.
func TestPtopCustomReadingThatFixesTooLittle(t *testing.T) {
	for what, text := range map[string]func(m map[string]any) string{
		"another success":        func(m map[string]any) string { return str(m["transaction_id"]) + "|" + str(m["order_id"]) },
		"another transaction_id": func(m map[string]any) string { return str(m["success"]) + "|" + str(m["order_id"]) },
		"another order_id":       func(m map[string]any) string { return str(m["success"]) + "|" + str(m["transaction_id"]) },
		"a character moved": func(m map[string]any) string {
			return str(m["success"]) + str(m["transaction_id"]) + str(m["order_id"])
		},
		"a character moved ": func(m map[string]any) string {
			return str(m["success"]) + str(m["order_id"]) + str(m["transaction_id"])
		},
		"exchanged": func(m map[string]any) string {
			ids := []string{str(m["order_id"]), str(m["transaction_id"])}
			sort.Strings(ids)
			return str(m["success"]) + "|" + strings.Join(ids, "|")
		},
		"another success ": func(map[string]any) string { return "" },
	} {
		body := `{"success":true,"transaction_id":"T1","order_id":"O2"}`
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &members))
		v, k := customVerifier(t, verify.PtopOptions{Custom: customText(text)})
		ev, err := v.Verify(verify.Message{
			ContentType: "application/json", Body: body, Header: map[string][]string{"X-Ours": {customSum(text(members))}},
		}, k)
		require.ErrorIs(t, err, payack.ErrSignature, what)
		assert.Contains(t, err.Error(), strings.TrimSpace(what))
		assert.Nil(t, ev)
	}
}

func TestPtopCustomReadingThatFails(t *testing.T) {
	body := `{"success":true,"transaction_id":"T1","order_id":"O2"}`
	for name, c := range map[string]struct {
		reading verify.PtopReading
		says    string
	}{
		"an error":      {func(verify.Message) (string, string, error) { return "", "", errors.New("HOSTILE " + customKey) }, "finds no signature"},
		"a panic":       {func(verify.Message) (string, string, error) { panic("HOSTILE") }, "finds no signature"},
		"capitals":      {func(m verify.Message) (string, string, error) { return m.Body, strings.ToUpper(customSum(m.Body)), nil }, "upper-case digits"},
		"no signature":  {func(m verify.Message) (string, string, error) { return m.Body, "", nil }, "64 lower-case hex digits"},
		"another key's": {func(m verify.Message) (string, string, error) { return m.Body, strings.Repeat("0", 64), nil }, "no signing key"},
		"a panic at once more": {func(m verify.Message) (string, string, error) {
			if m.Body != body {
				panic("HOSTILE")
			}
			return m.Body, customSum(m.Body), nil
		}, ""},
	} {
		v, k := customVerifier(t, verify.PtopOptions{Custom: c.reading})
		m := verify.Message{ContentType: "application/json", Body: body}
		_, err := v.Verify(m, k)
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, payack.ErrSignature, name)
		assert.Contains(t, err.Error(), c.says, name)
		assert.NotContains(t, err.Error(), "HOSTILE", name)
		_, err = v.Verify(m, nil)
		require.ErrorIs(t, err, payack.ErrSignature, name)
	}
	v, k := customVerifier(t, verify.PtopOptions{Custom: func(m verify.Message) (string, string, error) { return m.Body, customSum(m.Body), nil }})
	ev, err := v.Verify(verify.Message{ContentType: "application/json", Body: `{"success":true,"transaction_id":"","order_id":"O2"}`}, k)
	require.ErrorIs(t, err, payack.ErrInvalid)
	assert.NotNil(t, ev, "it is authentic")
	for _, bad := range []string{`{"success":1,"transaction_id":"T","order_id":"O"}`, `{"success":true,"transaction_id":"T","Transaction_ID":"U","order_id":"O"}`} {
		_, err = v.Verify(verify.Message{ContentType: "application/json", Body: bad}, k)
		require.ErrorIs(t, err, payack.ErrMalformed)
	}
}

func TestPtopCustomOptions(t *testing.T) {
	reading := func(m verify.Message) (string, string, error) { return m.Body, "", nil }
	for says, o := range map[string]verify.PtopOptions{
		"give it in Custom":  {Schemes: []payack.Scheme{payack.SchemeCustom}},
		"give it in Custom ": {Schemes: []payack.Scheme{payack.SchemeHeader, payack.SchemeCustom}},
		"leave Schemes out":  {Custom: reading, Schemes: []payack.Scheme{payack.SchemeHeader}},
		"leave Schemes out ": {Custom: reading, Schemes: []payack.Scheme{payack.SchemeCustom, payack.SchemeHeader}},
		"Headers":            {Custom: reading, Headers: []string{"X-Ours"}},
		"":                   {Custom: reading, Schemes: []payack.Scheme{payack.SchemeCustom}},
	} {
		v, err := verify.NewPtop(o)
		if says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, strings.TrimSpace(says))
		assert.Nil(t, v)
	}
}

// If an id contains the separator, one signature fits several events. All of them are
// refused. Ids without the separator are accepted.
func TestPtopCustomReadingWithASeparatorInAnID(t *testing.T) {
	for order, text := range map[string]func(m map[string]any) string{
		"transaction first": func(m map[string]any) string {
			return str(m["success"]) + "-" + str(m["transaction_id"]) + "-" + str(m["order_id"])
		},
		"order first": func(m map[string]any) string {
			return str(m["order_id"]) + "::" + str(m["transaction_id"]) + "|" + str(m["success"])
		},
		"a long one": func(m map[string]any) string {
			return str(m["transaction_id"]) + "--------" + str(m["order_id"]) + "|" + str(m["success"])
		},
	} {
		v, k := customVerifier(t, verify.PtopOptions{Custom: customText(text)})
		separator := map[string]string{"transaction first": "-", "order first": "::", "a long one": "--------"}[order]
		for ids, lets := range map[[2]string]bool{
			{"TX100", "ORD7"}:                                   true,
			{"TX" + separator + "100", "ORD7"}:                  false,
			{"TX", "100" + separator + "ORD7"}:                  false,
			{"TX" + separator + "100", "OR" + separator + "D7"}: false,
			{separator + "TX", "ORD"}:                           false,
			{"TX.100", "ORD.7"}:                                 true,
		} {
			members := map[string]any{"success": true, "transaction_id": ids[0], "order_id": ids[1]}
			body, err := json.Marshal(members)
			require.NoError(t, err)
			ev, err := v.Verify(verify.Message{
				ContentType: "application/json", Body: string(body), Header: map[string][]string{"X-Ours": {customSum(text(members))}},
			}, k)
			if lets {
				require.NoError(t, err, "%s %q", order, ids)
				continue
			}
			require.ErrorIs(t, err, payack.ErrSignature, "%s %q", order, ids)
			assert.ErrorContains(t, err, "between transaction_id and order_id")
			assert.Nil(t, ev)
		}
	}
}

// A reading may accept only the sender's spelling of success: true and false, or 1
// and 0. The verifier asks it with another success in the same spelling.
func TestPtopCustomReadingThatIsStrict(t *testing.T) {
	reading := func(m verify.Message) (string, string, error) {
		var success, ids string
		if m.ContentType == ptopFormType {
			pairs, err := url.ParseQuery(m.Body)
			if err != nil {
				return "", "", err
			}
			success, ids = pairs.Get("success"), pairs.Get("transaction_id")+"|"+pairs.Get("order_id")
		} else {
			var members struct {
				Success       bool
				TransactionID string `json:"transaction_id"`
				OrderID       string `json:"order_id"`
			}
			if err := json.Unmarshal([]byte(m.Body), &members); err != nil {
				return "", "", err
			}
			success, ids = "true", members.TransactionID+"|"+members.OrderID
		}
		if spelling := m.Header["X-Spelling"][0]; !strings.Contains(spelling, success) {
			return "", "", errors.New("another spelling")
		}
		return ids, customSum(ids), nil
	}
	for _, c := range []struct{ contentType, body, spelling string }{
		{ptopJSONType, `{"success":true,"transaction_id":"T1","order_id":"O2"}`, "true false"},
		{ptopJSONType, `{"success":false,"transaction_id":"T1","order_id":"O2"}`, "true false"},
		{ptopFormType, "success=true&transaction_id=T1&order_id=O2", "true false"},
		{ptopFormType, "success=false&transaction_id=T1&order_id=O2", "true false"},
		{ptopFormType, "success=1&transaction_id=T1&order_id=O2", "1 0"},
		{ptopFormType, "success=0&transaction_id=T1&order_id=O2", "1 0"},
	} {
		o := verify.PtopOptions{Custom: reading}
		if c.contentType == ptopFormType {
			o.Body = verify.BodyForm
		}
		v, k := customVerifier(t, o)
		ev, err := v.Verify(verify.Message{ContentType: c.contentType, Body: c.body, Header: map[string][]string{"X-Spelling": {c.spelling}}}, k)
		require.ErrorIs(t, err, payack.ErrSignature, c.body)
		assert.ErrorContains(t, err, "another success", c.body)
		assert.Nil(t, ev)
	}
}

// If an id is a number, the verifier asks the reading with another number. If the
// id is a string of digits, it asks with another string.
func TestPtopCustomReadingWithTypes(t *testing.T) {
	typed := func(ids any, text func() string) verify.PtopReading {
		return func(m verify.Message) (string, string, error) {
			if err := json.Unmarshal([]byte(m.Body), ids); err != nil {
				return "", "", err
			}
			return text(), customSum(text()), nil
		}
	}
	var numbers struct {
		Success bool `json:"success"`
		ID      int  `json:"transaction_id"`
		Order   int  `json:"order_id"`
	}
	var texts struct {
		Success bool   `json:"success"`
		ID      string `json:"transaction_id"`
		Order   string `json:"order_id"`
	}
	for _, c := range []struct {
		body, says string
		reading    verify.PtopReading
	}{
		{`{"success":true,"transaction_id":17,"order_id":9}`, "another transaction_id", typed(&numbers, func() string { return fmt.Sprint(numbers.Success, numbers.Order) })},
		{`{"success":true,"transaction_id":17,"order_id":9}`, "another order_id", typed(&numbers, func() string { return fmt.Sprint(numbers.Success, numbers.ID) })},
		{`{"success":true,"transaction_id":"17","order_id":"9"}`, "another transaction_id", typed(&texts, func() string { return fmt.Sprint(texts.Success, texts.Order) })},
		{`{"success":true,"transaction_id":"17","order_id":"9"}`, "another order_id", typed(&texts, func() string { return fmt.Sprint(texts.Success, texts.ID) })},
	} {
		v, k := customVerifier(t, verify.PtopOptions{Custom: c.reading})
		ev, err := v.Verify(verify.Message{ContentType: ptopJSONType, Body: c.body}, k)
		require.ErrorIs(t, err, payack.ErrSignature, c.body)
		assert.ErrorContains(t, err, c.says, c.body)
		assert.Nil(t, ev)
	}
}
