package hindsight

import (
	"context"
	"slices"
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/simulation"
	"countersign/internal/mail"
)

// pageOfRecord is how many events of a kind are read at once.
const pageOfRecord = 5000

// page is where reading one kind of events stands.
type page struct {
	query  audit.Query
	events []audit.Event
	last   bool
}

// head returns the next event, nil at the end.
func (p *page) head(ctx context.Context, store Store) (*audit.Event, error) {
	if len(p.events) == 0 && !p.last {
		var err error
		if p.events, err = store.Search(ctx, p.query); err != nil {
			return nil, err
		}
		p.last = len(p.events) < pageOfRecord
		if len(p.events) > 0 {
			p.query.AfterSeq = slices.MaxFunc(p.events, func(a, b audit.Event) int { return int(a.Seq - b.Seq) }).Seq
		}
	}
	if len(p.events) == 0 {
		return nil, nil
	}
	return &p.events[0], nil
}

// replay gives the events of some kinds since a time, of one login or of all for "", in the order in
// which they came, as near as the record has it: what sessions do is written behind what is accepted.
func replay(ctx context.Context, store Store, login string, since time.Time, kinds []audit.Kind, each func(*audit.Event) error) error {
	pages := make([]page, len(kinds))
	for i, kind := range kinds {
		pages[i].query = audit.Query{Kind: kind, Login: login, Since: since, Limit: pageOfRecord}
	}
	for {
		var next *audit.Event
		from := 0
		for i := range pages {
			e, err := pages[i].head(ctx, store)
			if err != nil {
				return err
			}
			if e != nil && (next == nil || e.At.Before(next.At)) {
				next, from = e, i
			}
		}
		if next == nil {
			return nil
		}
		if err := each(next); err != nil {
			return err
		}
		pages[from].events = pages[from].events[1:]
	}
}

// past is what of the record a simulation is told.
type past struct {
	*simulation.Simulation
	// of says as what a sender is counted, and whether they are at all; nil where all may be, as
	// the clients of deliveries are not known any more.
	of func(simulation.Sender) (name string, concerned bool)
	// since is when it begins: messages before that are only met.
	since time.Time
	// contacts are whom messages went to, where that is asked for; recipients are how many that are.
	contacts   map[mail.ID][]int64
	recipients int
	// automatic are messages without a sender, whose failures do not count.
	automatic map[mail.ID]bool
	// failed is why of cannot say it, nil while it can.
	failed *error
}

// maxContacts bounds the recipients that are kept in memory while new ones are counted.
const maxContacts = 4_000_000

// needs lists the kinds of events that limits are simulated by.
func needs(limits []limit.Limit) []audit.Kind {
	kinds := []audit.Kind{audit.Accepted}
	level := []limit.Level{{Limits: limits}}
	if len(limit.Failing(level)) > 0 {
		kinds = append(kinds, audit.DeliveryFailed)
	}
	if limit.Bounds(level, limit.Connections) {
		kinds = append(kinds, audit.AuthPassed, audit.SessionClosed)
	}
	return kinds
}

// read goes through the record, of one login or of all for "".
func (p *past) read(ctx context.Context, store Store, login string, limits []limit.Limit) error {
	from := p.since
	if limit.Bounds([]limit.Level{{Limits: limits}}, limit.NewRecipients) {
		from = p.earlier()
		if err := p.meet(ctx, store, login); err != nil {
			return err
		}
	}
	return replay(ctx, store, login, from, needs(limits), p.tell)
}

// earlier is from when on it matters whom somebody has written to.
func (p *past) earlier() time.Time { return p.since.Add(-limit.KeepContacts * 24 * time.Hour) }

// meet finds out whom messages went to, from earlier on.
func (p *past) meet(ctx context.Context, store Store, login string) error {
	p.contacts = map[mail.ID][]int64{}
	return replay(ctx, store, login, p.earlier(), []audit.Kind{audit.DeliveryDelivered, audit.DeliveryFailed}, func(e *audit.Event) error {
		to, err := mail.ParseAddress(e.Data["to"])
		if err != nil || e.Login == "" {
			return nil // a report, or what cannot be read any more
		}
		if p.of != nil {
			if _, concerned := p.of(simulation.Sender{Login: e.Login}); !concerned {
				return *p.failed
			}
		}
		digest := limit.DigestOf(to.Key())
		if list := p.contacts[e.Submission]; !slices.Contains(list, digest) {
			p.contacts[e.Submission] = append(list, digest)
			p.recipients++
		}
		if p.recipients > maxContacts {
			return fault.New("limit.hindsight", fault.TooLarge, "more than %d recipients would have to be remembered: name an account, or a later beginning", maxContacts)
		}
		return nil
	})
}

// tell gives an event to the simulation.
func (p *past) tell(e *audit.Event) error {
	if e.At.Before(p.since) && e.Kind != audit.Accepted {
		return nil
	}
	switch e.Kind {
	case audit.Accepted:
		if err := p.accepted(e); err != nil {
			return err
		}
	case audit.DeliveryFailed:
		// As it is counted when it happens: by an answer of another server, which is for good.
		if e.Login != "" && e.Data["remote"] != "" && e.Code >= 500 && !p.automatic[e.Submission] {
			p.Failed(e.Login, e.Submission, e.At)
		}
	case audit.AuthPassed:
		p.Came(e.Login, e.Session, e.At)
	case audit.SessionClosed:
		p.Left(e.Session, e.At)
	}
	return *p.failed
}

// accepted gives a message to the simulation.
func (p *past) accepted(e *audit.Event) error {
	recipients, failed := strconv.ParseInt(e.Data["recipients"], 10, 64)
	size, alsoFailed := strconv.ParseInt(e.Data["size"], 10, 64)
	if failed != nil || alsoFailed != nil {
		return fault.New("limit.hindsight", fault.Corrupt, "the record of message %s does not say how large it was", e.Submission)
	}
	m := &simulation.Message{
		Sender: simulation.Sender{Login: e.Login, Client: e.Client}, ID: e.Submission, Session: e.Session, Recipients: recipients, Size: size, Contacts: p.contacts[e.Submission], At: e.At,
	}
	if e.At.Before(p.since) {
		p.Met(m)
		return nil
	}
	if e.Data["from"] == (mail.Address{}).String() {
		p.automatic[e.Submission] = true
	}
	p.Add(m)
	return nil
}
