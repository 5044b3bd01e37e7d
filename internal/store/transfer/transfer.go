package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/tables"
)

// Options say what is copied. Source and Target are needed.
type Options struct {
	Source Side
	Target Target
	// Restart removes what an unfinished copy has, and begins anew.
	Restart bool
	// KeepSource leaves the source without a mark. Whoever asks for that makes sure
	// that gates serve from one of the two alone.
	KeepSource bool
	// Batch bounds what is in memory and in one transaction; zero fields mean
	// 10,000 rows and 4 MiB. Large bodies are not part of it: they are streamed.
	Batch tables.Limit
	// Progress is told how far the work is, after each batch; nil means nobody. In
	// the phase "verify" it is called by two goroutines, one at a time.
	Progress func(Progress)
	// Actor is who copies, for the record; Now is the clock, nil means time.Now.
	Actor string
	Now   func() time.Time
}

// Progress is how far the work is.
type Progress struct {
	// Phase is "copy", or "verify", in which each of the two stores is read.
	Phase string
	// Store is "source" or "copy" in the phase "verify", "" in the other.
	Store string
	// Table is being worked on; of Total rows, those of an earlier run included,
	// Rows are done. Both are about right where there are millions.
	Table       string
	Rows, Total int64
	// Bytes were read by this run in this phase.
	Bytes int64
}

// Result is what was copied.
type Result struct {
	// Begun says that the target is marked: what it has stays for the next run.
	Begun bool
	// Resumed says that an earlier run had begun.
	Resumed bool
	// Differs says that the two were compared and are not the same.
	Differs bool
	// Marked says that the source has been marked as copied.
	Marked bool
	// From and To are the stores.
	From, To string
	// Tables are what the target has, table by table.
	Tables []Sum
	// Changed is how many texts hold octets that the target cannot keep (NUL, or
	// what is not UTF-8), and have U+FFFD in their place.
	Changed int64
}

// Sum is what one table of a store holds.
type Sum struct {
	Table string
	Rows  int64
	// Bytes are those of all values, and of the large bodies.
	Bytes int64
	// SHA256 is over all rows in the order of their keys, and the large bodies.
	SHA256 [32]byte
}

const op = "store.copy"

// copier is one run.
type copier struct {
	Options
	totals []int64
	bytes  int64
	seen   seen
	result Result
}

// Run copies the source into the target, or goes on with that, compares the two,
// marks the source and opens the target for others. The result says how far it came, also with an
// error: fault.Conflict where the target may not be filled, where a gate has come
// up meanwhile, or where the two differ at the end, and what the sides say.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Batch.Rows <= 0 {
		o.Batch.Rows = 10_000
	}
	if o.Batch.Bytes <= 0 {
		o.Batch.Bytes = 4 << 20
	}
	c := &copier{Options: o}
	c.result.From, c.result.To = o.Source.Origin().Name, o.Target.Origin().Name
	err := c.run(ctx)
	return &c.result, err
}

func (c *copier) run(ctx context.Context) error {
	if err := c.alone(ctx); err != nil {
		return err
	}
	resumed, err := c.Target.Begin(ctx, c.Source.Origin(), c.Restart)
	if err != nil {
		return err
	}
	c.result.Begun, c.result.Resumed = true, resumed
	list := tables.Carried()
	for i := range list {
		total, err := c.Source.Count(ctx, &list[i])
		if err != nil {
			return about(&list[i], err)
		}
		c.totals = append(c.totals, total)
	}
	for i := range list {
		if err := c.table(ctx, &list[i], c.totals[i]); err != nil {
			return about(&list[i], err)
		}
	}
	if err := c.verify(ctx, list); err != nil {
		return err
	}
	if err := c.alone(ctx); err != nil {
		return err
	}
	if err := c.unchanged(ctx, list); err != nil {
		return err
	}
	if err := c.leave(ctx); err != nil {
		return err
	}
	// Behind the mark no command changes the source any more.
	if err := c.unchanged(ctx, list); err != nil {
		return err
	}
	return c.Target.Finish(ctx, c.event())
}

// leave marks the source, before others may open the target: where the copy is cut
// off between the two, neither is served from, and the next run goes on. That we
// are alone afterwards says that no gate had come before the mark was there.
func (c *copier) leave(ctx context.Context) error {
	if c.KeepSource {
		return nil
	}
	err := c.Source.Leave(ctx, Moved{To: c.result.To, At: c.Now().UTC(), Actor: c.Actor})
	if err != nil {
		return err
	}
	c.result.Marked = true
	return c.alone(ctx)
}

// about says which table an error is about.
func about(t *tables.Table, err error) error {
	return &fault.Error{Op: op, Kind: fault.KindOf(err), Detail: "table " + t.Name, Err: err}
}

// alone asks both sides.
func (c *copier) alone(ctx context.Context) error {
	return errors.Join(c.Source.Alone(ctx), c.Target.Alone(ctx))
}

// table copies what is behind the greatest key of the target.
func (c *copier) table(ctx context.Context, t *tables.Table, total int64) error {
	behind, err := c.Target.Last(ctx, t)
	if err != nil {
		return err
	}
	done, err := c.Target.Count(ctx, t)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for p := range c.pages(ctx, c.Source, t, behind) {
		if p.err != nil {
			return p.err
		}
		if err := c.batch(ctx, t, p.rows); err != nil {
			return err
		}
		done += int64(len(p.rows))
		c.bytes += p.octets
		c.Progress(Progress{Phase: "copy", Table: t.Name, Rows: done, Total: total, Bytes: c.bytes})
	}
	return fault.Wrap(op, fault.Canceled, ctx.Err())
}

// batch stores a page, the large bodies first.
func (c *copier) batch(ctx context.Context, t *tables.Table, rows []tables.Row) error {
	if err := c.alone(ctx); err != nil {
		return err
	}
	for _, row := range rows {
		changed, err := fit(t, row, c.Target.Storable)
		if err != nil {
			return err
		}
		c.result.Changed += changed
		id, size := t.Body(row)
		if id == "" {
			continue
		}
		if err := c.body(ctx, mail.ID(id), size); err != nil {
			return err
		}
	}
	return c.Target.Write(ctx, t, rows)
}

// fit makes the texts of a row such as the target can keep, and counts those that
// it changes. A key is never changed: two could become one.
func fit(t *tables.Table, row tables.Row, storable func(string) string) (changed int64, err error) {
	for i, v := range row {
		text, ok := v.(string)
		if !ok {
			continue
		}
		kept := storable(text)
		if kept == text {
			continue
		}
		if i < t.Keys {
			return 0, fault.New(op, fault.Invalid, "the target cannot keep the key %q", text)
		}
		row[i] = kept
		changed++
	}
	return changed, nil
}

// body copies a large body.
func (c *copier) body(ctx context.Context, id mail.ID, size int64) error {
	content, err := c.Source.Body(ctx, id, size)
	if err != nil {
		return err
	}
	counted := &counter{ctx: ctx, from: content}
	err = errors.Join(c.Target.WriteBody(ctx, id, counted), content.Close())
	if err == nil && counted.n != size {
		err = fault.New(op, fault.Corrupt, "the large body %s of the source has %d octets, its message says %d", id, counted.n, size)
	}
	c.bytes += counted.n
	return err
}

// event is the one that the target records.
func (c *copier) event() audit.Event {
	rows, octets := int64(0), int64(0)
	data := map[string]string{"from": c.result.From, "to": c.result.To}
	for _, s := range c.result.Tables {
		rows += s.Rows
		octets += s.Bytes
		if name := map[string]string{"account": "accounts", "submission": "submissions", "delivery": "deliveries"}[s.Table]; name != "" {
			data[name] = fmt.Sprint(s.Rows)
		}
	}
	data["rows"], data["bytes"] = fmt.Sprint(rows), fmt.Sprint(octets)
	return audit.Event{At: c.Now().UTC(), Kind: audit.StoreCopied, Actor: c.Actor, Text: "from " + c.result.From, Data: data}
}

// differing lists the tables of which two stores do not hold the same.
func differing(source, target []Sum) string {
	var all []string
	for i, s := range source {
		t := target[i]
		switch {
		case s.Rows != t.Rows:
			all = append(all, fmt.Sprintf("%s (%d rows in the source, %d in the copy)", s.Table, s.Rows, t.Rows))
		case s != t:
			all = append(all, s.Table+" (other contents)")
		}
	}
	return strings.Join(all, ", ")
}
