// Package hindsight tells from the record what limits would have done to mail of the past.
//
// Package limit/simulation judges and counts; here the record is read for it.
//
// Main types: Simulated, Question; function Simulate.
package hindsight

import (
	"context"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/simulation"
	"countersign/internal/node"
)

// Store is what is asked.
type Store interface {
	// Search is that of audit.Store, Sender that of account.Directory, Nodes that of node.Store.
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
	Sender(ctx context.Context, login string) (*account.Sender, error)
	Nodes(ctx context.Context) ([]node.Node, error)
}

// Question is what is to be simulated.
type Question struct {
	// Limits are judged together, and without those that are set.
	Limits []limit.Limit
	// For is whom they are for; each account, domain or customer that it stands for is counted
	// by itself.
	For limit.Subject
	// Login is the account that has the credential which For names; "" else.
	Login string
	// Since is the beginning: nothing that came before is counted. Now is when it is asked.
	Since, Now time.Time
}

// Remembers reports whether it has to be remembered whom messages went to, which may take hundreds of megabytes.
func (q *Question) Remembers() bool {
	return limit.Bounds([]limit.Level{{Limits: q.Limits}}, limit.NewRecipients)
}

// check refuses what could not be set, and a beginning that is none: so there are no more limits than measures and windows, as each
// is judged for each message.
func (q *Question) check() error {
	if q.Since.After(q.Now) {
		return fault.New("limit.hindsight", fault.Invalid, "the beginning, %s UTC, is in the future: what has been sent is judged from then on", q.Since.UTC().Format("2006-01-02 15:04:05"))
	}
	for i, l := range q.Limits {
		r := limit.Rule{For: q.For, Limit: l}
		if err := r.CheckLimit(); err != nil {
			return err
		}
		for _, before := range q.Limits[:i] {
			if r.SamePlace(&limit.Rule{For: q.For, Limit: before}) {
				return fault.New("limit.hindsight", fault.Invalid, "%s/%s stands twice among the limits", l.Measure, l.Window)
			}
		}
	}
	return nil
}

// Simulate goes through the record. A message that would have been refused or deferred counts no more, and
// is not tried again; one that would have been slowed counts when it would have gone, one that would
// have been held where it was held. It takes memory for those that are counted by themselves, and for
// what failed, but not for each message. Errors: fault.Invalid for a limit that could not be set, or
// that the record does not tell, and for two of which one would take the place of the other; fault.TooLarge for
// what would take too much memory; fault.Canceled where ctx has ended; and those of the store.
func Simulate(ctx context.Context, store Store, q Question) (s Simulated, err error) {
	if err := q.check(); err != nil {
		return s, err
	}
	place, err := newPlacing(ctx, store, q.For)
	if err != nil {
		return s, err
	}
	past := &past{
		Simulation: simulation.New(simulation.Options{Limits: q.Limits, Kind: q.For.Kind, Of: place.place}),
		place:      place, limits: []limit.Level{{Limits: q.Limits}}, since: q.Since, login: q.Login, remembered: newRemembered(),
	}
	if q.For.Kind == limit.Account && q.For.Name != limit.Each {
		past.login = q.For.Name
	}
	if err := past.read(ctx, store); err != nil {
		return s, err
	}
	over, all, unplaced := past.Tallies()
	begins, err := past.begins(ctx, store)
	if err != nil {
		return s, err
	}
	s = Simulated{RecordBegins: begins, Sums: sums(&all), UnplacedMessages: unplaced.Messages, UnplacedConnections: unplaced.Connections, Over: make([]Tally, len(over))}
	for i := range over {
		t := &over[i]
		if s.Over[i], err = place.tally(t); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Simulated is what limits would have done to mail of the past.
type Simulated struct {
	Sums
	// RecordBegins is nil where the record goes back as far as is asked.
	RecordBegins *time.Time `json:"record_begins,omitempty" text:"When the record begins, where that is later than what was asked for (of new recipients 90 days earlier): nothing from before is known."`
	// UnplacedMessages and UnplacedConnections are in no other number: the record does not say
	// by which credential or at which gate they came, or of which network they were, as is so of what
	// gates of an earlier release have written, and of what was left out of it.
	UnplacedMessages    int64   `json:"unplaced_messages,omitempty" text:"Messages of which the record does not say whose they are in this. They are in no other number."`
	UnplacedConnections int64   `json:"unplaced_connections,omitempty" text:"Connections of which the record does not say it."`
	Over                []Tally `json:"over" text:"Those with anything over, the most messages first."`
}

// Sums are how many messages and connections there were, and what would have become of them.
type Sums struct {
	Messages       int64 `json:"messages"`
	OverMessages   int64 `json:"over_messages" text:"Messages that would have been over a limit; refused, deferred, held, slowed and noted say what would have become of them."`
	Recipients     int64 `json:"recipients"`
	OverRecipients int64 `json:"over_recipients" text:"Recipients of the messages that would have been over a limit."`
	Refused        int64 `json:"refused,omitempty" text:"Messages that would have been refused for good."`
	Deferred       int64 `json:"deferred,omitempty" text:"Messages that would have been refused for the time being."`
	Held           int64 `json:"held,omitempty" text:"Messages that would have been held."`
	Slowed         int64 `json:"slowed,omitempty" text:"Messages that would have been slowed down."`
	LongestSlowed  int64 `json:"longest_slowed_seconds,omitempty" text:"For how long one of them would have waited at most."`
	Noted          int64 `json:"noted,omitempty" text:"Messages that would have passed a limit in shadow mode, and been noted."`
	// Connections are those that came, where a limit is of connections.
	Connections      int64 `json:"connections,omitempty" text:"Connections that came, or logged in, where a limit is of connections."`
	OverConnections  int64 `json:"over_connections,omitempty" text:"Connections that would have been over a limit."`
	NotedConnections int64 `json:"noted_connections,omitempty" text:"Those of them that a limit in shadow mode would have let in."`
}

// Tally is what would have become of one subject's mail.
type Tally struct {
	Name string `json:"name,omitempty"`
	Sums
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	By    string    `json:"first_by"`
	Share bool      `json:"first_by_share,omitempty" text:"That limit is an account's share."`
}

func sums(t *simulation.Tally) Sums {
	return Sums{
		Messages: t.Messages, OverMessages: t.Became.Over(), Recipients: t.Recipients, OverRecipients: t.OverRecipients,
		Refused: t.Became[simulation.Refused], Deferred: t.Became[simulation.Deferred], Held: t.Became[simulation.Held],
		Slowed: t.Became[simulation.Slowed], LongestSlowed: int64(t.Longest / time.Second), Noted: t.Became[simulation.Noted],
		Connections: t.Connections, OverConnections: t.Entered.Over(), NotedConnections: t.Entered[simulation.Noted],
	}
}

func (p *placing) tally(t *simulation.Tally) (Tally, error) {
	name, err := p.called(t)
	return Tally{Name: name, Sums: sums(t), First: t.First, Last: t.Last, By: t.By.String(), Share: t.Share}, err
}
