package submission

import (
	"context"
	"slices"

	"countersign/internal/access/entrance"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/guessing"
)

// Rehearse returns a Backend in which every client is taken to have p's secret: for who wants
// to know what the gate would answer. Everything else is decided as for any client, so that a
// gate for rehearsals is made of a Queue and a Recorder that keep nothing.
func (g *Gate) Rehearse(p *account.Principal) smtpserver.Backend { return rehearsal{g, p} }

type rehearsal struct {
	*Gate
	as *account.Principal
}

// Open implements smtpserver.Backend.
func (r rehearsal) Open(ctx context.Context, peer smtpserver.Peer) (smtpserver.Session, error) {
	s, err := r.Gate.Open(ctx, peer)
	if err != nil {
		return nil, err
	}
	return rehearsed{s.(*session), r.as}, nil
}

// rehearsed is a session whose client proves nothing.
type rehearsed struct {
	*session
	as *account.Principal
}

// Mechanisms implements smtpserver.Session. What is not offered is refused here, too; whether the
// client's connection could be bound to, and its certificate, are taken for granted.
func (s rehearsed) Mechanisms() []string {
	name := s.as.Mechanism
	if name == "" || !slices.Contains(s.gate.policy.Load().Mechanisms, name) || !s.listener.offers(name) {
		return nil
	}
	return []string{name}
}

// Auth implements smtpserver.Session.
func (s rehearsed) Auth(string) (sasl.Exchange, error) { return s, nil }

// Next implements sasl.Exchange. Who may not send as they stand would not have got in: a login
// that they are refused for is answered as a wrong password is, and the record says why.
func (s rehearsed) Next(ctx context.Context, _ []byte) ([]byte, bool, error) {
	err := s.before(ctx)
	if err == nil {
		err = s.enter(ctx, s.as)
	}
	if err != nil {
		return nil, false, err
	}
	_, err = s.rights(ctx)
	if kind := fault.KindOf(err); err == nil || kind != fault.Denied && kind != fault.Unauthenticated {
		return nil, err == nil, err
	}
	s.record.Add(audit.Event{Kind: audit.AuthFailed, Login: s.record.Login, Text: fault.ReasonOf(err)})
	s.record.Login, s.proved = "", nil
	return nil, false, why.Failure(err)
}

// before asks what is asked before anything of a login is verified.
func (s rehearsed) before(ctx context.Context) error {
	if err := s.visit.Judge(ctx, "submission.auth", entrance.AtLogin); err != nil {
		return err
	}
	a, login := &guessing.Attempt{Client: s.peer.Client.Addr(), Device: s.hello}, s.as.Sender.Account.Login()
	defer s.gate.door.Leave(a)
	err := s.gate.door.Begin(a, login, login, "")
	if a.Shut() {
		err = a.Why(why.Failure(nil))
	}
	return err
}

// Recognise implements smtpserver.Session. A network is nothing that could be taken for granted: the
// client has to be in it, at a listener that knows networks.
func (s rehearsed) Recognise(ctx context.Context) (bool, error) {
	if s.as.Mechanism != "" {
		return false, nil
	}
	return s.session.Recognise(ctx)
}
