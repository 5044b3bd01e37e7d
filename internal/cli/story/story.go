// Package story tells what is known of a session or a submission: it collects
// the events under an id, and what still waits of it in the queue, puts them in
// the order in which they happened, and prints them for people or scripts.
//
// Where the id is not known, Find lists the submissions that may be meant. An
// event alone, as a search of the record finds it or as it comes, is printed here
// too.
//
// It does not decide who may see it, and keeps nothing.
//
// Main types: Story (Read makes one), Found (of Find), Follower, Event, Delivery.
package story

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// lister is what a store may also be able to do.
type lister interface {
	List(ctx context.Context, f queue.Filter) ([]queue.Item, error)
}

// Story is everything known about a session or a submission.
type Story struct {
	id mail.ID
	// submission is set when id is one; session is the one that it came in,
	// or id itself.
	submission, session mail.ID
	events              []audit.Event
	waiting             []Delivery
}

// Read collects the story of an id, in the order in which it happened. Where
// store also lists a queue, the deliveries that still wait belong to it.
// Errors: fault.NotFound where nothing is recorded under id, and those of the
// store.
func Read(ctx context.Context, store audit.Store, id mail.ID) (*Story, error) {
	s := &Story{id: id}
	events, err := searchAll(ctx, store, audit.Query{Submission: id})
	if err != nil {
		return nil, err
	}
	if len(events) > 0 {
		s.submission = id
		for _, e := range events {
			s.session = cmp.Or(s.session, e.Session)
		}
	} else {
		s.session = id
	}
	if s.session != "" {
		others, err := searchAll(ctx, store, audit.Query{Session: s.session})
		if err != nil {
			return nil, err
		}
		for _, e := range others {
			// What else came in the same session is another story.
			if s.submission == "" || e.Submission == "" {
				events = append(events, e)
			}
		}
	}
	if len(events) == 0 {
		return nil, fault.New("story.read", fault.NotFound, "nothing is recorded under %s", id)
	}
	reports, err := findReports(ctx, store, events)
	if err != nil {
		return nil, err
	}
	s.events = append(events, reports...)
	slices.SortStableFunc(s.events, func(a, b audit.Event) int {
		// The record's order is that of writing; sessions are written later.
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(consequence(a), consequence(b)), cmp.Compare(a.Seq, b.Seq))
	})
	return s, s.findWaiting(ctx, store)
}

// Only leaves of the story of a submission what concerns its recipient number n
// or all of them. Errors: fault.Invalid for the story of a session,
// fault.NotFound where nothing is known of such a recipient.
func (s *Story) Only(n int) error {
	const op = "story.only"
	if s.submission == "" {
		return fault.New(op, fault.Invalid, "%s is a session, which has no recipients; leave out /%d", s.id, n)
	}
	known := false
	others := func(submission mail.ID, number int) bool {
		known = known || submission == s.submission && number == n
		return submission == s.submission && number != 0 && number != n
	}
	s.events = slices.DeleteFunc(s.events, func(e audit.Event) bool { return others(e.Submission, e.Delivery) })
	s.waiting = slices.DeleteFunc(s.waiting, func(v Delivery) bool { return others(v.Submission, v.N) })
	if !known {
		return fault.New(op, fault.NotFound, "nothing is recorded of a recipient number %d of %s", n, s.id)
	}
	return nil
}

// consequence is 1 for what follows from another event of the same instant.
func consequence(e audit.Event) int {
	if e.Kind == audit.BounceAccepted {
		return 1
	}
	return 0
}

// searchAll returns all events that match, page by page.
func searchAll(ctx context.Context, store audit.Store, q audit.Query) ([]audit.Event, error) {
	var all []audit.Event
	const page = 1000
	q.Limit = page
	for {
		events, err := store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
		if len(events) < page {
			return all, nil
		}
		q.AfterSeq = events[len(events)-1].Seq
	}
}

// findReports returns the events of reports to the sender that name one of the
// submissions as their cause. They are stored with the outcome that they
// report, so they are looked for around that time.
func findReports(ctx context.Context, store audit.Store, events []audit.Event) ([]audit.Event, error) {
	causes, seen := map[mail.ID]bool{}, map[int64]bool{}
	var times []time.Time
	for _, e := range events {
		switch e.Kind {
		case audit.DeliveryDelivered, audit.DeliveryFailed, audit.DeliveryDeferred:
			causes[e.Submission] = true
			times = append(times, e.At)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	var reports []audit.Event
	var searched time.Time // how far
	for _, at := range times {
		if at.Add(time.Second).Before(searched) {
			continue
		}
		since := at.Add(-time.Second)
		searched = at.Add(3 * time.Second)
		found, err := searchAll(ctx, store, audit.Query{Kind: audit.BounceAccepted, Since: since, Until: searched})
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			if causes[mail.ID(e.Data["cause"])] && !seen[e.Seq] {
				seen[e.Seq] = true
				reports = append(reports, e)
			}
		}
	}
	return reports, nil
}

// findWaiting lists what still waits of the submissions in the story.
func (s *Story) findWaiting(ctx context.Context, store audit.Store) error {
	q, ok := store.(lister)
	if !ok {
		return nil
	}
	asked := map[mail.ID]bool{"": true}
	for _, e := range s.events {
		if asked[e.Submission] {
			continue
		}
		asked[e.Submission] = true
		items, err := q.List(ctx, queue.Filter{Submission: e.Submission})
		if err != nil {
			return err
		}
		for _, item := range items {
			s.waiting = append(s.waiting, View(item))
		}
	}
	return nil
}

// Print tells the story to a person.
func (s *Story) Print(w io.Writer) error {
	t := table.New(w)
	if s.submission != "" {
		t.Row("submission", s.submission.String())
	}
	if s.session != "" {
		t.Row("session", s.session.String())
	}
	t.Row("account", s.first(func(e audit.Event) string {
		if e.Kind == audit.AuthFailed {
			return "" // a name that was only tried
		}
		return e.Login
	}))
	t.Row("client", s.first(func(e audit.Event) string { return e.Client }))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = table.New(w)
	for _, e := range s.events {
		t.Row(exactly(e.At), string(e.Kind), s.tell(e))
	}
	for _, v := range s.waiting {
		when := "until it is released"
		if v.Next != nil {
			when = "until " + v.Due()
		}
		which := fmt.Sprintf("#%d %s %s %s", v.N, v.To, when, v.Outlook())
		if v.Submission != s.submission {
			which = v.Submission.String() + " " + which
		}
		t.Row("waiting", string(v.State), strings.TrimSpace(which))
	}
	return t.Flush()
}

// first returns the first text that the events have, "" for none.
func (s *Story) first(text func(audit.Event) string) string {
	for _, e := range s.events {
		if found := text(e); found != "" {
			return found
		}
	}
	return ""
}

// tell puts an event into one line, without what stands above.
func (s *Story) tell(e audit.Event) string {
	if e.Submission == s.submission { // not so in a session's story, and a report's
		e.Submission = ""
	}
	login := ""
	if e.Kind == audit.AuthFailed {
		login = e.Login
	}
	return joined(e.Submission.String(), tell(e), after("as ", login), after("by ", e.Actor), data(e))
}

// storyView is a story as JSON.
type storyView struct {
	Session    mail.ID    `json:"session,omitempty"`
	Submission mail.ID    `json:"submission,omitempty"`
	Events     []Event    `json:"events"`
	Waiting    []Delivery `json:"waiting"`
}

// JSON tells the story to a script.
func (s *Story) JSON(w io.Writer) error {
	v := storyView{
		Session: s.session, Submission: s.submission,
		Events: make([]Event, 0, len(s.events)), Waiting: append([]Delivery{}, s.waiting...),
	}
	for _, e := range s.events {
		v.Events = append(v.Events, ViewEvent(e))
	}
	return table.JSON(w, v)
}
