package api

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/web/api/client"
)

// Prefix is where the API is.
const Prefix = "/api/v1"

// Operation is one row of the table: something that can be done.
type Operation struct {
	// ID names it for programs, such as "addBan"; no two have the same.
	ID string
	// Method is that of HTTP, Path what stands behind Prefix: "/bans/{id}". What stands in
	// braces is one segment, which Request.Path returns.
	Method, Path string
	// Text says in one sentence what it does.
	Text string
	// May is what a client needs to be allowed.
	May client.Permission
	// Query are the parameters that it takes; of one with Pages also those of pages.
	Query []Parameter
	// Body is a value of the struct that the body is read into; nil for no body.
	Body any
	// Answer is a value of what it answers, nil for nothing (204). With Pages it is one item.
	Answer any
	// Pages says that Run returns a Page.
	Pages bool
	// Created says that it makes something (201).
	Created bool
	// Costly says that it takes long: few of these run at a time.
	Costly bool
	// Run does it. Its errors are faults.
	Run func(*Request) (any, error)
}

// Parameter is one of a query.
type Parameter struct {
	Name, Text string
	// Among are the words that it may be; none for any text.
	Among []string
}

// The parameters of every listing with pages.
const (
	limitName  = "limit"
	cursorName = "cursor"
)

// The sizes of pages.
const (
	usualPage = 100
	mostPage  = 500
)

// Request is one that has been read, by a client that may ask it.
type Request struct {
	Ctx context.Context
	// Client is who asks.
	Client *client.Client
	// Now is when.
	Now time.Time

	id     mail.ID
	logger *slog.Logger
	path   map[string]string
	query  map[string]string
	body   any
	// limit and after are of a listing.
	limit int
	after string
}

// Path returns what stands in the place of a segment in braces.
func (r *Request) Path(name string) string { return r.path[name] }

// Query returns a parameter, "" for none.
func (r *Request) Query(name string) string { return r.query[name] }

// True reports whether a parameter is "true".
func (r *Request) True(name string) bool { return r.query[name] == "true" }

// Left says in the log that a part of an answer was left out, as of an error: what was asked for has
// been done.
func (r *Request) Left(part string, err error) {
	r.logger.Warn("an answer of the API is without a part", "request", r.id, "client", r.Client.Actor(), "part", part, "error", err)
}

// Body returns what was read of the body, which the Operation's Body is of the type of.
func Body[T any](r *Request) *T {
	body, _ := r.body.(*T)
	return body
}

// Flag is a parameter that is true or false.
func Flag(name, text string) Parameter {
	return Parameter{Name: name, Text: text, Among: []string{"true", "false"}}
}

// InvalidError says which member of a body or which parameter is wrong. It is a
// fault.Invalid.
type InvalidError struct {
	Findings []Finding
}

// Finding is one thing that is wrong with a request.
type Finding struct {
	// Where is "body", "query" or "path", Name which of it, as in "for.account".
	Where string `json:"where"`
	Name  string `json:"name"`
	Text  string `json:"detail"`
}

// Error lists them.
func (e *InvalidError) Error() string {
	var all []string
	for _, f := range e.Findings {
		all = append(all, f.Where+" "+f.Name+": "+f.Text)
	}
	return strings.Join(all, "; ")
}

// Wrong says that one member of the body is wrong: what err says, where it is a
// fault.Invalid. Other errors stay as they are; nil stays nil.
func Wrong(name string, err error) error { return wrongAt("body", name, err) }

// WrongQuery is Wrong for a parameter.
func WrongQuery(name string, err error) error { return wrongAt("query", name, err) }

// WrongPath is Wrong for a segment of the path.
func WrongPath(name string, err error) error { return wrongAt("path", name, err) }

// Busy says that a request has to wait for another one: text says for which.
func Busy(text string) error {
	return &fault.Error{Op: "api.busy", Kind: fault.Busy, Err: &bodyError{problemBusy, text}}
}

func wrongAt(where, name string, err error) error {
	if err == nil {
		return nil
	}
	text := fault.DetailOf(err, fault.Invalid)
	if text == "" {
		if fault.KindOf(err) != fault.Internal {
			return err
		}
		text = err.Error()
	}
	return invalid(Finding{where, name, text})
}

func invalid(list ...Finding) error {
	return &fault.Error{Op: "api.read", Kind: fault.Invalid, Err: &InvalidError{Findings: list}}
}

// missing is the answer to whoever asks for what is not there, or is not theirs.
func missing(what string) error {
	return fault.New("api.find", fault.NotFound, "%s does not exist", what)
}

// NotThere says that something does not exist, also where it is another's.
func NotThere(format string, args ...any) error { return missing(fmt.Sprintf(format, args...)) }
