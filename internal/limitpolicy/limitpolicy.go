// Package limitpolicy checks the names of rate limit policies, which answers have in
// their headers.
package limitpolicy

import "fmt"

// Check returns an error for a policy's name that a header can't contain. The empty
// name is valid: it switches the headers off.
func Check(name string) error {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return fmt.Errorf("the policy's name is %q: use printable ASCII without quotes and backslashes", name)
		}
	}
	return nil
}
