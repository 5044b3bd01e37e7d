package waiting

import (
	"context"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
)

// Options is what a Queue works with. All but Mine and Scan must be set.
type Options struct {
	Base    sqlkit.Base
	Dialect *sqlkit.Dialect
	// Mine is a condition on a delivery d that this node delivers it, with AND
	// behind it, and Node its argument; "" where there is but one node.
	Mine, Node string
	// Scan is Base.Read for Due, which asks the same again and again; nil for no
	// difference.
	Scan func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error
	// Count changes the totals, in a running transaction, by that many queued,
	// deferred and held deliveries.
	Count func(t sqlkit.Writer, queued, deferred, held int) error
	// Finish removes those of the submissions of which no delivery is left,
	// with their content, and returns the ids of their large bodies.
	Finish func(t sqlkit.Writer, submissions []mail.ID) ([]mail.ID, error)
	// Finished is told of them after the commit.
	Finished func(large []mail.ID)
	// Large returns a stored large body.
	Large func(id mail.ID, size int64) queue.LargeBody
}

// Queue is the part of queue.Store and queue.AdminStore that engines share. Its
// methods are safe for concurrent use.
type Queue struct {
	opt Options
	due string
}

// New returns a Queue.
func New(o Options) *Queue {
	if o.Scan == nil {
		o.Scan = o.Base.Read
	}
	return &Queue{o, DueSQL(o.Dialect, o.Mine)}
}

// DueSQL makes the query of what is due: it walks an index in the order of its
// rows. The first column is 0 for what is about to be held.
func DueSQL(d *sqlkit.Dialect, mine string) string {
	return "SELECT CASE WHEN " + holding.Settled(d) + " THEN 1 ELSE 0 END, " + itemColumns + " FROM delivery d" + d.Cross + "submission s ON s.content = d.content WHERE " + mine +
		`d.state < 3 AND d.next <= ? AND (d.next, d.submission, d.n) > (?, ?, ?)
    ORDER BY d.next, d.submission, d.n LIMIT ?`
}

// skipPage is how many deliveries Due looks at once while it passes over what is
// about to be held: there may be very much of it, and no reading may last long.
const skipPage = 256

// Due implements queue.Store.
func (q *Queue) Due(ctx context.Context, now time.Time, after queue.Position, limit int) (list []queue.Item, err error) {
	err = q.opt.Scan(ctx, "queue.due", func(c sqlkit.Reader) (err error) {
		list, err = q.dueFrom(ctx, c, now, after, limit)
		return err
	})
	return list, err
}

func (q *Queue) dueFrom(ctx context.Context, c sqlkit.Reader, now time.Time, after queue.Position, limit int) ([]queue.Item, error) {
	var found items
	var mine []any
	if q.opt.Mine != "" {
		mine = []any{q.opt.Node}
	}
	for asked := limit; ; asked = max(limit, skipPage) {
		rows := 0
		args := sqlkit.Bind(append(mine[:len(mine):len(mine)], now, after.Next, after.Submission, after.N, asked)...)
		err := c.Query(ctx, q.due, args, func(r *row) error {
			rows++
			return found.scanSettled(r, limit, &after)
		})
		if err != nil || rows < asked || len(found.list) == limit {
			return found.list, err
		}
	}
}

// ContentSQL reads the content of a submission.
const ContentSQL = "SELECT c.head, c.body, c.large, c.large_size FROM submission s JOIN content c ON c.id = s.content WHERE s.id = ?"

// Content implements queue.Store.
func (q *Queue) Content(ctx context.Context, id mail.ID) (content *queue.Content, err error) {
	err = q.opt.Base.Read(ctx, "queue.content", func(c sqlkit.Reader) error {
		content = nil
		return c.Query(ctx, ContentSQL, sqlkit.Bind(id), func(r *row) error {
			content = &queue.Content{Head: r.Blob(), Body: r.Blob()}
			large, size := r.ID(), r.Int64()
			if large != "" {
				content.Large = q.opt.Large(large, size)
			}
			return nil
		})
	})
	if err == nil && content == nil {
		err = fault.New("queue.content", fault.NotFound, "there is no submission %s in the queue", id)
	}
	return content, err
}

// OldestSQL reads when the oldest submission came. Ids sort by the time they
// were made, so it is the first; and each that is stored still waits.
const OldestSQL = "SELECT at FROM submission ORDER BY id LIMIT 1"

// Stats implements queue.Store.
func (q *Queue) Stats(ctx context.Context) (stats queue.Stats, err error) {
	err = q.opt.Base.Snapshot(ctx, "queue.stats", func(c sqlkit.Reader) error {
		stats = queue.Stats{}
		err := c.Query(ctx, q.opt.Dialect.Totals, nil, func(r *row) error {
			stats.Queued, stats.Deferred, stats.Held = r.Int(), r.Int(), r.Int()
			return nil
		})
		if err != nil {
			return err
		}
		return c.Query(ctx, OldestSQL, nil, func(r *row) error {
			stats.Oldest = r.Time()
			return nil
		})
	})
	return stats, err
}
