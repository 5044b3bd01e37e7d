package story

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// Wanted is what somebody knows of a submission whose id they do not know. At
// least one of Login and To is given, and Since where only To is.
type Wanted struct {
	// Login is the account that sent it.
	Login string
	// To is one of its recipients.
	To mail.Address
	// Since and Until bound the time of its acceptance or, for To, of anything
	// that became of it. Until is the first time that is too late, zero for none.
	Since, Until time.Time
	// Limit is the most submissions to find, the newest of all.
	Limit int
}

// Found is a submission that may be the one that is wanted.
type Found struct {
	Submission mail.ID   `json:"submission"`
	Accepted   time.Time `json:"accepted"`
	Account    string    `json:"account"`
	From       string    `json:"from"`
	// Recipients are all of them, or with Wanted.To the one alone.
	Recipients []Recipient `json:"recipients"`
}

// Recipient is one recipient of a Found with what became of it.
type Recipient struct {
	N       int    `json:"n"`
	To      string `json:"to"`
	Outcome string `json:"outcome"`
}

// Find lists submissions, oldest first. more says that there are more than
// Limit. A recipient is known by the attempts that were made, and by the queue
// where store lists it. The errors are those of the store.
func Find(ctx context.Context, store audit.Store, w Wanted) (found []Found, more bool, err error) {
	var ids []mail.ID
	if w.To.IsNull() {
		ids, err = acceptedBy(ctx, store, w)
	} else {
		ids, err = sentTo(ctx, store, w)
	}
	if err != nil {
		return nil, false, err
	}
	slices.Sort(ids) // ids sort by time
	if over := len(ids) - w.Limit; over > 0 {
		ids, more = ids[over:], true
	}
	for _, id := range ids {
		one, err := look(ctx, store, id, w.To)
		if err != nil {
			return nil, false, err
		}
		found = append(found, one)
	}
	return found, more, nil
}

// query is what Find searches the record for.
func (w Wanted) query(kind audit.Kind, limit int) audit.Query {
	return audit.Query{Login: w.Login, To: w.To, Kind: kind, Since: w.Since, Until: w.Until, Newest: true, Limit: limit}
}

// acceptedBy returns the submissions of an account, at most one too many.
func acceptedBy(ctx context.Context, store audit.Store, w Wanted) ([]mail.ID, error) {
	events, err := store.Search(ctx, w.query(audit.Accepted, w.Limit+1))
	ids := make([]mail.ID, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.Submission)
	}
	return ids, err
}

// sentTo returns the submissions to a recipient, the newest by their last
// event, until there are too many, and all that wait.
func sentTo(ctx context.Context, store audit.Store, w Wanted) ([]mail.ID, error) {
	ids, err := waitingFor(ctx, store, w)
	if err != nil {
		return nil, err
	}
	const page = 1000
	q := w.query("delivery.*", page)
	for len(ids) <= w.Limit || q.BeforeSeq == 0 {
		events, err := store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			ids[e.Submission] = true
		}
		if len(events) < page {
			break
		}
		q.BeforeSeq = events[0].Seq
	}
	return slices.Collect(maps.Keys(ids)), nil
}

// waitingFor returns the submissions that wait for a recipient, where store
// lists them.
func waitingFor(ctx context.Context, store audit.Store, w Wanted) (map[mail.ID]bool, error) {
	ids := map[mail.ID]bool{}
	q, ok := store.(lister)
	if !ok {
		return ids, nil
	}
	const page = 1000
	f := queue.Filter{Login: w.Login, To: w.To, Limit: page}
	for {
		items, err := q.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			s := item.Submission
			if !s.At.Before(w.Since) && (w.Until.IsZero() || s.At.Before(w.Until)) {
				ids[s.ID] = true
			}
		}
		if len(items) < page {
			return ids, nil
		}
		last := items[page-1].Delivery
		f.After = queue.Position{Submission: last.Submission, N: last.N}
	}
}

// look collects what is listed of one submission: all recipients, or only the
// one called to.
func look(ctx context.Context, store audit.Store, id mail.ID, to mail.Address) (Found, error) {
	f := Found{Submission: id}
	events, err := searchAll(ctx, store, audit.Query{Submission: id})
	if err != nil {
		return f, err
	}
	byNumber := map[int]Recipient{}
	for _, e := range events {
		switch e.Kind {
		case audit.Accepted, audit.BounceAccepted:
			f.Accepted, f.Account, f.From = e.At, e.Login, e.Data["from"]
		}
		// What is said of all deliveries together has no number.
		if outcome := outcomeOf(e.Kind); outcome != "" && e.Delivery > 0 {
			byNumber[e.Delivery] = Recipient{e.Delivery, cmp.Or(e.Data["to"], byNumber[e.Delivery].To), outcome}
		}
	}
	s := &Story{events: []audit.Event{{Submission: id}}}
	if err := s.findWaiting(ctx, store); err != nil {
		return f, err
	}
	for _, v := range s.waiting {
		byNumber[v.N] = Recipient{v.N, v.To, string(v.State)}
	}
	for _, n := range slices.Sorted(maps.Keys(byNumber)) {
		r := byNumber[n]
		if known, err := mail.ParseAddress(r.To); to.IsNull() || err == nil && known.Key() == to.Key() {
			f.Recipients = append(f.Recipients, r)
		}
	}
	return f, nil
}

// outcomeOf names the state that an event leaves a delivery in, "" for an event
// of another kind.
func outcomeOf(k audit.Kind) string {
	switch k {
	case audit.DeliveryReleased, audit.DeliveryRetried:
		return string(queue.Queued)
	}
	outcome, ok := strings.CutPrefix(string(k), "delivery.")
	if !ok {
		return ""
	}
	return outcome
}

// To names the recipients in one cell, the first few of them.
func (f Found) To() string {
	const few = 3
	var names []string
	for _, r := range f.Recipients[:min(few, len(f.Recipients))] {
		names = append(names, r.To)
	}
	if rest := len(f.Recipients) - few; rest > 0 {
		names = append(names, "and "+strconv.Itoa(rest)+" more")
	}
	return strings.Join(names, ", ")
}

// Outcome says what became of the recipients: "2 delivered, 1 failed", without
// the number where there is only one.
func (f Found) Outcome() string {
	numbers := map[string]int{}
	for _, r := range f.Recipients {
		numbers[r.Outcome]++
	}
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(numbers)) {
		if len(f.Recipients) > 1 {
			outcome = strconv.Itoa(numbers[outcome]) + " " + outcome
		}
		parts = append(parts, outcome)
	}
	return strings.Join(parts, ", ")
}
