package recording

import (
	"cmp"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/smtpserver"
)

// observed maps what the server saw to the kind of event that records it. If
// smtpserver gains an observation, a test fails until it stands here.
var observed = map[smtpserver.Observed]audit.Kind{
	smtpserver.ObservedHello:       audit.SessionHello,
	smtpserver.ObservedTLS:         audit.SessionTLS,
	smtpserver.ObservedTLSFailed:   audit.SessionTLSFailed,
	smtpserver.ObservedRefusal:     audit.CommandRefused,
	smtpserver.ObservedOmitted:     audit.CommandsOmitted,
	smtpserver.ObservedAuthOK:      audit.AuthPassed,
	smtpserver.ObservedAuthFailed:  audit.AuthFailed,
	smtpserver.ObservedEarlyTalker: audit.SessionEarly,
	smtpserver.ObservedWrongPort:   audit.SessionWrongPort,
	smtpserver.ObservedPanic:       audit.SessionPanicked,
	smtpserver.ObservedClose:       audit.SessionClosed,
}

// Seen makes the event of what the server saw.
func Seen(o smtpserver.Observation) audit.Event {
	e := audit.Event{
		Kind: observed[o.Kind],
		Code: o.Code, Enhanced: o.Enhanced, Reason: o.Reason,
		Text: o.Text,
	}
	if o.Verb != "" {
		e.Data = map[string]string{"verb": o.Verb}
	}
	return e
}

// Proved says by what somebody has logged in, nil for nobody, and what the client calls
// itself; the mechanism "" is none, where a network was enough. Where the claim of a token
// was, there is an issuer and no credential.
func Proved(p *account.Principal, mechanism, program string) map[string]string {
	data := map[string]string{}
	add := func(key, value string) {
		if value != "" {
			data[key] = value
		}
	}
	add("mechanism", mechanism)
	add("program", program)
	if p == nil {
		return data
	}
	c := &p.Credential
	if c.ID != "" {
		add("credential", c.Name)
	}
	add(limit.DataCredential, cmp.Or(string(c.ID), limit.NoCredential))
	if issuer, _, found := strings.Cut(c.Subject, " "); found && c.Kind == account.OAuth {
		add("issuer", issuer)
	}
	return data
}
