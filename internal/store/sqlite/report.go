package sqlite

import (
	"context"

	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/waiting"
)

const (
	stateSQL          = "SELECT state FROM delivery WHERE submission = ? AND n = ?"
	deleteDeliverySQL = "DELETE FROM delivery WHERE submission = ? AND n = ?"
	anyDeliverySQL    = "SELECT 1 FROM delivery WHERE submission = ? LIMIT 1"

	// A held delivery stays held unless the outcome holds it. Both have the
	// arguments of incoming.Outcome.Attempted.
	attemptedSQL = `UPDATE delivery SET state = ?1, next = ?2, hold_reason = ?3, attempts = attempts + 1,
    delay_reported = delay_reported OR ?4, last_at = ?5, last_code = ?6, last_enhanced = ?7, last_text = ?8, last_remote = ?9
    WHERE submission = ?10 AND n = ?11`
	attemptedHeldSQL = `UPDATE delivery SET next = ?2, attempts = attempts + 1,
    delay_reported = delay_reported OR ?4, last_at = ?5, last_code = ?6, last_enhanced = ?7, last_text = ?8, last_remote = ?9
    WHERE submission = ?10 AND n = ?11`
)

// Report implements queue.Store.
func (s *Store) Report(ctx context.Context, r *queue.Report) error {
	if err := s.hasLeft("queue.report"); err != nil {
		return err
	}
	p, err := incoming.PrepareReport(r, s.owned)
	if err != nil {
		return err
	}
	var finished []mail.ID
	err = s.change(ctx, "queue.report", func(t *tx) error {
		finished = nil
		if err := t.checkAgain(p); err != nil {
			return err
		}
		// The reports go first: they alone can fail without a fault of the
		// database, and then before anything is written.
		for _, a := range p.Reports {
			if err := t.insert(a); err != nil {
				return err
			}
		}
		large, err := t.report(r.Submission, p.Outcomes)
		if err != nil {
			return err
		}
		finished = large
		if err := t.read(p.Counted.Subjects()); err != nil {
			return err
		}
		if err := insertEvents(t, p.Events); err != nil {
			return err
		}
		t.count(p.Counted.Subjects(), func() { p.Counted.Count(&t.counted, t.at) })
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range p.Reports {
		a.MarkTaken()
	}
	s.removeBodies(finished)
	return nil
}

// checkAgain refuses a report that is made again where one of its deliveries is gone.
func (t *tx) checkAgain(p *incoming.Report) error {
	if !p.Again {
		return nil
	}
	for i := range p.Outcomes {
		_, found, err := t.Number(stateSQL, p.Outcomes[i].Key)
		if err == nil && !found {
			err = incoming.NotOwn(p.Submission, p.Outcomes[i].N)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// report applies outcomes and returns the large bodies that nobody needs any
// more.
func (t *tx) report(submission mail.ID, outcomes []incoming.Outcome) ([]mail.ID, error) {
	removed := false
	for i := range outcomes {
		o := &outcomes[i]
		before, found, err := t.Number(stateSQL, o.Key)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		after := o.State
		switch {
		case o.State == 0:
			err = t.Exec(deleteDeliverySQL, o.Key)
			removed = true
		case before == waiting.Held && o.State == waiting.Deferred:
			after = waiting.Held
			err = t.Exec(attemptedHeldSQL, o.Attempted)
		default:
			err = t.Exec(attemptedSQL, o.Attempted)
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
	return finish(t, submission)
}

// finishAll is finish for several.
func finishAll(t sqlkit.Writer, submissions []mail.ID) (large []mail.ID, err error) {
	for _, id := range submissions {
		found, err := finish(t, id)
		if err != nil {
			return nil, err
		}
		large = append(large, found...)
	}
	return large, nil
}

// finish removes a submission and its content if no delivery of it is left. It
// returns the large body to remove after the commit.
func finish(t sqlkit.Writer, id mail.ID) ([]mail.ID, error) {
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
