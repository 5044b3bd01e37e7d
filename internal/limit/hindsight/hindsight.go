// Package hindsight tells from the record what limits would have done to mail of the past.
//
// Package limit/simulation judges and counts; here the record is read for it.
//
// Main types: Simulated, Question; function Simulate.
package hindsight

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
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
	var failed error
	of, one, err := counted(ctx, store, q.For, &failed)
	if err != nil {
		return s, err
	}
	if err := check(q); err != nil {
		return s, err
	}
	past := &past{Simulation: simulation.New(q.Limits, of), of: of, since: q.Since, automatic: map[mail.ID]bool{}, failed: &failed}
	if q.For.Kind == limit.Network {
		past.of = nil
	}
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

// check refuses what the record does not tell.
func check(q Question) error {
	const op = "limit.hindsight"
	levels, whose := []limit.Level{{Limits: q.Limits}}, "everything"
	if q.For.Kind == limit.Network {
		whose = "networks"
	}
	switch kind := q.For.Kind; {
	case (kind == limit.Everything || kind == limit.Network) && limit.Bounds(levels, limit.Connections):
		return fault.New(op, fault.Invalid, "connections of %s cannot be simulated: of clients that have not logged in the record has no more than its rations allow; set such a limit in shadow mode, and look at limit.shadow", whose)
	case kind == limit.Network && len(limit.Failing(levels)) > 0:
		return fault.New(op, fault.Invalid, "failed recipients cannot be counted of a network: nobody knows any more where a message came from when it fails")
	}
	return nil
}

// counted says as what logins are counted; one is the only login that is concerned, "" for
// several. Where the store fails while that is looked up, failed has the first error of it.
func counted(ctx context.Context, store Store, s limit.Subject, failed *error) (of func(simulation.Sender) (string, bool), one string, err error) {
	each := s.Name == limit.Each
	switch s.Kind {
	case limit.Account:
		if each {
			return func(by simulation.Sender) (string, bool) { return by.Login, true }, "", nil
		}
		return func(by simulation.Sender) (string, bool) { return by.Login, by.Login == s.Name }, s.Name, nil
	case limit.Domain:
		return func(by simulation.Sender) (string, bool) {
			domain := by.Login[strings.LastIndexByte(by.Login, '@')+1:]
			return domain, each || domain == s.Name
		}, "", nil
	case limit.Network:
		return func(by simulation.Sender) (string, bool) {
			client, _ := netip.ParseAddr(by.Client) // of none there is no network
			name := network.Of(client)
			return name, name != "" && (each || name == s.Name)
		}, "", nil
	case limit.Everything:
		return func(simulation.Sender) (string, bool) { return "", true }, "", nil
	case limit.Customer, limit.Plan:
		found := map[string]string{}
		return func(by simulation.Sender) (string, bool) {
			name, known := found[by.Login]
			if !known {
				var err error
				if name, err = heldBy(ctx, store, s, each, by.Login); err != nil && *failed == nil {
					*failed = err
				}
				found[by.Login] = name
			}
			return name, name != ""
		}, "", nil
	}
	return nil, "", fault.New("limit.hindsight", fault.Invalid, "only limits of accounts, domains, customers, plans, networks and everything can be simulated: set others in shadow mode, and look at limit.shadow")
}

// heldBy returns as what a login is counted under a customer or plan as they are now; "" for
// not at all, as for a login that is no more.
func heldBy(ctx context.Context, store Store, s limit.Subject, each bool, login string) (string, error) {
	sender, err := store.Sender(ctx, login)
	switch {
	case fault.Is(err, fault.NotFound):
		return "", nil
	case err != nil:
		return "", err
	case s.Kind == limit.Plan && sender.Plan.Name == s.Name:
		return login, nil
	case s.Kind == limit.Customer && (each || sender.Customer.Name == s.Name):
		return sender.Customer.Name, nil
	}
	return "", nil
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
