package web

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// figures are what is counted.
type figures struct {
	// requests counts answers by mount and status code.
	requests *prometheus.CounterVec
}

// newFigures registers them; a nil registry gets none.
func newFigures(reg prometheus.Registerer, r *rooms) *figures {
	f := &figures{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_web_requests_total", Help: "Requests over HTTP that were answered, by what they were for and status code.",
	}, []string{"part", "code"})}
	if reg == nil {
		return f
	}
	closed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "countersign_web_connections_refused_total", Help: "Connections for HTTP that were closed as there was no room for them.",
	})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_web_connections", Help: "Connections for HTTP at this moment.",
	}, func() float64 { return float64(r.crowd.Len()) })
	r.closed = closed.Inc
	reg.MustRegister(f.requests, closed, open)
	return f
}

// handler gives requests to what is mounted. ServeMux redirects a path that is not clean.
func handler(mounts []Mount, f *figures) http.Handler {
	mux := http.NewServeMux()
	nothing := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "There is nothing here.", http.StatusNotFound)
	}
	mux.Handle("/", f.count("none", http.HandlerFunc(nothing)))
	for _, m := range mounts {
		mux.Handle(m.Path, f.count(m.Name, m.Handler))
	}
	return http.MaxBytesHandler(guarded(mux), MaxBody)
}

// guarded sets what every answer has, unless its handler says otherwise: that it is what
// its type says and nothing else, that no page tells the next one where it was, and that
// nobody keeps it.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// count counts the answers of one part.
func (f *figures) count(part string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(c, r)
		f.requests.WithLabelValues(part, strconv.Itoa(c.code)).Inc()
	})
}

// counted remembers the status code of an answer.
type counted struct {
	http.ResponseWriter
	code  int
	wrote bool
}

// WriteHeader remembers the first final code.
func (c *counted) WriteHeader(code int) {
	if !c.wrote && code >= http.StatusOK {
		c.code, c.wrote = code, true
	}
	c.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
