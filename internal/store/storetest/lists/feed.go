package lists

import (
	"fmt"
	"slices"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

func followed(y *story) {
	changed, zero := y.since(0)
	if zero != 0 {
		y.Fatalf("nothing has the number %d", zero)
	}
	y.equal(changed, nil)
	a, b, past := until(y.everywhere("DE"), time.Hour), y.entry(list.Account, ann, "FR"), y.everywhere("IT")
	past.Start, past.End = y.now.Add(-time.Hour), y.now.Add(-time.Minute)
	y.add(a, past, b)
	changed, first := y.since(0)
	y.equal(changed, []list.Entry{a, b}) // as they were made, and not what has ended
	changed, same := y.since(first)
	y.equal(changed, nil)
	if same != first {
		y.Errorf("without a change %d became %d", first, same)
	}
	at, c := y.now.Add(time.Second), y.everywhere("ES")
	expect.Must(y, y.remove(a, at))
	y.add(c)
	changed, second := y.since(first)
	y.equal(changed, []list.Entry{gone(a, at, "cli:eve"), c})
	if changed, ahead := y.since(second + 10); len(changed) != 0 || ahead != second || second != first+2 {
		y.Errorf("ahead of all changes: %v, %d, want %d", changed, ahead, second)
	}
}

// followedAtOnce has one follow while many add: what it has seen in the end is all, and each
// once.
func followedAtOnce(y *story) {
	const writers, each = 8, 12
	var all [writers][each]list.Entry
	for w := range writers {
		for n := range each {
			all[w][n] = y.everywhere(fmt.Sprintf("10.%d.%d.0/24", w, n))
		}
	}
	expect.FollowedAtOnce(y, writers, each, func(w, n int) error { return y.put(all[w][n]) }, y.since, func(e list.Entry) string { return string(e.ID) })
}

// toldOf wants those who wait to be told of a change.
func (y *story) toldOf(what string, change func() error) {
	y.Helper()
	changed, _ := y.s.EntriesChanged()
	expect.Told(y.ctx, y, what, changed, change)
}

func told(y *story) {
	e := y.entry(list.Account, ann, "DE")
	y.toldOf("an entry", func() error { return y.put(e) })
	y.toldOf("its end", func() error { return y.remove(e, y.now.Add(time.Second)) })
	y.add(y.entry(list.Account, ann, "FR"))
	y.toldOf("what it was for", func() error { return y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)) })
}

func generationStays(y *story) {
	before, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	e := y.entry(list.Account, ann, "DE")
	y.add(e)
	expect.Must(y, y.remove(e, y.now.Add(time.Second)))
	after, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	if before != after {
		y.Errorf("an entry raises the account generation from %d to %d", before, after)
	}
}

func pruned(y *story) {
	var ended []list.Entry
	for n := 1; n <= 5; n++ {
		e := y.everywhere(fmt.Sprintf("10.0.%d.0/24", n))
		e.Start, e.End = y.now.Add(-time.Hour), y.now.Add(time.Duration(n-10)*time.Minute)
		ended = append(ended, e)
	}
	holds, ever := until(y.everywhere("DE"), time.Hour), y.everywhere("FR")
	y.add(holds, ever)
	y.add(ended...) // the last of them has the highest number
	prune := func(before time.Time, limit, want int) {
		y.Helper()
		n, err := y.s.PruneEntries(y.ctx, before, limit)
		expect.Must(y, err)
		if n != want {
			y.Fatalf("%d were removed, want %d", n, want)
		}
	}
	_, number := y.since(0)
	prune(ended[0].End, 10, 0)
	prune(y.now.Add(-7*time.Minute), 1, 1)
	y.listed(list.Query{}, append(slices.Clone(ended[1:]), holds, ever)...)
	prune(y.now.Add(-7*time.Minute), 10, 1)
	prune(y.now.Add(24*time.Hour), 10, 3) // one that holds now is gone by then; the last ended one stays
	y.listed(list.Query{}, ended[4], ever)
	y.add(y.everywhere("ES"))
	if changed, now := y.since(number); now != number+1 || len(changed) != 1 {
		y.Errorf("the number went from %d to %d, with %v", number, now, changed)
	}
}

// recorded returns the events about entries.
func (y *story) recorded() (events []audit.Event) {
	y.Helper()
	all, err := y.s.Search(y.ctx, audit.Query{})
	expect.Must(y, err)
	for _, e := range all {
		if e.Kind == audit.AccessAdded || e.Kind == audit.AccessRemoved {
			events = append(events, e)
		}
	}
	return events
}

func eventsFollow(y *story) {
	e := y.everywhere("DE")
	y.add(e)
	expect.Kind(y, y.put(e), fault.Conflict)
	expect.Kind(y, y.remove(y.everywhere("FR"), y.now), fault.NotFound)
	expect.Must(y, y.remove(e, y.now.Add(time.Second)))
	events := y.recorded()
	if len(events) != 2 || events[0].Kind != audit.AccessAdded || events[1].Kind != audit.AccessRemoved {
		y.Errorf("the record has %+v", events)
	}
}

func addedAtOnce(y *story) {
	const writers = 8
	results := make(chan error, writers)
	for range writers {
		e := y.everywhere("DE")
		e.Start = y.now
		go func() { results <- y.put(e) }()
	}
	added := 0
	for range writers {
		if err := <-results; err == nil {
			added++
		} else {
			expect.Kind(y, err, fault.Conflict)
		}
	}
	if added != 1 {
		y.Errorf("%d added the same entry", added)
	}
}

// ended wants these entries, and no others, to have ended because somebody removed what they
// were for, in the record too: with the login of whose they are.
func (y *story) ended(login string, entries ...list.Entry) {
	y.Helper()
	want := map[string]bool{}
	for _, e := range entries {
		want[string(e.ID)] = true
	}
	all, err := y.s.Entries(y.ctx, list.Query{})
	expect.Must(y, err)
	for _, e := range all {
		if over := e.Lifted != ""; over != want[string(e.ID)] || over && (e.Lifted != "cli:root" || e.End.Before(y.now) || e.End.After(time.Now())) {
			y.Errorf("%s, %s: ends %v, removed by %q", e.ID, e.Object(), e.End, e.Lifted)
		}
	}
	events := 0
	for _, e := range y.recorded() {
		if e.Kind != audit.AccessRemoved {
			continue
		}
		events++
		if !want[e.Data["entry"]] || e.Login != login || e.Actor != "cli:root" || e.Text == "" || e.Data["until"] == "" {
			y.Errorf("recorded %+v", e)
		}
	}
	if events != len(entries) {
		y.Errorf("%d are recorded, want %d", events, len(entries))
	}
}

func endWithOwner(y *story) {
	own, timed := y.entry(list.Account, ann, "DE"), until(y.entry(list.Account, ann, "FR"), time.Hour)
	her := y.entry(list.Credential, string(phone), "DE")
	domain, customer, other := y.entry(list.Domain, "one.example", "DE"), y.entry(list.Customer, "acme", "DE"), y.entry(list.Listener, "acme", "DE")
	y.add(own, timed, her, domain, customer, other, y.everywhere("DE"))
	_, number := y.since(0)
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
	y.ended(ann, own, timed, her)
	if changed, now := y.since(number); now != number+1 || len(changed) != 3 {
		y.Errorf("who follows sees %+v, %d after %d", changed, now, number)
	}
	expect.Kind(y, y.put(y.entry(list.Account, ann, "IT")), fault.NotFound)
	y.addAnn()
	y.listed(list.Query{For: &own.For, Holding: time.Now()})
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
	expect.Must(y, y.s.RemoveDomain(y.ctx, "one.example", y.change("domain one.example")))
	expect.Must(y, y.s.RemoveCustomer(y.ctx, "acme", y.change("customer acme")))
	y.listed(list.Query{For: &domain.For, Holding: time.Now()})
	y.listed(list.Query{For: &customer.For, Holding: time.Now()})
	y.listed(list.Query{For: &other.For, Holding: time.Now()}, other)
}

func endWithCredential(y *story) {
	over, stays, own := y.entry(list.Credential, string(phone), "DE"), y.entry(list.Credential, string(printer), "DE"), y.entry(list.Account, ann, "DE")
	y.add(over, stays, own)
	a, err := y.s.Account(y.ctx, ann)
	expect.Must(y, err)
	expect.Must(y, y.s.PutAccount(y.ctx, a, y.change("account "+ann)))
	y.ended(ann)
	a.Revision++
	a.Credentials = a.Credentials[1:] // in the order of their names
	y.toldOf("a credential that is revoked", func() error { return y.s.PutAccount(y.ctx, a, y.change("account "+ann)) })
	y.ended(ann, over)
}

// removedWhileAdded removes and adds an account again and again while others add and remove
// entries for it: nobody waits for another for good, who follows misses nothing, and in the
// end no entry holds.
func removedWhileAdded(y *story) {
	const writers, rounds = 4, 8
	first := y.everywhere("DE") // as from 0 on only what holds is told
	y.add(first)
	expect.Must(y, y.remove(first, y.now.Add(time.Second)))
	results := make(chan error, writers)
	for w := range writers {
		var mine []list.Entry
		for n := range rounds {
			mine = append(mine, y.entry(list.Account, ann, fmt.Sprintf("10.%d.%d.0/24", w, n)))
		}
		go func() {
			for _, e := range mine {
				err := y.put(e)
				if err == nil || fault.Is(err, fault.NotFound) {
					err = y.remove(e, e.Start.Add(time.Second))
				}
				if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
					results <- err
					return
				}
			}
			results <- nil
		}()
	}
	number, known := uint64(0), map[mail.ID]list.Entry{}
	follow := func() {
		var changed []list.Entry
		changed, number = y.since(number)
		for _, e := range changed {
			known[e.ID] = e
		}
	}
	follow()
	for range rounds {
		expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
		follow()
		y.addAnn()
		follow()
	}
	for range writers {
		expect.Must(y, <-results)
	}
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
	y.listed(list.Query{Holding: time.Now().Add(time.Minute)})
	follow()
	all, err := y.s.Entries(y.ctx, list.Query{})
	expect.Must(y, err)
	for _, e := range all {
		if known[e.ID] != e {
			y.Errorf("who follows has %+v, the store %+v", known[e.ID], e)
		}
	}
}
