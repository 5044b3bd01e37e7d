package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/store/sqlite/database"
)

const insertEventSQL = `INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object,
    code, enhanced, reason, text, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// bindEvents binds the arguments of insertEventSQL for each event.
func bindEvents(events []audit.Event) ([]values, error) {
	all := make([]values, 0, len(events))
	for i := range events {
		e := &events[i]
		data := ""
		if len(e.Data) > 0 {
			text, err := json.Marshal(e.Data)
			if err != nil {
				return nil, err
			}
			data = string(text)
		}
		all = append(all, bind(e.At, string(e.Kind), e.Session, e.Submission, e.Delivery, e.Login, e.Actor, e.Client, e.Object,
			e.Code, e.Enhanced, e.Reason, e.Text, data))
	}
	return all, nil
}

func insertEvents(t *tx, events []values) error {
	for _, e := range events {
		if err := t.Exec(insertEventSQL, e); err != nil {
			return err
		}
	}
	return nil
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, events []audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := bindEvents(events)
	if err != nil {
		return database.Failure("audit.append", err)
	}
	return s.change(ctx, "audit.append", func(t *tx) error { return insertEvents(t, rows) })
}

// defaultLimit is how many rows a listing without a limit returns.
const defaultLimit = 1000

// Search implements audit.Store.
func (s *Store) Search(ctx context.Context, q audit.Query) ([]audit.Event, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	var events []audit.Event
	err := s.db.Snapshot(ctx, "audit.search", func(c *conn) (err error) {
		if q.Login != "" && q.Session == "" && q.Submission == "" {
			events, err = searchParts(ctx, c, q)
		} else {
			events, err = search(ctx, c, q, allParts)
		}
		return err
	})
	return events, err
}

const (
	// partBits is how many bits of seq count within a part of the index
	// event_login; see the schema.
	partBits = 10
	// allParts stands for a search that does not go part by part.
	allParts = -1

	lastSeqSQL = "SELECT coalesce(max(seq), 0) FROM event"
)

// searchParts looks for the events of a login in one part of the index after
// the other, which is their order.
func searchParts(ctx context.Context, c *conn, q audit.Query) ([]audit.Event, error) {
	last, _, err := c.Number(ctx, lastSeqSQL, nil)
	if err != nil {
		return nil, err
	}
	var events []audit.Event
	limit := q.Limit
	for part := max(q.AfterSeq, 0) >> partBits; part <= last>>partBits && len(events) < limit; part++ {
		q.Limit = limit - len(events)
		found, err := search(ctx, c, q, part)
		if err != nil {
			return nil, err
		}
		events = append(events, found...)
	}
	return events, nil
}

func search(ctx context.Context, c *conn, q audit.Query, part int64) ([]audit.Event, error) {
	text, args := searchSQL(q, part)
	var events []audit.Event
	err := c.Query(ctx, text, args, func(r *row) error {
		e, err := scanEvent(r)
		events = append(events, e)
		return err
	})
	return events, err
}

// searchSQL makes the query of a search, in one part or in all. The conditions
// that indexes have are repeated, as SQLite has to see that they hold.
func searchSQL(q audit.Query, part int64) (string, values) {
	var w where
	w.add(part != allParts, "seq >> 10 = ?", part)
	w.add(q.AfterSeq != 0, "seq > ?", q.AfterSeq)
	w.add(q.Session != "", "session <> '' AND session = ?", q.Session)
	w.add(q.Submission != "", "submission <> '' AND submission = ?", q.Submission)
	w.add(q.Login != "", "login <> '' AND login = ?", q.Login)
	w.add(q.Kind != "", "kind = ?", string(q.Kind))
	w.add(!q.Since.IsZero(), "at >= ?", q.Since)
	w.add(!q.Until.IsZero(), "at < ?", q.Until)
	text := `SELECT seq, at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data
    FROM event` + w.text() + " ORDER BY seq LIMIT ?"
	return text, bind(append(w.args, q.Limit)...)
}

func scanEvent(r *row) (audit.Event, error) {
	e := audit.Event{
		Seq: r.Int64(), At: r.Time(), Kind: audit.Kind(r.Text()), Session: r.ID(), Submission: r.ID(), Delivery: r.Int(),
		Login: r.Text(), Actor: r.Text(), Client: r.Text(), Object: r.Text(),
		Code: r.Int(), Enhanced: r.Text(), Reason: r.Text(), Text: r.Text(),
	}
	data := r.Text()
	if data == "" {
		return e, nil
	}
	if err := json.Unmarshal([]byte(data), &e.Data); err != nil {
		return e, fmt.Errorf("%w: data of event %d: %w", database.ErrDamaged, e.Seq, err)
	}
	return e, nil
}

// where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

// add adds a condition if it applies.
func (w *where) add(applies bool, term string, args ...any) {
	if applies {
		w.terms = append(w.terms, term)
		w.args = append(w.args, args...)
	}
}

// argue adds only arguments, of what stands before the conditions.
func (w *where) argue(applies bool, args ...any) {
	if applies {
		w.args = append(w.args, args...)
	}
}

func (w *where) text() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}
