package verify_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/verify"
)

// hostileSize is the largest body that package middleware accepts by default, in bytes.
const hostileSize = 64 << 10

// costly is a body that anybody can send, and that is as expensive as possible before
// anything is authenticated.
type costly struct {
	name   string
	verify func() error
}

// fill repeats a piece up to a size. If the piece has a verb of package fmt, a
// counter replaces the verb.
func fill(size int, piece string) string {
	var b strings.Builder
	for i := 0; ; i++ {
		next := piece
		if strings.Contains(piece, "%") {
			next = fmt.Sprintf(piece, i)
		}
		if b.Len()+len(next) > size {
			return b.String()
		}
		b.WriteString(next)
	}
}

// times repeats a piece n times, with a counter in place of each %d.
func times(n int, piece string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(piece, "%d", fmt.Sprint(i)))
	}
	return strings.TrimSuffix(b.String(), ",")
}

// costlyValues returns JSON values of up to about this size. Each is costly to process
// in another way.
func costlyValues(size int) map[string]string {
	list := func(piece string) string { return "[" + strings.TrimSuffix(fill(size-2, piece), ",") + "]" }
	text := func(piece string) string { return `"` + fill(size-2, piece) + `"` }
	each := size/64 - 2
	return map[string]string{
		"letters":                 text("a"),
		"slashes":                 text("/"),
		"escaped letters":         text(`\u0041`),
		"escaped slashes":         text(`\/`),
		"escaped control":         text(`\u0001`),
		"escaped NUL":             text(`\u0000`),
		"escaped pairs":           text(`\ud83d\ude00`),
		"short escapes":           text(`\n`),
		"two bytes":               text("é"),
		"two bytes and an object": `[{},"` + fill(size-8, "é") + `"]`,
		"three bytes":             text("日"),
		"four bytes":              text("😀"),
		"escapes in turn":         text(`a\"é/`),
		"quotes in an array":      list(`"",`),
		"denormals":               list("1e-320,"),
		"floats":                  list("1.5,"),
		"64 floats":               "[" + times(64, "1.5,") + "," + strings.TrimSuffix(fill(size-300, "1,"), ",") + "]",
		"64 halfway":              "[" + times(64, "9007199254740993."+strings.Repeat("0", each-19)+"1,") + "]",
		"64 small halfway":        "[" + times(64, "0."+strings.Repeat("0", 39)+strings.Repeat("9", each-43)+",") + "]",
		"64 large halfway":        "[" + times(64, "9007199254740993"+strings.Repeat("0", 24)+"."+strings.Repeat("0", each-43)+"1,") + "]",
		"64 halfway, exponents":   "[" + times(64, "9007199254740993."+strings.Repeat("0", each-23)+"1e-40,") + "]",
		"longest floats":          "[" + times(size/4096, "9007199254740993."+strings.Repeat("0", 4070)+"1,") + "]",
		"one long float":          "9007199254740993." + strings.Repeat("0", size-18) + "1",
		"one long integer":        strings.Repeat("9", size),
		"integers":                list("1,"),
		"long integers":           list("9223372036854775807,"),
		"words":                   list("true,"),
		"empty objects":           list("{},"),
		"empty arrays":            list("[],"),
		"white space":             "[" + strings.Repeat(" ", size-2) + "]",
		"deep arrays":             list(strings.Repeat("[", 60) + strings.Repeat("]", 60) + ","),
		"together": "[" + times(64, "9007199254740993."+strings.Repeat("0", 100)+"1,") + "," +
			strings.TrimSuffix(fill(size-64*120, strings.Repeat("[", 60)+"{}"+strings.Repeat("]", 60)+","), ",") + "]",
		"too deep":                  strings.Repeat("[", size/2) + strings.Repeat("]", size/2),
		"deep objects":              "[" + times(8, strings.Repeat(`{"a":`, 60)+"1"+strings.Repeat("}", 60)+",") + "," + strings.TrimSuffix(fill(size-4000, "[],"), ",") + "]",
		"deep lists":                "[" + times(8, strings.Repeat(`{"0":`, 60)+text("a")[:size/9]+`"`+strings.Repeat("}", 60)+",") + "]",
		"480 names":                 "{" + times(480, `"%d":1,`) + "}",
		"480 list names":            "[" + times(240, `{"0":{},"1":[]},`) + "," + strings.TrimSuffix(fill(size-6000, "{},"), ",") + "]",
		"480 objects":               "[" + times(480, `{"a":{}},`) + "]",
		"480 long names":            "{" + times(480, `"`+strings.Repeat("x", size/480-12)+`%d":1,`) + "}",
		"480 long escaped names":    "{" + times(480, `"`+strings.Repeat(`\u0078`, size/480/6-3)+`%d":1,`) + "}",
		"60 long names":             "{" + times(60, `"`+strings.Repeat("x", size/60-12)+`%d":1,`) + "}",
		"30 long names alike":       "{" + times(30, `"`+strings.Repeat("x", size/30-14)+`%dx":1,`) + "}",
		"480 objects, many names":   `{` + times(30, `"%d":1,`) + `,"":[` + times(449, `{"`+strings.Repeat("x", size/449-12)+`%d":1},`) + "]}",
		"480 names in 12 objects":   strings.Repeat(`{"":`, 12) + "1" + strings.Repeat(","+times(39, `"`+strings.Repeat("x", size/480-14)+`%d":1,`)+"}", 12),
		"one long name":             `{"` + strings.Repeat("x", size-10) + `":1}`,
		"thousands of nested names": "[" + strings.TrimSuffix(fill(size-2, `{"a":1},`), ",") + "]",
		"thousands of names":        "{" + strings.TrimSuffix(fill(size-2, `"%d":1,`), ",") + "}",
		"thousands of long names":   "{" + strings.TrimSuffix(fill(size-2, `"xxxxxxxxxxxxxxxx%d":1,`), ",") + "}",
		"colons":                    text(":"),
		"ampersands":                text("&"),
		"ampersands and equals":     text("&="),
		"nearly borders":            text("&accept_amoun="),
		"nearly borders, short":     text("&s"),
	}
}

// costlyNames returns many members: those of most lists have names that resemble the
// names of signed members, those of one list have values of all types.
func costlyNames(size int) map[string]string {
	return map[string]string{
		"480 look-alikes":            times(480, `"signature%d":1,`),
		"480 long look-alikes":       times(480, `"accept_currenc`+strings.Repeat("y", 20)+`%d":1,`),
		"look-alikes that fold":      times(480, `"\u017Fignaturx%d":"",`),
		"480 members of their kinds": times(120, `"a%d":"\u0041","b%d":[],"c%d":{},"d%d":null,`),
	}
}

func costlyPtop(t testing.TB, hashed *int) []costly {
	var out []costly
	keys := newPtopKeys(t, ptopKeyText)
	rotated := newPtopKeys(t, "other-1", "other-2", "other-3")
	if hashed != nil {
		keys.CountHashed(hashed)
		rotated.CountHashed(hashed)
	}
	add := func(name string, o verify.PtopOptions, m verify.Message) {
		require.LessOrEqual(t, len(m.Body), hostileSize, name)
		v := newPtop(t, o)
		for keys, k := range map[string]*verify.PtopKeys{"": keys, ", three keys": rotated} {
			out = append(out, costly{"ptop/" + name + keys, func() error { _, err := v.Verify(m, k); return err }})
		}
	}
	const before, after = `{"success":true,"transaction_id":"t",`, `"signature":"` + "0000000000000000000000000000000000000000000000000000000000000000" + `",`
	const end = `"order_id":"O"}`
	room := hostileSize - len(before+after+end) - len(`"x":,`)
	for name, value := range costlyValues(room) {
		add("json/"+name, verify.PtopOptions{}, verify.Message{ContentType: ptopJSONType, Body: before + `"x":` + value + "," + after + end})
	}
	for name, members := range costlyNames(room) {
		add("json/"+name, verify.PtopOptions{}, verify.Message{ContentType: ptopJSONType, Body: before + members + "," + after + end})
	}
	half := costlyValues(room/2 - 10)
	add("json/halves around the signature", verify.PtopOptions{}, verify.Message{ContentType: ptopJSONType,
		Body: before + `"x":` + half["slashes"] + "," + after + `"y":` + half["two bytes"] + "," + end})
	add("json/two cuts", verify.PtopOptions{}, verify.Message{ContentType: ptopJSONType,
		Body: before + "\n" + after + ` "y":[{},` + costlyValues(room - 30)["two bytes"] + "]," + end})
	add("json/in a header", verify.PtopOptions{}, ptopByHeader(ptopJSONType, before+`"x":`+costlyValues(room)["letters"]+","+end, strings.Repeat("0", 64)))

	const form, signature = "success=1&transaction_id=t&order_id=O&", "&signature=0000000000000000000000000000000000000000000000000000000000000000"
	for name, pairs := range costlyForms(hostileSize - len(form+signature) - 16) {
		for where, body := range map[string]string{"last": form + pairs + signature, "middle": form[:10] + signature + form[9:] + pairs} {
			add("form/"+name+", "+where, verify.PtopOptions{Body: verify.BodyForm}, verify.Message{ContentType: ptopFormType, Body: body})
		}
	}
	return out
}

// costlyForms returns forms of this size.
func costlyForms(size int) map[string]string {
	return map[string]string{
		"one long value":        "x=" + fill(size-2, "a"),
		"one escaped value":     "x=" + fillEscaped(size-2, "%41"),
		"one value of slashes":  "x=" + fill(size-2, "/"),
		"one value of é":        "x=" + fill(size-2, "é"),
		"one value of tildes":   "x=" + fill(size-2, "~"),
		"one long name":         fill(size-2, "a") + "=1",
		"one dotted name":       fill(size-2, ".a")[1:] + "=1",
		"one bracketed name":    "a" + fill(size-4, "]") + "=1",
		"480 pairs":             strings.TrimSuffix(times(480, "x%d=1&"), "&"),
		"480 escaped pairs":     strings.TrimSuffix(strings.ReplaceAll(times(480, "PP_%d=PP&"), "P", "%41%42%43%44%45"), "&"),
		"480 long pairs":        strings.TrimSuffix(times(480, "x%d="+strings.Repeat("/", size/480-8)+"&"), "&"),
		"480 look-alikes":       strings.TrimSuffix(times(480, "signature.%d=1&"), "&"),
		"480 bracketed pairs":   strings.TrimSuffix(times(480, "ref.und[%d]["+strings.Repeat("x", 90)+"]=1&"), "&"),
		"480 refund_info":       strings.TrimSuffix(times(480, "refund_info[%d"+strings.Repeat("x", 80)+"]=1&"), "&"),
		"brackets nest":         strings.TrimSuffix(times(200, "x%d"+strings.Repeat("[a]", 60)+"=1&"), "&"),
		"thousands of pairs":    strings.TrimSuffix(fill(size, "x%d=1&"), "&"),
		"thousands of ands":     fill(size, "&"),
		"thousands of equals":   "x" + fill(size-1, "="),
		"one semicolon":         "x=" + fill(size-3, "a") + ";",
		"a JSON object as text": "x=" + fill(size-2, "{\"a\":"),
	}
}

func fillEscaped(size int, piece string) string { return strings.Repeat(piece, size/len(piece)) }

func costlyPTS(t testing.TB) []costly {
	var out []costly
	p := newPTSParty(t)
	wrong := base64.StdEncoding.EncodeToString(append([]byte{0x40}, make([]byte, 255)...))
	start, rest, found := strings.Cut(fmt.Sprintf(ptsTemplate, wrong), `"channel":"QRPH",`)
	require.True(t, found)
	shapes := func(name, members string) {
		for shape, m := range map[string]verify.Message{
			"flat":   {ContentType: "application/json", Body: members},
			"object": {ContentType: "application/json", Body: `{"data":` + members + `}`},
			"sealed": {ContentType: "text/plain", Body: seal(t, p, members)},
			"data":   {ContentType: "application/json", Body: `{"data":"` + strings.ReplaceAll(seal(t, p, members), "/", `\/`) + `"}`},
		} {
			if len(m.Body) > hostileSize {
				continue // a sealed body holds less
			}
			out = append(out, costly{"pts/" + shape + "/" + name, func() error { _, err := p.verifier.Verify(m, p.keys); return err }})
		}
	}
	for _, size := range []int{hostileSize - 900, 45 << 10} {
		room := size - len(start+rest) - 40
		for name, value := range costlyValues(room) {
			name = fmt.Sprintf("%s, %d KiB", name, size>>10)
			shapes(name, start+`"channel":"QRPH","x":`+value+","+rest)
			if value[0] == '"' || value[0] == '9' {
				shapes("channel: "+name, start+`"channel":`+value+","+rest)
			}
		}
		for name, members := range costlyNames(room) {
			shapes(fmt.Sprintf("%s, %d KiB", name, size>>10), start+`"channel":"QRPH",`+members+","+rest)
		}
		for name, number := range map[string]string{
			"halfway": "9007199254740993." + strings.Repeat("0", 4000) + "1", "small": "0." + strings.Repeat("0", 320) + strings.Repeat("9", 3700),
			"large": strings.Repeat("9", 300) + "." + strings.Repeat("9", 3700), "40 digits": "9007199254740993." + strings.Repeat("0", 22) + "1",
			"exponent": "1e-320",
		} {
			numbers := strings.NewReplacer(":100.50,", ":"+number+",", ":99.00,", ":"+number+",", `"exchange_rate":1,`, `"exchange_rate":`+number+`,`).Replace(rest)
			shapes(fmt.Sprintf("three numbers, %s, %d KiB", name, size>>10), start+`"channel":"QRPH",`+numbers)
		}
		sign := fill(room/4*4, "AAAA")
		shapes(fmt.Sprintf("a long sign, %d KiB", size>>10), strings.Replace(start+`"channel":"",`+rest, wrong, sign, 1))
	}
	for name, body := range map[string]string{
		"no envelope": fill(hostileSize, "QUJD"), "not base64": fill(hostileSize, "!"), "blanks": fill(hostileSize, " "), "braces": fill(hostileSize, " {"),
	} {
		m := verify.Message{ContentType: "text/plain", Body: body}
		out = append(out, costly{"pts/text/" + name, func() error { _, err := p.verifier.Verify(m, p.keys); return err }})
	}
	return out
}

func costlyPayatom(t testing.TB) []costly {
	var out []costly
	keys := newPayatomKeys(t, "", payatomSecret)
	// Anybody who has seen a webhook can send its hash, which opens.
	hash := newPayatomSigner(t, payatomSecret).PostHash("ORD1", "500", "Approved")
	asJSON, asForm := newPayatom(t, verify.PayatomOptions{}), newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm})
	add := func(name string, v *verify.Payatom, contentType, body string) {
		require.LessOrEqual(t, len(body), hostileSize, name)
		m := verify.Message{ContentType: contentType, Body: body}
		out = append(out, costly{"payatom/" + name, func() error { _, err := v.Verify(m, keys); return err }})
	}
	start, end := `{"order_id":"ORD1","received_amount":501.0,"post_hash":"`+hash+`",`, `"status":"Approved"}`
	room := hostileSize - len(start+end) - 20
	for name, value := range costlyValues(room) {
		add("json/"+name, asJSON, "application/json", start+`"x":`+value+","+end)
		add("json/refund_info, "+name, asJSON, "application/json", start+`"refund_info":`+value+","+end)
		if value[0] == '"' || value[0] == '9' {
			add("json/amount, "+name, asJSON, "application/json", strings.Replace(start, "501.0", value, 1)+end)
		}
	}
	for name, members := range costlyNames(room) {
		add("json/"+name, asJSON, "application/json", start+members+","+end)
	}
	for name, number := range map[string]string{
		"halfway": "9007199254740993." + strings.Repeat("0", 4000) + "1", "small": "0." + strings.Repeat("0", 320) + strings.Repeat("9", 3700), "exponent": "1e-320",
	} {
		add("json/amount, "+name, asJSON, "application/json", strings.Replace(start, "501.0", number, 1)+end)
	}
	form := "order_id=ORD1&amount=501&status=Approved&post_hash=" + url.QueryEscape(hash) + "&"
	for name, pairs := range costlyForms(hostileSize - len(form)) {
		add("form/"+name, asForm, ptopFormType, form+pairs)
	}
	add("form/a long order_id", asForm, ptopFormType, "order_id="+fillEscaped(hostileSize-len(form)-20, "%41")+strings.TrimPrefix(form, "order_id=ORD1"))
	return out
}

// costlyBodies returns the costly bodies of all providers. Unless hashed is nil,
// verifying those of Ptop adds to it the number of bytes that are hashed.
func costlyBodies(t testing.TB, hashed *int) []costly {
	all := slices.Concat(costlyPtop(t, hashed), costlyPTS(t), costlyPayatom(t))
	slices.SortFunc(all, func(a, b costly) int { return strings.Compare(a.name, b.name) })
	return all
}

// Work is counted and not timed, so that the result is the same on every machine.
// Counted are allocations and their bytes (which must all be written), bytes
// hashed, and bytes re-encoded as PHP does.
func TestUnauthenticatedWork(t *testing.T) {
	reencoded := 0
	defer verify.CountReencoded(&reencoded)()
	hashed := 0
	seen := 0
	var most [3]int
	var which [3]string
	for _, c := range costlyBodies(t, &hashed) {
		hashed, reencoded = 0, 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.verify()
		runtime.ReadMemStats(&after)
		require.Error(t, err, "%s: it is authentic", c.name)
		allocated := int(after.TotalAlloc - before.TotalAlloc)
		assert.LessOrEqual(t, allocated, 24*hostileSize, "%s: bytes allocated", c.name)
		assert.LessOrEqual(t, int(after.Mallocs-before.Mallocs), 2500, "%s: allocations", c.name)
		assert.LessOrEqual(t, reencoded, hostileSize, "%s: one pass makes both texts", c.name)
		assert.LessOrEqual(t, hashed, 7*hostileSize, "%s: bytes hashed, however many keys there are", c.name)
		for i, n := range []int{allocated, int(after.Mallocs - before.Mallocs), hashed} {
			if n > most[i] {
				most[i], which[i] = n, c.name
			}
		}
		if c.name == "ptop/json/letters" {
			assert.Equal(t, hostileSize*3>>10, (hashed+1024)>>10, "one cut, the blanked text and PHP's, each once")
			assert.Positive(t, reencoded)
		}
		if c.name == "ptop/json/in a header" {
			assert.Equal(t, hostileSize*2>>10, (hashed+1024)>>10, "the body as it came, and with LF")
		}
		seen++
	}
	assert.Greater(t, seen, 400)
	t.Logf("of %d bodies %s allocates %d bytes, %s %d times, %s hashes %d bytes", seen, which[0], most[0], which[1], most[1], which[2], most[2])
}

// rsaVerification returns a function that verifies an RSA signature of 2048 bits.
func rsaVerification(t testing.TB) func() {
	f := loadPTS(t)
	key := f.Keys["rsa2048"]
	block, _ := pem.Decode([]byte(key.PrivatePEM))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	private := parsed.(*rsa.PrivateKey)
	digest := sha256.Sum256([]byte("x"))
	signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return func() {
		if rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest[:], signature) != nil {
			panic("a genuine signature is wrong")
		}
	}
}

// shortest returns the shortest of several runs. Other work of the machine can only
// make a run longer.
func shortest(runs int, f func()) time.Duration {
	least := time.Hour
	for range runs {
		from := time.Now()
		f()
		least = min(least, time.Since(from))
	}
	return least
}

// BenchmarkUnauthenticated reports the cost of the worst known bodies as rsa/op.
// The unit is one verification of an RSA signature of 2048 bits, measured in the
// same run. The RSA verification of a PTS callback with a wrong signature costs one
// or two of these units. No body should cost more than 40, however many keys there
// are.
//
//	go test ./verify -run '^$' -bench Unauthenticated -benchtime 1x
func BenchmarkUnauthenticated(b *testing.B) {
	one := rsaVerification(b)
	for _, c := range costlyBodies(b, nil) {
		b.Run(c.name, func(b *testing.B) {
			runtime.GC()
			unit, least := time.Hour, time.Hour
			for b.Loop() {
				unit = min(unit, shortest(30, one))
				least = min(least, shortest(30, func() { _ = c.verify() }))
			}
			b.ReportMetric(float64(least)/float64(unit), "rsa/op")
			b.ReportMetric(float64(least.Microseconds()), "µs/least")
		})
	}
}
