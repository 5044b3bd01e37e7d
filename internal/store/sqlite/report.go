package sqlite

import (
	"context"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/database"
)

const (
	stateSQL          = "SELECT state FROM delivery WHERE submission = ? AND n = ?"
	deleteDeliverySQL = "DELETE FROM delivery WHERE submission = ? AND n = ?"
	anyDeliverySQL    = "SELECT 1 FROM delivery WHERE submission = ? LIMIT 1"

	// A held delivery stays held unless the outcome holds it.
	attemptedSQL = `UPDATE delivery SET state = ?, next = ?, hold_reason = ?, attempts = attempts + 1,
    delay_reported = delay_reported OR ?, last_at = ?, last_code = ?, last_enhanced = ?, last_text = ?, last_remote = ?
    WHERE submission = ? AND n = ?`
	attemptedHeldSQL = `UPDATE delivery SET next = ?, attempts = attempts + 1,
    delay_reported = delay_reported OR ?, last_at = ?, last_code = ?, last_enhanced = ?, last_text = ?, last_remote = ?
    WHERE submission = ? AND n = ?`
)

// outcome is a queue.Outcome made ready for the writer.
type outcome struct {
	state int    // the stored state that follows, 0 for a final one
	key   values // submission and number
	// attempted and held are the arguments of attemptedSQL and
	// attemptedHeldSQL; nil for a final outcome.
	attempted, held values
}

func prepareOutcome(submission mail.ID, o *queue.Outcome) (outcome, error) {
	out := outcome{state: storedState(o.State), key: bind(submission, o.N)}
	switch o.State {
	case queue.Delivered, queue.Failed:
		return out, nil
	case queue.Deferred, queue.Held:
	default:
		return out, fault.New("queue.report", fault.Invalid, "%q is not the outcome of an attempt", o.State)
	}
	hold := ""
	if o.State == queue.Held {
		hold = o.HoldReason
	}
	l := &o.Result
	out.attempted = bind(out.state, o.Next, hold, o.DelayReported, l.At, l.Code, l.Enhanced, l.Text, l.Remote, submission, o.N)
	out.held = bind(o.Next, o.DelayReported, l.At, l.Code, l.Enhanced, l.Text, l.Remote, submission, o.N)
	return out, nil
}

// Report implements queue.Store.
func (s *Store) Report(ctx context.Context, r *queue.Report) error {
	outcomes := make([]outcome, len(r.Outcomes))
	for i := range r.Outcomes {
		var err error
		outcomes[i], err = prepareOutcome(r.Submission, &r.Outcomes[i])
		if err != nil {
			return err
		}
	}
	events, err := bindEvents(r.Events)
	if err != nil {
		return database.Failure("queue.report", err)
	}
	reports := make([]*acceptance, len(r.Reports))
	for i := range r.Reports {
		reports[i], err = s.prepare(&r.Reports[i])
		if err != nil {
			return err
		}
	}
	var finished []mail.ID
	err = s.change(ctx, "queue.report", func(t *tx) error {
		finished = nil
		// The reports go first: they alone can fail without a fault of the
		// database, and then before anything is written.
		for _, p := range reports {
			if err := p.insert(t); err != nil {
				return err
			}
		}
		large, err := t.report(r.Submission, outcomes)
		if err != nil {
			return err
		}
		finished = large
		return insertEvents(t, events)
	})
	if err != nil {
		return err
	}
	for _, p := range reports {
		p.markTaken()
	}
	s.removeBodies(finished)
	return nil
}

// report applies outcomes and returns the large bodies that nobody needs any
// more.
func (t *tx) report(submission mail.ID, outcomes []outcome) ([]mail.ID, error) {
	removed := false
	for i := range outcomes {
		o := &outcomes[i]
		before, found, err := t.Number(stateSQL, o.key)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		after := o.state
		switch {
		case o.state == 0:
			err = t.Exec(deleteDeliverySQL, o.key)
			removed = true
		case before == stateHeld && o.state == stateDeferred:
			after = stateHeld
			err = t.Exec(attemptedHeldSQL, o.held)
		default:
			err = t.Exec(attemptedSQL, o.attempted)
		}
		if err != nil {
			return nil, err
		}
		t.waiting[before]--
		if after != 0 {
			t.waiting[after]++
		}
	}
	if !removed {
		return nil, nil
	}
	return t.finish(submission)
}

// finish removes a submission and its content if no delivery of it is left. It
// returns the large body to remove after the commit.
func (t *tx) finish(id mail.ID) ([]mail.ID, error) {
	key := bind(id)
	waits, err := t.Exists(anyDeliverySQL, key)
	if err != nil || waits {
		return nil, err
	}
	const contentSQL = "SELECT c.id, c.large FROM submission s JOIN content c ON c.id = s.content WHERE s.id = ?"
	var content int64
	var large []mail.ID
	err = t.Query(contentSQL, key, func(r *row) error {
		content = r.Int64()
		if id := r.ID(); id != "" {
			large = append(large, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, text := range []string{"DELETE FROM submission WHERE id = ?", "DELETE FROM relied WHERE submission = ?"} {
		if err := t.Exec(text, key); err != nil {
			return nil, err
		}
	}
	err = t.Exec("DELETE FROM content WHERE id = ?", bind(content))
	return large, err
}
