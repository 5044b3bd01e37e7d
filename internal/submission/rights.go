package submission

import (
	"context"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/sasl"
	"countersign/internal/smtp"
)

// rights are what a session may do: what its account may, within the envelope of the
// credential that it has proved.
type rights struct {
	sender     *account.Sender
	credential *account.Credential
}

// rights returns what the session may do as account and credential are now, and refuses
// where it may no longer send: suspended, removed, or with a credential that has been
// revoked, changed, has expired, or is not for this client any more, by a certificate
// that holds no more, or from a network that is banned, as such or for this login,
// or from where access lists deny it.
func (s *session) rights(ctx context.Context) (rights, error) {
	const op = "submission.rights"
	if s.proved == nil {
		return rights{}, fault.Refuse(op, fault.Unauthenticated, string(smtp.EAuthRequired))
	}
	if err := s.unbanned(op); err != nil {
		return rights{}, err
	}
	now, err := s.gate.opt.Senders.Sender(ctx, s.record.Login)
	switch {
	case fault.Is(err, fault.NotFound):
		return rights{}, fault.Refuse(op, fault.Denied, string(smtp.EAccountSuspended))
	case err != nil:
		return rights{}, err
	case !now.Active():
		return rights{}, fault.Refuse(op, fault.Denied, string(smtp.EAccountSuspended))
	}
	credential, at := s.proved.Now(now), s.gate.opt.Now()
	over := !s.proved.Until.IsZero() && !at.Before(s.proved.Until)
	if credential == nil || over || !credential.Envelope.Admits(s.peer.Client.Addr(), s.proved.Mechanism, at) {
		return rights{}, fault.Refuse(op, fault.Unauthenticated, string(smtp.EAccountChanged))
	}
	if err := s.visit.Sender(op, now, credential); err != nil {
		return rights{}, err
	}
	if m, _ := sasl.Lookup(s.proved.Mechanism); m.Certificate && s.recheck() != nil {
		return rights{}, fault.Refuse(op, fault.Unauthenticated, string(smtp.EAccountChanged))
	}
	return rights{now, credential}, nil
}

// Standing implements smtpserver.Session.
func (s *session) Standing(ctx context.Context) error {
	if s.proved == nil {
		const op = "submission.standing"
		if err := s.unbanned(op); err != nil {
			return err
		}
		return s.visit.Stranger(op)
	}
	now, err := s.rights(ctx)
	s.stood, s.stoodAt = now, time.Now() // nothing where it was refused
	return err
}

// moment is how old a look at the rights may be that goes for the command before which it was taken:
// the one follows the other at once.
const moment = time.Millisecond

// command returns the rights at the beginning of a command. Where Standing has just found them, before the
// same one, it looks at nothing again.
func (s *session) command(ctx context.Context) (rights, error) {
	stood := s.stood
	s.stood = rights{}
	if stood.sender != nil && time.Since(s.stoodAt) < moment {
		return stood, nil
	}
	return s.rights(ctx)
}

// The limits of the plan and of the credential; 0 for none.

func (r rights) maxRecipients() int {
	return tighter(r.sender.Plan.MaxRecipients, r.credential.Envelope.MaxRecipients)
}

func (r rights) maxMessageBytes() int64 {
	return tighter(r.sender.Plan.MaxMessageBytes, r.credential.Envelope.MaxMessageBytes)
}

// tooMany reports whether a session that has sent so many messages may send no more.
func (r rights) tooMany(messages int) bool {
	limit := tighter(r.sender.Plan.MaxMessages, r.credential.Envelope.MaxMessages)
	return limit > 0 && messages >= limit
}

// tighter returns the lower of two limits, of which 0 is none.
func tighter[N int | int64](a, b N) N {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
