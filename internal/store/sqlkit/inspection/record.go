package inspection

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/soundness"
	"countersign/internal/store/sqlkit"
)

// kind quotes a kind of event for SQL.
func kind(k audit.Kind) string { return "'" + string(k) + "'" }

// final are the kinds of events that end a delivery, accepted those that begin a
// submission, as lists for SQL.
func final() string {
	return kind(audit.DeliveryDelivered) + ", " + kind(audit.DeliveryFailed) + ", " + kind(audit.DeliveryDropped)
}

func accepted() string { return kind(audit.Accepted) + ", " + kind(audit.BounceAccepted) }

// The queries of Record.
const (
	// FirstSQL finds where the record begins. A record of which nothing was removed
	// begins with number 1, or with none at all.
	FirstSQL = "SELECT seq, at FROM event ORDER BY seq LIMIT 1"

	// CountSQL counts its events.
	CountSQL = "SELECT count(*) FROM event"
)

// UnknownSQL finds waiting submissions that were accepted since a time and have no
// event that says so.
func UnknownSQL() string {
	return `SELECT s.id FROM submission s WHERE s.at >= ?
    AND NOT EXISTS (SELECT 1 FROM event e WHERE e.submission <> '' AND e.submission = s.id AND e.kind IN (` + accepted() + `))`
}

// ChainsSQL reads, submission by submission, what the record says of beginnings and
// ends, and what waits. Both halves come in that order by an index.
func ChainsSQL() string {
	return `SELECT submission, kind, delivery, CASE WHEN kind = ` + kind(audit.Accepted) + ` THEN data ELSE '' END FROM event
    WHERE submission <> '' AND kind IN (` + accepted() + ", " + final() + `)
    UNION ALL SELECT submission, '', n, '' FROM delivery ORDER BY 1`
}

// Record follows every submission of the record to its ends. damaged is as for
// Tables.
func Record(ctx context.Context, c sqlkit.Reader, f *soundness.Findings, damaged func(error) bool) error {
	err := c.Query(ctx, FirstSQL, nil, func(r *sqlkit.Row) error {
		if first, at := r.Int64(), r.Int64(); first > 1 {
			f.RecordBegins = at
		}
		return nil
	})
	if err == nil {
		f.Events, _, err = c.Number(ctx, CountSQL, nil)
	}
	if err == nil {
		err = c.Query(ctx, UnknownSQL(), sqlkit.Bind(f.RecordBegins), func(r *sqlkit.Row) error {
			f.Add(soundness.NoAcceptance, r.Text())
			return nil
		})
	}
	if err == nil {
		err = chains(ctx, c, f)
	}
	return tolerate(err, "the record", f, damaged)
}

// chain is what is known of one submission.
type chain struct {
	id mail.ID
	// begun says that its acceptance is in the record; recipients is how many it
	// has, 0 where the record does not say.
	begun      bool
	recipients int
	// ended and waits hold the numbers of recipients.
	ended, waits map[int]bool
}

// maxRecipients bounds what is believed of a record that says how many recipients
// there are.
const maxRecipients = 1 << 20

// chains reads all and judges each submission when the next one begins.
func chains(ctx context.Context, c sqlkit.Reader, f *soundness.Findings) error {
	now := chain{ended: map[int]bool{}, waits: map[int]bool{}}
	err := c.Query(ctx, ChainsSQL(), nil, func(r *sqlkit.Row) error {
		id, what, n, data := r.ID(), audit.Kind(r.Text()), r.Int(), r.Text()
		if id != now.id {
			now.judge(f)
			now.next(id)
		}
		switch what {
		case "":
			now.waits[n] = true
		case audit.BounceAccepted:
			now.begun, now.recipients = true, 1
		case audit.Accepted:
			now.begun = true
			if err := now.count(data); err != nil {
				f.Add(soundness.Unread, err.Error())
			}
		default:
			now.ended[n] = true
		}
		return nil
	})
	if err == nil {
		now.judge(f)
	}
	return err
}

// next begins another submission.
func (c *chain) next(id mail.ID) {
	clear(c.ended)
	clear(c.waits)
	c.id, c.begun, c.recipients = id, false, 0
}

// count takes the number of recipients from the data of an acceptance.
func (c *chain) count(data string) error {
	if data == "" {
		return nil
	}
	var said map[string]string
	if err := json.Unmarshal([]byte(data), &said); err != nil {
		return fmt.Errorf("%w: data of the acceptance of %s: %w", sqlkit.ErrDamaged, c.id, err)
	}
	n, err := strconv.Atoi(said["recipients"])
	if err == nil && n > 0 && n <= maxRecipients {
		c.recipients = n
	}
	return nil
}

// judge notes what is wrong with a submission.
func (c *chain) judge(f *soundness.Findings) {
	place := func(n int) string { return string(c.id) + "/" + strconv.Itoa(n) }
	for n := 1; n <= c.recipients; n++ {
		if !c.ended[n] && !c.waits[n] {
			f.Add(soundness.LostMail, place(n))
		}
	}
	for n := range c.waits {
		if c.ended[n] {
			f.Add(soundness.WaitsThough, place(n))
		}
	}
	if !c.begun && len(c.ended) > 0 && f.RecordBegins == 0 {
		f.Add(soundness.OutcomeAlone, string(c.id))
	}
}
