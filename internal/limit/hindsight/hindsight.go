// Package hindsight tells from the record what limits would have done to mail of the past.
//
// Package limit/simulation judges and counts; here the record is read for it.
//
// Main types: Simulated, Question; function Simulate.
package hindsight

import (
	"context"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/simulation"
	"countersign/internal/mail"
)

// Store is what is asked.
type Store interface {
	// Search is that of audit.Store, Sender that of account.Directory.
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
	Sender(ctx context.Context, login string) (*account.Sender, error)
}

// Question is what is to be simulated.
type Question struct {
	// Limits are judged together, and without those that are set.
	Limits []limit.Limit
	// For is whom they are for; each account, domain or customer that it stands for is counted
	// by itself.
	For limit.Subject
	// Since is the beginning.
	Since time.Time
}

// Simulate goes through the record. A message that would have been over a limit counts no more:
// as if it had been refused, and not tried again. Errors: fault.Invalid for what the record does
// not tell, fault.TooLarge for what would take too much memory, and those of the store.
func Simulate(ctx context.Context, store Store, q Question) (s Simulated, err error) {
	of, one, err := counted(ctx, store, q.For)
	if err != nil {
		return s, err
	}
	if q.For.Kind == limit.Everything && limit.Bounds([]limit.Level{{Limits: q.Limits}}, limit.Connections) {
		return s, fault.New("limit.hindsight", fault.Invalid, "connections of everything cannot be simulated: of clients that have not logged in the record has no more than its rations allow; set such a limit in shadow mode, and look at limit.shadow")
	}
	past := &past{Simulation: simulation.New(q.Limits, of), of: of, since: q.Since, automatic: map[mail.ID]bool{}}
	if err := past.read(ctx, store, one, q.Limits); err != nil {
		return s, err
	}
	over, all := past.Tallies()
	s = Simulated{
		Messages: all.Messages, Recipients: all.Recipients, OverMessages: all.OverMessages, OverRecipients: all.OverRecipients,
		Connections: all.Connections, OverConnections: all.OverConnections, Over: make([]Tally, len(over)),
	}
	for i := range over {
		s.Over[i] = tally(&over[i])
	}
	return s, nil
}

// counted says as what logins are counted; one is the only login that is concerned, "" for
// several.
func counted(ctx context.Context, store Store, s limit.Subject) (of func(login string) (string, bool), one string, err error) {
	each := s.Name == limit.Each
	switch s.Kind {
	case limit.Account:
		if each {
			return func(login string) (string, bool) { return login, true }, "", nil
		}
		return func(login string) (string, bool) { return login, login == s.Name }, s.Name, nil
	case limit.Domain:
		return func(login string) (string, bool) {
			domain := login[strings.LastIndexByte(login, '@')+1:]
			return domain, each || domain == s.Name
		}, "", nil
	case limit.Everything:
		return func(string) (string, bool) { return "", true }, "", nil
	case limit.Customer, limit.Plan:
		found := map[string]string{}
		return func(login string) (string, bool) {
			name, known := found[login]
			if !known {
				name = heldBy(ctx, store, s, each, login)
				found[login] = name
			}
			return name, name != ""
		}, "", nil
	}
	return nil, "", fault.New("limit.hindsight", fault.Invalid, "only limits of accounts, domains, customers, plans and everything can be simulated: the record does not tell the rest of each message")
}

// heldBy returns as what a login is counted under a customer or plan as they are now; "" for
// not at all.
func heldBy(ctx context.Context, store Store, s limit.Subject, each bool, login string) string {
	sender, err := store.Sender(ctx, login)
	switch {
	case err != nil: // it is no more
		return ""
	case s.Kind == limit.Plan && sender.Plan.Name == s.Name:
		return login
	case s.Kind == limit.Customer && (each || sender.Customer.Name == s.Name):
		return sender.Customer.Name
	}
	return ""
}

// Simulated is what limits would have done to mail of the past.
type Simulated struct {
	Messages       int64 `json:"messages"`
	Recipients     int64 `json:"recipients"`
	OverMessages   int64 `json:"over_messages"`
	OverRecipients int64 `json:"over_recipients"`
	// Connections are those that logged in, where a limit is of connections.
	Connections     int64   `json:"connections,omitempty"`
	OverConnections int64   `json:"over_connections,omitempty"`
	Over            []Tally `json:"over"`
}

// Tally is what would have become of one subject's mail.
type Tally struct {
	Name            string    `json:"name,omitempty"`
	Messages        int64     `json:"messages"`
	OverMessages    int64     `json:"over_messages"`
	Recipients      int64     `json:"recipients"`
	OverRecipients  int64     `json:"over_recipients"`
	Connections     int64     `json:"connections,omitempty"`
	OverConnections int64     `json:"over_connections,omitempty"`
	First           time.Time `json:"first"`
	Last            time.Time `json:"last"`
	By              string    `json:"first_by"`
}

func tally(t *simulation.Tally) Tally {
	return Tally{t.Name, t.Messages, t.OverMessages, t.Recipients, t.OverRecipients, t.Connections, t.OverConnections, t.First, t.Last, t.By.String()}
}
