package submission

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign/internal/access/entrance"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/login"
	"countersign/internal/sasl"
	"countersign/internal/sasl/binding"
	"countersign/internal/smtp"
	"countersign/internal/submission/connected"
	"countersign/internal/submission/guessing"
	"countersign/internal/submission/recording"
)

// Mechanisms implements smtpserver.Session: those of the table that this connection and
// the configuration allow.
func (s *session) Mechanisms() []string {
	var names []string
	for _, m := range sasl.Mechanisms() {
		if s.offers(m) {
			names = append(names, m.Name)
		}
	}
	return names
}

// offers reports whether a mechanism is offered on this connection.
func (s *session) offers(m sasl.Mechanism) bool {
	p := s.gate.policy.Load()
	switch {
	case !slices.Contains(p.Mechanisms, m.Name) || !s.listener.offers(m.Name):
		return false
	case s.tls == nil:
		return false // promise 2, whatever the mechanism sends
	case m.Binds:
		return s.bound()
	case m.Certificate:
		return s.identity != nil
	case m.Token:
		return s.gate.opt.Verifier.TakesTokens()
	}
	return true
}

// bound reports whether the connection has data to bind a login to.
func (s *session) bound() bool {
	if s.binding == nil {
		return false
	}
	for _, kind := range []string{binding.Exporter, binding.EndPoint} {
		if _, ok := s.binding(kind); ok {
			return true
		}
	}
	return false
}

// Auth implements smtpserver.Session.
func (s *session) Auth(mechanism string) (sasl.Exchange, error) {
	m, ok := sasl.Lookup(mechanism)
	if !ok || !s.offers(m) {
		return nil, fault.Refuse("submission.auth", fault.Invalid, string(smtp.EAuthMechanismUnknown))
	}
	x := &exchange{session: s}
	s.endExchange()
	s.client = &login.Client{Verifier: s.gate.opt.Verifier, Attempt: s.attemptBy(m.Name)}
	s.attempt.Client, s.attempt.Device = s.client.Attempt.Client, s.hello
	s.client.Before = func(login, password string) error {
		err := s.gate.door.Begin(&s.attempt, s.client.Tried, login, password)
		s.client.Attempt.Shut = s.attempt.Shut()
		return err
	}
	x.secret = !m.Certificate && !m.Token
	if m.Certificate {
		s.client.Subjects, x.unfit = s.subjects()
	}
	conn := &sasl.Conn{Host: s.gate.opt.Hostname, Realm: s.gate.opt.Realm, Binding: s.binding, Plus: s.plus(), Now: s.gate.opt.Now}
	x.Exchange = s.client.Begin(m, conn)
	return x, nil
}

// endExchange ends what may run elsewhere of the last exchange.
func (s *session) endExchange() {
	if s.client != nil {
		s.client.End()
	}
	s.gate.door.Leave(&s.attempt)
}

// plus reports whether a mechanism is offered that binds.
func (s *session) plus() bool {
	return slices.ContainsFunc(sasl.Mechanisms(), func(m sasl.Mechanism) bool { return m.Binds && s.offers(m) })
}

// attemptBy is what the verifier is told of the session.
func (s *session) attemptBy(mechanism string) login.Attempt {
	return login.Attempt{Client: s.peer.Client.Addr(), Listener: s.peer.Listener, Session: s.peer.ID, Mechanism: mechanism, Program: s.hello}
}

// exchange makes the session that of who has proved to be who, when it is done.
type exchange struct {
	sasl.Exchange
	session *session
	// secret says that the mechanism proves a secret, which can be guessed.
	secret bool
	// unfit is why the client's certificate holds no more, for the record.
	unfit error
}

// Next implements sasl.Exchange.
func (x *exchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	challenge, done, err := x.step(ctx, response)
	if err != nil && x.unfit != nil {
		err = errors.Join(err, x.unfit)
	}
	if err != nil || done {
		err = x.session.attempt.Why(err)
		wait := x.judged(err)
		x.session.endExchange()
		x.session.gate.door.Delay(ctx, wait) // nothing is held but the connection
	}
	return challenge, done && err == nil, err
}

// step takes one step of the exchange. While the client is silent it is not being verified.
func (x *exchange) step(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	s := x.session
	if s.client.Principal == nil { // nobody has proved to be anybody yet
		if err := s.visit.Judge(ctx, "submission.auth", entrance.AtLogin); err != nil {
			return nil, false, err
		}
		if err := s.gate.door.Resume(&s.attempt); err != nil {
			return nil, false, err
		}
	}
	challenge, done, err = x.Exchange.Next(ctx, response)
	switch {
	case err == nil && done:
		err = s.enter(ctx, s.client.Principal)
	case err == nil && s.client.Principal == nil:
		s.gate.door.Pause(&s.attempt)
	}
	return challenge, done, err
}

// judged has the guard know how the exchange has ended, and returns how long the answer waits.
func (x *exchange) judged(err error) time.Duration {
	s := x.session
	end := guessing.End{Login: s.tried(), Given: s.client.Given, Secret: x.secret, Err: err}
	if err == nil {
		end.Login, end.Password = s.record.Login, x.secret && s.proved.Credential.Kind == account.Password
	}
	return s.gate.door.Judge(&s.attempt, end)
}

// Failure is what sasl.Failure returns.
func (x *exchange) Failure() error { return sasl.Failure(x.Exchange) }

// enter takes who has logged in, unless their limits of connections have no room.
func (s *session) enter(ctx context.Context, p *account.Principal) error {
	if p == nil { // a defect: nobody was asked
		return fault.New("submission.auth", fault.Internal, "an exchange has ended without anybody's proof")
	}
	d, err := s.passes.ComeAs(ctx, p, s.gate.policy.Load().WarnAt)
	if err != nil {
		return err
	}
	for _, e := range connected.Events(&d) {
		s.record.Add(e)
	}
	s.record.Login, s.proved = p.Sender.Account.Login(), p
	s.visit.Enter(p.Sender, &p.Credential)
	s.gate.opt.Senders.Seen(p.Sender.Generation)
	return nil
}

// Recognise implements smtpserver.Session. Only some listeners know networks.
func (s *session) Recognise(ctx context.Context) (bool, error) {
	if !s.listener.Networks {
		return false, nil
	}
	p, err := s.gate.opt.Verifier.Network(ctx, s.attemptBy(""))
	if err != nil || p == nil {
		return false, err
	}
	if err := s.visit.Judge(ctx, "submission.recognise", entrance.AtLogin); err != nil {
		return false, err // as for any who log in
	}
	if err := s.enter(ctx, p); err != nil {
		return false, err
	}
	s.gate.door.Known(s.peer.Client.Addr(), s.record.Login)
	s.gate.opt.Metrics.Recognised()
	s.record.Add(audit.Event{Kind: audit.AuthPassed, Data: recording.Proved(s.proved, "", s.hello)})
	return true, nil
}

// tried is the login that was named last, for the record.
func (s *session) tried() string {
	if s.client == nil {
		return ""
	}
	return s.client.Tried
}
