package submission

import (
	"bytes"
	"context"
	"slices"
	"time"

	"countersign/internal/filter"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/alignment"
	"countersign/internal/smtp"
	"countersign/internal/submission/filtering"
	"countersign/internal/submission/intake"
	"countersign/internal/submission/naming"
	"countersign/internal/submission/secured"
)

// incoming is a message whose content has been read.
type incoming struct {
	id     mail.ID
	at     time.Time
	host   mail.Domain // our own name
	tx     *transaction
	policy *Policy
	// header is complete but for signatures, and head its octets, which begin with our trace
	// field.
	header *message.Header
	head   []byte
	trace  string
	// names is whom it names as its senders.
	names  *naming.Named
	in     *intake.Body
	ruling alignment.Ruling
	// draft is it as content filters saw and made it; nil where there are none.
	draft *filtering.Draft
}

// filter takes a message through the content filters of its listener. What it has
// become then has passed the rules that it passed before. Without filters nothing is done.
func (s *session) filter(ctx context.Context, m *incoming) error {
	chain := s.gate.opt.Filters[s.peer.Listener]
	if len(chain) == 0 {
		return nil
	}
	d := &filtering.Draft{
		Message: s.shown(m), MaxBytes: m.tx.who.maxMessageBytes(),
		Judge: func(ctx context.Context, head []byte, from mail.Address) ([]byte, error) {
			header, _, err := s.judgeChanged(ctx, m, head, from)
			if err != nil {
				return nil, err
			}
			return header.Bytes(), nil
		},
	}
	err := chain.Run(ctx, d)
	if err != nil {
		for _, e := range d.Events {
			e.Data["queue_id"] = m.id.String()
			s.record.Add(e)
		}
		return err
	}
	m.draft = d
	return s.take(ctx, m)
}

// shown is a message as filters see it: without our trace field, as Sendmail has it.
func (s *session) shown(m *incoming) filter.Message {
	shown := filter.Message{
		ID: m.id, Hostname: s.gate.opt.Hostname, Listener: s.peer.Listener, Client: s.peer.Client, Hello: s.hello,
		Login: s.record.Login, Customer: m.tx.who.sender.Customer.Name, Mechanism: s.proved.Mechanism,
		Envelope: m.tx.env, Recipients: m.tx.rcpts, Head: m.head[len(m.trace):], Body: m.in.Open,
	}
	if m.in.EightBit() {
		shown.Envelope.Body = mail.Body8Bit
	}
	if data := secured.Data(s.tls); data != nil {
		shown.TLS, shown.Cipher = data["version"], data["cipher"]
	}
	return shown
}

// judgeChanged reads a header block as if the client had sent it, with that sender, and
// completes it but for our trace field. What a filter has put in is never rewritten: where a
// sender is not the account's, that is refused.
func (s *session) judgeChanged(ctx context.Context, m *incoming, head []byte, from mail.Address) (*message.Header, *naming.Named, error) {
	header, _, err := message.ReadHeader(bytes.NewReader(head), message.Limits{MaxBytes: m.policy.MaxHeaderBytes, MaxLine: m.policy.MaxLine})
	if err != nil {
		return nil, nil, err
	}
	tx := *m.tx
	tx.given, tx.env.From = from, from
	names, err := s.checkHeader(ctx, header, &tx, m.policy)
	s.unowned = nil // of a filter's header, and not of the client's
	switch {
	case err != nil:
		return nil, nil, err
	case names.Envelope || names.Changed != nil:
		return nil, nil, refuse("submission.filter", smtp.EHeaderSenderNotOwned, names.Verdict.Decisive.Address.String())
	}
	header.Complete(message.Completion{Date: m.at, ID: m.id, Domain: m.host})
	return header, names, nil
}

// take makes of the message what filters have made of it.
func (s *session) take(ctx context.Context, m *incoming) error {
	d := m.draft
	if d.Changed {
		header, names, err := s.judgeChanged(ctx, m, d.Message.Head, d.Message.Envelope.From)
		if err != nil {
			return err
		}
		sameSender := m.tx.env.From.Domain == d.Message.Envelope.From.Domain && slices.Equal(m.names.Authors(), names.Authors())
		m.header = header
		m.names.Identities = names.Identities
		if m.names.Changed == nil && !m.names.Envelope {
			m.names.Verdict = names.Verdict // of what was rewritten, the one that said so is kept
		}
		m.head = append([]byte(m.trace), header.Bytes()...)
		m.tx.env.From, m.tx.rcpts = d.Message.Envelope.From, d.Message.Recipients
		if !sameSender {
			m.ruling, err = s.aligned(ctx, m.tx, m.names, m.policy)
		}
		if err != nil {
			return err
		}
	}
	if d.Replaced {
		return m.in.Replace(ctx, d.Body, len(m.head))
	}
	return nil
}
