package limits

import (
	"fmt"
	"slices"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/store/storetest/expect"
)

func followed(y *story) {
	list, zero := y.since(0)
	if zero != 0 {
		y.Fatalf("nothing has the number %d", zero)
	}
	y.equal(list, nil)
	a, b, past := until(y.rule(limit.Account, bob, "messages/hour=5"), time.Hour), y.rule(limit.Account, ann, "messages/hour=5"), y.rule(limit.Account, ann, "messages/day=5")
	past.Start, past.End = y.now.Add(-time.Hour), y.now.Add(-time.Minute)
	y.set(a, past, b)
	list, first := y.since(0)
	y.equal(list, []limit.Rule{a, b}) // as they were made, and not what has ended
	list, same := y.since(first)
	y.equal(list, nil)
	if same != first {
		y.Errorf("without a change %d became %d", first, same)
	}
	at := y.now.Add(time.Second)
	expect.Must(y, y.lift(a, at))
	c, d := y.rule(limit.Account, ann, "messages/hour=6"), y.rule(limit.Account, ann, "messages/day=6")
	expect.Must(y, y.put(d, c)) // one change, in which b ends
	list, second := y.since(first)
	y.equal(list, []limit.Rule{lifted(a, at, "cli:eve"), lifted(b, c.Start, "cli:root"), c, d})
	if second != first+2 {
		y.Errorf("two changes lead from %d to %d", first, second)
	}
	list, _ = y.since(second - 1)
	y.equal(list, []limit.Rule{lifted(b, c.Start, "cli:root"), c, d})
	if list, ahead := y.since(second + 10); len(list) != 0 || ahead != second {
		y.Errorf("ahead of all changes: %v, %d, want %d", list, ahead, second)
	}
}

// followedAtOnce has one follow while many set: what it has seen in the end is all, and
// each once.
func followedAtOnce(y *story) {
	const writers, each = 8, 12
	var all [writers][each]limit.Rule
	for w := range writers {
		for n := range each {
			all[w][n] = extra(y.rule(limit.Account, ann, "messages/hour=5"))
		}
	}
	expect.FollowedAtOnce(y, writers, each, func(w, n int) error { return y.put(all[w][n]) }, y.since, func(r limit.Rule) string { return string(r.ID) })
}

// toldOf wants those who wait to be told of a change.
func (y *story) toldOf(what string, change func() error) {
	y.Helper()
	changed, _ := y.s.RulesChanged()
	expect.Told(y.ctx, y, what, changed, change)
}

func told(y *story) {
	r := y.rule(limit.Account, ann, "messages/hour=5")
	y.toldOf("a rule", func() error { return y.put(r) })
	y.toldOf("its end", func() error { return y.lift(r, y.now.Add(time.Second)) })
	y.set(y.rule(limit.Account, ann, "messages/hour=5"))
	y.toldOf("what it was for", func() error { return y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)) })
}

func generationStays(y *story) {
	before, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	r := y.rule(limit.Account, ann, "messages/hour=5")
	y.set(r)
	expect.Must(y, y.lift(r, y.now.Add(time.Second)))
	after, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	if before != after {
		y.Errorf("a rule raises the account generation from %d to %d", before, after)
	}
}

func pruned(y *story) {
	var ended []limit.Rule
	for n := 1; n <= 5; n++ {
		r := extra(y.rule(limit.Account, ann, "messages/hour=5"))
		r.Start, r.End = y.now.Add(-time.Hour), y.now.Add(time.Duration(n-10)*time.Minute)
		ended = append(ended, r)
	}
	holds, ever := until(y.rule(limit.Account, ann, "messages/hour=5"), time.Hour), y.rule(limit.Account, ann, "messages/day=5")
	y.set(holds, ever)
	y.set(ended...) // the last of them has the highest number
	prune := func(before time.Time, limit, want int) {
		y.Helper()
		n, err := y.s.PruneRules(y.ctx, before, limit)
		expect.Must(y, err)
		if n != want {
			y.Fatalf("%d were removed, want %d", n, want)
		}
	}
	_, number := y.since(0)
	prune(ended[0].End, 10, 0)
	prune(y.now.Add(-7*time.Minute), 1, 1)
	y.listed(limit.Query{}, append(slices.Clone(ended[1:]), holds, ever)...)
	prune(y.now.Add(-7*time.Minute), 10, 1)
	prune(y.now.Add(24*time.Hour), 10, 3) // one that holds now is gone by then; the last ended one stays
	y.listed(limit.Query{}, ended[4], ever)
	if list, now := y.since(number); now != number || len(list) != 0 {
		y.Errorf("the number went from %d to %d, with %v", number, now, list)
	}
	y.set(y.rule(limit.Account, bob, "messages/day=5"))
	if list, now := y.since(number); now != number+1 || len(list) != 1 {
		y.Errorf("the number went from %d to %d, with %v", number, now, list)
	}
}

// recorded returns the events about limits.
func (y *story) recorded() (list []audit.Event) {
	y.Helper()
	all, err := y.s.Search(y.ctx, audit.Query{})
	expect.Must(y, err)
	for _, e := range all {
		if e.Kind == audit.LimitSet || e.Kind == audit.LimitLifted {
			list = append(list, e)
		}
	}
	return list
}

func eventsFollow(y *story) {
	r := y.rule(limit.Account, ann, "messages/hour=5")
	y.set(r)
	y.refused(y.put(r), fault.Conflict)
	other := y.rule(limit.Account, ann, "messages/hour=5")
	y.refused(y.lift(other, y.now), fault.NotFound)
	expect.Must(y, y.lift(r, y.now.Add(time.Second)))
	list := y.recorded()
	if len(list) != 2 || list[0].Kind != audit.LimitSet || list[1].Kind != audit.LimitLifted {
		y.Errorf("the record has %+v", list)
	}
}

func setAtOnce(y *story) {
	const writers = 8
	var rules []limit.Rule
	for n := range writers {
		r := y.rule(limit.Account, ann, fmt.Sprintf("messages/hour=%d", n))
		r.Start = y.now
		rules = append(rules, r)
	}
	results := make(chan error, writers)
	for _, r := range rules {
		go func() { results <- y.put(r) }()
	}
	for range writers {
		expect.Must(y, <-results)
	}
	list, err := y.s.Rules(y.ctx, limit.Query{For: &rules[0].For, Holding: y.now})
	expect.Must(y, err)
	if len(list) != 1 || list[0].Lifted != "" {
		y.Errorf("of %d in one place %+v hold", writers, list)
	}
}
