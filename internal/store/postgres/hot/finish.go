package hot

import (
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/waiting"
)

const (
	contentKinds   = "ibbti"
	deliveryKinds  = "tiiiittitt" + "iii" + "ttti" // of incoming.DeliveryColumns
	reliedKinds    = "tti"
	attemptedKinds = "iitiiittt" + "ti"    // of incoming.Outcome.Attempted
	eventKinds     = "itttittttit" + "ttt" // of record.InsertSQL
)

const (
	contentSQL = "INSERT INTO content (" + incoming.ContentColumns + ") SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[])"

	deliverySQL = "INSERT INTO delivery (" + incoming.DeliveryColumns + `, node)
    SELECT *, $18::text FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::text[],
        $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::bigint[])`

	takeOutSQL = "DELETE FROM submission WHERE id = ANY($1::text[])"

	reliedSQL = "INSERT INTO relied (" + incoming.ReliedColumns + ") SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])"

	// A held delivery stays held unless the outcome holds it.
	attemptedSQL = `UPDATE delivery d SET state = CASE WHEN d.state = 3 AND u.state = 2 THEN 3 ELSE u.state END, next = u.next,
        hold_reason = CASE WHEN d.state = 3 AND u.state = 2 THEN d.hold_reason ELSE u.hold END, attempts = d.attempts + 1,
        delay_reported = greatest(d.delay_reported, u.delay), last_at = u.at, last_code = u.code,
        last_enhanced = u.enhanced, last_text = u.text, last_remote = u.remote
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[])
        u(state, next, hold, delay, at, code, enhanced, text, remote, submission, n)
    WHERE d.submission = u.submission AND d.n = u.n AND d.node = $12`

	deleteSQL = `DELETE FROM delivery d USING unnest($1::text[], $2::bigint[]) u(submission, n)
    WHERE d.submission = u.submission AND d.n = u.n AND d.node = $3`

	// FinishSQL removes those of the submissions $1 of which no delivery is left,
	// with their content, and marks their large bodies as finished.
	FinishSQL = `WITH gone AS (DELETE FROM submission s WHERE s.id = ANY($1::text[])
            AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.submission = s.id) RETURNING s.id, s.content),
        relying AS (DELETE FROM relied r USING gone WHERE r.submission = gone.id),
        contents AS (DELETE FROM content c USING gone WHERE c.id = gone.content RETURNING c.large)
    UPDATE body b SET state = 4, changed = ` + server.ClockSQL + ` FROM contents WHERE b.id = contents.large AND contents.large <> ''`

	eventSQL = `INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    SELECT at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[]) WITH ORDINALITY
        u(at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data, place)
    ORDER BY place`

	// TotalSQL adds to the totals.
	TotalSQL = "INSERT INTO queue_total (node, epoch, batch, queued, deferred, held) VALUES ($1, $2, $3, $4, $5, $6)"

	// foldSQL puts the rows of a node's earlier transactions, and those of nobody,
	// into one.
	foldSQL = `WITH gone AS (DELETE FROM queue_total WHERE node IN ($1, '') AND (epoch, batch) < ($2, $3) RETURNING queued, deferred, held)
    INSERT INTO queue_total (node, epoch, batch, queued, deferred, held)
    SELECT $1, 0, 0, coalesce(sum(queued), 0), coalesce(sum(deferred), 0), coalesce(sum(held), 0) FROM gone`
)

// foldEvery is after how many transactions totals are put together.
const foldEvery = 256

// AddEvents adds the statements that store events, the last of a transaction.
func AddEvents(p *server.Pipe, events []sqlkit.Values) {
	if len(events) == 0 {
		return
	}
	p.Exec(server.LockRecordSQL)
	p.Exec(eventSQL, columns(events, eventKinds)...)
}

// rows are what a transaction stores.
type rows struct {
	contents, deliveries, relied, attempted, deleted, events []sqlkit.Values
	// left are the submissions of deleted deliveries.
	left []string
	grow [waiting.States]int
}

// accept adds the rows of an acceptance.
func (r *rows) accept(a *incoming.Acceptance) {
	r.contents = append(r.contents, a.Content)
	r.deliveries = append(r.deliveries, a.Deliveries...)
	r.relied = append(r.relied, a.Relied...)
	r.events = append(r.events, a.Events...)
	for state, n := range a.Grow {
		r.grow[state] += n
	}
}

// report adds the rows of outcomes for deliveries that are there.
func (r *rows) report(o *operation, before map[place]int) {
	for i := range o.outcomes {
		out := &o.outcomes[i]
		state, found := before[place{o.submission, out.N}]
		if !found {
			continue
		}
		r.grow[state]--
		if out.State == 0 {
			r.deleted = append(r.deleted, out.Key)
			r.left = append(r.left, o.submission)
			continue
		}
		r.attempted = append(r.attempted, out.Attempted)
		r.grow[stateAfter(state, out)]++
	}
}

// finish stores what is left of the operations that passed, and commits.
func (t *transaction) finish() error {
	var r rows
	passed := false
	for _, o := range t.batch {
		if o.err != nil {
			continue
		}
		passed = true
		for _, a := range o.stored() {
			r.accept(a)
		}
		r.report(o, t.before)
		r.events = append(r.events, o.events...)
	}
	var p server.Pipe
	w := t.changedCounters()
	if !passed {
		w.look(&p)
		p.Exec("ROLLBACK")
		return t.miscounted(&w, t.s.Send(&p))
	}
	if t.refused != nil {
		p.Exec(takeOutSQL, t.refused)
	}
	add := func(text string, list []sqlkit.Values, kinds string, rest ...any) {
		if len(list) > 0 {
			p.Exec(text, append(columns(list, kinds), rest...)...)
		}
	}
	w.make(&p)
	add(contentSQL, r.contents, contentKinds)
	add(deliverySQL, r.deliveries, deliveryKinds, t.opt.Node)
	add(reliedSQL, r.relied, reliedKinds)
	add(attemptedSQL, r.attempted, attemptedKinds, t.opt.Node)
	add(deleteSQL, r.deleted, "ti", t.opt.Node)
	if r.left != nil {
		p.Exec(FinishSQL, r.left)
	}
	w.write(&p)
	add(meetSQL, t.counted.Contacts(), contactKinds)
	t.count(&p, r.grow)
	AddEvents(&p, r.events)
	p.Exec("COMMIT")
	t.committing = true
	return t.miscounted(&w, t.s.Commit(&p))
}

// count adds to the totals, under the number of the transaction, and now and then
// puts them together.
func (t *transaction) count(p *server.Pipe, grow [waiting.States]int) {
	if t.epoch == 0 {
		if grow != [waiting.States]int{} {
			p.Exec(TotalSQL, "", 0, 0, grow[waiting.Queued], grow[waiting.Deferred], grow[waiting.Held])
		}
		return
	}
	if t.number%foldEvery == 0 {
		p.Exec(foldSQL, t.opt.Node, t.epoch, t.number)
	}
	p.Exec(TotalSQL, t.opt.Node, t.epoch, t.number, grow[waiting.Queued], grow[waiting.Deferred], grow[waiting.Held])
}
