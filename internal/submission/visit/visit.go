// Package visit says of the client of one session whether it may come from where it does: what
// package access/entrance decides, as refusals and records.
//
// It decides nothing itself, and does not know bans.
//
// Main types: Visit.
package visit

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/netip"
	"strconv"
	"strings"

	"countersign/internal/access/dnsbl"
	"countersign/internal/access/entrance"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/smtp"
)

// Visit is that of one client. It is used by one goroutine at a time.
type Visit struct {
	entrance *entrance.Entrance
	visitor  entrance.Visitor
	// sender and credential are who the visitor is made of; nil before the login.
	sender     *account.Sender
	credential *account.Credential
	// record records an event of the session.
	record func(audit.Event)
	// noted are the ids of entries in shadow mode, and "" for what a list closes, of which a
	// note was made; judged says that one was made of DNS lists.
	noted  map[mail.ID]bool
	judged bool
	// denied is what has denied the client last.
	denied list.Decision
}

// New returns the visit of a client at a listener; a nil Entrance lets everybody in.
func New(e *entrance.Entrance, listener string, client netip.Addr, record func(audit.Event)) *Visit {
	return &Visit{entrance: e, visitor: entrance.Visitor{Client: client, Who: list.Who{Listener: listener}}, record: record}
}

// refuse makes a refusal with what it is about.
func refuse(op string, kind fault.Kind, reason smtp.Reason, detail string) error {
	e := fault.Refuse(op, kind, string(reason))
	e.Detail = detail
	return e
}

// Admit refuses a client before its session begins that could not be let in whoever it is,
// with what is recorded of that.
func Admit(e *entrance.Entrance, listener string, client netip.Addr) (data map[string]string, err error) {
	d := e.Stranger(listener, client)
	if !d.Denied {
		return nil, nil
	}
	return ruleOf(d), refuse("submission.admit", fault.Denied, smtp.ENetworkDenied, d.Reason())
}

// Stranger refuses a client that has not logged in and is to be kept out by now.
func (v *Visit) Stranger(op string) error {
	return v.keepOut(op, v.entrance.Unknown(&v.visitor))
}

// Enter takes who has logged in, and notes what would have denied them.
func (v *Visit) Enter(s *account.Sender, c *account.Credential) {
	v.is(s, c)
	v.Note()
}

// Sender refuses a client that has logged in, and may not come from there by now.
func (v *Visit) Sender(op string, s *account.Sender, c *account.Credential) error {
	v.is(s, c)
	return v.keepOut(op, v.entrance.Known(&v.visitor))
}

// is takes who has logged in, as account and credential are now: neither is ever changed.
func (v *Visit) is(s *account.Sender, c *account.Credential) {
	if v.sender != s || v.credential != c {
		v.sender, v.credential = s, c
		v.visitor.Who = Who(v.visitor.Who.Listener, s, c)
	}
}

// Who is who has logged in, as access lists know them.
func Who(listener string, s *account.Sender, c *account.Credential) list.Who {
	return list.Who{
		Listener: listener, Customer: s.Customer.Name, Domain: string(s.Domain.Name), Account: s.Account.Login(), Credential: string(c.ID),
	}
}

func (v *Visit) keepOut(op string, d list.Decision) error {
	if !d.Denied {
		return nil
	}
	v.denied = d
	return refuse(op, fault.Denied, smtp.ENetworkDeniedNow, d.Reason())
}

// What was denied, for the metric.
const (
	deniedSession = "session"
	deniedLogin   = "login"
)

// Observe takes how a command or a login has failed, as the server saw it, with the reason of
// its answer: it adds to its event what has denied the client, and returns what was denied,
// for the metric, "" for nothing of this package.
func (v *Visit) Observe(err error, reason string, e *audit.Event) (denied string) {
	switch reason := cmp.Or(fault.ReasonOf(err), reason); {
	case reason == string(smtp.ENetworkDeniedNow):
		if e.Data == nil {
			e.Data = map[string]string{}
		}
		maps.Copy(e.Data, ruleOf(v.denied))
		return deniedSession
	case reason == string(smtp.EListed), reason == string(smtp.EListAway):
		return reason
	case errors.Is(err, why.ErrDenied):
		return deniedLogin
	}
	return ""
}

// ruleOf is what is recorded of what has denied a client.
func ruleOf(d list.Decision) map[string]string {
	data := map[string]string{"rule": d.Rule()}
	if d.Entry != nil {
		data["entry"] = string(d.Entry.ID)
	}
	return data
}

// Note records what would have denied the client, as far as it is known, were it not in shadow
// mode; each once.
func (v *Visit) Note() {
	d := v.entrance.Shadow(&v.visitor)
	if !d.Denied {
		return
	}
	var id mail.ID
	if d.Entry != nil {
		id = d.Entry.ID
	}
	if v.noted[id] {
		return
	}
	if v.noted == nil {
		v.noted = map[mail.ID]bool{}
	}
	v.noted[id] = true
	v.record(audit.Event{Kind: audit.AccessShadow, Object: "access " + d.Rule(), Text: d.Reason(), Data: ruleOf(d)})
}

// Judge asks DNS lists about the client if this is the moment, and refuses one that is on
// them, or that cannot be judged now.
func (v *Visit) Judge(ctx context.Context, op string, at entrance.Moment) error {
	j := v.entrance.Judge(ctx, at, &v.visitor)
	switch {
	case j.Refused:
		return refuse(op, fault.Denied, smtp.EListed, names(j.Verdict.Hits))
	case j.Deferred:
		return refuse(op, fault.Busy, smtp.EListAway, "")
	case j.Shadow && !v.judged:
		v.judged = true
		v.record(audit.Event{Kind: audit.BlocklistShadow, Text: describe(j.Verdict.Hits), Data: map[string]string{
			"score": strconv.Itoa(j.Verdict.Score), "away": strings.Join(j.Verdict.Closed, " "),
		}})
	}
	return nil
}

// names lists the lists that a client is refused for: those that count against it.
func names(hits []dnsbl.Hit) string {
	var all []string
	for _, h := range hits {
		if h.Score > 0 {
			all = append(all, h.List)
		}
	}
	return strings.Join(all, ", ")
}

// describe lists them with what each counts for.
func describe(hits []dnsbl.Hit) string {
	var all []string
	for _, h := range hits {
		all = append(all, h.List+" "+strconv.Itoa(h.Score))
	}
	return strings.Join(all, ", ")
}
