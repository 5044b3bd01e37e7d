package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/web"
	"countersign/internal/web/api/client"
)

// Options are what a Handler is made of. All fields are needed.
type Options struct {
	Table []Operation
	// Version is the program's, for the description.
	Version string
	IDs     *mail.IDSource
	Now     func() time.Time
	// Wait holds up the answer to a wrong token.
	Wait func(context.Context)
	// Refused is told of each wrong token that is to be recorded: of whom it is, "" for
	// nobody, from where, and why it is refused (token, network).
	Refused func(name string, from netip.Addr, why string)
	Logger  *slog.Logger
}

const (
	// atMost bounds what one request may take, costlyMost of one that is Costly.
	atMost     = 20 * time.Second
	costlyMost = 50 * time.Second
	// costlyAtOnce is how many of these run at a time, costlyOfResellers how many of clients with customers
	// of their own: one place stays for the operator, however many such clients there are.
	costlyAtOnce      = 3
	costlyOfResellers = costlyAtOnce - 1
)

// Handler is the API as an http.Handler, for the paths below Prefix.
type Handler struct {
	opt      Options
	clients  atomic.Pointer[client.Set]
	attempts *client.Attempts
	// costly has the places of what is Costly, resellers those of them that clients with customers take.
	costly, resellers chan struct{}
	description       []byte
}

// New returns a Handler without clients, which answers nobody.
func New(o Options) *Handler {
	h := &Handler{
		opt: o, attempts: client.NewAttempts(o.Now, o.Wait), description: Description(o.Table, o.Version),
		costly: make(chan struct{}, costlyAtOnce), resellers: make(chan struct{}, costlyOfResellers),
	}
	h.SetClients(nil)
	return h
}

// SetClients puts other clients in the place of those that there are.
func (h *Handler) SetClients(s client.Set) { h.clients.Store(&s) }

// exchange is one request with its answer.
type exchange struct {
	h    *Handler
	w    http.ResponseWriter
	r    *http.Request
	id   mail.ID
	from netip.Addr
	// who is the client's name, done the Operation's id, cause what went wrong, for the log.
	who, done string
	cause     error
	status    int
	// recorded says that the record has it that a token was turned away.
	recorded bool
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.opt.Now()
	x := &exchange{h: h, w: w, r: r, id: h.opt.IDs.New(), from: web.Client(r)}
	header := w.Header()
	header.Set("Request-Id", string(x.id))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if !x.public() {
		x.serve()
	}
	attributes := []any{"request", x.id, "client", x.who, "address", x.from.String(), "operation", x.done, "method", clip(r.Method), "status", x.status, "took", h.opt.Now().Sub(began)}
	if x.cause != nil {
		h.opt.Logger.Error("a request of the API failed", append(attributes, "error", x.cause)...)
		return
	}
	h.opt.Logger.Log(context.WithoutCancel(r.Context()), x.level(), "a request of the API", attributes...)
}

// level is at which level a request is told of: who has no token fills no log, as what is to be
// known of them is recorded, within bounds.
func (x *exchange) level() slog.Level {
	if x.who == "" && !x.recorded {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// public answers what everybody may read, and reports whether that was asked.
func (x *exchange) public() bool {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return false
	}
	if x.r.URL.Path == Prefix+"/openapi.json" {
		x.status, x.done = http.StatusOK, "description"
		x.w.Header().Set("Content-Type", "application/json")
		_, _ = x.w.Write(x.h.description)
		return true
	}
	name, ok := strings.CutPrefix(x.r.URL.Path, Prefix+"/problems/")
	if d := explained(name); ok && d.name == name {
		x.status, x.done = http.StatusOK, "problem"
		x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = x.w.Write([]byte(d.title + ".\n" + d.help + "\n"))
		return true
	}
	return false
}

// serve answers who has proved to be a client.
func (x *exchange) serve() {
	c := x.authenticate()
	if c == nil {
		return
	}
	x.who = c.Name()
	if !web.Prove(x.r) {
		// A stranger took its place at this moment. Nothing is done whose answer would not arrive.
		x.w.Header().Set("Retry-After", "1")
		x.refuse(problemBusy, "the connection was closed to make room for another one")
		return
	}
	if !c.Takes() {
		x.w.Header().Set("Retry-After", "10")
		x.refuse(problemRate, "the client makes more requests than it may (requests of [[api_client]])")
		return
	}
	if !c.Enter() {
		x.w.Header().Set("Retry-After", "1")
		x.refuse(problemBusy, "as many requests of the client as may be worked on at a time are")
		return
	}
	defer c.Leave()
	o, path := x.operation()
	if o == nil {
		return
	}
	x.done = o.ID
	if !c.May(o.May) {
		// RFC 6750 section 3.1.
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="countersign", error="insufficient_scope", scope="`+string(o.May)+`"`)
		x.refuse(problemNotAllowed, "it takes "+string(o.May)+" among what the client may")
		return
	}
	x.run(o, &Request{Client: c, Now: x.h.opt.Now(), id: x.id, logger: x.h.opt.Logger, path: path})
}

// operation finds what is asked, or refuses.
func (x *exchange) operation() (*Operation, map[string]string) {
	method := x.r.Method
	if method == http.MethodHead { // RFC 9110 section 9.3.2: as GET, without the content
		method = http.MethodGet
	}
	parts, ok := segments(x.r.URL.EscapedPath())
	o, path, methods := find(x.h.opt.Table, method, parts)
	switch {
	case !ok || len(methods) == 0:
		x.refuse(problemNotFound, "the API has nothing at this path; "+Prefix+"/openapi.json describes what it has")
	case o == nil:
		// RFC 9110 section 15.5.6.
		x.w.Header().Set("Allow", strings.Join(methods, ", "))
		x.refuse(problemMethod, "at this path there are "+strings.Join(methods, ", "))
	}
	return o, path
}

// run reads what is asked, does it and answers.
func (x *exchange) run(o *Operation, r *Request) {
	query, wrong := readQuery(o, x.r.URL.RawQuery)
	r.query = query
	if o.Pages && len(wrong) == 0 {
		wrong = r.readPage()
	}
	body, also, err := readBody(o, x.r.Header, x.r.Body)
	switch wrong = append(wrong, also...); {
	case err != nil:
		x.fail(err)
		return
	case len(wrong) > 0:
		x.fail(invalid(wrong...))
		return
	}
	most := atMost
	if o.Costly {
		most = costlyMost
		end, ok := x.h.turn(r.Client)
		if !ok {
			x.refuse(problemBusy, "as many such requests as may run at a time are running")
			return
		}
		defer end()
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), most)
	defer cancel()
	r.Ctx, r.body = ctx, body
	answer, err := o.Run(r)
	if err != nil {
		x.fail(err)
		return
	}
	x.answer(o, answer)
}

// turn takes a place among what is Costly, of which a client with customers of its own has one
// alone, and all of these together leave one: end gives it back. ok is false where there is none.
func (h *Handler) turn(c *client.Client) (end func(), ok bool) {
	if !c.Begin() {
		return nil, false
	}
	taken := []chan struct{}{h.costly}
	if c.Bounded() {
		taken = []chan struct{}{h.resellers, h.costly}
	}
	for i, places := range taken {
		select {
		case places <- struct{}{}:
		default:
			release(c, taken[:i])
			return nil, false
		}
	}
	return func() { release(c, taken) }, true
}

// release gives back the places that a client took.
func release(c *client.Client, taken []chan struct{}) {
	for _, places := range taken {
		<-places
	}
	c.End()
}

// answer answers what was done.
func (x *exchange) answer(o *Operation, answer any) {
	x.status = http.StatusOK
	switch {
	case o.Created:
		x.status = http.StatusCreated
	case o.Answer == nil:
		x.status = http.StatusNoContent
		x.w.WriteHeader(x.status)
		return
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(x.status)
	writeJSON(x.w, answer)
}

// fail answers an error.
func (x *exchange) fail(err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) && !fault.Is(err, fault.Busy) {
		x.cause = err
	}
	x.write(p)
}

// refuse answers a problem.
func (x *exchange) refuse(name, detail string) { x.write(newProblem(name, detail)) }

func (x *exchange) write(p *Problem) {
	p.Request, x.status = x.id, p.Status
	p.write(x.w)
}

// authenticate finds out who asks; nil where it has refused.
func (x *exchange) authenticate() *client.Client {
	// A token in clear text could be read on its way (RFC 6750 section 5.3).
	if x.r.TLS == nil && !x.from.IsLoopback() {
		x.refuse(problemTLS, "tokens are taken over TLS alone, and in clear text from this machine itself")
		return nil
	}
	// RFC 6750 section 2.1; the scheme in any case (RFC 9110 section 11.1). Tokens in a body
	// or in a query are not taken.
	scheme, token, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(x.r.Header.Values("Authorization")) != 1 {
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="countersign"`)
		x.refuse(problemToken, "there is no bearer token")
		return nil
	}
	c := x.h.clients.Load().Find(strings.TrimLeft(token, " "))
	if c != nil && c.From(x.from) {
		return c
	}
	name, why := "", "token"
	if c != nil {
		name, why = c.Name(), "network"
	}
	close := x.h.attempts.Failed(x.r.Context(), x.from)
	record := close
	if c != nil {
		record = x.h.attempts.Misplaced(x.from)
	}
	if record {
		x.h.opt.Refused(name, x.from, why)
		x.recorded = true
	}
	if !close {
		x.w.Header().Set("Retry-After", "60")
		x.refuse(problemRate, "there were too many wrong tokens from here")
		return nil
	}
	// One answer for a token that is nobody's and for one from elsewhere (RFC 6750 section 3.1).
	x.w.Header().Set("WWW-Authenticate", `Bearer realm="countersign", error="invalid_token"`)
	x.refuse(problemToken, "the token is not one of a client from here")
	return nil
}
