package submission

import (
	"context"

	"countersign/internal/login/why"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/cause"
	"countersign/internal/submission/figures"
	"countersign/internal/submission/limiting"
	"countersign/internal/submission/naming"
	"countersign/internal/submission/recording"
	"countersign/internal/submission/secured"
)

// Observe implements smtpserver.Session.
func (s *session) Observe(_ context.Context, o smtpserver.Observation) {
	e := recording.Seen(o)
	switch o.Kind {
	case smtpserver.ObservedHello:
		s.hello = o.Text
	case smtpserver.ObservedTLS:
		s.tls, s.binding = o.TLS, o.Binding
		e.Data = secured.Data(o.TLS)
		s.judge(e.Data)
	case smtpserver.ObservedAuthOK:
		e.Text, e.Data = "", recording.Proved(s.proved, o.Text, s.hello)
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
		limiting.Tell(o.Err, &e)
	case smtpserver.ObservedRefusal:
		if s.ban != nil && o.Reason == string(smtp.EBannedNow) {
			e.Data = map[string]string{"verb": o.Verb, "ban": string(s.ban.ID)}
		}
		s.gate.opt.Metrics.Denied(s.visit.Observe(o.Err, o.Reason, &e))
		naming.Explain(s.unowned, &e)
		s.unowned = nil
		if s.rule != "" {
			e.Data = map[string]string{"verb": o.Verb, "rule": s.rule}
			s.rule = ""
		}
		limiting.Tell(o.Err, &e)
	case smtpserver.ObservedTLSFailed, smtpserver.ObservedPanic:
		if o.Err != nil {
			e.Text = o.Err.Error()
		}
	}
	if o.Kind == smtpserver.ObservedClose {
		s.endExchange()
		s.passes.Leave()
	}
	s.gate.opt.Metrics.Observe(o)
	s.record.Add(e)
}

// Refused records a connection that the server refused before it became a
// session, within the ration of its network. It is safe for concurrent use.
func (g *Gate) Refused(peer smtpserver.Peer, reason smtp.Reason) {
	g.records.Refused(peer, smtp.Refusal(reason, ""), nil)
}
