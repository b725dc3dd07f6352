package inspector

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed templates static
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"visible": visible, "short": short, "sentence": sentence, "grouped": grouped, "ago": func(t time.Time) string { return relative(t, time.Now()) },
	"utc":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") + " UTC" },
	"time": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"seconds": func(n int64) string {
		return duration(time.Duration(n) * time.Second)
	},
	"outcomes": func(kept bool) []string { return wordsOf(kept) },
	"query":    func(encoded string) template.URL { return template.URL(encoded) }, // encoded by url.Values, or constant
	"line":     func(s string) string { return within(s, maxLine) },
	"lines": func(prefix string, n *numbers, lines []counted) map[string]any {
		return map[string]any{"Prefix": prefix, "Numbers": n, "Lines": lines}
	},
	"row": func(p *page, e *Entry) *page { q := *p; q.Data = e; return &q },
}).ParseFS(files, "templates/*.html"))

// wordsOf returns the outcomes that a user can choose.
func wordsOf(kept bool) (out []string) {
	for _, o := range outcomes {
		out = append(out, string(o))
	}
	if kept {
		out = append(out, "pending", "running", "dead", "superseded", "closed", "refuted")
	}
	return out
}

// page is the data of a template.
type page struct {
	Prefix, Name, Title string
	Kept                bool // there is an inbox
	ReadOnly            bool
	ShowBodies, Asks    bool
	State               state
	Data                any
}

func (i *Inspector) newPage(name, title string, data any) *page {
	return &page{
		Prefix: i.cfg.Prefix, Name: name, Title: title, Kept: i.cfg.Inbox != nil, ReadOnly: i.cfg.ReadOnly,
		ShowBodies: i.cfg.ShowBodies, Asks: i.asks(), Data: data,
	}
}

// render writes a page.
func (i *Inspector) render(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	p := i.newPage(name, title, data)
	if name != "token" && name != "problem" {
		p.State = i.state.now(r.Context(), i)
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name+".html", p); err != nil {
		i.cfg.Logger.Error("inspector: a page can't be written", "page", name, "error", err)
		http.Error(w, "The page can't be written; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// piece renders a part of a page, to be sent to open pages.
func (i *Inspector) piece(name string, data any) string {
	var b bytes.Buffer
	p := i.newPage(name, "", data)
	p.State, _ = data.(state)
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		i.cfg.Logger.Error("inspector: a part of a page can't be written", "part", name, "error", err)
	}
	return strings.TrimSpace(b.String())
}

// problem writes an answer that says what is wrong with a request.
func (i *Inspector) problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	if wantsJSON(r) {
		i.writeJSON(w, status, map[string]string{"error": text})
		return
	}
	i.render(w, r, status, "problem", http.StatusText(status), text)
}

// failed logs an internal error and answers the request.
func (i *Inspector) failed(w http.ResponseWriter, r *http.Request, what string, err error) {
	if r.Context().Err() != nil {
		return // the client has gone
	}
	i.cfg.Logger.Error("inspector: "+what+" failed", "error", err)
	i.problem(w, r, http.StatusInternalServerError, "The database failed; see the log. Try again.")
}

// wantsJSON reports whether the client accepts JSON and not HTML, as programs
// do.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

func (i *Inspector) writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		i.cfg.Logger.Error("inspector: an answer can't be written", "error", err)
		http.Error(w, `{"error": "The answer can't be written; the log says why."}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// static serves the style sheet, the script and the icon.
func (i *Inspector) static(w http.ResponseWriter, r *http.Request, name string) {
	if strings.Contains(name, "/") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, files, "static/"+name)
}
