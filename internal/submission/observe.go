package submission

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/login/why"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/cause"
	"countersign/internal/submission/figures"
	"countersign/internal/submission/secured"
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

// Observe implements smtpserver.Session.
func (s *session) Observe(_ context.Context, o smtpserver.Observation) {
	e := audit.Event{
		Kind: observed[o.Kind],
		Code: o.Code, Enhanced: o.Enhanced, Reason: o.Reason,
		Text: o.Text,
	}
	if o.Verb != "" {
		e.Data = map[string]string{"verb": o.Verb}
	}
	switch o.Kind {
	case smtpserver.ObservedHello:
		s.hello = o.Text
	case smtpserver.ObservedTLS:
		s.tls, s.binding = o.TLS, o.Binding
		e.Data = secured.Data(o.TLS)
		s.judge(e.Data)
	case smtpserver.ObservedAuthOK:
		e.Text, e.Data = "", s.provedData(o.Text)
	case smtpserver.ObservedAuthFailed:
		e.Login = s.tried()
		e.Text, e.Data = "", map[string]string{"mechanism": o.Text}
		s.gate.opt.Metrics.Denied(s.visit.Observe(o.Err, o.Reason, &e))
		if word := cause.Of(o.Err); word != "" {
			e.Data["cause"] = word
			if word == why.ErrBanned.Error() {
				s.gate.opt.Metrics.Banned(figures.BannedLogin)
			}
		}
	case smtpserver.ObservedRefusal:
		if s.ban != nil && o.Reason == string(smtp.EBannedNow) {
			e.Data = map[string]string{"verb": o.Verb, "ban": string(s.ban.ID)}
		}
		s.gate.opt.Metrics.Denied(s.visit.Observe(o.Err, o.Reason, &e))
		s.explainSender(&e)
		if s.rule != "" {
			e.Data = map[string]string{"verb": o.Verb, "rule": s.rule}
			s.rule = ""
		}
	case smtpserver.ObservedTLSFailed, smtpserver.ObservedPanic:
		if o.Err != nil {
			e.Text = o.Err.Error()
		}
	}
	if o.Kind == smtpserver.ObservedClose {
		s.endExchange()
		s.leave()
	}
	s.gate.opt.Metrics.Observe(o)
	s.record(e)
}

// explainSender adds to the event of a refusal why a sender is not theirs, which its client is
// not told.
func (s *session) explainSender(e *audit.Event) {
	f := s.unowned
	s.unowned = nil
	about := []smtp.Reason{smtp.ESenderNotOwned, smtp.EHeaderSenderNotOwned, smtp.ESenderMissing, smtp.ENullSenderNotAllowed}
	if f == nil || !slices.Contains(about, smtp.Reason(e.Reason)) {
		return
	}
	if e.Data == nil {
		e.Data = map[string]string{}
	}
	e.Data["place"], e.Data["address"], e.Data["why"] = f.Place, f.Address.String(), string(f.Reason)
}

// provedData says by what somebody has logged in, and what the client calls itself; "" is no
// mechanism, where a network was enough. Where the claim of a token was, there is an issuer and
// no credential.
func (s *session) provedData(mechanism string) map[string]string {
	data := map[string]string{}
	add := func(key, value string) {
		if value != "" {
			data[key] = value
		}
	}
	add("mechanism", mechanism)
	add("program", s.hello)
	if s.proved == nil {
		return data
	}
	c := &s.proved.Credential
	if c.ID != "" {
		add("credential", c.Name)
	}
	add(limit.DataCredential, cmp.Or(string(c.ID), limit.NoCredential))
	if issuer, _, found := strings.Cut(c.Subject, " "); found && c.Kind == account.OAuth {
		add("issuer", issuer)
	}
	return data
}

// maxRecorded bounds the events of one session, acceptances apart: a client
// must not fill the record. What is beyond is counted at the session's end, and
// so is what a ration left out before its login.
const maxRecorded = 1000

// record completes an event with what the session knows and hands it to the
// recorder, unless there are too many.
func (s *session) record(e audit.Event) {
	closes := e.Kind == audit.SessionClosed
	if s.recorded >= maxRecorded && !closes || !(closes && s.begun) && !s.afford(e.Kind) {
		s.unrecorded++
		s.gate.opt.Metrics.LeftOut()
		return
	}
	s.recorded++
	s.begun = s.begun || e.Kind == audit.SessionOpened
	if closes && s.unrecorded > 0 {
		e.Data = map[string]string{"unrecorded": strconv.Itoa(s.unrecorded)}
	}
	s.gate.opt.Recorder.Record(s.complete(e))
}

// afford reports whether one more event may be recorded. From the login on all
// may, and what had been spent before is given back.
func (s *session) afford(kind audit.Kind) bool {
	network := s.peer.Network()
	if s.login != "" {
		if s.spent > 0 {
			s.gate.rations.Refund(network, s.spent)
			s.spent = 0
		}
		return true
	}
	if !s.gate.rations.Spend(network, kind) {
		return false
	}
	if kind != audit.AuthFailed {
		s.spent++
	}
	return true
}

// complete fills in time, session, client and account.
func (s *session) complete(e audit.Event) audit.Event {
	e.At = s.gate.opt.Now()
	e.Session = s.peer.ID
	e.Client = s.peer.Client.Addr().Unmap().String()
	if e.Login == "" {
		e.Login = s.login
	}
	return e
}

// completed is complete for several.
func (s *session) completed(list []audit.Event) []audit.Event {
	for i := range list {
		list[i] = s.complete(list[i])
	}
	return list
}

// Refused records a connection that the server refused before it became a
// session, within the ration of its network. It is safe for concurrent use.
func (g *Gate) Refused(peer smtpserver.Peer, reason smtp.Reason) {
	g.recordRefused(peer, smtp.Refusal(reason, ""), nil)
}
