package hindsight

import (
	"context"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/simulation"
	"countersign/internal/mail"
	"countersign/internal/node"
)

// book is a record, and accounts that are all of one customer but those of a rival's domain.
type book []audit.Event

func (b book) Search(_ context.Context, q audit.Query) (found []audit.Event, err error) {
	for _, e := range b {
		if e.Kind == q.Kind && e.Seq > q.AfterSeq && (q.Login == "" || q.Login == e.Login) {
			found = append(found, e)
		}
	}
	return found, nil
}

func (book) Nodes(context.Context) ([]node.Node, error) { return []node.Node{{ID: node.Only}}, nil }

func (book) Sender(_ context.Context, login string) (*account.Sender, error) {
	switch login {
	case "a@example.org":
		return &account.Sender{Customer: account.Customer{Name: "acme"}}, nil
	case "r@rival.example":
		return &account.Sender{Customer: account.Customer{Name: "rival"}}, nil
	}
	return nil, fault.New("test.sender", fault.NotFound, "there is none")
}

// TestOthersContacts: while new recipients are counted, those of nobody who is concerned are kept, so
// that what others have sent takes no memory and does not use up what may be remembered.
func TestOthersContacts(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	var b book
	for n, login := range []string{"a@example.org", "r@rival.example", "gone@example.org"} {
		b = append(b, audit.Event{Seq: int64(n + 1), At: now, Kind: audit.DeliveryDelivered, Login: login, Submission: mail.ID(login), Data: map[string]string{"to": "x@elsewhere.example"}})
	}
	of := limit.Subject{Kind: limit.Customer, Name: "acme"}
	place, err := newPlacing(t.Context(), b, of)
	if err != nil {
		t.Fatal(err)
	}
	limits := []limit.Limit{{Measure: limit.NewRecipients, Window: limit.Day, Max: 1}}
	p := &past{
		Simulation: simulation.New(simulation.Options{Limits: limits, Kind: of.Kind, Of: place.place}),
		place:      place, limits: []limit.Level{{Limits: limits}}, since: now, remembered: newRemembered(),
	}
	if err := p.read(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if kept := &p.remembered; len(kept.went) != 1 || len(kept.contacts("a@example.org")) != 1 || kept.contacts("gone@example.org") != nil {
		t.Errorf("%d recipients are kept", len(p.remembered.went))
	}
}

// away is a record of a store that does not know any more whose accounts are.
type away struct{ book }

func (away) Sender(context.Context, string) (*account.Sender, error) {
	return nil, fault.New("test.sender", fault.Unavailable, "the store is away")
}

// TestStoreFails: who is not found is nobody's; who cannot be looked up is no reason to leave out what
// they have sent.
func TestStoreFails(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	record := book{
		{Seq: 1, At: now, Kind: audit.Accepted, Login: "gone@example.org", Data: map[string]string{"recipients": "1", "size": "1"}},
		{Seq: 2, At: now, Kind: audit.DeliveryDelivered, Login: "gone@example.org", Data: map[string]string{"to": "x@elsewhere.example"}},
	}
	for _, measure := range []limit.Measure{limit.Messages, limit.NewRecipients} {
		q := Question{Limits: []limit.Limit{{Measure: measure, Window: limit.Day, Max: 1}}, For: limit.Subject{Kind: limit.Customer, Name: "acme"}, Since: now, Now: now}
		if s, err := Simulate(t.Context(), record, q); err != nil || s.Messages != 0 {
			t.Errorf("%s: %+v, %v", measure, s, err)
		}
		if s, err := Simulate(t.Context(), away{record}, q); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %+v, %v", measure, s, err)
		}
	}
}

// ending is a record that whoever asks stops waiting for as it is looked up.
type ending struct {
	book
	end func()
}

func (e ending) Sender(ctx context.Context, login string) (*account.Sender, error) {
	e.end()
	return e.book.Sender(ctx, login)
}

// TestEnds: a simulation ends with who asked for it, also within what was read of the record at once.
func TestEnds(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	var record book
	for n := range 2 {
		record = append(record, audit.Event{Seq: int64(n + 1), At: now, Kind: audit.Accepted, Login: "a@example.org", Data: map[string]string{"recipients": "1", "size": "1"}})
	}
	ctx, end := context.WithCancel(t.Context())
	q := Question{Limits: []limit.Limit{{Measure: limit.Messages, Window: limit.Day, Max: 1}}, For: limit.Subject{Kind: limit.Customer, Name: "acme"}, Since: now, Now: now}
	if s, err := Simulate(ctx, ending{record, end}, q); !fault.Is(err, fault.Canceled) {
		t.Errorf("%+v, %v", s, err)
	}
}
