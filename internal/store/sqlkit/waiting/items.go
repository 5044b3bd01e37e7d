package waiting

import (
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
)

type row = sqlkit.Row

// The stored states. Below Held a delivery can become due: the index
// delivery_due is made of those.
const (
	Queued   = 1
	Deferred = 2
	Held     = 3

	States = 4 // keep last; 0 is no state
)

// StoredState turns a waiting state into its number, 0 for any other.
func StoredState(s queue.State) int {
	switch s {
	case queue.Queued:
		return Queued
	case queue.Deferred:
		return Deferred
	case queue.Held:
		return Held
	}
	return 0
}

// stateOf undoes StoredState.
func stateOf(n int) queue.State {
	switch n {
	case Queued:
		return queue.Queued
	case Deferred:
		return queue.Deferred
	}
	return queue.Held
}

// itemColumns are what scanItem reads, from delivery d and submission s.
const itemColumns = `d.submission, d.n, d.state, d.next, d.attempts, d.local, d.destination, d.notify, d.original,
    d.hold_reason, d.delay_reported, d.last_at, d.last_code, d.last_enhanced, d.last_text, d.last_remote,
    s.session, s.account, s.credential, s.login, s.domain, s.customer, s.cause, s.at, s.expires,
    s.sender, s.given_size, s.body_type, s.smtputf8, s.dsn_return, s.envelope_id, s.size`

// items collects deliveries; those of one submission share it.
type items struct {
	list        []queue.Item
	submissions map[mail.ID]*queue.Submission
}

// scan takes one row of itemColumns.
func (l *items) scan(r *row) error {
	d := queue.Delivery{
		Submission: r.ID(), N: r.Int(), State: stateOf(r.Int()), Next: r.Time(), Attempts: r.Int(),
		Recipient: mail.Recipient{
			To:     mail.Address{Local: r.Text(), Domain: r.Domain()},
			Notify: mail.Notify(r.Int64()), Original: r.Text(),
		},
		HoldReason: r.Text(), DelayReported: r.Bool(),
		Last: queue.Result{At: r.Time(), Code: r.Int(), Enhanced: r.Text(), Text: r.Text(), Remote: r.Text()},
	}
	s := l.submissions[d.Submission]
	if s == nil {
		s = &queue.Submission{
			ID: d.Submission, Session: r.ID(), Account: r.ID(), Credential: r.ID(), Login: r.Text(), Domain: r.Domain(), Customer: r.Text(),
			Cause: r.ID(), At: r.Time(), Expires: r.Time(),
			Envelope: mail.Envelope{
				From: r.Address(), Size: r.Int64(), Body: mail.BodyType(r.Text()), SMTPUTF8: r.Bool(),
				Return: mail.DSNReturn(r.Text()), EnvelopeID: r.Text(),
			},
			Size: r.Int64(),
		}
		if l.submissions == nil {
			l.submissions = map[mail.ID]*queue.Submission{}
		}
		l.submissions[d.Submission] = s
	}
	l.list = append(l.list, queue.Item{Delivery: d, Submission: s})
	return nil
}

// scanSettled takes one row of dueSQL, unless there are limit already or it is
// about to be held. at becomes its position.
func (l *items) scanSettled(r *row, limit int, at *queue.Position) error {
	settled := r.Bool()
	n := len(l.list)
	if err := l.scan(r); err != nil {
		return err
	}
	d := &l.list[n].Delivery
	*at = queue.Position{Next: d.Next, Submission: d.Submission, N: d.N}
	if !settled || n == limit {
		l.list = l.list[:n]
	}
	return nil
}
