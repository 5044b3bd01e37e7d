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
	// since is the earliest time.
	since time.Time
}

// head returns the next event, nil at the end.
func (p *page) head(ctx context.Context, store Store) (*audit.Event, error) {
	for len(p.events) == 0 && !p.last {
		var err error
		if p.events, err = store.Search(ctx, p.query); err != nil {
			return nil, err
		}
		p.last = len(p.events) < pageOfRecord
		if len(p.events) > 0 {
			p.query.AfterSeq = slices.MaxFunc(p.events, func(a, b audit.Event) int { return int(a.Seq - b.Seq) }).Seq
		}
		// The number says where to go on: to ask for the time again would have all of it looked at for each page.
		p.query.Since = time.Time{}
		p.events = slices.DeleteFunc(p.events, func(e audit.Event) bool { return e.At.Before(p.since) })
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
		pages[i].query, pages[i].since = audit.Query{Kind: kind, Login: login, Since: since, Limit: pageOfRecord}, since
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
		if ctx.Err() != nil { // a page that was read before may take long
			return fault.Wrap("limit.hindsight", fault.Canceled, ctx.Err())
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
	place  *placing
	limits []limit.Level
	// since is when it begins: messages before that are only met. login is the only one that is
	// concerned, "" for several.
	since      time.Time
	login      string
	remembered remembered
}

// What is kept in memory is bounded.
const (
	maxContacts = 4_000_000
	maxFailing  = 1_000_000
	maxSubjects = 1_000_000
)

// longQueued is for how long before the beginning messages are looked at that may fail later.
const longQueued = 7 * 24 * time.Hour

// tooLarge refuses what would take too much memory.
func tooLarge(n int, of string) error {
	return fault.New("limit.hindsight", fault.TooLarge, "more than %d %s would have to be remembered: name an account, or a later beginning", n, of)
}

// needs lists the kinds of events that the limits are simulated by.
func (p *past) needs() []audit.Kind {
	kinds := []audit.Kind{audit.Accepted}
	if len(limit.Failing(p.limits)) > 0 {
		kinds = append(kinds, audit.DeliveryFailed)
	}
	if !limit.Bounds(p.limits, limit.Connections) {
		return kinds
	}
	if p.atDoor() {
		return append(kinds, audit.SessionOpened, audit.EventsOmitted, audit.SessionClosed)
	}
	return append(kinds, audit.AuthPassed, audit.SessionClosed)
}

// atDoor reports whether connections are judged when they come, not when somebody logs in.
func (p *past) atDoor() bool {
	k := p.place.of.Kind
	return k == limit.Network || k == limit.Node || k == limit.Everything
}

// read goes through the record.
func (p *past) read(ctx context.Context, store Store) error {
	from := p.since
	if len(limit.Failing(p.limits)) > 0 {
		from = p.since.Add(-longQueued)
		if err := p.fail(ctx, store); err != nil {
			return err
		}
	}
	if limit.Bounds(p.limits, limit.NewRecipients) {
		from = p.earlier()
		if err := p.meet(ctx, store); err != nil {
			return err
		}
	}
	return replay(ctx, store, p.login, from, p.needs(), p.tell)
}

// earlier is from when on it matters whom somebody has written to.
func (p *past) earlier() time.Time { return p.since.Add(-limit.KeepContacts * 24 * time.Hour) }

// begins returns when the record begins; nil where that is before all that matters, and where there is none.
// Errors are those of the store.
func (p *past) begins(ctx context.Context, store Store) (*time.Time, error) {
	from := p.since
	if limit.Bounds(p.limits, limit.NewRecipients) {
		from = p.earlier()
	}
	first, err := store.Search(ctx, audit.Query{Limit: 1})
	if err != nil || len(first) == 0 || !first[0].At.After(from) {
		return nil, err
	}
	return &first[0].At, nil
}

// concerned reports whether a delivery may be of somebody who is counted: of some kinds the login alone
// does not say that.
func (p *past) concerned(login string) bool {
	if login == "" { // a report
		return false
	}
	if !p.place.byLogin() {
		return true
	}
	_, placed := p.place.place(simulation.Sender{Login: login})
	return placed == simulation.Here
}

// fail finds out of which messages something has failed.
func (p *past) fail(ctx context.Context, store Store) error {
	return replay(ctx, store, p.login, p.since, []audit.Kind{audit.DeliveryFailed}, func(e *audit.Event) error {
		if refused(e) && p.concerned(e.Login) && p.remembered.fails(e.Submission) > maxFailing {
			return tooLarge(maxFailing, "messages that failed")
		}
		return p.place.failed
	})
}

// refused reports whether a recipient has failed as it is counted: by an answer of another server, which
// is for good.
func refused(e *audit.Event) bool {
	return e.Login != "" && e.Data["remote"] != "" && e.Code >= 500
}

// meet finds out whom messages went to, from earlier on.
func (p *past) meet(ctx context.Context, store Store) error {
	return replay(ctx, store, p.login, p.earlier(), []audit.Kind{audit.DeliveryDelivered, audit.DeliveryFailed}, func(e *audit.Event) error {
		to, err := mail.ParseAddress(e.Data["to"])
		if err != nil || !p.concerned(e.Login) {
			return p.place.failed // what cannot be read any more has no address
		}
		if p.remembered.to(e.Submission, limit.DigestOf(to.Key())) > maxContacts {
			return tooLarge(maxContacts, "recipients")
		}
		return nil
	})
}

// tell gives an event to the simulation.
func (p *past) tell(e *audit.Event) error {
	if e.At.Before(p.since) && e.Kind != audit.Accepted {
		return nil
	}
	by := simulation.Sender{Login: e.Login, Client: e.Client, Credential: e.Data[limit.DataCredential], Node: e.Data["node"]}
	switch e.Kind {
	case audit.Accepted:
		if err := p.accepted(e, by); err != nil {
			return err
		}
	case audit.DeliveryFailed:
		credential, automatic, _ := p.remembered.failed(e.Submission)
		if by.Credential = credential; refused(e) && !automatic {
			p.Failed(by, e.Submission, e.At)
		}
	case audit.AuthPassed, audit.SessionOpened:
		p.Came(by, e.Session, e.At)
	case audit.EventsOmitted:
		p.omitted(e, by)
	case audit.SessionClosed:
		p.Left(e.Session, e.At)
	}
	if p.Subjects() > maxSubjects {
		return tooLarge(maxSubjects, "senders")
	}
	return p.place.failed
}

// omitted gives connections to the simulation of which the record has no more than how many there were;
// it does not say of which network each was. Gates of an earlier release have counted all events.
func (p *past) omitted(e *audit.Event, by simulation.Sender) {
	text, counted := e.Data["connections"]
	if !counted {
		text = e.Data["events"]
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		p.Missed(by, n, e.At)
	}
}

// accepted gives a message to the simulation.
func (p *past) accepted(e *audit.Event, by simulation.Sender) error {
	recipients, failed := strconv.ParseInt(e.Data["recipients"], 10, 64)
	size, alsoFailed := strconv.ParseInt(e.Data["size"], 10, 64)
	if failed != nil || alsoFailed != nil {
		return fault.New("limit.hindsight", fault.Corrupt, "the record of message %s does not say how large it was", e.Submission)
	}
	fails := p.remembered.sentBy(e.Submission, by.Credential, e.Data["from"] == (mail.Address{}).String())
	m := &simulation.Message{
		Sender: by, ID: e.Submission, Session: e.Session, Recipients: recipients, Size: size, Contacts: p.remembered.contacts(e.Submission), Fails: fails, At: e.At,
	}
	switch {
	case e.Data[limit.DataCounts] == limit.CountsApart: // no limit counts it
	case e.At.Before(p.since):
		p.Met(m)
	default:
		p.Add(m)
	}
	return nil
}
