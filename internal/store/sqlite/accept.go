package sqlite

import (
	"context"

	"countersign/internal/queue"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/objects"
)

const (
	insertContentSQL    = "INSERT INTO content (" + incoming.ContentColumns + ") VALUES (?, ?, ?, ?, ?)"
	insertSubmissionSQL = "INSERT INTO submission (" + incoming.SubmissionColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertDeliverySQL   = "INSERT INTO delivery (" + incoming.DeliveryColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertReliedSQL     = "INSERT INTO relied (" + incoming.ReliedColumns + ") VALUES (?, ?, ?)"
)

// owned returns a large body that a submission may take, nil for any other.
func (s *Store) owned(b queue.LargeBody) incoming.Body {
	f, ok := b.(*bodies.File)
	if !ok || !f.Ready(s.bodies) {
		return nil
	}
	return f
}

// insert stores an acceptance.
func (t *tx) insert(p *incoming.Acceptance) error {
	subjects := p.Subjects()
	err := t.checkSender(p)
	if err == nil {
		err = t.read(subjects)
	}
	if err == nil {
		err = t.meet(p.Contacts())
	}
	if err == nil {
		err = p.Judge(&t.counted, t.at)
	}
	if err != nil {
		return err
	}
	number, err := t.nextContent()
	if err != nil {
		return err
	}
	// The submission goes first: an id that is taken fails before anything
	// is written.
	p.SetNumber(number)
	if err := t.Exec(insertSubmissionSQL, p.Submission); err != nil {
		if database.IsConstraint(err) {
			err = p.Taken()
		}
		return err
	}
	if err := t.Exec(insertContentSQL, p.Content); err != nil {
		return err
	}
	for _, r := range p.Relied {
		if err := t.Exec(insertReliedSQL, r); err != nil {
			return err
		}
	}
	for _, d := range p.Deliveries {
		if err := t.Exec(insertDeliverySQL, d); err != nil {
			return err
		}
	}
	for state, n := range p.Grow {
		t.waiting[state] += n
	}
	if err := insertEvents(t, p.Events); err != nil {
		return err
	}
	for _, n := range p.Also() {
		if err := t.insert(n); err != nil {
			return err
		}
	}
	t.count(subjects, func() { p.Count(&t.counted) })
	return nil
}

// checkSender looks at the account again where anything about accounts has
// changed since the decision was made.
func (t *tx) checkSender(p *incoming.Acceptance) error {
	if p.AccountID == "" {
		return nil
	}
	now, err := t.generation()
	if err != nil || now == p.Generation {
		return err
	}
	active, err := t.Exists(incoming.ActiveSQL, p.Account)
	if err != nil {
		return err
	}
	same, err := t.Exists(incoming.UnchangedSQL, p.Unchanged)
	for i := 0; err == nil && same && i < len(p.Domains); i++ {
		same, err = t.Exists(objects.UsableDomainSQL, p.Domains[i])
	}
	if err != nil {
		return err
	}
	return incoming.Judge(active, same)
}

// Accept implements queue.Store.
func (s *Store) Accept(ctx context.Context, a *queue.Acceptance) error {
	if err := s.hasLeft("queue.accept"); err != nil {
		return err
	}
	p, err := incoming.Prepare(a, s.owned)
	if err != nil {
		return err
	}
	err = s.change(ctx, "queue.accept", func(t *tx) error { return t.insert(p) })
	if err == nil {
		p.MarkTaken()
	}
	return err
}
