package sqlite

import (
	"context"
	"encoding/json"

	"countersign/internal/audit"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlite/search"
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
	return search.Find(ctx, s.db, &q)
}
