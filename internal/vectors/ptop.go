package vectors

import "strings"

// IsForm reports whether a Ptop vector needs a receiver that accepts forms.
func (v *Vector) IsForm() bool { return strings.HasPrefix(v.Flavour, "form_") }
