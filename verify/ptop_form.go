package verify

import (
	"strings"

	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
)

// ptopPosted returns the pairs of a form under the names that PHP gives them in
// $_POST. It returns nil if a name has brackets, because PHP makes arrays of those.
// It refuses a name that PHP drops. It also refuses two pairs that get the same
// name, because PHP keeps only one of them.
func ptopPosted(fields []strict.Field) ([]strict.Field, error) {
	posted := make([]strict.Field, len(fields))
	seen := make(map[string]bool, len(fields))
	arrays := false
	for i, f := range fields {
		if strings.IndexByte(f.Name, '[') >= 0 {
			arrays = true
			continue
		}
		name, ok := php.FormName(f.Name)
		if !ok {
			return nil, &strict.Error{What: "a name that PHP drops", Offset: f.Start}
		}
		if seen[name] {
			return nil, &strict.Error{What: "two names that PHP takes for one", Offset: f.Start}
		}
		seen[name] = true
		posted[i] = f
		posted[i].Name = name
	}
	if arrays {
		return nil, nil
	}
	return posted, ptopMembers.mark(posted)
}

// ptopRebuilt returns PHP's http_build_query of $_POST without the signature.
func ptopRebuilt(posted []strict.Field) string {
	pairs := make([]php.Pair, 0, len(posted))
	for _, f := range posted {
		if f.Name != ptopSignature {
			pairs = append(pairs, php.Pair{Name: f.Name, Value: f.Text})
		}
	}
	return php.BuildQuery(pairs)
}
