package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"sync"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/tables"
)

// page is some rows of a table.
type page struct {
	rows   []tables.Row
	octets int64
	err    error
}

// firstRows is how many rows are asked for before it is known how long they are.
const firstRows = 256

// pages reads a table behind a key, a page ahead of who takes them. It ends with
// ctx.
func (c *copier) pages(ctx context.Context, s Side, t *tables.Table, behind tables.Row) <-chan page {
	out := make(chan page)
	go func() {
		defer close(out)
		limit := tables.Limit{Rows: min(firstRows, c.Batch.Rows), Bytes: c.Batch.Bytes}
		for {
			p := page{}
			p.rows, p.err = s.Page(ctx, t, behind, limit)
			if p.err == nil && len(p.rows) == 0 {
				return
			}
			for _, r := range p.rows {
				p.octets += t.Octets(r)
			}
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil {
				return
			}
			behind = t.Key(p.rows[len(p.rows)-1])
			// As many as fit, a few more: not many are read for nothing.
			fitting := c.Batch.Bytes*int64(len(p.rows))/max(p.octets, 1) + 1
			limit.Rows = int(min(fitting, int64(c.Batch.Rows)))
		}
	}()
	return out
}

// counter counts the octets of a body, and ends it with ctx.
type counter struct {
	ctx  context.Context
	from io.Reader
	n    int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, fault.Wrap(op, fault.Canceled, err)
	}
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// verify reads both stores once more, at the same time, and compares them.
func (c *copier) verify(ctx context.Context, list []tables.Table) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var both sync.WaitGroup
	var sums [2][]Sum
	var errs [2]error
	w := &watch{copier: c}
	for i, s := range []Side{c.Source, c.Target} {
		d := &digest{name: "source", side: s, storable: c.Target.Storable, told: w, seen: &w.seen}
		if i == 1 {
			d.name, d.storable, d.seen = "copy", func(text string) string { return text }, nil
		}
		both.Go(func() {
			sums[i], errs[i] = c.sums(ctx, d, list)
			if errs[i] != nil {
				stop()
			}
		})
	}
	both.Wait()
	// The one that was stopped by the other has nothing to say.
	for i, other := range []int{1, 0} {
		if errs[i] != nil && (!fault.Is(errs[i], fault.Canceled) || errs[other] == nil || fault.Is(errs[other], fault.Canceled)) {
			return errs[i]
		}
	}
	c.result.Tables = sums[1]
	c.seen = w.seen
	if wrong := differing(sums[0], sums[1]); wrong != "" {
		c.result.Differs = true
		return fault.New(op, fault.Conflict, "the copy is not what the source is, in %s: something has changed one of them since the copy began; "+
			"see that nothing does, and use --restart", wrong)
	}
	return nil
}

// watch passes the progress of two goroutines on.
type watch struct {
	*copier
	mu    sync.Mutex // guards bytes, and who is told
	bytes int64
	seen  seen
}

func (w *watch) add(store string, t *tables.Table, done, total, octets int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += octets
	w.Progress(Progress{Phase: "verify", Store: store, Table: t.Name, Rows: done, Total: total, Bytes: w.bytes})
}

// digest sums up one side.
type digest struct {
	name     string // of the side, to people
	side     Side
	storable func(string) string
	told     *watch
	sum      hash.Hash
	buffer   []byte
	// seen gets what was seen of the source; nil for the copy.
	seen *seen
}

// seen is what was seen of the source that tells whether it has changed since:
// every change of accounts raises a counter, every other is recorded.
type seen struct {
	// counters are the rows of meta, event is the key of the last event.
	counters []byte
	event    tables.Row
}

// add takes note of a row.
func (s *seen) add(t *tables.Table, row tables.Row) {
	switch {
	case s == nil:
	case t.Name == "meta":
		s.counters = t.Append(s.counters, row)
	case t.Name == "event":
		s.event = slices.Clone(t.Key(row))
	}
}

// unchanged is fault.Conflict where the source is not any more what was compared.
func (c *copier) unchanged(ctx context.Context, list []tables.Table) error {
	now := seen{}
	for i := range list {
		t := &list[i]
		behind := map[string]tables.Row{"meta": nil, "event": c.seen.event}
		from, looked := behind[t.Name]
		if !looked {
			continue
		}
		rows, err := c.Source.Page(ctx, t, from, tables.Limit{Rows: firstRows, Bytes: c.Batch.Bytes})
		if err != nil {
			return about(t, err)
		}
		for _, row := range rows {
			now.add(t, row)
		}
	}
	if now.event == nil && bytes.Equal(now.counters, c.seen.counters) {
		return nil
	}
	c.result.Differs = true
	return fault.New(op, fault.Conflict, "something has changed the source since it was compared; see that nothing does, and use --restart")
}

// sums sums up all tables of a side.
func (c *copier) sums(ctx context.Context, d *digest, list []tables.Table) ([]Sum, error) {
	var all []Sum
	for i := range list {
		t := &list[i]
		s := Sum{Table: t.Name}
		d.sum = sha256.New()
		inner, stop := context.WithCancel(ctx)
		err := d.table(inner, t, &s, c.pages(inner, d.side, t, nil), c.totals[i])
		stop()
		if err == nil {
			err = fault.Wrap(op, fault.Canceled, ctx.Err())
		}
		if err != nil {
			return nil, about(t, err)
		}
		d.sum.Sum(s.SHA256[:0])
		all = append(all, s)
	}
	return all, nil
}

// table sums up the pages of a table.
func (d *digest) table(ctx context.Context, t *tables.Table, s *Sum, pages <-chan page, total int64) error {
	for p := range pages {
		if p.err != nil {
			return p.err
		}
		if err := d.side.Alone(ctx); err != nil {
			return err
		}
		before := s.Bytes
		for _, row := range p.rows {
			if err := d.row(ctx, t, s, row); err != nil {
				return err
			}
		}
		d.told.add(d.name, t, s.Rows, total, s.Bytes-before)
	}
	return nil
}

// row adds a row with its large body.
func (d *digest) row(ctx context.Context, t *tables.Table, s *Sum, row tables.Row) error {
	if _, err := fit(t, row, d.storable); err != nil {
		return err
	}
	d.seen.add(t, row)
	d.buffer = t.Append(d.buffer[:0], row)
	d.sum.Write(d.buffer)
	s.Rows++
	s.Bytes += t.Octets(row)
	id, size := t.Body(row)
	if id == "" {
		return nil
	}
	content, err := d.side.Body(ctx, mail.ID(id), size)
	if err != nil {
		return err
	}
	n, err := io.Copy(d.sum, &counter{ctx: ctx, from: content})
	s.Bytes += n
	return errors.Join(err, content.Close())
}
