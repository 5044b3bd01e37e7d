package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Problem is an answer that is no success (RFC 9457).
type Problem struct {
	// Type is stable: the address below this gate at which it is explained.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Help says what to do, Errors what is wrong with the request, one by one.
	Help   string    `json:"help,omitempty"`
	Errors []Finding `json:"errors,omitempty"`
	// Request is the request's id, under which the log of the gate has it.
	Request mail.ID `json:"request"`
}

// The names of problems.
const (
	problemInvalid     = "invalid"
	problemMediaType   = "media-type"
	problemTooLarge    = "too-large"
	problemToken       = "token"
	problemNotAllowed  = "not-allowed"
	problemTLS         = "tls-required"
	problemNotFound    = "not-found"
	problemMethod      = "method"
	problemConflict    = "conflict"
	problemRate        = "rate"
	problemBusy        = "busy"
	problemFull        = "full"
	problemUnavailable = "unavailable"
	problemInternal    = "internal"
)

// described is what is always said of a problem.
type described struct {
	name, title string
	status      int
	help        string
}

// problems lists all that there are.
func problems() []described {
	return []described{
		{problemInvalid, "The request is wrong", http.StatusUnprocessableEntity, "Mend what detail and errors name. The same request will not pass later."},
		{problemMediaType, "The body is not JSON", http.StatusUnsupportedMediaType, "Send Content-Type: application/json."},
		{problemTooLarge, "The body is too large", http.StatusRequestEntityTooLarge, "Send at most 64 KiB."},
		{problemToken, "Nobody has proved who they are", http.StatusUnauthorized, "Send Authorization: Bearer with the token of an [[api_client]], from one of its networks."},
		{problemNotAllowed, "The client may not do this", http.StatusForbidden, "The operator says in may of the [[api_client]] what it may do."},
		{problemTLS, "TLS is required", http.StatusForbidden, "Use https; the token that was sent in clear text is to be replaced."},
		{problemNotFound, "Nothing is there", http.StatusNotFound, "Look at the listing for what there is; what belongs to customers of others is not there."},
		{problemMethod, "This cannot be done there", http.StatusMethodNotAllowed, "The field Allow says what can be done at this path."},
		{problemConflict, "It stands in the way of what is there", http.StatusConflict, "Look at what is there; detail names it. Where it was changed meanwhile, repeat."},
		{problemRate, "Too many requests", http.StatusTooManyRequests, "Wait as long as Retry-After says."},
		{problemBusy, "The gate is busy", http.StatusServiceUnavailable, "Repeat after what Retry-After says."},
		{problemFull, "The disk of the gate is full", http.StatusInsufficientStorage, "Tell the operator. Nothing was changed."},
		{problemUnavailable, "Something that the gate needs is away", http.StatusServiceUnavailable, "Repeat after what Retry-After says. Whether a change was made is to be looked up first."},
		{problemInternal, "The gate has failed", http.StatusInternalServerError, "Tell the operator the id of the request: the log of the gate says more."},
	}
}

// explained finds what is said of a problem.
func explained(name string) described {
	for _, d := range problems() {
		if d.name == name {
			return d
		}
	}
	return described{name: problemInternal, status: http.StatusInternalServerError}
}

// ofKind is the problem that a fault of a kind is.
func ofKind(k fault.Kind) string {
	switch k {
	case fault.Invalid:
		return problemInvalid
	case fault.NotFound:
		return problemNotFound
	case fault.Conflict:
		return problemConflict
	case fault.Denied, fault.Unauthenticated:
		return problemNotAllowed
	case fault.Busy:
		return problemBusy
	case fault.Full:
		return problemFull
	case fault.TooLarge:
		return problemTooLarge
	case fault.Unavailable, fault.Fenced, fault.Canceled:
		return problemUnavailable
	}
	return problemInternal
}

// newProblem makes one.
func newProblem(name, detail string) *Problem {
	d := explained(name)
	return &Problem{Type: Prefix + "/problems/" + d.name, Title: d.title, Status: d.status, Detail: detail, Help: d.help}
}

// problemOf says what an error is to a client. What went wrong within the gate is for its
// log alone.
func problemOf(err error) *Problem {
	var body *bodyError
	if errors.As(err, &body) {
		return newProblem(body.problem, body.text)
	}
	kind := fault.KindOf(err)
	name := ofKind(kind)
	p := newProblem(name, "")
	var wrong *InvalidError
	switch {
	case errors.As(err, &wrong):
		p.Errors, p.Detail = wrong.Findings, wrong.Error()
	case p.Status < http.StatusInternalServerError: // what the gate lacks is named in its log alone
		p.Detail = inWords(fault.DetailOf(err, kind))
	}
	return p
}

// inWords puts what is said of flags of the command line as members of a body.
func inWords(detail string) string {
	return strings.NewReplacer("--force", `"force": true`, "--exception", `"effect": "except"`).Replace(detail)
}

// waits is what Retry-After is of problems that go away by themselves, in seconds; the
// rate has its own.
const waits = "2"

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", waits)
	}
	w.WriteHeader(p.Status)
	writeJSON(w, p)
}

// writeJSON writes a value; who has gone away does not get it.
func writeJSON(w http.ResponseWriter, v any) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}
