package field

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/payack/payack"
)

//go:embed cases/*.json
var files embed.FS

// Load returns the cases of all files.
func Load() ([]Case, error) {
	names, err := fs.Glob(files, "cases/*.json")
	if err != nil {
		return nil, err
	}
	var all []Case
	seen := map[string]bool{}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range cases {
			if seen[c.Name] {
				return nil, fmt.Errorf("%s: %s: the name is given twice", name, c.Name)
			}
			seen[c.Name] = true
			c.File = strings.TrimSuffix(strings.TrimPrefix(name, "cases/"), ".json")
			all = append(all, c)
		}
	}
	return all, nil
}

// Parse reads one file. It refuses unknown names, repeated ones, and cases that
// expect nothing or contradict themselves.
func Parse(b []byte) ([]Case, error) {
	if err := repeated(json.NewDecoder(bytes.NewReader(b))); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var cases []Case
	if err := dec.Decode(&cases); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is something after the list")
	}
	for i := range cases {
		if err := cases[i].check(); err != nil {
			return nil, fmt.Errorf("case %d (%s): %w", i+1, cases[i].Name, err)
		}
	}
	return cases, nil
}

// repeated refuses an object that has a name twice: encoding/json would silently use
// the last one.
func repeated(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, nested := tok.(json.Delim)
	if !nested {
		return nil
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if names[name.(string)] {
				return fmt.Errorf("%q is given twice, before byte %d", name, dec.InputOffset())
			}
			names[name.(string)] = true
		}
		if err := repeated(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func (c *Case) check() error {
	if _, err := registry.Of(c.Provider); err != nil {
		return err
	}
	switch {
	case c.Name == "" || c.Why == "":
		return errors.New("name and why are needed")
	case (c.Error != "") == (len(c.Deliveries) > 0):
		return errors.New("either deliveries or the error of the configuration is needed")
	}
	for i := range c.Deliveries {
		if err := c.Deliveries[i].check(c); err != nil {
			return fmt.Errorf("delivery %d: %w", i+1, err)
		}
	}
	return nil
}

func (d *Delivery) check(c *Case) error {
	p := registry[c.Provider]
	literal := d.Body != "" || d.BodyBase64 != ""
	switch {
	case d.Outcome == "" || d.Answer == "":
		return errors.New("outcome and answer are needed")
	case d.Reason.Outcome() != d.Outcome && (d.Outcome != payack.OutcomeDuplicate || d.Reason != ""):
		return fmt.Errorf("the reason %q doesn't go with %s", d.Reason, d.Outcome)
	case d.Body != "" && d.BodyBase64 != "":
		return errors.New("body and body_base64 are given")
	case literal && (d.Set != nil || d.Drop != nil):
		return errors.New("set and drop change a genuine message, and a body is given")
	case !literal && d.Sign == "":
		return errors.New("sign is needed: pts, payatom, one of Ptop's schemes, or none")
	case d.Body != "" && d.Sign != "" && d.Sign != "none" && d.Sign != "header" && !strings.Contains(d.Body, "{sign}"):
		return errors.New("the body has no {sign}")
	case d.Shape != "" && !p.shapes, d.Place != "" && !p.places:
		return errors.New("shape is PTS's and place is Ptop's")
	case d.Event == nil && d.Reason.AfterVerified():
		return errors.New("it is verified, so say what is expected of its event")
	}
	return nil
}
