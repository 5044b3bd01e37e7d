package submission

import (
	"context"
	"crypto/tls"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/entrance"
	"countersign/internal/account"
	"countersign/internal/cert/client"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/login"
	"countersign/internal/mail"
	"countersign/internal/policy/rules"
	"countersign/internal/policy/sender"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/connected"
	"countersign/internal/submission/guessing"
	"countersign/internal/submission/intake"
	"countersign/internal/submission/limiting"
	"countersign/internal/submission/recording"
	"countersign/internal/submission/visit"
)

// session implements smtpserver.Session. Its server calls it from one
// goroutine at a time.
type session struct {
	gate *Gate
	peer smtpserver.Peer
	// network is what the client's is called where limits count it.
	network string
	// tls is the connection's state once there is one.
	tls *tls.ConnectionState
	// binding gives what a login can be bound to; nil before TLS.
	binding func(kind string) ([]byte, bool)
	// listener is what the connection's listener offers.
	listener Listener
	// identity is what the client's certificate says of its owner; nil where it had none
	// that held when TLS began, and before.
	identity *client.Identity
	// hello is what the client called itself.
	hello string
	// client is the AUTH exchange that runs or ran last; nil before.
	client *login.Client
	// attempt is what the guard was told of it.
	attempt guessing.Attempt
	// record is how it comes into the record, and knows who authenticated.
	record *recording.Session
	// proved is who authenticated, as the account and its credential were then: one
	// that has changed since ends the session's right to send.
	proved *account.Principal
	// stood is what Standing has found before the command that is run, stoodAt when; zero once that
	// was used.
	stood   rights
	stoodAt time.Time
	// visit says whether the client may come from where it does.
	visit *visit.Visit
	// banned returns the ban that hits the client now, with a login where that is not "".
	banned func(login string) *access.Ban
	// ban is the one that ends the session, nil while none does.
	ban *access.Ban
	// unowned is what was found last of a sender that is not theirs, until it is recorded.
	unowned *sender.Finding
	// passes are what it holds of limits of connections.
	passes connected.Passes
	// rule is the one that has refused the command that is being answered, "" for none.
	rule string
	// levels are what limits there are for somebody, nil for none; as is who its messages are counted as,
	// which it makes of counts.
	levels func(limit.Who) []limit.Level
	as     limit.Who
	counts rights
	// messages counts the submissions accepted in this session, meter holds them against limits.
	messages int
	meter    limiting.Meter
	// tx is the open transaction.
	tx *transaction
}

// transaction is one MAIL with its recipients.
type transaction struct {
	env mail.Envelope
	// given is the envelope sender that the client gave; env has the one that took its
	// place, where one did.
	given mail.Address
	rcpts []mail.Recipient
	seen  map[mail.Address]bool
	// who is judged: the account and the credential as they are now.
	who rights
	// message is what its limits go by; counters are what was counted of their subjects at a time,
	// once a rule has asked for that.
	message   limiting.Message
	counters  []*limit.Counter
	countedAt time.Time
	// facts are what rules were told last; nil before.
	facts *rules.Facts
}

var _ smtpserver.Session = (*session)(nil)

// Mail implements smtpserver.Session.
func (s *session) Mail(ctx context.Context, env mail.Envelope) error {
	const op = "submission.mail"
	who, err := s.command(ctx)
	if err != nil {
		return err
	}
	if err := s.visit.Judge(ctx, op, entrance.AtMail); err != nil {
		return err
	}
	given := env.From
	if env.From, err = s.mayName(ctx, op, who, &env); err != nil {
		return err
	}
	switch limit := who.maxMessageBytes(); {
	case limit > 0 && env.Size > limit:
		return intake.TooLarge(op, limit)
	case who.tooMany(s.messages):
		return fault.Refuse(op, fault.Busy, string(smtp.ETooManyMessages))
	}
	// RFC 1870 section 6.1 (4): a size for which there is no room now.
	err = s.gate.opt.Space.Fits(env.Size, env.Size > queue.InlineMax)
	if err != nil {
		return err
	}
	tx := &transaction{env: env, given: given, who: who, seen: map[mail.Address]bool{}}
	tx.message = limiting.Message{Levels: s.limits(tx), Size: env.Size}
	if err := s.meter.Mail(&tx.message); err != nil {
		return err
	}
	if err := s.ruledMail(ctx, tx); err != nil {
		return err
	}
	s.tx = tx
	return nil
}

// Rcpt implements smtpserver.Session. A recipient named twice is delivered to
// once (RFC 5321 section 4.1.1.3 leaves it to us).
func (s *session) Rcpt(ctx context.Context, rcpt mail.Recipient) error {
	const op = "submission.rcpt"
	limit := s.tx.who.maxRecipients()
	if limit > 0 && len(s.tx.rcpts) >= limit {
		return fault.Refuse(op, fault.Busy, string(smtp.ETooManyRecipients))
	}
	if s.tx.seen[rcpt.To] {
		return nil
	}
	if err := s.meter.Rcpt(&s.tx.message, rcpt.To); err != nil {
		return err
	}
	if err := s.ruledRecipient(ctx, rcpt.To); err != nil {
		return err
	}
	s.tx.seen[rcpt.To] = true
	s.tx.message.Named(rcpt.To)
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
