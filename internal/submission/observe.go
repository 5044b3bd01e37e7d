package submission

import (
	"context"
	"crypto/tls"

	"countersign/internal/audit"
	"countersign/internal/smtpserver"
)

// observed maps what the server saw to the kind of event that records it. If
// smtpserver gains an observation, a test fails until it stands here.
var observed = map[smtpserver.Observed]audit.Kind{
	smtpserver.ObservedHello:       audit.SessionHello,
	smtpserver.ObservedTLS:         audit.SessionTLS,
	smtpserver.ObservedTLSFailed:   audit.SessionTLSFailed,
	smtpserver.ObservedRefusal:     audit.CommandRefused,
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
		s.tls = o.TLS
		e.Data = tlsData(o.TLS)
	case smtpserver.ObservedAuthOK:
		e.Text, e.Data = "", map[string]string{"mechanism": o.Text}
	case smtpserver.ObservedAuthFailed:
		e.Login = s.tried
		e.Text, e.Data = "", map[string]string{"mechanism": o.Text}
	case smtpserver.ObservedTLSFailed, smtpserver.ObservedPanic:
		if o.Err != nil {
			e.Text = o.Err.Error()
		}
	}
	s.gate.opt.Metrics.observe(o)
	s.record(e)
}

// tlsData describes a TLS connection by the names of crypto/tls.
func tlsData(state *tls.ConnectionState) map[string]string {
	if state == nil {
		return nil
	}
	return map[string]string{
		"version": tls.VersionName(state.Version),
		"cipher":  tls.CipherSuiteName(state.CipherSuite),
		"name":    state.ServerName,
	}
}

// record completes an event with what the session knows and hands it to the
// recorder.
func (s *session) record(e audit.Event) {
	s.gate.opt.Recorder.Record(s.complete(e))
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
