package sqlite

import (
	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/database"
)

// owned selects the submissions of an account, domain or customer: a FROM
// clause in which s is the submission, and its arguments. A customer's
// submissions are those of the domains that it has now.
type owned struct {
	from string
	args []any
}

func ofAccount(login string, id mail.ID) owned {
	domain := database.SplitAddress(login).Domain
	return owned{"FROM submission s WHERE s.domain <> '' AND s.domain = ? AND s.login = ? AND s.account = ?", []any{domain, login, id}}
}

func ofDomain(name mail.Domain) owned {
	return owned{"FROM submission s WHERE s.domain <> '' AND s.domain = ?", []any{name}}
}

func ofCustomer(name string) owned {
	return owned{"FROM domain o CROSS JOIN submission s ON s.domain = o.name AND s.domain <> '' WHERE o.customer = ?", []any{name}}
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

// The unary plus below keeps SQLite from walking the index of all due
// deliveries instead of those of the submissions.
const (
	holdCountTail = ") AND +d.state < 3 GROUP BY d.state"
	holdTail      = ") AND +state < 3"

	releaseTail = ") AND state = 3 AND hold_reason = ?"
	// activeTail keeps submissions whose account, domain and customer are
	// active; a removed account never is again.
	activeTail = ` AND EXISTS (SELECT 1 FROM account a JOIN domain d ON d.name = a.domain JOIN customer c ON c.name = d.customer
    WHERE a.login = s.login AND a.id = s.account AND a.state = 'active' AND d.state = 'active' AND c.state = 'active')`
)

// hold holds the waiting deliveries of what is suspended.
func (t *tx) hold(o owned) error {
	err := t.Query("SELECT d.state, count(*) FROM delivery d WHERE d.submission IN (SELECT s.id "+o.from+holdCountTail, bind(o.args...), func(r *row) error {
		state, n := r.Int(), r.Int()
		t.waiting[state] -= n
		t.waiting[stateHeld] += n
		return nil
	})
	if err != nil {
		return err
	}
	args := append([]any{queue.HoldSuspended}, o.args...)
	return t.Exec("UPDATE delivery SET state = 3, hold_reason = ? WHERE submission IN (SELECT s.id "+o.from+holdTail, bind(args...))
}

// release puts back what was held for a suspension and is under no other one.
// A delivery that was tried before waits on until its time.
func (t *tx) release(o owned) error {
	of := "submission IN (SELECT s.id " + o.from + activeTail + releaseTail
	args := bind(append(o.args[:len(o.args):len(o.args)], queue.HoldSuspended)...)
	err := t.Query("SELECT attempts > 0, count(*) FROM delivery WHERE "+of+" GROUP BY 1", args, func(r *row) error {
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
	return t.Exec("UPDATE delivery SET state = iif(attempts > 0, 2, 1), hold_reason = '' WHERE "+of, args)
}
