// Package bans is what an engine must do about bans: the contract of access.Store, as
// tests. An engine calls Run from a test of its own.
//
// It does not test who is refused; that is for package access/book.
//
// Main types: Store, Run.
package bans

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
	"countersign/internal/tenant"
)

// Store is what the cases need of an engine.
type Store interface {
	access.Store
	account.CustomerStore
	account.DomainStore
	audit.Store
	// Generation is account.Directory's.
	Generation(ctx context.Context) (uint64, error)
}

// Run runs the cases, each with an empty store that open makes.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, run := range map[string]func(*story){
		"bans come back as they were put":         comeBack,
		"what is no ban is refused":               formIsChecked,
		"one network and login is banned once":    bannedOnce,
		"a ban in shadow is one of its own":       shadowed,
		"a ban is lifted once":                    liftedOnce,
		"bans are found by what was asked":        found,
		"who follows sees each change, in order":  followed,
		"changes made at once are all followed":   followedAtOnce,
		"who waits for changes is told":           told,
		"accounts and their generation stay":      generationStays,
		"ended bans are removed in portions":      pruned,
		"the event is stored with the ban only":   eventsFollow,
		"a ban that is set twice at once is once": setAtOnce,
		"customers have those of their logins":    ofCustomers,
		"they are found by an address":            around,
		"no more hold than a bound says":          withinBound,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run(&story{T: t, s: open(t), ctx: ctx, now: time.Now().UTC().Truncate(time.Microsecond)})
		})
	}
}

// story is one case.
type story struct {
	*testing.T
	s   Store
	ctx context.Context
	now time.Time
}

// refused wants an error of that kind.
func (y *story) refused(err error, kind fault.Kind) {
	y.Helper()
	if !fault.Is(err, kind) {
		y.Fatalf("got error %v, want one that means %v", err, kind)
	}
}

// ban makes the n-th ban.
func (y *story) ban(n int, prefix, login string, length time.Duration) access.Ban {
	b := access.Ban{
		ID: mail.ID(fmt.Sprintf("01K%023d", n)), Prefix: netip.MustParsePrefix(prefix), Login: login,
		Reason: "guessing", Start: y.now.Add(time.Duration(n) * time.Microsecond), By: "cli:root",
	}
	if length != 0 {
		b.End = b.Start.Add(length)
	}
	return b
}

// event is that of a change of a ban.
func (y *story) event(kind audit.Kind, b access.Ban) audit.Event {
	return audit.Event{At: y.now, Kind: kind, Actor: "cli:root", Object: "ban " + b.Object()}
}

func (y *story) add(list ...access.Ban) {
	y.Helper()
	for _, b := range list {
		expect.Must(y, y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b)))
	}
}

func (y *story) lift(b access.Ban, at time.Time) error {
	return y.s.LiftBan(y.ctx, b.ID, at, "cli:eve", y.event(audit.BanLifted, b))
}

// listed wants these to be found.
func (y *story) listed(q access.Query, want ...access.Ban) {
	y.Helper()
	list, err := y.s.Bans(y.ctx, q)
	expect.Must(y, err)
	y.equal(list, want)
}

// since returns what has changed since a number, and wants no error.
func (y *story) since(number uint64) ([]access.Ban, uint64) {
	y.Helper()
	list, now, err := y.s.BansSince(y.ctx, number)
	expect.Must(y, err)
	return list, now
}

func (y *story) equal(got, want []access.Ban) {
	y.Helper()
	if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		y.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func comeBack(y *story) {
	four, six := y.ban(1, "192.0.2.0/24", "", 0), y.ban(2, "2001:db8::/48", "", time.Hour)
	pair, all := y.ban(3, "192.0.2.0/24", "ann@one.example", time.Hour), y.ban(4, "0.0.0.0/0", "", 0)
	y.add(four, six, pair, all)
	y.listed(access.Query{}, four, six, pair, all)
}

func formIsChecked(y *story) {
	for what, change := range map[string]func(*access.Ban){
		"host bits": func(b *access.Ban) { b.Prefix = netip.MustParsePrefix("192.0.2.1/24") },
		"mapped":    func(b *access.Ban) { b.Prefix = netip.MustParsePrefix("::ffff:192.0.2.0/120") },
		"nothing":   func(b *access.Ban) { b.Prefix = netip.Prefix{} },
		"login":     func(b *access.Ban) { b.Login = "Ann@One.example" },
		"no login":  func(b *access.Ban) { b.Login = "ann" },
		"reason":    func(b *access.Ban) { b.Reason = "a\r\nb" },
		"id":        func(b *access.Ban) { b.ID = "1" },
		"end":       func(b *access.Ban) { b.End = b.Start },
		"actor":     func(b *access.Ban) { b.By = "" },
	} {
		b := y.ban(1, "192.0.2.0/24", "", 0)
		change(&b)
		if err := y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b)); !fault.Is(err, fault.Invalid) {
			y.Errorf("%s: %v", what, err)
		}
	}
	y.listed(access.Query{})
}

func bannedOnce(y *story) {
	first := y.ban(1, "192.0.2.0/24", "", time.Hour)
	y.add(first, y.ban(2, "192.0.2.0/24", "ann@one.example", 0), y.ban(3, "192.0.2.0/25", "", 0), y.ban(4, "192.0.2.0/24", "bob@one.example", 0))
	again := func(n int, after time.Duration) access.Ban {
		b := y.ban(n, "192.0.2.0/24", "", 0)
		b.Start = y.now.Add(after)
		return b
	}
	b := again(5, time.Hour)
	y.refused(y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b)), fault.Conflict)
	b = again(6, time.Hour+time.Second) // the first has ended
	y.add(b)
	y.refused(y.s.AddBan(y.ctx, again(7, 2*time.Hour), tenant.Bound{}, y.event(audit.BanAdded, b)), fault.Conflict)
	expect.Must(y, y.lift(b, b.Start.Add(time.Second)))
	y.add(again(8, 2*time.Hour))
	twice := y.ban(3, "198.51.100.0/24", "", 0)
	y.refused(y.s.AddBan(y.ctx, twice, tenant.Bound{}, y.event(audit.BanAdded, twice)), fault.Conflict)
}

// shadowed: a ban in shadow stays so, and neither keeps one of the same that is not from being
// set, nor is it ended with that.
func shadowed(y *story) {
	shadow, real := y.ban(1, "192.0.2.0/24", "", time.Hour), y.ban(2, "192.0.2.0/24", "", 0)
	shadow.Shadow = true
	pair := y.ban(3, "192.0.2.0/24", "ann@one.example", 0)
	pair.Shadow = true
	y.add(shadow, real, pair)
	again := y.ban(4, "192.0.2.0/24", "", 0)
	y.refused(y.s.AddBan(y.ctx, again, tenant.Bound{}, y.event(audit.BanAdded, again)), fault.Conflict)
	again.Shadow = true
	y.refused(y.s.AddBan(y.ctx, again, tenant.Bound{}, y.event(audit.BanAdded, again)), fault.Conflict)
	expect.Must(y, y.lift(real, y.now.Add(time.Second)))
	real.End, real.Lifted = y.now.Add(time.Second), "cli:eve"
	y.listed(access.Query{}, shadow, real, pair)
	list, _ := y.since(0)
	y.equal(list, []access.Ban{shadow, pair, real})
	expect.Must(y, y.lift(shadow, y.now.Add(time.Second)))
}

func liftedOnce(y *story) {
	b, timed := y.ban(1, "192.0.2.0/24", "", 0), y.ban(2, "192.0.3.0/24", "", time.Hour)
	y.refused(y.lift(b, y.now), fault.NotFound)
	y.add(b, timed)
	at := y.now.Add(time.Minute)
	expect.Must(y, y.lift(b, at))
	y.refused(y.lift(b, at), fault.Conflict)
	y.refused(y.lift(timed, timed.End), fault.Conflict)
	expect.Must(y, y.lift(timed, at))
	b.End, b.Lifted, timed.End, timed.Lifted = at, "cli:eve", at, "cli:eve"
	y.listed(access.Query{}, b, timed)
}

func found(y *story) {
	a, b := y.ban(1, "192.0.2.0/24", "", time.Minute), y.ban(2, "192.0.2.0/24", "ann@one.example", 0)
	c := y.ban(3, "2001:db8::/32", "", time.Hour)
	y.add(c, b, a)
	y.listed(access.Query{}, a, b, c)
	y.listed(access.Query{ID: b.ID}, b)
	y.listed(access.Query{ID: "01K00000000000000000000009"})
	y.listed(access.Query{Prefix: a.Prefix}, a, b)
	y.listed(access.Query{Prefix: netip.MustParsePrefix("192.0.2.0/25")})
	y.listed(access.Query{Holding: a.End.Add(-time.Microsecond)}, a, b, c)
	y.listed(access.Query{Holding: a.End}, b, c)
	y.listed(access.Query{Prefix: a.Prefix, Holding: c.End}, b)
}

func followed(y *story) {
	list, zero := y.since(0)
	if zero != 0 {
		y.Fatalf("nothing has the number %d", zero)
	}
	y.equal(list, nil)
	a, b, past := y.ban(3, "192.0.2.0/24", "", time.Hour), y.ban(1, "192.0.3.0/24", "", 0), y.ban(2, "192.0.4.0/24", "", time.Second)
	past.Start, past.End = y.now.Add(-time.Hour), y.now.Add(-time.Minute)
	y.add(a, past, b)
	list, first := y.since(0)
	y.equal(list, []access.Ban{a, b}) // as they were made, and not what has ended
	list, same := y.since(first)
	y.equal(list, nil)
	if same != first {
		y.Errorf("without a change %d became %d", first, same)
	}
	at := y.now.Add(time.Second)
	expect.Must(y, y.lift(a, at))
	a.End, a.Lifted = at, "cli:eve"
	c := y.ban(4, "192.0.2.0/24", "", 0)
	c.Start = at.Add(time.Second)
	y.add(c)
	list, second := y.since(first)
	y.equal(list, []access.Ban{a, c})
	list, _ = y.since(first - 1)
	y.equal(list, []access.Ban{b, a, c})
	if list, ahead := y.since(second + 10); len(list) != 0 || ahead != second {
		y.Errorf("ahead of all changes: %v, %d, want %d", list, ahead, second)
	}
}

// followedAtOnce has one follow while many ban: what it has seen in the end is all, and
// each once.
func followedAtOnce(y *story) {
	const writers, each = 8, 12
	expect.FollowedAtOnce(y, writers, each, func(w, n int) error {
		b := y.ban(1+w*each+n, fmt.Sprintf("10.0.%d.0/24", 1+w*each+n), "", 0)
		return y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b))
	}, y.since, func(b access.Ban) string { return string(b.ID) })
}

func told(y *story) {
	b := y.ban(1, "192.0.2.0/24", "", 0)
	changed, _ := y.s.BansChanged()
	expect.Told(y.ctx, y, "a ban", changed, func() error { return y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b)) })
	changed, _ = y.s.BansChanged()
	expect.Told(y.ctx, y, "its end", changed, func() error { return y.lift(b, y.now.Add(time.Second)) })
}

func generationStays(y *story) {
	before, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	b := y.ban(1, "192.0.2.0/24", "", 0)
	y.add(b)
	expect.Must(y, y.lift(b, y.now.Add(time.Second)))
	after, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	if before != after {
		y.Errorf("a ban raises the account generation from %d to %d", before, after)
	}
}

func pruned(y *story) {
	var ended []access.Ban
	for n := 1; n <= 5; n++ {
		b := y.ban(n, fmt.Sprintf("10.0.%d.0/24", n), "", 0)
		b.Start, b.End = y.now.Add(-time.Hour), y.now.Add(time.Duration(n-10)*time.Minute)
		ended = append(ended, b)
	}
	holds, ever := y.ban(6, "192.0.2.0/24", "", time.Hour), y.ban(7, "192.0.3.0/24", "", 0)
	y.add(holds, ever)
	y.add(ended...) // the last of them has the highest number
	prune := func(before time.Time, limit, want int) {
		y.Helper()
		n, err := y.s.PruneBans(y.ctx, before, limit)
		expect.Must(y, err)
		if n != want {
			y.Fatalf("%d were removed, want %d", n, want)
		}
	}
	_, number := y.since(0)
	prune(ended[0].End, 10, 0)
	prune(y.now.Add(-7*time.Minute), 1, 1)
	y.listed(access.Query{}, append(slices.Clone(ended[1:]), holds, ever)...)
	prune(y.now.Add(-7*time.Minute), 10, 1)
	prune(y.now.Add(24*time.Hour), 10, 3) // one that holds now is gone by then; the last ended one stays
	y.listed(access.Query{}, ended[4], ever)
	if list, now := y.since(number); now != number || len(list) != 0 {
		y.Errorf("the number went from %d to %d, with %v", number, now, list)
	}
	y.add(y.ban(8, "192.0.4.0/24", "", 0))
	if list, now := y.since(number); now != number+1 || len(list) != 1 {
		y.Errorf("the number went from %d to %d, with %v", number, now, list)
	}
}

func eventsFollow(y *story) {
	b := y.ban(1, "192.0.2.0/24", "", 0)
	y.add(b)
	b.ID = mail.ID(fmt.Sprintf("01K%023d", 2))
	y.refused(y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b)), fault.Conflict)
	y.refused(y.lift(b, y.now), fault.NotFound)
	b.ID = mail.ID(fmt.Sprintf("01K%023d", 1))
	expect.Must(y, y.lift(b, y.now.Add(time.Second)))
	list, err := y.s.Search(y.ctx, audit.Query{})
	expect.Must(y, err)
	if len(list) != 2 || list[0].Kind != audit.BanAdded || list[1].Kind != audit.BanLifted {
		y.Errorf("the record has %+v", list)
	}
}

func setAtOnce(y *story) {
	const writers = 8
	results := make(chan error, writers)
	for n := range writers {
		go func() {
			b := y.ban(n+1, "192.0.2.0/24", "", 0)
			b.Start = y.now
			results <- y.s.AddBan(y.ctx, b, tenant.Bound{}, y.event(audit.BanAdded, b))
		}()
	}
	var set int
	var all []error
	for range writers {
		err := <-results
		all = append(all, err)
		if err == nil {
			set++
		} else if !fault.Is(err, fault.Conflict) {
			y.Error(err)
		}
	}
	if set != 1 {
		y.Errorf("%d set the same ban: %v", set, errors.Join(all...))
	}
}
