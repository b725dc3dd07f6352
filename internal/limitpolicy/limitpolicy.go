// Package limitpolicy checks the names of rate limit policies, which stand in the
// headers of answers.
package limitpolicy

import "fmt"

// Check returns an error when a policy's name can't stand in a header. The empty
// name switches the headers off, and is fine.
func Check(name string) error {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return fmt.Errorf("the policy's name is %q: use printable ASCII without quotes and backslashes", name)
		}
	}
	return nil
}
