package alignment

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/domainkey"
	"countersign/internal/policy/inquiry"
	"countersign/internal/policy/spf"
)

// Question is what an assessment is of.
type Question struct {
	// From is the domain of the From field.
	From mail.Domain
	// MailFrom is the domain of MAIL FROM, "" for the null sender.
	MailFrom mail.Domain
	// Keys are those that the message is signed with, also where their domain is not that of
	// From; none where it is not signed here: then the next server may sign it, and what DKIM does
	// is not known.
	Keys []domainkey.Key
	// Customer is whose domain it is, "" where nobody says. It changes no answer, but who waits
	// for it: a Checker lets no customer take all places.
	Customer string
}

// Sending is where our mail comes from, as receivers see it.
type Sending struct {
	// Addresses are the addresses of our side, all of which a record must allow. Without
	// any, it is only known of SPF where no address could pass.
	Addresses []netip.Addr
	// Hello is the name that we give to receivers.
	Hello string
	// Term stands for our addresses in the record that is proposed, as
	// "include:spf.example.net"; "" names each address.
	Term string
}

// maxAddresses bounds the addresses that are tried, each of which walks the whole record.
const maxAddresses = 16

// Judge makes assessments. It keeps nothing, and is safe for concurrent use if its Asker
// is.
type Judge struct {
	Asker   mx.Asker
	Sending Sending
	// Target says what the name of a key is to be an alias of, where its domain has
	// delegated the selector; "" for a key whose record stands there itself. nil: all do.
	Target func(selector string, domain mail.Domain) string
}

// Assess finds out how a message would fare. It never fails: what cannot be known is
// Unknown. It asks at most inquiry.MaxQuestions questions, and ends soon after ctx does.
func (j *Judge) Assess(ctx context.Context, question Question) Assessment {
	a := Assessment{Question: question}
	if _, literal := question.From.Literal(); literal || question.From == "" {
		a.Verdict = Unknown
		a.DKIM = Leg{Unknown, []string{"the sender is not of a domain"}}
		a.SPF = a.DKIM
		return a
	}
	q := inquiry.New(j.Asker)
	found, dmarcErr := dmarc.Discover(ctx, q, question.From)
	a.policy(found, dmarcErr)

	var wg sync.WaitGroup
	var strange bool
	wg.Go(func() { strange = a.signatures(ctx, q, found.Record, j.record) })
	var spf senderFinding
	wg.Go(func() { spf = j.sender(ctx, q, question, found.Record) })
	wg.Wait()

	a.SPF = spf.leg
	for _, n := range spf.notes {
		a.note("%s", n)
	}
	if spf.proposed != "" && !strange {
		a.publish(dkim.Record{Name: question.identity(j.Sending), Value: spf.proposed})
	}
	a.Verdict = verdict(a.DKIM.State, a.SPF.State)
	a.TTL = q.TTL()
	return a
}

// Policy finds what a From domain asks receivers to do with mail that fails. Errors are those of
// dmarc.Discover.
func (j *Judge) Policy(ctx context.Context, from mail.Domain) (dmarc.Policy, error) {
	found, err := dmarc.Discover(ctx, inquiry.New(j.Asker), from)
	return found.Policy, err
}

// policy notes what the From domain asks for.
func (a *Assessment) policy(found dmarc.Discovery, err error) {
	a.Policy, a.PolicyUnknown = found.Policy, err != nil
	for _, d := range found.Several {
		a.note("there are several DMARC records at _dmarc.%s, so that receivers ignore all of them", d)
	}
	switch {
	case err != nil:
		a.note("DNS does not answer for the DMARC record of %s", a.Question.From)
	case found.Record == nil:
		a.note("%s has no DMARC record", a.Question.From)
	default:
		for _, f := range found.Record.Faults {
			a.note("the DMARC record of %s: %s", found.Record.Domain, f)
		}
	}
}

// record is what the domain is to publish for a key.
func (j *Judge) record(key domainkey.Key) dkim.Record {
	if j.Target != nil {
		if target := j.Target(key.Selector, key.Domain); target != "" {
			return dkim.Record{Name: key.Name(), Target: target}
		}
	}
	return dkim.Record{Name: key.Name(), Value: key.Record}
}

// senderFinding is what became of SPF: its leg, what is to be noted, and the record to
// publish, if one helps.
type senderFinding struct {
	leg      Leg
	notes    []string
	proposed string
}

// sender evaluates the record of the MAIL FROM domain, if it is aligned (RFC 9989
// section 4.4.2).
func (j *Judge) sender(ctx context.Context, q *inquiry.Inquiry, question Question, record *dmarc.Record) senderFinding {
	strict := record != nil && record.StrictSPF
	identity := question.identity(j.Sending)
	aligned, err := dmarc.Aligned(ctx, q, question.From, mail.Domain(identity), strict)
	switch {
	case err != nil:
		return senderFinding{leg: Leg{Unknown, []string{"DNS does not answer whether " + identity + " is aligned with " + question.From.String()}}}
	case !aligned:
		return senderFinding{leg: Leg{WillFail, []string{"the MAIL FROM domain " + identity + " is not aligned with " + question.From.String()}}}
	case len(j.Sending.Addresses) == 0:
		return j.nowhere(ctx, q, identity)
	}
	return j.addresses(ctx, q, question, identity)
}

// nowhere judges a record where our addresses are not known: whether any could pass.
func (j *Judge) nowhere(ctx context.Context, q *inquiry.Inquiry, identity string) senderFinding {
	out := spf.Read(ctx, q, identity)
	f := senderFinding{leg: Leg{State: Pass}}
	switch out.Result {
	case spf.None, spf.PermError:
		f.leg.worsen(WillFail, "%s: %s", identity, out.Reason)
		f.notes = []string{"the addresses that the mail comes from are not configured: set alignment.addresses"}
	case spf.TempError:
		f.leg.worsen(Unknown, "%s: %s", identity, out.Reason)
	default:
		f.leg.worsen(Unknown, "it is not configured which addresses the mail comes from: set alignment.addresses")
	}
	if out.Result == spf.None && j.Sending.Term != "" {
		f.proposed = spf.Amend("", []string{j.Sending.Term})
	}
	return f
}

// identity is the domain that SPF is checked for: that of MAIL FROM, or the one that we
// say hello with (RFC 7208 section 2.4).
func (q Question) identity(s Sending) string {
	if q.MailFrom == "" {
		return s.Hello
	}
	return q.MailFrom.String()
}

// addresses evaluates a record for each of our addresses. All must pass: which one a
// delivery takes is not known beforehand.
func (j *Judge) addresses(ctx context.Context, q *inquiry.Inquiry, question Question, identity string) senderFinding {
	f := senderFinding{leg: Leg{State: Pass}}
	query := spf.Query{Hello: j.Sending.Hello}
	if question.MailFrom != "" {
		query.Sender = "postmaster@" + identity
	}
	var missing []netip.Addr
	var record string
	amendable := true
	for _, query.Client = range j.Sending.Addresses[:min(len(j.Sending.Addresses), maxAddresses)] {
		out := spf.Evaluate(ctx, q, query)
		switch {
		case out.Unsure:
			f.leg.worsen(Unknown, "the SPF record of %s asks for more than the sender's domain", identity)
		case out.Result == spf.Pass:
		case out.Result == spf.TempError:
			f.leg.worsen(Unknown, "%s: %s", identity, out.Reason)
		default:
			f.leg.worsen(WillFail, "%s: %s", identity, out.Reason)
			missing = append(missing, query.Client)
			record = out.Record
			amendable = amendable && (record != "" || out.Result == spf.None)
		}
	}
	if len(missing) == 0 {
		return f
	}
	if t := j.Sending.term(ctx, q, query, missing); t.State == WillFail {
		f.notes = t.Reasons // a record with the term would not pass either
	} else if amendable {
		f.proposed = spf.Amend(record, j.Sending.terms(missing))
	}
	return f
}

// CheckTerm finds whether Term allows all of Addresses, before any customer's record has
// it; ok is false where that is no question: one of the two is missing, or the term goes by the
// sender's domain.
func (j *Judge) CheckTerm(ctx context.Context) (leg Leg, ok bool) {
	s := j.Sending
	if s.Term == "" || len(s.Addresses) == 0 || strings.Contains(s.Term, "%{") {
		return Leg{}, false
	}
	return s.term(ctx, inquiry.New(j.Asker), spf.Query{Hello: s.Hello}, s.Addresses[:min(len(s.Addresses), maxAddresses)]), true
}

// term judges Term alone; query is one without an address. Without a term it is a pass.
func (s Sending) term(ctx context.Context, q *inquiry.Inquiry, query spf.Query, addresses []netip.Addr) Leg {
	leg := Leg{State: Pass}
	if s.Term == "" {
		return leg
	}
	for _, query.Client = range addresses {
		out := spf.EvaluateTerm(ctx, q, query, s.Term)
		switch {
		case out.Unsure:
			leg.worsen(Unknown, "alignment.spf_term %s asks for more than the sender's domain", s.Term)
		case out.Result == spf.Pass:
		case out.Result == spf.TempError:
			leg.worsen(Unknown, "alignment.spf_term %s: DNS does not answer what it asks for", s.Term)
		case out.Result == spf.PermError:
			leg.worsen(WillFail, "alignment.spf_term %s does not allow %s: %s", s.Term, query.Client, out.Reason)
		default:
			leg.worsen(WillFail, "alignment.spf_term %s does not allow %s", s.Term, query.Client)
		}
	}
	return leg
}

// terms are what a record lacks.
func (s Sending) terms(missing []netip.Addr) []string {
	if s.Term != "" {
		return []string{s.Term}
	}
	return spf.Terms(missing)
}

// note adds a remark that does not decide.
func (a *Assessment) note(format string, args ...any) {
	if len(a.Notes) < maxReasons {
		a.Notes = append(a.Notes, short(fmt.Sprintf(format, args...)))
	}
}
