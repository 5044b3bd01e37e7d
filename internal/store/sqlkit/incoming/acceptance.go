package incoming

import (
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/record"
	"countersign/internal/store/sqlkit/waiting"
)

// The columns of the rows of an Acceptance, in their order.
const (
	SubmissionColumns = `id, session, account, credential, login, domain, customer, cause, at, expires,
    sender, given_size, body_type, smtputf8, dsn_return, envelope_id, size, revision, others, content`

	ContentColumns = "id, head, body, large, large_size"

	DeliveryColumns = `submission, n, state, next, attempts, local, destination, notify, original,
    hold_reason, delay_reported, last_at, last_code, last_enhanced, last_text, last_remote, content`

	ReliedColumns = "submission, domain, content"
)

const (
	// UnchangedSQL finds that account with the revision that was decided on.
	UnchangedSQL = "SELECT 1 FROM account WHERE login = ? AND id = ? AND revision = ?"

	// ActiveSQL finds an account that may send.
	ActiveSQL = "SELECT 1" + holding.ActiveFrom + " AND a.login = ? AND a.id = ?"
)

// Body is a large body that an engine has written.
type Body interface {
	ID() mail.ID
	Size() int64
	// Take gives it to a stored submission: Discard does nothing any more.
	Take()
}

// Acceptance is a queue.Acceptance made ready for an engine.
type Acceptance struct {
	ID mail.ID
	// AccountID is "" for a report of our own.
	AccountID  mail.ID
	Generation uint64
	// Account, Unchanged and Domains are the arguments of ActiveSQL, of
	// UnchangedSQL, and of objects.UsableDomainSQL for each domain.
	Account, Unchanged sqlkit.Values
	Domains            []sqlkit.Values
	// The rows. SetNumber sets the content's number in them.
	Relied, Deliveries  []sqlkit.Values
	Content, Submission sqlkit.Values
	Events              []sqlkit.Values
	// Grow is by how much the number of waiting deliveries grows, by state.
	Grow [waiting.States]int
	// Large is nil for a body in the database.
	Large Body
	// source is what it was made of, which hears what became of it.
	source *queue.Acceptance
	// decision is what its limits came to in the last transaction that tried.
	decision limit.Decision
	// notices are those of the source, made ready.
	notices []notice
}

// notice is what is stored where a limit is near.
type notice struct {
	about    limit.Key
	messages []*Acceptance
}

// Prepare makes an acceptance ready. owned returns a sealed large body of the
// engine that no submission has, nil for any other.
func Prepare(a *queue.Acceptance, owned func(queue.LargeBody) Body) (*Acceptance, error) {
	const op = "queue.accept"
	sub := &a.Submission
	p := &Acceptance{ID: sub.ID, AccountID: sub.Account, Generation: a.Generation, source: a}
	switch {
	case sub.ID == "":
		return nil, fault.New(op, fault.Invalid, "a submission without an id")
	case len(a.Deliveries) == 0:
		return nil, fault.New(op, fault.Invalid, "submission %s has no deliveries", sub.ID)
	case a.Content.Large == nil && len(a.Content.Body) > queue.InlineMax:
		return nil, fault.New(op, fault.Invalid, "the body of submission %s is too large to stand in the database", sub.ID)
	}
	if err := p.takeContent(&a.Content, owned); err != nil {
		return nil, err
	}
	e := &sub.Envelope
	p.Account = sqlkit.Bind(sub.Login, sub.Account)
	p.Unchanged = sqlkit.Bind(sub.Login, sub.Account, a.Revision)
	listed := map[mail.Domain]bool{sub.Domain: true}
	for _, d := range a.Domains {
		p.Domains = append(p.Domains, sqlkit.Bind(sub.Login, d, sub.Customer))
		if !listed[d] {
			listed[d] = true
			p.Relied = append(p.Relied, sqlkit.Bind(sub.ID, d, int64(0)))
		}
	}
	p.Submission = sqlkit.Bind(sub.ID, sub.Session, sub.Account, sub.Credential, sub.Login, sub.Domain, sub.Customer, sub.Cause, sub.At, sub.Expires,
		e.From, e.Size, string(e.Body), e.SMTPUTF8, string(e.Return), e.EnvelopeID, sub.Size,
		a.Revision, a.Others, int64(0))
	if err := p.addDeliveries(a); err != nil {
		return nil, err
	}
	var err error
	if p.Events, err = record.Bind(a.Events); err != nil {
		return p, err
	}
	return p, p.takeNotices(a, owned)
}

// takeNotices makes the notices ready.
func (p *Acceptance) takeNotices(a *queue.Acceptance, owned func(queue.LargeBody) Body) error {
	for i := range a.Notices {
		n := notice{about: a.Notices[i].About}
		for k := range a.Notices[i].Messages {
			m := &a.Notices[i].Messages[k]
			if m.Limits != nil || len(m.Notices) > 0 {
				return fault.New("queue.accept", fault.Invalid, "notice %s has limits of its own", m.Submission.ID)
			}
			ready, err := Prepare(m, owned)
			if err != nil {
				return err
			}
			n.messages = append(n.messages, ready)
		}
		p.notices = append(p.notices, n)
	}
	return nil
}

// Notices are all messages that may be stored with this one.
func (p *Acceptance) Notices() (list []*Acceptance) {
	for _, n := range p.notices {
		list = append(list, n.messages...)
	}
	return list
}

// Also are those of them that are stored with it, by what Judge has decided.
func (p *Acceptance) Also() (list []*Acceptance) {
	for i := range p.decision.Near {
		if n := p.notice(p.decision.Near[i].Key()); n != nil {
			list = append(list, n.messages...)
		}
	}
	return list
}

// notice finds what is written about a limit, nil for nothing yet.
func (p *Acceptance) notice(about limit.Key) *notice {
	for i := range p.notices {
		if p.notices[i].about == about {
			return &p.notices[i]
		}
	}
	return nil
}

// unwritten are the limits that are near about which nothing is written yet, where that is
// wanted.
func (p *Acceptance) unwritten() (list []limit.Breach) {
	if !p.source.Warns {
		return nil
	}
	for i := range p.decision.Near {
		if p.notice(p.decision.Near[i].Key()) == nil {
			list = append(list, p.decision.Near[i])
		}
	}
	return list
}

func (p *Acceptance) addDeliveries(a *queue.Acceptance) error {
	numbers := make(map[int]bool, len(a.Deliveries))
	for i := range a.Deliveries {
		d := &a.Deliveries[i]
		state := waiting.StoredState(d.State)
		if state == 0 || d.Submission != p.ID || numbers[d.N] {
			return fault.New("queue.accept", fault.Invalid, "delivery %d of submission %s is %q and of submission %s, or stands twice", d.N, p.ID, d.State, d.Submission)
		}
		numbers[d.N] = true
		p.Grow[state]++
		p.Deliveries = append(p.Deliveries, sqlkit.Bind(d.Submission, d.N, state, d.Next, d.Attempts,
			d.Recipient.To.Local, d.Recipient.To.Domain, int64(d.Recipient.Notify), d.Recipient.Original,
			d.HoldReason, d.DelayReported, d.Last.At, d.Last.Code, d.Last.Enhanced, d.Last.Text, d.Last.Remote, int64(0)))
	}
	return nil
}

// takeContent binds the content.
func (p *Acceptance) takeContent(c *queue.Content, owned func(queue.LargeBody) Body) error {
	if c.Large == nil {
		p.Content = sqlkit.Bind(int64(0), c.Head, c.Body, "", int64(0))
		return nil
	}
	p.Large = owned(c.Large)
	if p.Large == nil || len(c.Body) > 0 {
		return fault.New("queue.accept", fault.Invalid, "submission %s has a large body that is not a sealed one of this store", p.ID)
	}
	p.Content = sqlkit.Bind(int64(0), c.Head, []byte(nil), p.Large.ID(), p.Large.Size())
	return nil
}

// SetNumber sets the content's number in all rows that have it.
func (p *Acceptance) SetNumber(n int64) {
	p.Content[0].Value = n
	p.Submission[len(p.Submission)-1].Value = n
	for _, rows := range [][]sqlkit.Values{p.Relied, p.Deliveries} {
		for _, r := range rows {
			r[len(r)-1].Value = n
		}
	}
}

// MarkTaken makes Discard of a stored large body do nothing, and tells the acceptance what
// its limits came to.
func (p *Acceptance) MarkTaken() {
	if p.Large != nil {
		p.Large.Take()
	}
	if p.source.Limits == nil {
		return
	}
	p.source.Decision = p.decision
	for i := range p.source.Deliveries {
		d := &p.source.Deliveries[i]
		d.State, d.Next, d.HoldReason = queue.Place(d, &p.decision)
	}
}

// Taken is the error where the id belongs to another submission.
func (p *Acceptance) Taken() error {
	return fault.New("queue.accept", fault.Conflict, "there is a submission %s already", p.ID)
}

// Judge returns the answer where anything about accounts has changed since the
// decision: active says that the account may send, same that it and its domains
// are as they were.
func Judge(active, same bool) error {
	switch {
	case !active:
		return fault.Refuse("queue.accept", fault.Denied, "account-suspended")
	case !same:
		return fault.Refuse("queue.accept", fault.Busy, "account-changed-now")
	}
	return nil
}
