// Package replay asks the rules of the operator about messages of the past, and about messages that
// nobody has sent: it gathers what the record and the queue still know of one, and marks the rest as
// unknown.
//
// What the account is, it takes as it is now: its customer, its plan, the kind of its credential.
//
// Main types: Reader, Message, Outcome; function Judge.
package replay

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
)

// Store is where messages of the past are known.
type Store interface {
	// Search is as in audit.Store.
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
	// Sender is as in account.Store.
	Sender(ctx context.Context, login string) (*account.Sender, error)
	// List and Content are as in package queue.
	List(ctx context.Context, f queue.Filter) ([]queue.Item, error)
	Content(ctx context.Context, id mail.ID) (*queue.Content, error)
}

// Message is a message as far as it is known.
type Message struct {
	ID    mail.ID
	At    time.Time
	Login string
	Facts rules.Facts
	// Recipients are how many there are, which may be known where it is not known who they are;
	// 0 where that is not known either.
	Recipients int
}

// New returns a message of which nothing is known but when it is sent.
func New(at time.Time) *Message {
	m := &Message{At: at, Facts: rules.Facts{Now: at, Unknown: map[string]bool{}}}
	for _, w := range rules.Vocabulary() {
		m.Facts.Unknown[w.Name] = true
	}
	m.know("now")
	return m
}

// know marks variables as known.
func (m *Message) know(names ...string) {
	for _, name := range names {
		delete(m.Facts.Unknown, name)
	}
}

// SetConnection says where the client is; "" or a zero address leaves it unknown.
func (m *Message) SetConnection(c rules.Connection) {
	m.Facts.Connection = c
	for name, known := range map[string]bool{
		"client": c.Client.IsValid(), "listener": c.Listener != "", "tls": c.TLS != "", "hello": c.Hello != "",
	} {
		if known {
			m.know("connection." + name)
		}
	}
}

// SetSender says whose message it is. credential is the name of the credential, "" where that is not
// known, and mechanism that of SASL.
func (m *Message) SetSender(s *account.Sender, credential, mechanism string) {
	p := &m.Facts.Principal
	m.Login = s.Account.Login()
	p.Login, p.Domain, p.Customer, p.Plan = m.Login, string(s.Domain.Name), s.Customer.Name, s.Plan.Name
	p.Created, p.CustomerCreated = s.Account.Created, s.Customer.Created
	m.know("principal.login", "principal.domain", "principal.customer", "principal.plan", "counters.account_days", "counters.customer_days")
	m.setCredential(s, credential, mechanism)
}

// setCredential says by what they have logged in.
func (m *Message) setCredential(s *account.Sender, credential, mechanism string) {
	p := &m.Facts.Principal
	if mechanism != "" {
		p.Mechanism = mechanism
		m.know("principal.mechanism")
	}
	if credential == "" {
		return
	}
	p.Credential = credential
	m.know("principal.credential")
	i := slices.IndexFunc(s.Account.Credentials, func(c account.Credential) bool { return c.Name == credential })
	if i >= 0 {
		p.Kind = string(s.Account.Credentials[i].Kind)
		m.know("principal.credential_kind")
	}
}

// SetEnvelope says what MAIL had; all of it is taken to be known.
func (m *Message) SetEnvelope(e mail.Envelope) {
	m.Facts.Envelope = e
	m.know("envelope.from", "envelope.size", "envelope.body", "envelope.smtputf8", "envelope.ret")
}

// SetRecipients says who the recipients are.
func (m *Message) SetRecipients(to []mail.Recipient) {
	m.Facts.Recipients, m.Recipients = to, len(to)
	m.know("envelope.recipients", "envelope.recipient", "counters.recipients")
}

// SetSize says how large the message is, in octets.
func (m *Message) SetSize(octets int64) {
	m.Facts.Message.Size = octets
	m.know("message.size")
}

// SetHeader says what its header is.
func (m *Message) SetHeader(h *message.Header) {
	m.Facts.Message.Header = h
	m.know("message.header", "message.subject")
	if senders, err := h.Senders(); err == nil && len(senders) > 0 {
		m.Facts.Message.Senders = make([]mail.Address, len(senders))
		for i := range senders {
			m.Facts.Message.Senders[i] = senders[i].Address
		}
		m.know("message.from", "message.senders")
	}
}

// SetSessionMessages says how many messages the session had brought before.
func (m *Message) SetSessionMessages(n int) {
	m.Facts.Counters.SessionMessages = n
	m.know("counters.session_messages")
}

// Reader finds out what is known of accepted messages. It is used by one goroutine at a time.
type Reader struct {
	Store Store
	// session is the one of the last message with its events, as the next is often of the same.
	session mail.ID
	events  []audit.Event
	// senders are accounts by login; nil for those that are no more.
	senders map[string]*account.Sender
}

// Message gathers what is known of a message by the event of its acceptance.
func (r *Reader) Message(ctx context.Context, accepted *audit.Event) (*Message, error) {
	m := New(accepted.At)
	m.ID, m.Login = accepted.Submission, accepted.Login
	m.Recipients, _ = strconv.Atoi(accepted.Data["recipients"])
	if size, err := strconv.ParseInt(accepted.Data["size"], 10, 64); err == nil {
		m.SetSize(size)
	}
	m.setFrom(accepted.Data["from"])
	if err := r.fromSession(ctx, m, accepted); err != nil {
		return nil, err
	}
	if err := r.fromQueue(ctx, m); err != nil {
		return nil, err
	}
	if m.Facts.Unknown["envelope.recipients"] {
		return m, r.fromDeliveries(ctx, m)
	}
	return m, nil
}

// setFrom says what the record has of the envelope.
func (m *Message) setFrom(text string) {
	m.Facts.Counters.Recipients = m.Recipients
	from, err := mail.ParseAddress(text)
	if err != nil && text != "<>" && text != "" {
		return
	}
	m.Facts.Envelope.From = from
	m.know("envelope.from")
}

// fromSession takes what the events of the session say: of the connection, of the login, and how many
// messages came before.
func (r *Reader) fromSession(ctx context.Context, m *Message, accepted *audit.Event) (err error) {
	if r.session != accepted.Session || r.session == "" {
		r.events, err = r.Store.Search(ctx, audit.Query{Session: accepted.Session, Limit: maxSession})
		if err != nil {
			return err
		}
		r.session = accepted.Session
	}
	c := rules.Connection{}
	c.Client, _ = netip.ParseAddr(accepted.Client)
	credential, mechanism := "", ""
	before, complete := 0, len(r.events) < maxSession
	for i := range r.events {
		e := &r.events[i]
		if e.Seq >= accepted.Seq {
			break
		}
		switch e.Kind {
		case audit.SessionOpened:
			c.Listener = e.Data["listener"]
		case audit.SessionHello:
			c.Hello = e.Text
		case audit.SessionTLS:
			c.TLS = strings.TrimPrefix(e.Data["version"], "TLS ")
		case audit.AuthPassed:
			credential, mechanism = e.Data["credential"], e.Data["mechanism"]
		case audit.Accepted:
			before++
		}
	}
	m.SetConnection(c)
	if complete && c.Listener != "" {
		m.SetSessionMessages(before)
	}
	return r.fromAccount(ctx, m, credential, mechanism)
}

// maxSession is how many events of a session are looked at.
const maxSession = 5000

// fromAccount takes what the account is now.
func (r *Reader) fromAccount(ctx context.Context, m *Message, credential, mechanism string) error {
	sender, known := r.senders[m.Login]
	if !known {
		var err error
		sender, err = r.Store.Sender(ctx, m.Login)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err != nil {
			sender = nil
		}
		if r.senders == nil {
			r.senders = map[string]*account.Sender{}
		}
		r.senders[m.Login] = sender
	}
	if sender == nil { // it is no more
		m.Facts.Principal.Login, m.Facts.Principal.Domain = m.Login, m.Login[strings.LastIndexByte(m.Login, '@')+1:]
		m.know("principal.login", "principal.domain")
		m.setCredential(&account.Sender{}, credential, mechanism)
		return nil
	}
	m.SetSender(sender, credential, mechanism)
	return nil
}

// fromQueue takes what is known while a part of the message waits.
func (r *Reader) fromQueue(ctx context.Context, m *Message) error {
	items, err := r.Store.List(ctx, queue.Filter{Submission: m.ID})
	if err != nil || len(items) == 0 {
		return err
	}
	e := items[0].Submission.Envelope
	m.Facts.Envelope.Return = e.Return
	m.know("envelope.ret") // size, body and SMTPUTF8 are not as MAIL had them
	if len(items) == m.Recipients {
		to := make([]mail.Recipient, len(items))
		for i := range items {
			to[i] = items[i].Delivery.Recipient
		}
		m.SetRecipients(to)
	}
	content, err := r.Store.Content(ctx, m.ID)
	if fault.Is(err, fault.NotFound) {
		return nil // it was delivered meanwhile
	}
	if err != nil {
		return err
	}
	h, _, err := message.ReadHeader(bytes.NewReader(content.Head), message.Limits{MaxBytes: len(content.Head) + 1, MaxLine: len(content.Head) + 1})
	if err != nil {
		return nil // its header stays unknown
	}
	// The signatures and the first Received field are the gate's own.
	m.SetHeader(h.Below("Received"))
	return nil
}

// fromDeliveries takes the recipients that the record of the deliveries names, where those are all.
func (r *Reader) fromDeliveries(ctx context.Context, m *Message) error {
	events, err := r.Store.Search(ctx, audit.Query{Submission: m.ID, Limit: maxSession})
	if err != nil {
		return err
	}
	to := make([]mail.Recipient, m.Recipients)
	left := m.Recipients
	for i := range events {
		e := &events[i]
		if e.Delivery < 1 || e.Delivery > len(to) || !to[e.Delivery-1].To.IsNull() {
			continue
		}
		if a, err := mail.ParseAddress(e.Data["to"]); err == nil {
			to[e.Delivery-1].To = a
			left--
		}
	}
	if left == 0 && len(to) > 0 {
		m.SetRecipients(to)
	}
	return nil
}
