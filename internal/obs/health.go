package obs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one check.
const checkTimeout = 3 * time.Second

// errLate is the answer of a check that took longer.
var errLate = fmt.Errorf("no answer within %v", checkTimeout)

// errBusy is the answer of a check whose last run has not come back.
var errBusy = errors.New("the last check has not come back yet")

// Check tells whether one thing that mail needs is in order: nil if so, a
// Warning if it is but may not stay so. It
// should return when ctx is done.
type Check func(ctx context.Context) error

// Warning is what a Check returns that is to be known but leaves the gate ready:
// it is shown, and the answer stays 200.
type Warning string

// Error implements error.
func (w Warning) Error() string { return "warning: " + string(w) }

// Health is a set of named checks. Its methods are safe for concurrent use;
// the zero value is ready and has none.
type Health struct {
	// mu guards checks.
	mu     sync.Mutex
	checks []*namedCheck
}

// namedCheck is a Check that runs once at a time.
type namedCheck struct {
	name string
	run  Check
	// running holds one element while run is under way.
	running chan struct{}
}

// Add adds a check, or replaces the one of that name.
func (h *Health) Add(name string, c Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := &namedCheck{name: name, run: c, running: make(chan struct{}, 1)}
	for i, old := range h.checks {
		if old.name == name {
			h.checks[i] = n
			return
		}
	}
	h.checks = append(h.checks, n)
}

// Run makes all checks at once and returns their outcomes by name, nil for
// those in order. It takes at most three seconds: a check that takes longer has failed.
func (h *Health) Run(ctx context.Context) map[string]error {
	h.mu.Lock()
	checks := append([]*namedCheck(nil), h.checks...)
	h.mu.Unlock()

	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errLate)
	defer cancel()
	errs := make([]error, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { errs[i] = c.try(ctx) })
	}
	all.Wait()
	out := make(map[string]error, len(checks))
	for i, c := range checks {
		out[c.name] = errs[i]
	}
	return out
}

// try makes one check, not waiting longer than ctx for one that hangs.
func (c *namedCheck) try(ctx context.Context) error {
	select {
	case c.running <- struct{}{}:
	default:
		return errBusy
	}
	done := make(chan error, 1)
	go func() {
		err := c.run(ctx)
		<-c.running
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil && ctx.Err() != nil { // whoever was first: it has no other reason
		return context.Cause(ctx)
	}
	return err
}

// report is the answer of /readyz.
type report struct {
	// Status is "ok" or "failing".
	Status string `json:"status"`
	// Checks has "ok", a warning or what is wrong, by name.
	Checks map[string]string `json:"checks"`
}

// serveReady answers 200 if all checks are in order, warnings apart, else 503.
func (h *Health) serveReady(w http.ResponseWriter, r *http.Request) {
	rep := report{Status: "ok", Checks: make(map[string]string)}
	code := http.StatusOK
	for name, err := range h.Run(r.Context()) {
		rep.Checks[name] = "ok"
		if err != nil {
			rep.Checks[name] = err.Error()
			if errors.As(err, new(Warning)) {
				continue
			}
			rep.Status = "failing"
			code = http.StatusServiceUnavailable
		}
	}
	writeJSON(w, code, rep)
}

// serveAlive answers 200: the process can answer.
func serveAlive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, report{Status: "ok", Checks: map[string]string{}})
}

// writeJSON writes an answer that nobody may keep.
func writeJSON(w http.ResponseWriter, code int, rep report) {
	text, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the asker may be gone
}
