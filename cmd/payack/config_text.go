package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/payack/payack/internal/providers"
)

// withoutComments replaces lines that begin with // by blanks, so that positions
// in the file stay the same.
func withoutComments(file []byte) []byte {
	out := bytes.Clone(file)
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("//")) {
			for i := range bytes.TrimRight(line, "\r\n") {
				line[i] = ' '
			}
		}
	}
	return out
}

// filledIn replaces values ${NAME} by environment variables, and keys @path by
// the contents of files. It copies the rest unchanged. Within an inserted value,
// it replaces nothing.
func filledIn(b []byte) ([]byte, error) {
	var out bytes.Buffer
	in, copied := jsontext.NewDecoder(bytes.NewReader(b)), jsontext.NewEncoder(&out)
	for {
		token, err := in.ReadToken()
		if err == io.EOF {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, configError(b, err)
		}
		// In an object, names and values alternate. Names are not replaced.
		container, length := in.StackIndex(in.StackDepth())
		isName := container == '{' && length%2 == 1
		if token.Kind() == '"' && !isName {
			member := memberName(in.StackPointer())
			value, err := valueOf(token.String(), member)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", position(b, offsetOf(b, in.StackPointer())), member, err)
			}
			token = jsontext.String(value)
		}
		if err := copied.WriteToken(token); err != nil {
			return nil, configError(b, err)
		}
	}
}

// valueOf returns the value that a text of the file stands for.
func valueOf(text, member string) (string, error) {
	if name, ok := variable(text); ok {
		value, found := os.LookupEnv(name)
		switch {
		case name == "":
			return "", errors.New("${} names no variable of the environment; write it like ${NAME}")
		case !found:
			return "", fmt.Errorf("the environment has no %s; set it, or write the value into the file", name)
		case value == "": // for some members an empty value would switch a check off
			return "", fmt.Errorf("%s in the environment is empty; set it, or leave the member out", name)
		case !utf8.ValidString(value):
			return "", fmt.Errorf("%s in the environment is not UTF-8 text; set it to the text itself", name)
		}
		return value, nil
	}
	if path, ok := strings.CutPrefix(text, "@"); ok && isKey(member) {
		return keyFrom(path)
	}
	return text, nil
}

const maxKeyFile = 64 << 10

// keyFrom reads a key from a file, without the last line break.
func keyFrom(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w; @ stands before the name of a file with the key, and a key that begins with it is given by ${NAME}", reasonOf(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; give a file that can be read", reasonOf(err))
	case len(b) > maxKeyFile || !utf8.Valid(b):
		return "", errors.New("the file is too long for a key, or no UTF-8 text; give one that has the key and nothing else")
	}
	key := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if key == "" {
		return "", errors.New("the file is empty; write the key into it, or leave the member out")
	}
	return key, nil
}

// reasonOf returns an error of a file without the file's name, because the name
// may really be a key that begins with @.
func reasonOf(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// variable returns the name in a value ${NAME}.
func variable(text string) (name string, ok bool) {
	if !strings.HasPrefix(text, "${") || !strings.HasSuffix(text, "}") {
		return "", false
	}
	return text[len("${") : len(text)-1], true
}

// configError says where a file is wrong. It doesn't quote the decoder, whose
// text may hold values.
func configError(file []byte, err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		at := position(file, syntactic.ByteOffset)
		if errors.Is(syntactic.Err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("%s: the member %s is given twice; remove one of them", at, memberName(syntactic.JSONPointer))
		}
		return fmt.Errorf("%s: not valid JSON; one JSON object is expected", at)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		at := position(file, offsetOf(file, semantic.JSONPointer))
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			return fmt.Errorf("%s: %s: there is no such member; %s", at,
				memberName(semantic.JSONPointer), memberFor(semantic.JSONPointer.LastToken(), memberNames(semantic.GoType)))
		}
		return fmt.Errorf("%s: %s: a JSON value of the wrong type%s", at, memberName(semantic.JSONPointer), wanted(semantic.GoType))
	}
	return errors.New("not a configuration: one JSON object is expected")
}

// position returns the line and the column of a byte, in characters.
func position(file []byte, offset int64) string {
	before := file[:max(0, min(offset, int64(len(file))))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte{'\n'})+1, utf8.RuneCount(line)+1)
}

// offsetOf returns where a member or a value of an array begins in the file. A
// member begins with its name. The offsets in the decoder's errors can't be used,
// because they belong to the text in which variables are replaced.
func offsetOf(file []byte, at jsontext.Pointer) int64 {
	in := jsontext.NewDecoder(bytes.NewReader(file))
	for {
		_ = in.PeekKind() // moves to the next token
		begins := in.InputOffset()
		_, err := in.ReadToken()
		switch {
		case err != nil: // can't happen: the file was read before
			return 0
		case in.StackPointer() == at:
			for begins < in.InputOffset() && bytes.IndexByte([]byte(" \t\r\n,:"), file[begins]) >= 0 {
				begins++
			}
			return begins
		}
	}
}

// memberNames returns the names that an object of the configuration accepts.
func memberNames(t reflect.Type) (names []string) {
	if t == reflect.TypeFor[config]() {
		defer func() {
			for _, p := range providers.All {
				names = append(names, string(p))
			}
		}()
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("json"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// memberFor suggests a member for an unknown name. It also recognises the
// library's name for a member, since people who know the library try that name
// first.
func memberFor(given string, members []string) string {
	plain := func(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }
	for name, member := range goNames {
		if plain(name) == plain(given) && plain(name) != plain(member) && slices.Contains(members, member) {
			return "here it is called " + member
		}
	}
	return "check the spelling, " + suggestion(given, members)
}

// wanted describes the JSON type of a member.
func wanted(t reflect.Type) string {
	if t == nil {
		return ""
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "; write a string"
	case reflect.Bool:
		return "; write true or false"
	case reflect.Int, reflect.Int64:
		return "; write a whole number"
	case reflect.Float64:
		return "; write a number"
	case reflect.Slice:
		return "; write an array of strings"
	case reflect.Map, reflect.Struct:
		return "; write an object"
	}
	return ""
}

// memberName writes a JSON pointer as the documentation writes members.
func memberName(p jsontext.Pointer) string {
	name := strings.ReplaceAll(strings.TrimPrefix(string(p), "/"), "/", ".")
	if name == "" {
		return "the configuration"
	}
	return name
}

// within returns an error about a member's value with a JSON pointer that begins
// at the whole file.
func within(member string, err error) error {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return err
	}
	whole := *semantic
	whole.JSONPointer = "/" + jsontext.Pointer(member) + whole.JSONPointer
	return &whole
}
