package submission

import (
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
	"countersign/internal/sasl"
	"countersign/internal/smtp"
	"countersign/internal/submission/aligned"
	"countersign/internal/submission/intake"
	"countersign/internal/submission/keyring"
	"countersign/internal/submission/limiting"
	"countersign/internal/submission/ruled"
	"countersign/internal/submission/secured"
)

// Data implements smtpserver.Session: the way of a whole message, from its
// first octet to the commit. The 250 is decided here: smtpserver says it when
// this returns without error, which is after queue.Store.Accept has returned.
// Whatever fails before leaves nothing behind.
func (s *session) Data(ctx context.Context, body io.Reader) (mail.ID, error) {
	started := time.Now()
	tx := s.tx
	s.tx = nil
	policy := s.gate.policy.Load()

	who, err := s.command(ctx)
	if err != nil {
		return "", err
	}
	tx.who = who
	header, rest, err := message.ReadHeader(s.meter.Content(&tx.message, body), message.Limits{MaxBytes: policy.MaxHeaderBytes, MaxLine: policy.MaxLine})
	if err != nil {
		return "", err
	}
	names, err := s.checkHeader(ctx, header, tx, policy)
	if err != nil {
		return "", err
	}
	ruling, err := s.aligned(ctx, tx, names, policy)
	if err != nil {
		return "", err
	}
	whole := content{header: header.Copy(), senders: names.Addresses()}
	m := &incoming{
		id: s.gate.opt.IDs.New(), at: s.gate.opt.Now(), host: mail.Domain(s.gate.opt.Hostname), tx: tx, policy: policy,
		header: header, names: names, ruling: ruling,
		in: intake.New(intake.Options{
			Begin: s.gate.opt.Queue.NewBody, Space: s.gate.opt.Space, Limit: who.maxMessageBytes(), Announced: tx.env.Size,
		}),
	}
	m.trace = s.received(m.id, tx, m.at)
	header.Complete(message.Completion{Received: m.trace, Date: m.at, ID: m.id, Domain: m.host})
	m.head = header.Bytes()
	defer m.in.Discard()
	err = m.in.Read(ctx, rest, len(m.head))
	if err != nil {
		return "", err
	}
	err = s.filter(ctx, m)
	if err != nil {
		return "", err
	}
	// The body may have taken half an hour: what the account may do is judged
	// again as it is now, and the store judges it once more at the commit.
	err = s.judgeAgain(ctx, tx, m.names)
	if err != nil {
		return "", err
	}
	whole.size = m.in.Size() + int64(len(m.head))
	decision, err := s.ruledData(ctx, tx, policy.Rules, whole)
	if err != nil {
		return "", err
	}
	if policy.Sign {
		m.head, err = s.sign(ctx, m.names.Signs(tx.who.sender), tx.who.sender.Generation, m.head, m.in.Hash())
	}
	if err != nil {
		return "", err
	}
	a := s.acceptance(m)
	ruled.Apply(&decision, a, m.at, s.record.Complete)
	err = s.accept(ctx, a, tx, policy)
	if err != nil {
		m.in.Abandon(err)
		return "", err
	}
	s.taken(m, a, &decision, started)
	return m.id, nil
}

// taken says to whom it concerns that a message is stored: the record, the figures, delivery.
func (s *session) taken(m *incoming, a *queue.Acceptance, decision *rules.Decision, started time.Time) {
	m.in.Taken()
	s.messages++
	for _, e := range a.Events {
		s.gate.opt.Recorder.Log(e)
	}
	for _, e := range s.meter.Taken(&m.tx.message, a) {
		s.record.Add(e)
	}
	s.note(rules.Data, decision, m.id)
	s.gate.opt.Metrics.Accepted(a, time.Since(started))
	if s.gate.opt.Offer != nil {
		s.gate.opt.Offer(a)
		for _, n := range limiting.Stored(a) {
			s.gate.opt.Offer(n)
		}
	}
}

// received makes our trace field. The client stands in the record, not in the
// mail.
func (s *session) received(id mail.ID, tx *transaction, now time.Time) string {
	version := ""
	if s.tls != nil {
		version = secured.Version(s.tls)
	}
	return message.ReceivedField(message.Trace{
		Host: mail.Domain(s.gate.opt.Hostname), Session: s.peer.ID, Submission: id,
		TLS: version, SMTPUTF8: tx.env.SMTPUTF8, At: now,
	})
}

// sign puts one signature for each key of the domain on top of the head. A
// message that cannot be signed is refused for now, never sent without.
func (s *session) sign(ctx context.Context, domain mail.Domain, generation uint64, head []byte, body *dkim.BodyHash) ([]byte, error) {
	signer, err := s.gate.keys.Signer(ctx, domain, generation)
	if err != nil {
		return nil, err
	}
	fields, err := signer.Sign(head, body)
	if err != nil {
		return nil, keyring.Refusal(err)
	}
	return append([]byte(fields), head...), nil
}

// acceptance makes what is stored of a message, but for its limits.
func (s *session) acceptance(m *incoming) *queue.Acceptance {
	tx, sender := m.tx, m.tx.who.sender
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: m.id, Session: s.peer.ID,
			Account: sender.Account.ID, Login: sender.Account.Login(),
			Domain: sender.Domain.Name, Customer: sender.Customer.Name, Credential: tx.who.credential.ID,
			At: m.at, Expires: m.at.Add(m.policy.Lifetime),
			Envelope: tx.env,
		},
		Generation: sender.Generation, Revision: sender.Account.Revision,
	}
	for i, r := range tx.rcpts {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: m.id, N: i + 1, Recipient: r, State: queue.Queued, Next: m.at,
		})
	}
	m.names.Rely(a)
	m.in.Complete(a, m.head, m.header)
	a.Events = slices.Concat([]audit.Event{s.acceptedEvent(a)}, s.record.Completed(m.names.Told(tx.given, tx.env.From, m.id)), aligned.Apply(m.ruling, a, s.record.Complete))
	m.draft.Apply(a, s.record.Complete)
	return a
}

// acceptedEvent is the record of the acceptance; it is stored with it.
func (s *session) acceptedEvent(a *queue.Acceptance) audit.Event {
	e := s.record.Complete(audit.Event{
		Kind: audit.Accepted, Submission: a.Submission.ID,
		Code: smtp.OK().Code, Enhanced: smtp.OK().Enhanced.String(),
		Data: map[string]string{
			"from":       a.Submission.Envelope.From.String(),
			"recipients": strconv.Itoa(len(a.Deliveries)),
			"size":       strconv.FormatInt(a.Submission.Size, 10),
		},
	})
	maps.Copy(e.Data, s.countedAs(a))
	// Also where the certificate is no credential, and has opened the account that it names.
	if m, _ := sasl.Lookup(s.proved.Mechanism); m.Certificate && s.identity != nil {
		e.Data[queue.CertificatePath] = s.identity.Path()
	}
	return e
}
