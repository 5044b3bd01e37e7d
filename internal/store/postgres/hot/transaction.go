package hot

import (
	"slices"
	"sync/atomic"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/postgres/nodes"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/counting"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/objects"
	"countersign/internal/store/sqlkit/waiting"
)

// place is one delivery.
type place struct {
	submission string
	n          int
}

// transaction is one batch on its way.
type transaction struct {
	opt    *Options
	number int64
	epoch  int64 // under which it is made
	batch  []*operation
	s      *server.Session
	// draw gives the contents of the batch their numbers.
	draw func(s *server.Session, batch []*operation) error
	// committing says that COMMIT was sent.
	committing bool

	// What the server told.
	generation uint64
	mine       bool            // this process still is the node
	inserted   map[string]bool // submissions that are stored
	refused    []string        // those that were inserted and are not to be stored
	bodies     map[string]bool // large bodies that were taken
	before     map[place]int   // the states of the deliveries reported on
	at         time.Time       // when the counters were read
	alive      map[string]bool // who may hold connections; nil where nobody asks
	gates      *atomic.Int64   // gets their number

	counted counting.Counted
	kept    *kept // between transactions
	// counts are all counters of the batch, in no order.
	counts []count
}

// run runs the batch and commits. Each operation's err is its own result.
func (t *transaction) run(s *server.Session) (err error) {
	t.s = s
	defer func() { t.keep(err == nil && t.committing) }()
	t.inserted, t.bodies, t.before = map[string]bool{}, map[string]bool{}, map[place]int{}
	if err := t.draw(s, t.batch); err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		return err
	}
	if !t.mine {
		return nothingMore()
	}
	if err := t.judge(); err != nil {
		return err
	}
	if err := t.settle(); err != nil {
		return err
	}
	return t.finish()
}

// begin begins the transaction, inserts the submissions that were decided on at
// this generation, and looks at the deliveries that are reported on. Those that their limits
// refuse are taken out again, but those with large bodies, which have to wait.
func (t *transaction) begin() error {
	var p server.Pipe
	p.Exec("BEGIN")
	p.Exec(server.ShareAccountsSQL)
	p.Query(objects.GenerationSQL, nil, func(r *sqlkit.Row) error {
		t.generation = uint64(r.Int64())
		return nil
	})
	t.mine = t.epoch == 0
	if !t.mine {
		p.Query(nodes.HoldsSQL+" FOR KEY SHARE", []any{t.opt.Node, t.epoch}, func(*sqlkit.Row) error {
			t.mine = true
			return nil
		})
	}
	var accepts []*incoming.Acceptance
	var reported []sqlkit.Values
	for _, o := range t.batch {
		for _, a := range o.accepts {
			if !waits(a) {
				accepts = append(accepts, a)
			}
		}
		for i := range o.outcomes {
			reported = append(reported, o.outcomes[i].Key)
		}
	}
	t.insert(&p, accepts, false)
	if len(reported) > 0 {
		// Several nodes may report the last deliveries of one submission: each
		// has to see what the other did.
		keys := columns(reported, "ti")
		p.Exec(lockSQL, keys[0])
		p.Query(statesSQL, append(keys, t.opt.Node), func(r *sqlkit.Row) error {
			t.before[place{r.Text(), r.Int()}] = r.Int()
			return nil
		})
	}
	t.readCounters(&p)
	t.askAlive(&p)
	t.meet(&p) // behind the locks, so that nobody else writes to the same at the same time
	if err := t.s.Send(&p); err != nil {
		return err
	}
	t.beginCounters()
	return nil
}

const (
	lockSQL = "SELECT 1 FROM submission WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"

	statesSQL = `SELECT d.submission, d.n, d.state FROM unnest($1::text[], $2::bigint[]) u(submission, n)
    JOIN delivery d ON d.submission = u.submission AND d.n = u.n WHERE d.node = $3`

	takeSQL = "UPDATE body SET state = 3 WHERE id = ANY($1::text[]) AND state = 2 RETURNING id"
)

const submissionKinds = "tttttttt" + "ii" + "titittiiii" // of incoming.SubmissionColumns

// insertSQL inserts submissions; the last argument are their generations. Those of
// another generation wait for a closer look.
const insertSQL = "INSERT INTO submission (" + incoming.SubmissionColumns + `)
    SELECT id, session, account, credential, login, domain, customer, cause, at, expires, sender, given_size, body_type, smtputf8,
        dsn_return, envelope_id, size, revision, others, content
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
        $11::text[], $12::bigint[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[],
        $20::bigint[], $21::bigint[])
        u(id, session, account, credential, login, domain, customer, cause, at, expires, sender, given_size, body_type, smtputf8,
        dsn_return, envelope_id, size, revision, others, content, generation)
    WHERE $22 OR account = '' OR generation = (SELECT value FROM meta WHERE name = 'generation')
    ON CONFLICT (id) DO NOTHING RETURNING id`

// insert adds the statements that insert submissions and take their large bodies.
// checked says that the accounts were looked at.
func (t *transaction) insert(p *server.Pipe, accepts []*incoming.Acceptance, checked bool) {
	if len(accepts) == 0 {
		return
	}
	rows := make([]sqlkit.Values, len(accepts))
	generations := make([]int64, len(accepts))
	var large []string
	for i, a := range accepts {
		rows[i], generations[i] = a.Submission, int64(a.Generation)
		if a.Large != nil {
			large = append(large, string(a.Large.ID()))
		}
	}
	p.Query(insertSQL, append(columns(rows, submissionKinds), generations, checked), func(r *sqlkit.Row) error {
		t.inserted[r.Text()] = true
		return nil
	})
	if large == nil {
		return
	}
	p.Query(takeSQL, []any{large}, func(r *sqlkit.Row) error {
		t.bodies[r.Text()] = true
		return nil
	})
}

// waits reports whether a submission is inserted when it has been judged, and not before.
func waits(a *incoming.Acceptance) bool { return a.Limited() && a.Large != nil }

// takeOut has a submission that its limits have refused removed again, where it was inserted.
func (t *transaction) takeOut(o *operation, a *incoming.Acceptance) {
	if id := string(a.ID); o.err != nil && t.inserted[id] {
		delete(t.inserted, id)
		t.refused = append(t.refused, id)
	}
}

// judge looks at the accounts of those that were decided on at another generation, holds
// all against their limits, one after the other, and inserts those that may be.
func (t *transaction) judge() error {
	if err := t.lookAgain(); err != nil {
		return err
	}
	var passed []*incoming.Acceptance
	for _, o := range t.batch {
		for _, a := range o.accepts {
			if o.err == nil && a.Limited() {
				o.err = a.Judge(&t.counted, t.at)
				t.takeOut(o, a)
			}
			if o.err != nil {
				continue
			}
			a.Count(&t.counted)
			if waits(a) || t.doubtful(o) == a {
				passed = append(passed, a)
			}
			passed = append(passed, a.Also()...)
		}
		if o.err == nil {
			o.counted.Count(&t.counted, t.at)
			t.judgeDoor(o)
		}
	}
	if passed == nil {
		return nil
	}
	var insert server.Pipe
	t.insert(&insert, passed, true)
	return t.s.Send(&insert)
}

// lookAgain looks at the accounts of those that were decided on at another generation.
func (t *transaction) lookAgain() error {
	var p server.Pipe
	var doubtful []*operation
	var active, same [][]bool
	for _, o := range t.batch {
		a := t.doubtful(o)
		if a == nil {
			continue
		}
		n := len(doubtful)
		doubtful = append(doubtful, o)
		active, same = append(active, make([]bool, 1)), append(same, make([]bool, 1+len(a.Domains)))
		ask := func(answer *bool, text string, args sqlkit.Values) {
			p.Query(server.Placeholders(text), plain(args), func(*sqlkit.Row) error {
				*answer = true
				return nil
			})
		}
		ask(&active[n][0], incoming.ActiveSQL, a.Account)
		ask(&same[n][0], incoming.UnchangedSQL, a.Unchanged)
		for i, d := range a.Domains {
			ask(&same[n][1+i], objects.UsableDomainSQL, d)
		}
	}
	if doubtful == nil {
		return nil
	}
	if err := t.s.Send(&p); err != nil {
		return err
	}
	for n, o := range doubtful {
		all := true
		for _, ok := range same[n] {
			all = all && ok
		}
		o.err = incoming.Judge(active[n][0], all)
	}
	return nil
}

// doubtful returns the acceptance of an operation that was decided on at another
// generation, nil for none. Reports of our own have no account.
func (t *transaction) doubtful(o *operation) *incoming.Acceptance {
	for _, a := range o.accepts {
		if a.AccountID != "" && a.Generation != t.generation {
			return a
		}
	}
	return nil
}

// settle gives each operation its result. One that fails after something of it
// was written has to be alone in its transaction, which is then rolled back.
func (t *transaction) settle() error {
	for _, o := range t.batch {
		// What was counted for it has made others wait, or be refused.
		wrote := o.err == nil && o.counts()
		if err := t.notOwn(o); err != nil && o.err == nil {
			o.err = err
		}
		for _, a := range o.stored() {
			if a.Large != nil && t.bodies[string(a.Large.ID())] {
				wrote = true
			}
			switch {
			case o.err != nil:
			case !t.inserted[string(a.ID)]:
				o.err = a.Taken()
				continue
			case a.Large != nil && !t.bodies[string(a.Large.ID())]:
				o.err = fault.New("queue.accept", fault.Unavailable, "the body of submission %s was lost when the database restarted", a.ID)
			}
			wrote = wrote || t.inserted[string(a.ID)]
		}
		if o.err != nil && wrote {
			if len(t.batch) == 1 {
				return o.err
			}
			return errAlone
		}
	}
	return nil
}

// stored are what an operation stores, and what is stored with it.
func (o *operation) stored() (list []*incoming.Acceptance) {
	for _, a := range o.accepts {
		list = append(append(list, a), a.Also()...)
	}
	return list
}

// storable are all that an operation may store.
func (o *operation) storable() (list []*incoming.Acceptance) {
	for _, a := range o.accepts {
		list = append(append(list, a), a.Notices()...)
	}
	return list
}

// counts reports whether an operation that passes is counted anywhere.
func (o *operation) counts() bool {
	return o.counted.Subjects() != nil || o.door != nil || slices.ContainsFunc(o.accepts, (*incoming.Acceptance).Limited)
}

// notOwn refuses an operation that is made again where one of its deliveries is not
// there for this node.
func (t *transaction) notOwn(o *operation) error {
	for i := range o.outcomes {
		if _, found := t.before[place{o.submission, o.outcomes[i].N}]; o.again && !found {
			return incoming.NotOwn(mail.ID(o.submission), o.outcomes[i].N)
		}
	}
	return nil
}

// stateAfter returns the stored state that an outcome leads to.
func stateAfter(before int, o *incoming.Outcome) int {
	if before == waiting.Held && o.State == waiting.Deferred {
		return waiting.Held
	}
	return o.State
}

// plain turns arguments into what the driver takes.
func plain(args sqlkit.Values) []any {
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = a.Value
	}
	return list
}
