package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"countersign/internal/directory"
)

// mediaType is that of requests and answers (RFC 8259 section 11).
const mediaType = "application/json"

// request is a question as it is sent.
type request struct {
	Version   int    `json:"version"`
	Login     string `json:"login"`
	Password  string `json:"password,omitempty"`
	Client    string `json:"client,omitempty"`
	Session   string `json:"session,omitempty"`
	Mechanism string `json:"mechanism,omitempty"`
	// Standing says that the question is whether the account is there and enabled,
	// whoever shows what.
	Standing bool `json:"standing,omitempty"`
}

// version is that of the form of requests and answers.
const version = 1

// newRequest writes a question down.
func newRequest(q directory.Question) request {
	r := request{Version: version, Login: q.Login, Password: q.Password, Session: q.Session, Mechanism: q.Mechanism}
	if q.Client.IsValid() {
		r.Client = q.Client.String()
	}
	return r
}

// encode writes the text that is sent.
func encode(r request) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// The results that an answer may have.
const (
	resultFound   = "found"
	resultUnknown = "unknown"
	resultRefused = "refused"
)

// answer is what a callback says.
type answer struct {
	// Result is one of the results.
	Result string
	directory.Answer
	networks []string
}

// fields tells where each member of the answer goes.
func (a *answer) fields() map[string]any {
	return map[string]any{
		"result": &a.Result, "login": &a.Login, "hash": &a.Hash, "verified": &a.Verified, "disabled": &a.Disabled,
		"plan": &a.Plan, "customer": &a.Customer, "aliases": &a.Aliases, "networks": &a.networks,
	}
}

// read reads an answer strictly. Errors repeat nothing of it but the names of
// members.
func read(body []byte) (*answer, error) {
	if !utf8.Valid(body) { // RFC 8259 section 8.1
		return nil, errors.New("it is not UTF-8")
	}
	a := &answer{}
	if err := readObject(body, a.fields()); err != nil {
		return nil, err
	}
	switch a.Result {
	case resultFound:
	case resultUnknown, resultRefused: // what else stands there has no meaning
		return a, nil
	default:
		return nil, errors.New(`"result" is none of "found", "unknown" and "refused"`)
	}
	if len(a.networks) > directory.MaxNetworks {
		return nil, errors.New("there are too many networks")
	}
	for _, text := range a.networks {
		n, err := directory.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		a.Networks = append(a.Networks, n)
	}
	return a, nil
}

// readObject reads the members of one object into their fields. A member that
// stands there twice (RFC 8259 section 4 leaves open which one counts), one that
// is not in fields, in that very case, and anything behind the object are errors;
// so is null.
func readObject(body []byte, fields map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return errNoJSON
		}
		field, known := fields[name]
		if !known {
			return fmt.Errorf("the member %.40q is unknown, or stands there twice", name)
		}
		delete(fields, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return errNoJSON
		}
		if bytes.Equal(value, []byte("null")) || json.Unmarshal(value, field) != nil {
			return fmt.Errorf("the member %q is of the wrong type", name)
		}
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return errNoJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is something behind the object")
	}
	return nil
}

// errNoJSON is an answer that breaks off or is not JSON at all.
var errNoJSON = errors.New("it is not JSON")
