package submission

import (
	"context"
	"io"
	"slices"
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/queue"
	"countersign/internal/sasl"
	"countersign/internal/smtp"
	"countersign/internal/submission/keyring"
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

	who, err := s.rights(ctx)
	if err != nil {
		return "", err
	}
	tx.who = who
	header, rest, err := message.ReadHeader(body, message.Limits{MaxBytes: policy.MaxHeaderBytes, MaxLine: policy.MaxLine})
	if err != nil {
		return "", err
	}
	identities, err := checkHeader(header, tx, policy)
	if err != nil {
		return "", err
	}
	ruling, err := s.aligned(ctx, tx, identities[0].Domain, policy)
	if err != nil {
		return "", err
	}
	now := s.gate.opt.Now()
	id := s.gate.opt.IDs.New()
	header.Complete(message.Completion{
		Received: s.received(id, tx, now),
		Date:     now, ID: id, Domain: mail.Domain(s.gate.opt.Hostname),
	})
	in := &intake{store: s.gate.opt.Queue, space: s.gate.opt.Space, limit: who.maxMessageBytes(), announced: tx.env.Size}
	defer in.discard()
	head := header.Bytes()
	err = in.read(ctx, rest, len(head))
	if err != nil {
		return "", err
	}
	// The body may have taken half an hour: what the account may do is judged
	// again as it is now, and the store judges it once more at the commit.
	err = s.judgeAgain(ctx, tx, identities)
	if err != nil {
		return "", err
	}
	if policy.Sign {
		head, err = s.sign(ctx, identities[0].Domain, tx.who.sender.Generation, head, in.hash)
	}
	if err != nil {
		return "", err
	}
	a := s.acceptance(id, tx, policy, now)
	a.Domains, a.Others = domainsOf(tx.env.From, identities), others(tx.env.From, identities)
	in.complete(a, head, header)
	a.Events = append([]audit.Event{s.acceptedEvent(a)}, s.apply(ruling, a)...)
	a.Limits = s.limits(a, tx, policy.WarnAt)
	err = s.gate.opt.Queue.Accept(ctx, a)
	if err != nil {
		in.abandon(err)
		return "", err
	}
	in.taken()
	s.messages++
	for _, e := range a.Events {
		s.gate.opt.Recorder.Log(e)
	}
	s.recordLimits(a)
	s.gate.opt.Metrics.accepted(a, time.Since(started))
	if s.gate.opt.Offer != nil {
		s.gate.opt.Offer(a)
	}
	return id, nil
}

// checkHeader refuses a header that is broken, loops, or names a sender that
// is not the account's; it encodes what must be. The first of identities is the
// first address of From, whose domain signs.
func checkHeader(header *message.Header, tx *transaction, policy *Policy) (identities []mail.Address, err error) {
	const op = "submission.header"
	err = header.Check(policy.MaxReceived)
	if err != nil {
		return nil, err
	}
	mode := message.RawRefuse
	if policy.EncodeHeaders {
		mode = message.RawEncode
	}
	// It also refuses an address beyond ASCII without SMTPUTF8 (RFC 6532 section 3).
	err = header.EncodeRaw(mode, tx.env.SMTPUTF8)
	if err != nil {
		return nil, err
	}
	read := header.Senders
	if policy.CheckNames {
		read = header.Identities
	}
	identities, err = read()
	if err != nil {
		return nil, err
	}
	for _, a := range identities {
		if !tx.who.owns(a) {
			return nil, refuse(op, smtp.EHeaderSenderNotOwned, a.String())
		}
	}
	return identities, nil
}

// judgeAgain refuses a message whose sender has lost the right to send it, or
// to one of its addresses, since MAIL.
func (s *session) judgeAgain(ctx context.Context, tx *transaction, identities []mail.Address) error {
	const op = "submission.judge"
	who, err := s.rights(ctx)
	if err != nil {
		return err
	}
	tx.who = who
	if err := who.mayName(op, tx.env.From); err != nil {
		return err
	}
	for _, a := range identities {
		if !who.owns(a) {
			return refuse(op, smtp.EHeaderSenderNotOwned, a.String())
		}
	}
	return nil
}

// domainsOf lists the domains that the decision to accept relies on, each once.
func domainsOf(from mail.Address, identities []mail.Address) []mail.Domain {
	var list []mail.Domain
	for _, a := range append([]mail.Address{from}, identities...) {
		if a.Domain != "" && !slices.Contains(list, a.Domain) {
			list = append(list, a.Domain)
		}
	}
	return list
}

// others reports whether one of the identities is not the envelope sender.
func others(from mail.Address, identities []mail.Address) bool {
	return slices.ContainsFunc(identities, func(a mail.Address) bool { return a.Key() != from.Key() })
}

// received makes our trace field. The client stands in the record, not in the
// mail.
func (s *session) received(id mail.ID, tx *transaction, now time.Time) string {
	version := ""
	if s.tls != nil {
		version = tlsData(s.tls)["version"]
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

// acceptance makes what is stored, but for the content.
func (s *session) acceptance(id mail.ID, tx *transaction, policy *Policy, now time.Time) *queue.Acceptance {
	sender := tx.who.sender
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Session: s.peer.ID,
			Account: sender.Account.ID, Login: sender.Account.Login(),
			Domain: sender.Domain.Name, Customer: sender.Customer.Name, Credential: tx.who.credential.ID,
			At: now, Expires: now.Add(policy.Lifetime),
			Envelope: tx.env,
		},
		Generation: sender.Generation, Revision: sender.Account.Revision,
	}
	for i, r := range tx.rcpts {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: id, N: i + 1, Recipient: r, State: queue.Queued, Next: now,
		})
	}
	return a
}

// acceptedEvent is the record of the acceptance; it is stored with it.
func (s *session) acceptedEvent(a *queue.Acceptance) audit.Event {
	e := s.complete(audit.Event{
		Kind: audit.Accepted, Submission: a.Submission.ID,
		Code: smtp.OK().Code, Enhanced: smtp.OK().Enhanced.String(),
		Data: map[string]string{
			"from":       a.Submission.Envelope.From.String(),
			"recipients": strconv.Itoa(len(a.Deliveries)),
			"size":       strconv.FormatInt(a.Submission.Size, 10),
		},
	})
	// Also where the certificate is no credential, and has opened the account that it names.
	if m, _ := sasl.Lookup(s.proved.Mechanism); m.Certificate && s.identity != nil {
		e.Data[queue.CertificatePath] = s.identity.Path()
	}
	return e
}

// tooLarge is the refusal of a message over a plan's limit.
func tooLarge(op string, limit int64) error {
	return &fault.Error{
		Op: op, Kind: fault.TooLarge, Reason: string(smtp.EMessageTooLarge),
		Detail: strconv.FormatInt(limit, 10),
	}
}
