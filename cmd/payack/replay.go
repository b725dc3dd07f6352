package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/payacktest"
)

func runReplay(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "replay", "replay [-provider "+providers.Join("|")+"] -url URL FILE…\n\nA FILE is a recording, the dump of a request or a bare body; a folder means all\nits files.",
		"payack replay -url http://127.0.0.1:8080/payatom recordings")
	target := fs.String("url", "", "the `URL` to post to; without a path, that of each recording is added")
	name := fs.String("provider", "", "whose they are, where a recording has no `NAME`: "+providers.Join(", "))
	files, err := parseOperands(fs, args, -1)
	if err != nil {
		return err
	}
	whose := payack.Provider(*name)
	if _, err := registry.Of(whose); whose != "" && err != nil {
		return usagef("-provider: %w", err)
	}
	u, err := targetURL(*target)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usagef("replay: the recordings are missing; give files or folders of them")
	}
	recordings, err := loadAll(files)
	if err != nil {
		return usageError{err}
	}
	wrong, missing, unanswered := 0, 0, 0
	var last error // the error of the last recording that got no answer
	for _, rec := range recordings {
		fmt.Fprintf(io.out, "%s: ", plain(rec.Name))
		if rec.Incomplete {
			fmt.Fprintln(io.out, "not posted: the recording holds a part of the body only")
			wrong++
			continue
		}
		to := targetOf(u, rec)
		a, err := post(ctx, to.String(), again(rec))
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			fmt.Fprintln(io.out, "no answer: "+plain(oneLine.Replace(err.Error())))
			unanswered, last = unanswered+1, err
			continue
		}
		printAnswer(io.out, a)
		switch {
		case a.Status == http.StatusNotFound:
			fmt.Fprintf(io.out, "nothing is at %s (404); give -url with the path of the receiver\n", plain(to.EscapedPath()))
			missing++
		case !acknowledges(cmp.Or(rec.Provider, whose), a):
			wrong++
		}
	}
	if unanswered > 0 {
		return fmt.Errorf("%d of %d recordings got no answer: %w", unanswered, len(recordings), last)
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d recordings were answered 404: nothing is at that path; give -url with the path of the receiver", missing, len(recordings))
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d recordings were not acknowledged; the receiver's own output gives the reason", wrong, len(recordings))
	}
	return nil
}

// loadAll loads files, and the files of folders sorted by name. Each recording is
// named by the path of its file.
func loadAll(files []string) ([]payacktest.Recorded, error) {
	var all []payacktest.Recorded
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			those, err := payacktest.LoadDir(file)
			if err != nil {
				return nil, loadError(file, err)
			}
			if len(those) == 0 {
				return nil, fmt.Errorf("%s: there are no recordings in this folder", file)
			}
			for _, rec := range those {
				rec.Name = filepath.Join(file, rec.Name)
				all = append(all, rec)
			}
			continue
		}
		rec, err := payacktest.Load(file)
		if err != nil {
			return nil, loadError(file, err)
		}
		rec.Name = file
		all = append(all, rec)
	}
	return all, nil
}

func loadError(file string, err error) error {
	return fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "payacktest: "))
}

func targetOf(u *url.URL, rec payacktest.Recorded) *url.URL {
	if u.Path != "" {
		return u
	}
	out := *u
	out.Path, _ = url.PathUnescape(rec.Path) // can't fail: the path was parsed when the recording was loaded
	out.RawPath = rec.Path
	return &out
}

// ofTheConnection are the headers that replay does not post. Most belong to the
// connection on which the delivery was recorded. The others are credentials, which
// a dump may hold and a recording never does.
var ofTheConnection = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect", "Accept-Encoding",
	"Proxy-Authenticate", "Proxy-Authorization", "Authorization", "Cookie",
}

// again returns the recorded callback to post. What is signed stays the same,
// byte for byte.
func again(rec payacktest.Recorded) payacktest.Callback {
	cb := rec.Callback.Clone()
	for _, line := range cb.Header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "Content-Type" {
				delete(cb.Header, name)
			}
		}
	}
	for _, name := range ofTheConnection {
		delete(cb.Header, name)
	}
	return cb
}
