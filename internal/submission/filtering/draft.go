package filtering

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/filter"
	"countersign/internal/filter/edit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtp/strict"
)

// Draft is a message that has been read and is not accepted yet. It is used by one
// goroutine.
type Draft struct {
	// Message is what it is now; Run changes it.
	Message filter.Message
	// Judge holds a header block and a sender against the rules for both, as they
	// would be if the message were sent like that. It returns the block as it will leave.
	Judge func(ctx context.Context, head []byte, from mail.Address) ([]byte, error)
	// MaxBytes bounds a new body in octets, 0 for not.
	MaxBytes int64

	// Changed says that header, sender or recipients are no longer what came in; Body is what
	// stands in place of the body, where Replaced.
	Changed  bool
	Replaced bool
	Body     []byte
	// Held says that the message is to be held.
	Held bool
	// Seen has what came of it at each filter, in few words.
	Seen []string
	// Events are to be recorded with it, or with its refusal; they lack all that is the
	// session's to say.
	Events []audit.Event
}

// Apply holds what is accepted where a filter wants that, and adds what is to be recorded of
// the filters as complete makes it; what came of it at each stands in the first event, that of
// the acceptance. A Draft that is nil does nothing.
func (d *Draft) Apply(a *queue.Acceptance, complete func(audit.Event) audit.Event) {
	if d == nil {
		return
	}
	for i := range a.Deliveries {
		if d.Held && a.Deliveries[i].State != queue.Held {
			a.Deliveries[i].State, a.Deliveries[i].HoldReason = queue.Held, queue.HoldFilter
		}
	}
	a.Events[0].Data["filters"] = strings.Join(d.Seen, ", ")
	for _, e := range d.Events {
		e = complete(e)
		e.Submission = a.Submission.ID
		a.Events = append(a.Events, e)
	}
}

// maxAdded is how many recipients one filter may add.
const maxAdded = 100

// changed returns the message with all changes made, or says why that cannot be. The draft
// stays as it is.
func (d *Draft) changed(ctx context.Context, f *filter.Filter, c *filter.Changes) (m filter.Message, problem string) {
	m = d.Message
	if c.Empty() {
		return m, ""
	}
	if part := f.Forbidden(c); part != "" {
		return m, fmt.Sprintf("it wants to change the %s, which it may not", part)
	}
	for _, step := range []func(*filter.Message, *filter.Changes) error{d.body, sender, recipients, header} {
		if err := step(&m, c); err != nil {
			return m, "what it wants cannot be done: " + clean(err.Error())
		}
	}
	if len(c.Header) > 0 || c.Sender != nil {
		head, err := d.Judge(ctx, m.Head, m.Envelope.From)
		if err != nil {
			return m, "what it wants may not be sent: " + clean(reasonOf(err))
		}
		m.Head = head
	}
	return m, ""
}

// reasonOf says in words why a header or a sender is refused.
func reasonOf(err error) string { return smtp.ReplyFor(err).Text }

// take makes a changed message the draft's.
func (d *Draft) take(m filter.Message, c *filter.Changes) {
	d.Message = m
	d.Changed = d.Changed || len(c.Header) > 0 || c.Sender != nil || len(c.Added)+len(c.Removed) > 0
	if c.ReplacesBody {
		d.Replaced, d.Body = true, c.Body
	}
}

// body puts the new body in place, if there is one. It must be one that a client could have sent.
func (d *Draft) body(m *filter.Message, c *filter.Changes) error {
	if !c.ReplacesBody {
		return nil
	}
	checker := strict.NewChunkChecker(strict.DataOptions{MaxBytes: d.MaxBytes})
	_ = checker.Check(c.Body) // which Finish returns
	if err := checker.Finish(); err != nil {
		return err
	}
	content := c.Body
	m.Body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return nil
}

// sender puts the new sender in place, if there is one.
func sender(m *filter.Message, c *filter.Changes) (err error) {
	if c.Sender == nil {
		return nil
	}
	if c.Parameters {
		return fault.New("submission.filter", fault.Invalid, "parameters of addresses are not taken")
	}
	m.Envelope.From, err = address(*c.Sender, m.Envelope.SMTPUTF8)
	return err
}

// recipients adds and removes them. One that is there is not added; one that is not, not
// removed. A message must keep one.
func recipients(m *filter.Message, c *filter.Changes) error {
	if len(c.Added)+len(c.Removed) == 0 {
		return nil
	}
	switch {
	case c.Parameters:
		return fault.New("submission.filter", fault.Invalid, "parameters of addresses are not taken")
	case len(c.Added) > maxAdded:
		return fault.New("submission.filter", fault.Invalid, "more than %d further recipients", maxAdded)
	}
	list := slices.Clone(m.Recipients)
	for _, text := range c.Removed {
		a, err := address(text, true)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(r mail.Recipient) bool { return r.To.Key() == a.Key() })
	}
	for _, text := range c.Added {
		a, err := address(text, m.Envelope.SMTPUTF8)
		if err != nil {
			return err
		}
		if a.IsNull() {
			return fault.New("submission.filter", fault.Invalid, "nobody is no recipient")
		}
		if !slices.ContainsFunc(list, func(r mail.Recipient) bool { return r.To.Key() == a.Key() }) {
			list = append(list, mail.Recipient{To: a})
		}
	}
	if len(list) == 0 {
		return fault.New("submission.filter", fault.Invalid, "no recipient would be left")
	}
	m.Recipients = list
	return nil
}

// address reads an address as a filter writes it. "<>" is the null sender.
func address(text string, utf8 bool) (mail.Address, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "<"), ">")
	if text == "" {
		return mail.Address{}, nil
	}
	a, err := mail.ParseAddress(text)
	if err != nil {
		return a, err
	}
	if !utf8 && !a.IsASCII() {
		return a, fault.New("submission.filter", fault.Invalid, "an address beyond ASCII needs SMTPUTF8")
	}
	return a, nil
}

// header puts the changed header in place.
func header(m *filter.Message, c *filter.Changes) (err error) {
	if len(c.Header) > 0 {
		m.Head, err = edit.Header(m.Head, c.Header)
	}
	return err
}

// maxNamed is how many fields and recipients a description names.
const maxNamed = 20

// describe says what a filter wants changed.
func describe(c *filter.Changes) string {
	var parts []string
	add := func(what string, list []string) {
		if len(list) == 0 {
			return
		}
		more := ""
		if n := len(list) - maxNamed; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, what+" "+strings.Join(list[:min(len(list), maxNamed)], ", ")+more)
	}
	fields := map[filter.HeaderAct][]string{}
	for _, h := range c.Header {
		act := h.Act
		if act == filter.Change && h.Value == "" {
			act = "remove"
		}
		if act == filter.Insert {
			act = filter.Add
		}
		fields[act] = append(fields[act], clean(h.Name))
	}
	for _, act := range []filter.HeaderAct{filter.Add, filter.Change, "remove"} {
		add("header "+string(act), fields[act])
	}
	if c.ReplacesBody {
		parts = append(parts, fmt.Sprintf("body replaced by %d octets", len(c.Body)))
	}
	if c.Sender != nil {
		parts = append(parts, "sender "+clean(*c.Sender))
	}
	add("recipients add", cleaned(c.Added))
	add("recipients remove", cleaned(c.Removed))
	return strings.Join(parts, "; ")
}

func cleaned(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = clean(s)
	}
	return out
}
