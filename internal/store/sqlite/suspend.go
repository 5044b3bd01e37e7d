package sqlite

import (
	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/database"
)

// owned selects the submissions of an account, domain, customer or plan: what
// comes before SELECT, the FROM clause in which s is the submission, and
// arguments. A customer's submissions are those of the domains that it has now,
// a plan's those of the customers.
type owned struct {
	with string
	from string
	args []any
}

// withParts lists the parts of the index submission_owner; see the schema.
const withParts = `WITH RECURSIVE part (n) AS (SELECT min(id) >> 9 FROM content
    UNION ALL SELECT n + 1 FROM part WHERE n < (SELECT max(id) >> 9 FROM content)) `

// fromParts selects by domain within each part.
const fromParts = "FROM part CROSS JOIN submission s ON s.content >> 9 = part.n AND s.domain <> '' AND s.domain = ?"

func ofAccount(login string, id mail.ID) owned {
	domain := database.SplitAddress(login).Domain
	return owned{withParts, fromParts + " WHERE s.login = ? AND s.account = ?", []any{domain, login, id}}
}

func ofDomain(name mail.Domain) owned {
	return owned{withParts, fromParts + " WHERE true", []any{name}}
}

// ofCustomer reads the whole index, as a customer may have very many domains.
func ofCustomer(name string) owned {
	return owned{"", "FROM submission s INDEXED BY submission_owner CROSS JOIN domain o ON o.name = s.domain WHERE s.domain <> '' AND o.customer = ?", []any{name}}
}

// ofPlan reads the whole index too.
func ofPlan(name string) owned {
	return owned{"", `FROM submission s INDEXED BY submission_owner CROSS JOIN domain o ON o.name = s.domain
    CROSS JOIN customer k ON k.name = o.customer WHERE s.domain <> '' AND k.plan = ?`, []any{name}}
}

// The state of what is above a customer and above a domain, by its name.
const (
	abovePlanSQL = "SELECT coalesce(p.state, 'active') FROM customer c LEFT JOIN plan p ON p.name = c.plan WHERE c.name = ?"

	aboveCustomerSQL = `SELECT iif(c.state = 'active' AND (c.plan IS NULL OR p.state = 'active'), 'active', 'suspended')
    FROM domain d JOIN customer c ON c.name = d.customer LEFT JOIN plan p ON p.name = c.plan WHERE d.name = ?`
)

// moved lets the queue follow where move puts an object under something that
// has another state than what was above before. A new object has no mail yet.
func (t *tx) moved(above, name string, o owned, move func() error) error {
	before, err := t.stateBy(above, name)
	if err != nil {
		return err
	}
	if err := move(); err != nil {
		return err
	}
	now, err := t.stateBy(above, name)
	if err != nil {
		return err
	}
	return t.follow(before, now, o)
}

// stateBy reads one state, "" where the query finds nothing.
func (t *tx) stateBy(text, name string) (state account.State, err error) {
	err = t.Query(text, bind(name), func(r *row) error {
		state = account.State(r.Text())
		return nil
	})
	return state, err
}

// follow lets the queue follow a change of state.
func (t *tx) follow(before, now account.State, o owned) error {
	switch {
	case before == account.Active && now == account.Suspended:
		return t.hold(o)
	case before == account.Suspended && now == account.Active:
		return t.release(o)
	}
	return nil
}

// ids is the list of the submissions, for use behind IN.
func (o owned) ids() string { return "(" + o.with + "SELECT s.id " + o.from + ")" }

// activeIDs is the same of those whose account may send; a removed one never
// may again.
func (o owned) activeIDs() string {
	return "(" + o.with + "SELECT s.id " + o.from + " AND EXISTS (SELECT 1" + activeFrom + " AND a.login = s.login AND a.id = s.account))"
}

// The statements of hold and release. The unary plus keeps SQLite from walking
// the index of all due deliveries instead of those of the submissions.
func (o owned) countToHold() string {
	return "SELECT state, count(*) FROM delivery WHERE +state < 3 AND submission IN " + o.ids() + " GROUP BY state"
}

func (o owned) setHeld() string {
	return "UPDATE delivery SET state = 3, hold_reason = ? WHERE +state < 3 AND submission IN " + o.ids()
}

func (o owned) countToRelease() string {
	return "SELECT attempts > 0, count(*) FROM delivery WHERE state = 3 AND hold_reason = ? AND submission IN " + o.activeIDs() + " GROUP BY 1"
}

func (o owned) setReleased() string {
	return "UPDATE delivery SET state = iif(attempts > 0, 2, 1), hold_reason = '' WHERE state = 3 AND hold_reason = ? AND submission IN " + o.activeIDs()
}

// hold holds the waiting deliveries of what is suspended.
func (t *tx) hold(o owned) error {
	err := t.Query(o.countToHold(), bind(o.args...), func(r *row) error {
		state, n := r.Int(), r.Int()
		t.waiting[state] -= n
		t.waiting[stateHeld] += n
		return nil
	})
	if err != nil {
		return err
	}
	return t.Exec(o.setHeld(), bind(append([]any{queue.HoldSuspended}, o.args...)...))
}

// release puts back what was held for a suspension and is under no other one.
// A delivery that was tried before waits on until its time.
func (t *tx) release(o owned) error {
	args := bind(append([]any{queue.HoldSuspended}, o.args...)...)
	err := t.Query(o.countToRelease(), args, func(r *row) error {
		tried, n := r.Bool(), r.Int()
		t.waiting[stateHeld] -= n
		if tried {
			t.waiting[stateDeferred] += n
		} else {
			t.waiting[stateQueued] += n
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.Exec(o.setReleased(), args)
}
