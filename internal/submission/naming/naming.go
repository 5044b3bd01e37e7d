// Package naming says whom a message names as its senders, and what was decided about that:
// whether they are the account's, and what is told of it to the store and the record.
//
// Package policy/sender decides; here it is asked, about the domains of others too.
//
// Main types: Named, Asker.
package naming

import (
	"context"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/sender"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Domains says whose domains are. It is asked for messages under addresses that are not the
// account's, where these may pass.
type Domains interface {
	// Domain returns a domain; fault.NotFound where there is none of that name.
	Domain(ctx context.Context, name mail.Domain) (account.Domain, error)
}

// Asker has senders judged. It is used concurrently.
type Asker struct {
	// Domains is asked about the domains of others; nil lets none pass.
	Domains Domains
	Now     func() time.Time
}

// Named is whom a message names as its senders, and what was decided about that.
type Named struct {
	Identities []message.Identity
	Verdict    sender.Verdict
	// Changed is what was rewritten of the header, and Envelope whether the envelope sender
	// was.
	Changed  []message.Rewritten
	Envelope bool
}

// Author is the domain of the first address of From.
func (n *Named) Author() mail.Domain { return n.Identities[0].Address.Domain }

// Authors are the domains of the addresses of From, each once, the first first.
func (n *Named) Authors() (list []mail.Domain) {
	for i := range n.Identities {
		id := &n.Identities[i]
		if id.Field == "From" && !id.Shown && !slices.Contains(list, id.Address.Domain) {
			list = append(list, id.Address.Domain)
		}
	}
	return list
}

// Addresses are those that it names, the first of From first.
func (n *Named) Addresses() []mail.Address {
	list := make([]mail.Address, len(n.Identities))
	for i := range n.Identities {
		list[i] = n.Identities[i].Address
	}
	return list
}

// Signs is the domain whose keys sign a message of an account: that of its author, unless that
// is a stranger's, which shadow mode lets pass.
func (n *Named) Signs(of *account.Sender) mail.Domain {
	if slices.Contains(n.Verdict.Outside, n.Author()) {
		return of.Account.Address.Domain
	}
	return n.Author()
}

// Weigh decides about a message by what it names; header is nil while that is not known.
func (a *Asker) Weigh(ctx context.Context, of *account.Sender, within *account.Envelope, from mail.Address, header []message.Identity) (sender.Verdict, error) {
	q := sender.Question{
		Account: of, Envelope: within, MailFrom: from, Header: header, Now: a.Now(),
	}
	strange := sender.Strange(q)
	if len(strange) == 0 || len(strange) > sender.MaxStrange || a.Domains == nil {
		if len(strange) == 0 {
			q.Hosted = map[mail.Domain]account.Domain{}
		}
		return sender.Judge(q), nil
	}
	q.Hosted = map[mail.Domain]account.Domain{}
	for _, name := range strange {
		d, err := a.Domains.Domain(ctx, name)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return sender.Verdict{}, err
		default:
			q.Hosted[name] = d
		}
	}
	return sender.Judge(q), nil
}

// Usable reports whether what takes the place of a sender may be sent: an address beyond
// ASCII needs SMTPUTF8 (RFC 6531 section 3.4).
func Usable(v *sender.Verdict, env *mail.Envelope) bool { return v.Own.IsASCII() || env.SMTPUTF8 }

// Refusal is the answer where a verdict does not let pass what is named as it is; nil for
// what passes.
func Refusal(op string, v *sender.Verdict) error {
	if v.Action == sender.Pass || v.Action == sender.Shadowed {
		return nil
	}
	f := v.Decisive
	reason := smtp.EHeaderSenderNotOwned
	switch {
	case f.Reason == sender.NoNullSender:
		return fault.Refuse(op, fault.Denied, string(smtp.ENullSenderNotAllowed))
	case f.Place == sender.MailFrom:
		reason = smtp.ESenderNotOwned
	case f.Reason == sender.OnBehalfSender:
		reason = smtp.ESenderMissing
	}
	e := fault.Refuse(op, fault.Denied, string(reason))
	e.Detail = f.Address.String()
	return e
}

// Rely says in an acceptance what the decision relies on: its domains, each once, but those of
// strangers.
func (n *Named) Rely(a *queue.Acceptance) {
	from := a.Submission.Envelope.From
	list := []mail.Address{from}
	for _, id := range n.Identities {
		list = append(list, id.Address)
		a.Others = a.Others || id.Address.Key() != from.Key()
	}
	for _, address := range list {
		d := address.Domain
		if d != "" && !slices.Contains(a.Domains, d) && !slices.Contains(n.Verdict.Outside, d) {
			a.Domains = append(a.Domains, d)
		}
	}
}

// Told returns what is recorded of the senders of an accepted message, none where all that it
// named was theirs.
func (n *Named) Told(given, now mail.Address, id mail.ID) []audit.Event {
	e := audit.Event{Submission: id, Text: n.Verdict.Text(), Data: map[string]string{}}
	switch {
	case n.Verdict.Action == sender.Shadowed:
		e.Kind = audit.SenderShadow
		for i := range n.Verdict.Findings {
			if f := &n.Verdict.Findings[i]; !f.Reason.Theirs() {
				e.Data[fieldKey(f.Place)] = f.Address.String()
			}
		}
	case n.Envelope || n.Changed != nil:
		e.Kind = audit.SenderRewritten
		if n.Envelope {
			e.Data["mail_from"], e.Data["mail_from_now"] = given.String(), now.String()
		}
		for _, c := range n.Changed {
			key := fieldKey(c.Field)
			e.Data[key], e.Data[key+"_now"] = c.Before, c.After
		}
	default:
		return nil
	}
	return []audit.Event{e}
}

// fieldKey is the key of a place in the data of an event: "resent_from".
func fieldKey(place string) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(place))
}

// Explain adds to the event of a refusal why a sender is not theirs, which its client is
// not told; nothing where f is nil or the refusal is of something else.
func Explain(f *sender.Finding, e *audit.Event) {
	about := []smtp.Reason{smtp.ESenderNotOwned, smtp.EHeaderSenderNotOwned, smtp.ESenderMissing, smtp.ENullSenderNotAllowed}
	if f == nil || !slices.Contains(about, smtp.Reason(e.Reason)) {
		return
	}
	if e.Data == nil {
		e.Data = map[string]string{}
	}
	e.Data["place"], e.Data["address"], e.Data["why"] = f.Place, f.Address.String(), string(f.Reason)
}
