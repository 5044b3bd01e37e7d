package submission

import (
	"context"
	"crypto/tls"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sasl"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// session implements smtpserver.Session. Its server calls it from one
// goroutine at a time.
type session struct {
	gate *Gate
	peer smtpserver.Peer
	// tls is the connection's state once there is one.
	tls *tls.ConnectionState
	// hello is what the client called itself.
	hello string
	// tried is the login of the AUTH exchange that runs or ran last, for the
	// record.
	tried string
	// login is who authenticated; "" before.
	login string
	// proved is the account as it was when it authenticated: a credential
	// changed since ends the session's right to send.
	proved *account.Sender
	// recorded counts the events of the session so far, unrecorded those that
	// were left out, spent those that the ration of its network has paid for.
	recorded, unrecorded, spent int
	// messages counts the submissions accepted in this session.
	messages int
	// tx is the open transaction.
	tx *transaction
}

// transaction is one MAIL with its recipients.
type transaction struct {
	env    mail.Envelope
	rcpts  []mail.Recipient
	seen   map[mail.Address]bool
	sender *account.Sender
}

var (
	_ smtpserver.Session = (*session)(nil)
	_ sasl.Verifier      = (*session)(nil)
)

// Mechanisms implements smtpserver.Session.
func (s *session) Mechanisms() []string { return mechanisms() }

// Auth implements smtpserver.Session.
func (s *session) Auth(mechanism string) (sasl.Exchange, error) {
	m, ok := sasl.Lookup(mechanism)
	if !ok {
		return nil, fault.Refuse("submission.auth", fault.Invalid, string(smtp.EAuthMechanismUnknown))
	}
	s.tried = ""
	return m.New(s), nil
}

// VerifyPassword implements sasl.Verifier. An authorization identity is taken
// only when it is the account itself (RFC 4616 section 2: the server decides
// whether one may act as another, and here nobody may).
func (s *session) VerifyPassword(ctx context.Context, authzid, login, password string) error {
	s.tried = loginForRecord(login)
	sender, err := s.gate.opt.Verifier.Password(ctx, account.Attempt{
		Login: login, Password: password, Client: s.peer.Client.Addr(), Session: s.peer.ID,
	})
	if err != nil {
		return err
	}
	if authzid != "" && authzid != login && authzid != sender.Account.Login() {
		return fault.Refuse("submission.auth", fault.Unauthenticated, string(smtp.EAuthFailed))
	}
	s.login, s.proved = sender.Account.Login(), sender
	s.gate.opt.Senders.Seen(sender.Generation)
	return nil
}

// loginForRecord returns what may be recorded of a name that was tried: an
// address, or nothing, as people type their password into the wrong field.
func loginForRecord(login string) string {
	a, err := mail.ParseAddress(login)
	if err != nil {
		return ""
	}
	return a.Key()
}

// sender returns the account as it is now, and refuses when it may no longer
// send: suspended, removed, or with a password other than the one that this
// session proved.
func (s *session) sender(ctx context.Context) (*account.Sender, error) {
	const op = "submission.sender"
	if s.proved == nil {
		return nil, fault.Refuse(op, fault.Unauthenticated, string(smtp.EAuthRequired))
	}
	now, err := s.gate.opt.Senders.Sender(ctx, s.login)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, fault.Refuse(op, fault.Denied, string(smtp.EAccountSuspended))
	case err != nil:
		return nil, err
	case !now.Active():
		return nil, fault.Refuse(op, fault.Denied, string(smtp.EAccountSuspended))
	case now.Account.ID != s.proved.Account.ID, !now.Account.PasswordChanged.Equal(s.proved.Account.PasswordChanged):
		return nil, fault.Refuse(op, fault.Unauthenticated, string(smtp.EAccountChanged))
	}
	return now, nil
}

// Mail implements smtpserver.Session.
func (s *session) Mail(ctx context.Context, env mail.Envelope) error {
	const op = "submission.mail"
	sender, err := s.sender(ctx)
	if err != nil {
		return err
	}
	plan := sender.Plan
	switch {
	case env.From.IsNull() && !sender.Account.NullSender:
		return fault.Refuse(op, fault.Denied, string(smtp.ENullSenderNotAllowed))
	case !env.From.IsNull() && !sender.Owns(env.From):
		return refuse(op, smtp.ESenderNotOwned, env.From.String())
	case plan.MaxMessageBytes > 0 && env.Size > plan.MaxMessageBytes:
		return tooLarge(op, plan.MaxMessageBytes)
	case plan.MaxMessages > 0 && s.messages >= plan.MaxMessages:
		return fault.Refuse(op, fault.Busy, string(smtp.ETooManyMessages))
	}
	// RFC 1870 section 6.1 (4): a size for which there is no room now.
	err = s.gate.opt.Space.Fits(env.Size, env.Size > queue.InlineMax)
	if err != nil {
		return err
	}
	s.tx = &transaction{env: env, sender: sender, seen: map[mail.Address]bool{}}
	return nil
}

// Rcpt implements smtpserver.Session. A recipient named twice is delivered to
// once (RFC 5321 section 4.1.1.3 leaves it to us).
func (s *session) Rcpt(_ context.Context, rcpt mail.Recipient) error {
	const op = "submission.rcpt"
	limit := s.tx.sender.Plan.MaxRecipients
	if limit > 0 && len(s.tx.rcpts) >= limit {
		return fault.Refuse(op, fault.Busy, string(smtp.ETooManyRecipients))
	}
	if s.tx.seen[rcpt.To] {
		return nil
	}
	s.tx.seen[rcpt.To] = true
	s.tx.rcpts = append(s.tx.rcpts, rcpt)
	return nil
}

// Reset implements smtpserver.Session.
func (s *session) Reset() { s.tx = nil }

// refuse makes a permanent refusal with what it is about.
func refuse(op string, reason smtp.Reason, detail string) error {
	e := fault.Refuse(op, fault.Denied, string(reason))
	e.Detail = detail
	return e
}
