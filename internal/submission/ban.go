package submission

import (
	"net/netip"

	"countersign/internal/access"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/figures"
	"countersign/internal/submission/visit"
)

// Bans knows which clients are banned; access/book.Book does, and says what its methods
// mean. It is asked for each connection, and what Watch returns for each command of it; both answer
// from memory.
type Bans interface {
	Network(client netip.Addr) *access.Ban
	Watch(client netip.Addr) func(login string) *access.Ban
}

// noBans bans nobody.
type noBans struct{}

func (noBans) Network(netip.Addr) *access.Ban { return nil }
func (noBans) Watch(netip.Addr) func(string) *access.Ban {
	return func(string) *access.Ban { return nil }
}

// Admit implements smtpserver.Backend: it turns away clients of banned networks, those that
// access lists deny whoever they are, and those that a rule does not want, and records that
// within the ration of their network.
func (g *Gate) Admit(peer smtpserver.Peer) error {
	if ban := g.opt.Bans.Network(peer.Client.Addr()); ban != nil {
		g.opt.Metrics.Banned(figures.BannedConnection)
		err := refuse("submission.admit", smtp.EBanned, ban.Reason)
		g.records.Refused(peer, smtp.ReplyFor(err), map[string]string{"ban": string(ban.ID)})
		return err
	}
	data, err := visit.Admit(g.opt.Entrance, peer.Listener, peer.Client.Addr())
	if err != nil {
		g.opt.Metrics.Denied(figures.BannedConnection)
		g.records.Refused(peer, smtp.ReplyFor(err), data)
		return err
	}
	return g.admitted(peer)
}

// unbanned refuses a session that is banned by now: its network, or who has logged in, from
// there.
func (s *session) unbanned(op string) error {
	ban := s.banned(s.record.Login)
	if ban == nil {
		return nil
	}
	if s.ban == nil {
		s.gate.opt.Metrics.Banned(figures.BannedSession)
	}
	s.ban = ban
	return refuse(op, smtp.EBannedNow, ban.Reason)
}
