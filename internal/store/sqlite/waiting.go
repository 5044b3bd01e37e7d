package sqlite

import (
	"context"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/holding"
)

// itemColumns are what scanItem reads, from delivery d and submission s.
const itemColumns = `d.submission, d.n, d.state, d.next, d.attempts, d.local, d.destination, d.notify, d.original,
    d.hold_reason, d.delay_reported, d.last_at, d.last_code, d.last_enhanced, d.last_text, d.last_remote,
    s.session, s.account, s.login, s.domain, s.customer, s.cause, s.at, s.expires,
    s.sender, s.given_size, s.body_type, s.smtputf8, s.dsn_return, s.envelope_id, s.size`

// dueSQL walks the index delivery_due; CROSS JOIN keeps the order of the
// tables. The first column is false for what is about to be held.
const dueSQL = "SELECT " + holding.Settled + ", " + itemColumns + ` FROM delivery d CROSS JOIN submission s ON s.id = d.submission
    WHERE d.state < 3 AND d.next <= ? AND (d.next, d.submission, d.n) > (?, ?, ?)
    ORDER BY d.next, d.submission, d.n LIMIT ?`

// items collects deliveries; those of one submission share it.
type items struct {
	list        []queue.Item
	submissions map[mail.ID]*queue.Submission
}

// scan takes one row of itemColumns.
func (l *items) scan(r *row) error {
	d := queue.Delivery{
		Submission: r.ID(), N: r.Int(), State: waitingState(r.Int()), Next: r.Time(), Attempts: r.Int(),
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
			ID: d.Submission, Session: r.ID(), Account: r.ID(), Login: r.Text(), Domain: r.Domain(), Customer: r.Text(),
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

// skipPage is how many deliveries Due looks at once while it passes over what is
// about to be held: there may be very much of it, and no reading may last long.
const skipPage = 256

// Due implements queue.Store.
func (s *Store) Due(ctx context.Context, now time.Time, after queue.Position, limit int) ([]queue.Item, error) {
	var found items
	err := s.db.Read(ctx, "queue.due", func(c *conn) error {
		for asked := limit; ; asked = max(limit, skipPage) {
			rows := 0
			args := bind(now, after.Next, after.Submission, after.N, asked)
			err := c.Query(ctx, dueSQL, args, func(r *row) error {
				rows++
				return found.scanSettled(r, limit, &after)
			})
			if err != nil || rows < asked || len(found.list) == limit {
				return err
			}
		}
	})
	return found.list, err
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

// waitingSQL finds a delivery that is still to be attempted.
const waitingSQL = `SELECT 1 FROM delivery d CROSS JOIN submission s ON s.id = d.submission
    WHERE d.submission = ? AND d.n = ? AND +d.state < 3 AND ` + holding.Settled

// Waiting implements queue.Store.
func (s *Store) Waiting(ctx context.Context, keys []queue.Key) ([]bool, error) {
	waiting := make([]bool, len(keys))
	err := s.db.Snapshot(ctx, "queue.waiting", func(c *conn) (err error) {
		for i, k := range keys {
			_, waiting[i], err = c.Number(ctx, waitingSQL, bind(k.Submission, k.N))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return waiting, nil
}

// Content implements queue.Store.
func (s *Store) Content(ctx context.Context, id mail.ID) (*queue.Content, error) {
	const text = `SELECT c.head, c.body, c.large, c.large_size FROM submission s JOIN content c ON c.id = s.content WHERE s.id = ?`
	var content *queue.Content
	err := s.db.Read(ctx, "queue.content", func(c *conn) error {
		return c.Query(ctx, text, bind(id), func(r *row) error {
			content = &queue.Content{Head: r.Blob(), Body: r.Blob()}
			large, size := r.ID(), r.Int64()
			if large != "" {
				content.Large = s.bodies.Stored(large, size)
			}
			return nil
		})
	})
	if err == nil && content == nil {
		err = fault.New("queue.content", fault.NotFound, "there is no submission %s in the queue", id)
	}
	return content, err
}

const (
	totalsSQL = "SELECT queued, deferred, held FROM queue_total WHERE id = 1"
	// Ids sort by the time they were made, so the first submission is the
	// oldest; and each that is stored still waits.
	oldestSQL = "SELECT at FROM submission ORDER BY id LIMIT 1"
)

// Stats implements queue.Store.
func (s *Store) Stats(ctx context.Context) (queue.Stats, error) {
	var stats queue.Stats
	err := s.db.Snapshot(ctx, "queue.stats", func(c *conn) error {
		err := c.Query(ctx, totalsSQL, nil, func(r *row) error {
			stats.Queued, stats.Deferred, stats.Held = r.Int(), r.Int(), r.Int()
			return nil
		})
		if err != nil {
			return err
		}
		return c.Query(ctx, oldestSQL, nil, func(r *row) error {
			stats.Oldest = r.Time()
			return nil
		})
	})
	return stats, err
}
