package frameworks

import (
	"net/http"

	"github.com/gorilla/mux"
)

// PathVars copies gorilla/mux's variables to r.PathValue. Mount it with Router.Use, or
// around one handler.
func PathVars(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range mux.Vars(r) {
			r.SetPathValue(name, value)
		}
		next.ServeHTTP(w, r)
	})
}
