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
	text, args := searchSQL(q)
	var events []audit.Event
	err := s.db.Read(ctx, "audit.search", func(c *conn) error {
		return c.Query(ctx, text, args, func(r *row) error {
			e, err := scanEvent(r)
			events = append(events, e)
			return err
		})
	})
	return events, err
}

// searchSQL makes the query of a search. The conditions that indexes have are
// repeated, as SQLite has to see that they hold.
func searchSQL(q audit.Query) (string, values) {
	var w where
	w.add(q.AfterSeq != 0, "seq > ?", q.AfterSeq)
	w.add(q.Session != "", "session <> '' AND session = ?", q.Session)
	w.add(q.Submission != "", "submission <> '' AND submission = ?", q.Submission)
	w.add(q.Login != "", "login <> '' AND login = ?", q.Login)
	w.add(q.Kind != "", "kind = ?", string(q.Kind))
	w.add(!q.Since.IsZero(), "at >= ?", q.Since)
	w.add(!q.Until.IsZero(), "at < ?", q.Until)
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	text := `SELECT seq, at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data
    FROM event` + w.text() + " ORDER BY seq LIMIT ?"
	return text, bind(append(w.args, limit)...)
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

func (w *where) text() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}
