package resource

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/smtp"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// explanations are the operations that say what would happen.
type explanations struct{ Options }

func (e explanations) rows() []api.Operation {
	return []api.Operation{
		{ID: "explain", Method: http.MethodPost, Path: "/explanations", May: client.Read, Text: "Say what the gate would answer to a message, step by step, and why. Nothing is stored, counted or recorded.",
			Body: messageAsked{}, Answer: Verdict{}, Costly: true, Run: e.explain},
	}
}

// messageAsked is the body of explain.
type messageAsked struct {
	Account    string   `json:"account" required:"yes" text:"The login of the account that sends."`
	Credential string   `json:"credential" text:"What it proves itself with, by name; its password where nothing is said."`
	Client     string   `json:"client" text:"The client's address; 127.0.0.1 where nothing is said."`
	Hello      string   `json:"hello" text:"What the client calls itself in EHLO; rehearsal.invalid, which no device does, where nothing is said. Where somebody guesses, it decides whether that is in its way."`
	Listener   string   `json:"listener" text:"The listener that it comes to, by name; the first one where nothing is said."`
	From       *string  `json:"from" text:"MAIL FROM: the account's own address where nothing is said, the empty text for none."`
	To         []string `json:"to" text:"The recipients; somebody elsewhere where nothing is said."`
	Message    string   `json:"message" octets:"any" text:"The message; one of a line where nothing is said."`
}

// Question is what is to be explained.
type Question struct {
	// Login is the account; Credential and Listener are names, "" for the usual ones.
	Login, Credential, Listener string
	Client                      netip.Addr
	// Hello is what the client calls itself in EHLO; "" for a name that nobody has.
	Hello string
	From  mail.Address
	To    []mail.Address
	// Message is the whole message with CRLF at the ends of lines; "" for one of a line.
	Message string
	// Place is Options.Place.
	Place func(client netip.Addr) list.Place
}

// Verdict is what would come of a message.
type Verdict struct {
	// Verdict is accept, hold, slow, defer or refuse, Reason the code of the refusal or the
	// hold; "provider" where what decides does not concern the customers of the client.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	// Recipients is to how many it would go, where it is accepted.
	Recipients int `json:"recipients"`
	// Until is when a slowed message would be delivered, and until when the guard turns the login away.
	Until *time.Time `json:"until,omitempty"`
	// Client is the address that it was taken to come from, Unasked are the content filters that were
	// not asked: what these would say is not known.
	Client  string   `json:"client"`
	Unasked []string `json:"filters_not_asked"`
	Steps   []Step   `json:"steps"`
	Events  []Event  `json:"events,omitempty"`
}

// Step is a command and its answer.
type Step struct {
	Command string `json:"command"`
	Code    int    `json:"code,omitempty"`
	Answer  string `json:"answer"`
}

// Event is what the record would have.
type Event struct {
	Kind   string            `json:"kind"`
	Reason string            `json:"reason,omitempty"`
	Text   string            `json:"text,omitempty"`
	Data   map[string]string `json:"data,omitempty"`
}

// maxTo bounds the recipients of a question.
const maxTo = 1000

func (e explanations) explain(r *api.Request) (any, error) {
	body, s := api.Body[messageAsked](r), e.scope(r)
	q := Question{Credential: body.Credential, Listener: body.Listener, Client: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Place: e.Place}
	own, err := reseller.Address(body.Account)
	if err != nil {
		return nil, api.Wrong("account", err)
	}
	if err := s.Login(own.Key()); err != nil {
		return nil, err
	}
	q.Login, q.From = own.Key(), own
	if body.Client != "" {
		if q.Client, err = netip.ParseAddr(body.Client); err != nil {
			return nil, api.Wrong("client", fault.New("api.explain", fault.Invalid, "is not an address"))
		}
	}
	if q.Hello = body.Hello; q.Hello != "" {
		if _, err := smtp.ParseHello(q.Hello); err != nil {
			return nil, api.Wrong("hello", fault.New("api.explain", fault.Invalid, "is no name that EHLO has: write host.example.org or [192.0.2.1]"))
		}
	}
	if body.From != nil {
		if q.From, err = mail.ParseAddress(*body.From); *body.From != "" && err != nil {
			return nil, api.Wrong("from", fault.New("api.explain", fault.Invalid, "is not an address"))
		}
	}
	if len(body.To) > maxTo {
		return nil, api.Wrong("to", fault.New("api.explain", fault.Invalid, "has more than %d recipients", maxTo))
	}
	for _, text := range body.To {
		to, err := reseller.Address(text)
		if err != nil {
			return nil, api.Wrong("to", fault.New("api.explain", fault.Invalid, "%.100q is not an address", text))
		}
		q.To = append(q.To, to)
	}
	if len(q.To) == 0 {
		q.To = []mail.Address{{Local: "somebody", Domain: "elsewhere.invalid"}}
	}
	q.Message = strings.ReplaceAll(strings.ReplaceAll(body.Message, "\r\n", "\n"), "\n", "\r\n")
	v, err := e.Explain(r.Ctx, q)
	if err != nil {
		return nil, err
	}
	if !s.All() {
		err = e.conceal(s, v)
	}
	return v, err
}
