package frameworks

import (
	"net/http"

	"github.com/julienschmidt/httprouter"
)

// PathParams copies httprouter's parameters to r.PathValue:
//
//	router.POST("/callbacks/:tenant", frameworks.PathParams(handler))
func PathParams(next http.Handler) httprouter.Handle {
	return func(w http.ResponseWriter, r *http.Request, params httprouter.Params) {
		for _, p := range params {
			r.SetPathValue(p.Key, p.Value)
		}
		next.ServeHTTP(w, r)
	}
}
