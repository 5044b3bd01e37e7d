package sqlite

import (
	"context"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlite/holding"
)

const (
	insertContentSQL = "INSERT INTO content (id, head, body, large, large_size) VALUES (?, ?, ?, ?, ?)"

	insertSubmissionSQL = `INSERT INTO submission (id, session, account, login, domain, customer, cause, at, expires,
    sender, given_size, body_type, smtputf8, dsn_return, envelope_id, size, content)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertDeliverySQL = `INSERT INTO delivery (submission, n, state, next, attempts, local, destination, notify, original,
    hold_reason, delay_reported, last_at, last_code, last_enhanced, last_text, last_remote)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	// unchangedSQL finds that account with the revision that was decided on.
	unchangedSQL = "SELECT 1 FROM account WHERE login = ? AND id = ? AND revision = ?"

	// ownDomainSQL finds an active domain of a customer.
	ownDomainSQL = "SELECT 1 FROM domain WHERE name = ? AND customer = ? AND state = 'active'"

	// activeSQL finds an account that may send.
	activeSQL = "SELECT 1" + holding.ActiveFrom + " AND a.login = ? AND a.id = ?"

	insertReliedSQL = "INSERT OR IGNORE INTO relied (submission, domain, content) VALUES (?, ?, ?)"
)

// acceptance is a queue.Acceptance made ready for the writer: all arguments
// are bound by the goroutine that brings it.
type acceptance struct {
	id         mail.ID
	accountID  mail.ID // "" for a report of our own
	generation uint64
	account    values   // of activeSQL
	unchanged  values   // of unchangedSQL
	domains    []values // of ownDomainSQL
	relied     []values // of insertReliedSQL; the last is the content's number
	content    values   // the first is its number, set by the writer
	submission values   // the last is that number
	deliveries []values
	waiting    [stateCount]int
	events     []values
	large      *bodies.File // nil for a body in the database
}

// prepare checks what the caller has to keep and binds all arguments.
func (s *Store) prepare(a *queue.Acceptance) (*acceptance, error) {
	const op = "queue.accept"
	sub := &a.Submission
	p := &acceptance{id: sub.ID, accountID: sub.Account, generation: a.Generation}
	switch {
	case sub.ID == "":
		return nil, fault.New(op, fault.Invalid, "a submission without an id")
	case len(a.Deliveries) == 0:
		return nil, fault.New(op, fault.Invalid, "submission %s has no deliveries", sub.ID)
	case a.Content.Large == nil && len(a.Content.Body) > queue.InlineMax:
		return nil, fault.New(op, fault.Invalid, "the body of submission %s is too large to stand in the database", sub.ID)
	}
	if err := p.takeContent(s, &a.Content); err != nil {
		return nil, err
	}
	e := &sub.Envelope
	p.account = bind(sub.Login, sub.Account)
	p.unchanged = bind(sub.Login, sub.Account, a.Revision)
	for _, d := range a.Domains {
		p.domains = append(p.domains, bind(d, sub.Customer))
		if d != sub.Domain {
			p.relied = append(p.relied, bind(sub.ID, d, int64(0)))
		}
	}
	p.submission = bind(sub.ID, sub.Session, sub.Account, sub.Login, sub.Domain, sub.Customer, sub.Cause, sub.At, sub.Expires,
		e.From, e.Size, string(e.Body), e.SMTPUTF8, string(e.Return), e.EnvelopeID, sub.Size, int64(0))
	for i := range a.Deliveries {
		d := &a.Deliveries[i]
		state := storedState(d.State)
		if state == 0 || d.Submission != sub.ID {
			return nil, fault.New(op, fault.Invalid, "delivery %d of submission %s is %q and of submission %s", d.N, sub.ID, d.State, d.Submission)
		}
		p.waiting[state]++
		p.deliveries = append(p.deliveries, bind(d.Submission, d.N, state, d.Next, d.Attempts,
			d.Recipient.To.Local, d.Recipient.To.Domain, int64(d.Recipient.Notify), d.Recipient.Original,
			d.HoldReason, d.DelayReported, d.Last.At, d.Last.Code, d.Last.Enhanced, d.Last.Text, d.Last.Remote))
	}
	var err error
	p.events, err = bindEvents(a.Events)
	return p, err
}

// takeContent binds the content; a large body must be a sealed one of this
// store that no other submission has.
func (p *acceptance) takeContent(s *Store, c *queue.Content) error {
	if c.Large == nil {
		p.content = bind(int64(0), c.Head, c.Body, "", int64(0))
		return nil
	}
	f, ok := c.Large.(*bodies.File)
	if !ok || !f.Ready(s.bodies) || len(c.Body) > 0 {
		return fault.New("queue.accept", fault.Invalid, "submission %s has a large body that is not a sealed one of this store", p.id)
	}
	p.large = f
	p.content = bind(int64(0), c.Head, []byte(nil), f.ID(), f.Size())
	return nil
}

// insert stores the acceptance.
func (p *acceptance) insert(t *tx) error {
	if err := p.checkSender(t); err != nil {
		return err
	}
	number, err := t.nextContent()
	if err != nil {
		return err
	}
	// The submission goes first: an id that is taken fails before anything
	// is written.
	p.content[0].Value = number
	p.submission[len(p.submission)-1].Value = number
	if err := t.Exec(insertSubmissionSQL, p.submission); err != nil {
		if database.IsConstraint(err) {
			err = fault.New("queue.accept", fault.Conflict, "there is a submission %s already", p.id)
		}
		return err
	}
	if err := t.Exec(insertContentSQL, p.content); err != nil {
		return err
	}
	for _, r := range p.relied {
		r[len(r)-1].Value = number
		if err := t.Exec(insertReliedSQL, r); err != nil {
			return err
		}
	}
	for _, d := range p.deliveries {
		if err := t.Exec(insertDeliverySQL, d); err != nil {
			return err
		}
	}
	for state, n := range p.waiting {
		t.waiting[state] += n
	}
	return insertEvents(t, p.events)
}

// checkSender looks at the account again where anything about accounts has
// changed since the decision was made.
func (p *acceptance) checkSender(t *tx) error {
	if p.accountID == "" {
		return nil
	}
	now, err := t.generation()
	if err != nil || now == p.generation {
		return err
	}
	active, err := t.Exists(activeSQL, p.account)
	if err != nil {
		return err
	}
	if !active {
		return fault.Refuse("queue.accept", fault.Denied, "account-suspended")
	}
	same, err := t.Exists(unchangedSQL, p.unchanged)
	for i := 0; err == nil && same && i < len(p.domains); i++ {
		same, err = t.Exists(ownDomainSQL, p.domains[i])
	}
	if err == nil && !same {
		err = fault.Refuse("queue.accept", fault.Busy, "account-changed-now")
	}
	return err
}

// Accept implements queue.Store.
func (s *Store) Accept(ctx context.Context, a *queue.Acceptance) error {
	p, err := s.prepare(a)
	if err != nil {
		return err
	}
	err = s.change(ctx, "queue.accept", p.insert)
	if err == nil {
		p.markTaken()
	}
	return err
}

// markTaken makes Discard of a stored large body do nothing.
func (p *acceptance) markTaken() {
	if p.large != nil {
		p.large.Take()
	}
}
