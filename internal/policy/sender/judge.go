package sender

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/message"
)

// Question is what is asked of one message. Account, Envelope and Now must be set.
type Question struct {
	Account *account.Sender
	// Envelope bounds the credential that was proved.
	Envelope *account.Envelope
	// MailFrom is the envelope sender.
	MailFrom mail.Address
	// Header are the identities of the header; nil before it is known, which asks about
	// MailFrom alone.
	Header []message.Identity
	// Hosted are the domains of Strange that are this gate's, as they are stored; nil where
	// nobody has looked: then none of Strange passes in shadow mode.
	Hosted map[mail.Domain]account.Domain
	Now    time.Time
}

// Action is what becomes of a message.
type Action string

// The actions.
const (
	// Pass: all that it names is theirs.
	Pass Action = "pass"
	// Refuse: Verdict.Decisive says why.
	Refuse Action = "refuse"
	// Rewritten: what is not theirs is to be replaced by Verdict.Own.
	Rewritten Action = "rewrite"
	// Shadowed: it passes, and what would have been refused is to be recorded.
	Shadowed Action = "shadow"
)

// Verdict is what is decided of a message.
type Verdict struct {
	Mode   account.SenderMode
	Action Action
	// Findings has one for each address in each place, MAIL FROM first.
	Findings []Finding
	// Decisive is the first of them that is not theirs, or where it is refused the first
	// that no mode lets pass; nil for Pass.
	Decisive *Finding
	// Own takes the place of what is not theirs where the action is Rewritten: the account's
	// own address, or the first other one that the credential may use.
	Own mail.Address
	// named says that Own may stand in Sender for what is granted on behalf.
	named bool
	// Outside are domains of the message that are none of this gate's, which shadow mode
	// lets pass.
	Outside []mail.Domain
	// Hosted is Question.Hosted.
	Hosted map[mail.Domain]account.Domain
}

// Judge decides about a message.
func Judge(q Question) Verdict {
	v := Verdict{Mode: q.Account.Mode(), Action: Pass, Findings: q.findings(), Hosted: q.Hosted}
	for i := range v.Findings {
		if f := &v.Findings[i]; !f.Reason.Theirs() {
			v.Decisive = f
			break
		}
	}
	if v.Decisive == nil {
		return v
	}
	// The empty sender is a permission of its own, and no address: nothing takes its place.
	if v.Decisive.Reason == NoNullSender {
		v.Action = Refuse
		return v
	}
	switch v.Mode {
	case account.Rewrite:
		v.rewrite(&q)
	case account.Shadow:
		v.shadow(&q)
	default:
		v.Action = Refuse
	}
	return v
}

// findings looks at each address in each place.
func (q *Question) findings() []Finding {
	list := make([]Finding, 0, 1+len(q.Header))
	list = append(list, q.mailFrom())
	own := q.ownSender()
	for _, id := range q.Header {
		f := Finding{Place: id.Field, Address: id.Address, Shown: id.Shown, at: id.At}
		f.Reason, f.Grant = q.of(id.Address)
		switch {
		case f.Reason != SendOnBehalf:
		case id.Field != "From":
			f.Reason = OnBehalfPlace
		case !own:
			f.Reason = OnBehalfSender
		}
		list = append(list, f)
	}
	return list
}

// mailFrom looks at the envelope sender. Bounces go there, so what is granted on behalf is
// not good for it.
func (q *Question) mailFrom() Finding {
	f := Finding{Place: MailFrom, Address: q.MailFrom, at: -1}
	switch {
	case q.MailFrom.IsNull() && q.Account.Account.NullSender:
		f.Reason = NullSender
	case q.MailFrom.IsNull():
		f.Reason = NoNullSender
	default:
		if f.Reason, f.Grant = q.of(q.MailFrom); f.Reason == SendOnBehalf {
			f.Reason = OnBehalfPlace
		}
	}
	return f
}

// of is Of within the bounds of the credential.
func (q *Question) of(a mail.Address) (Reason, *account.Granted) {
	r, g := Of(q.Account, a, q.Now)
	if r.Theirs() && !q.Envelope.Covers(a) {
		r = CredentialBound
	}
	return r, g
}

// ownSender reports whether Sender names an address that is the account's own (RFC 5322
// section 3.6.2: who has sent it, where that is another than who has written it).
func (q *Question) ownSender() bool {
	return slices.ContainsFunc(q.Header, func(id message.Identity) bool {
		if id.Field != "Sender" || id.Shown {
			return false
		}
		r, _ := q.of(id.Address)
		return r == OwnAddress || r == Alias
	})
}

// rewrite finds what takes the place of what is not theirs.
func (v *Verdict) rewrite(q *Question) {
	v.Action = Rewritten
	list := append([]mail.Address{q.Account.Account.Address}, q.Account.Account.Aliases...)
	for _, g := range q.Envelope.Senders {
		if !g.Address.IsNull() {
			list = append(list, g.Address)
		}
	}
	for _, a := range list {
		if r, _ := q.of(a); r.Theirs() && r != SendOnBehalf {
			v.Own, v.named = a, r != SendAs
			return
		}
	}
	v.Action = Refuse
}

// shadow lets pass what is not theirs, but for what would be more than a false name: an
// address of another customer of this gate, or of one that is suspended, whose receivers would
// believe it; and whatever the credential is bound not to use.
func (v *Verdict) shadow(q *Question) {
	v.Action = Shadowed
	for i := range v.Findings {
		f := &v.Findings[i]
		if f.Reason.Theirs() || f.Shown {
			continue
		}
		strange := !q.Account.Domains[f.Address.Domain]
		hosted, here := q.Hosted[f.Address.Domain]
		switch {
		case strange && (q.Hosted == nil || here && hosted.Customer != q.Account.Customer.Name):
			f.Reason = AnotherCustomer
		case strange && here && hosted.State != account.Active:
			f.Reason = DomainStopped
		case !q.Envelope.Covers(f.Address):
			f.Reason = CredentialBound
		default:
			if strange && !here && !slices.Contains(v.Outside, f.Address.Domain) {
				v.Outside = append(v.Outside, f.Address.Domain)
			}
			continue
		}
		v.Action, v.Decisive = Refuse, f
		return
	}
}

// MaxStrange bounds the domains that a caller looks up for one message; with more it is not to
// look, so that they do not pass.
const MaxStrange = 20

// Strange lists the domains of a message that it takes a look at the store for: those of
// addresses that shadow mode would let pass, and that are none of the account's domains. None in any other mode.
func Strange(q Question) (list []mail.Domain) {
	if q.Account.Mode() != account.Shadow {
		return nil
	}
	for _, f := range q.findings() {
		d := f.Address.Domain
		if !f.Reason.Theirs() && !f.Shown && !f.Address.IsNull() && !q.Account.Domains[d] && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// Envelope reports whether the envelope sender is one of what is not theirs.
func (v *Verdict) Envelope() bool { return !v.Findings[0].Reason.Theirs() }

// Rewriting says what is to be done about the header where the action is Rewritten. What is
// granted on behalf stays in From, and Sender gets to name the account.
func (v *Verdict) Rewriting() message.Rewriting {
	r := message.Rewriting{Own: v.Own}
	for _, f := range v.Findings[1:] {
		switch {
		case f.Reason.Theirs() || slices.Contains(r.Fields, f.at):
		case f.Reason == OnBehalfSender && v.named:
			r.Sender = true
		default:
			r.Fields = append(r.Fields, f.at)
		}
	}
	if slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Place == "From" && slices.Contains(r.Fields, f.at) }) {
		r.Sender = false // as the author is the account now
	}
	return r
}

// Text lists what is not theirs, for the record.
func (v *Verdict) Text() string {
	var parts []string
	for i := range v.Findings {
		if f := &v.Findings[i]; !f.Reason.Theirs() {
			parts = append(parts, f.String())
		}
	}
	return strings.Join(parts, ", ")
}
