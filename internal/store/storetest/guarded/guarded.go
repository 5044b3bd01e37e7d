// Package guarded is what an engine must do about what the guard has counted: the contract
// of guard.Store, as tests. An engine calls Run from a test of its own.
//
// It does not test who is stopped; that is for package access/guard.
//
// Main types: Store, Run.
package guarded

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard"
	"countersign/internal/access/guard/tried"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

// Store is what the cases need of an engine.
type Store interface {
	guard.Store
	account.CustomerStore
	account.DomainStore
	audit.Store
	// Generation is account.Directory's.
	Generation(ctx context.Context) (uint64, error)
}

// Run runs the cases, each with an empty store that open makes.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, run := range map[string]func(*story){
		"records come back as they were kept":         comeBack,
		"what is no record is refused with the rest":  formIsChecked,
		"what two have seen is put together":          putTogether,
		"who follows sees each change, in order":      followed,
		"who follows in portions misses nothing":      portions,
		"what many keep at once is all kept":          keptAtOnce,
		"records are found by what was asked":         found,
		"customers have those of their logins":        ofCustomers,
		"what is too old is removed in portions":      ended,
		"what is too much is removed, the known stay": surplus,
		"of one login so many networks are known":     bounded,
		"the event is stored with the records only":   eventsFollow,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run(&story{T: t, s: open(t), ctx: ctx, now: time.Now().UTC().Truncate(time.Second)})
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

// record makes one with a secret.
func (y *story) record(network, login string, digests ...uint16) guard.Record {
	r := guard.Record{Login: login}
	if network != "" {
		r.Network = netip.MustParsePrefix(network)
	}
	for _, d := range digests {
		r.Secrets = append(r.Secrets, tried.Secret{Digest: d, First: y.now.Unix(), Last: y.now.Unix()})
	}
	return r
}

// keep stores records that end in an hour.
func (y *story) keep(list ...guard.Record) {
	y.Helper()
	y.keepUntil(y.now.Add(time.Hour), list...)
}

func (y *story) keepUntil(end time.Time, list ...guard.Record) {
	y.Helper()
	var all []guard.Kept
	for _, r := range list {
		all = append(all, guard.Kept{Record: r, End: end})
	}
	expect.Must(y, y.s.KeepRecords(y.ctx, all, nil))
}

// since returns what has changed since a number.
func (y *story) since(number uint64) ([]guard.Record, uint64) {
	y.Helper()
	list, now, err := y.s.RecordsSince(y.ctx, number, 1000)
	expect.Must(y, err)
	return list, now
}

// listed wants these to be found.
func (y *story) listed(q guard.Query, want ...guard.Record) {
	y.Helper()
	list, err := y.s.Records(y.ctx, q, 1000)
	expect.Must(y, err)
	y.equal(list, want)
}

func (y *story) equal(got, want []guard.Record) {
	y.Helper()
	if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		y.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func comeBack(y *story) {
	full := y.record("2001:db8:1:2::/64", "ann@one.example", 1, 65535)
	at := func(n int) time.Time { return y.now.Add(time.Duration(n) * time.Second) }
	full.Missing, full.Unseen, full.UnseenFrom, full.UnseenAt = true, 7, at(1), at(2)
	full.Known, full.Banned, full.Sprayed, full.ClosedFrom, full.ClosedUntil, full.Opened = at(3), at(4), at(5), at(6), at(7), at(8)
	full.Devices = []familiar.Use{familiar.UseAt(1<<32-1, at(3)), familiar.UseAt(7, at(2))}
	login, network := y.record("", "ann@one.example"), y.record("192.0.2.1/32", "")
	login.ClosedFrom, login.ClosedUntil = at(1), at(9)
	y.keep(full, login, network)
	list, number := y.since(0)
	y.equal(list, []guard.Record{full, login, network})
	if number != 3 {
		y.Errorf("three records have the number %d", number)
	}
	y.listed(guard.Query{}, network, login, full)
}

func formIsChecked(y *story) {
	for what, r := range map[string]guard.Record{
		"nobody":    {},
		"host bits": {Network: netip.MustParsePrefix("192.0.2.1/24")},
		"order":     y.record("192.0.2.1/32", "ann@one.example", 2, 1),
		"negative":  {Login: "ann@one.example", Unseen: -1},
		"devices":   {Login: "ann@one.example", Devices: []familiar.Use{familiar.UseAt(1, y.now), familiar.UseAt(2, y.now.Add(time.Second))}},
	} {
		err := y.s.KeepRecords(y.ctx, []guard.Kept{{Record: y.record("192.0.2.1/32", "bob@one.example", 1)}, {Record: r}}, nil)
		if !fault.Is(err, fault.Invalid) {
			y.Errorf("%s: %v", what, err)
		}
	}
	y.listed(guard.Query{})
}

func putTogether(y *story) {
	a, b := y.record("192.0.2.1/32", "ann@one.example", 1, 2), y.record("192.0.2.1/32", "ann@one.example", 2, 3)
	a.Known, b.Banned = y.now, y.now.Add(time.Second)
	for n := range familiar.EachDevice {
		a.Devices = familiar.MergeUses(a.Devices, []familiar.Use{familiar.UseAt(familiar.Device(n+1), y.now)})
		b.Devices = familiar.MergeUses(b.Devices, []familiar.Use{familiar.UseAt(familiar.Device(n+3), y.now.Add(time.Second))})
	}
	y.keep(a, a)
	_, first := y.since(0)
	y.keep(b)
	list, second := y.since(first)
	y.equal(list, []guard.Record{guard.Merge(a, b)})
	c, d := y.record("192.0.2.2/32", "ann@one.example", 1), y.record("192.0.2.2/32", "ann@one.example", 2)
	y.keep(c, d) // of one name, at once
	list, second = y.since(second)
	y.equal(list, []guard.Record{guard.Merge(c, d)})
	y.keep(b, a, d) // nothing new
	if list, number := y.since(second); len(list) != 0 || number != second {
		y.Errorf("what was known already is a change: %d after %d, %v", number, second, list)
	}
}

func followed(y *story) {
	if list, zero := y.since(0); zero != 0 || len(list) > 0 {
		y.Fatalf("nothing has the number %d, %v", zero, list)
	}
	a, b := y.record("192.0.2.1/32", "ann@one.example", 1), y.record("192.0.2.2/32", "ann@one.example", 1)
	y.keep(a)
	y.keep(b)
	_, number := y.since(0)
	more := y.record("192.0.2.1/32", "ann@one.example", 1, 9)
	y.keep(more)
	list, after := y.since(number)
	y.equal(list, []guard.Record{more})
	list, _ = y.since(0)
	y.equal(list, []guard.Record{b, more})
	if list, ahead := y.since(after + 10); len(list) != 0 || ahead != after {
		y.Errorf("ahead of all changes: %v, %d, want %d", list, ahead, after)
	}
}

func portions(y *story) {
	var all []guard.Record
	for n := range 120 {
		all = append(all, y.record(fmt.Sprintf("10.0.0.%d/32", n), "ann@one.example", uint16(n)))
	}
	y.keep(all...)
	var got []guard.Record
	for number := uint64(0); ; {
		list, now, err := y.s.RecordsSince(y.ctx, number, 50)
		expect.Must(y, err)
		if len(list) > 50 || now < number {
			y.Fatalf("%d records, %d after %d", len(list), now, number)
		}
		if len(list) == 0 {
			break
		}
		got, number = append(got, list...), now
	}
	y.equal(got, all)
}

func keptAtOnce(y *story) {
	const writers, times = 6, 5
	var writing sync.WaitGroup
	failed := make(chan error, writers*times)
	for w := range writers {
		writing.Go(func() {
			for i := range times {
				r := y.record("192.0.2.1/32", "ann@one.example", uint16(w*times+i))
				own := y.record(fmt.Sprintf("10.0.%d.%d/32", w, i), "ann@one.example", 1)
				failed <- y.s.KeepRecords(y.ctx, []guard.Kept{{Record: r}, {Record: own}}, nil)
			}
		})
	}
	writing.Wait()
	for range writers * times {
		expect.Must(y, <-failed)
	}
	list, err := y.s.Records(y.ctx, guard.Query{Network: netip.MustParsePrefix("192.0.2.1/32")}, 10)
	expect.Must(y, err)
	if len(list) != 1 || len(list[0].Secrets) != writers*times {
		y.Errorf("of %d secrets: %+v", writers*times, list)
	}
	if all, _ := y.since(0); len(all) != 1+writers*times {
		y.Errorf("%d records", len(all))
	}
}

func found(y *story) {
	a, b := y.record("192.0.2.1/32", "ann@one.example", 1), y.record("192.0.2.1/32", "bob@one.example", 1)
	c, d := y.record("192.0.2.2/32", "ann@one.example", 1), y.record("192.0.2.1/32", "")
	y.keep(a, b, c, d)
	y.listed(guard.Query{}, d, c, b, a)
	y.listed(guard.Query{Network: a.Network}, d, b, a)
	y.listed(guard.Query{Login: a.Login}, c, a)
	y.listed(guard.Query{Network: a.Network, Login: a.Login}, a)
	y.listed(guard.Query{Network: netip.MustParsePrefix("192.0.2.0/24")})
	list, err := y.s.Records(y.ctx, guard.Query{}, 2)
	expect.Must(y, err)
	y.equal(list, []guard.Record{d, c})
}

// prune wants so many to be removed.
func (y *story) prune(before time.Time, most, limit, want int) {
	y.Helper()
	n, err := y.s.PruneRecords(y.ctx, before, most, limit)
	expect.Must(y, err)
	if n != want {
		y.Fatalf("%d were removed, want %d", n, want)
	}
}

// ofCustomers: a customer has what is counted of logins in its domains, accounts or not, and nothing of
// another or of networks.
func ofCustomers(y *story) {
	change := audit.Event{At: y.now, Kind: audit.AdminChanged}
	for customer, domain := range map[string]mail.Domain{"acme": "one.example", "rival": "two.example"} {
		expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: customer, State: account.Active, Created: y.now}, change))
		expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: domain, Customer: customer, State: account.Active, Created: y.now}, change))
	}
	ann, bob := y.record("192.0.2.1/32", "ann@one.example", 1), y.record("192.0.2.1/32", "a@two.example@one.example", 1)
	y.keep(ann, y.record("192.0.2.1/32", "eve@two.example", 1), y.record("192.0.2.1/32", "one.example", 1), y.record("192.0.2.1/32", "x@aone.example", 1), y.record("192.0.2.2/32", "", 1))
	y.keep(bob)
	y.listed(guard.Query{Customers: []string{"acme"}}, bob, ann)
	y.listed(guard.Query{Customers: []string{"acme"}, Login: "eve@two.example"})
	y.listed(guard.Query{Customers: []string{"nobody"}})
}

func ended(y *story) {
	holds, old := y.record("192.0.2.1/32", "ann@one.example", 1), []guard.Record{}
	y.keep(holds)
	for n := range 5 {
		r := y.record(fmt.Sprintf("10.0.0.%d/32", n), "ann@one.example", 1)
		old = append(old, r)
		y.keepUntil(y.now.Add(time.Duration(n-10)*time.Minute), r)
	}
	_, number := y.since(0)
	y.prune(y.now.Add(-time.Hour), 100, 10, 0)
	y.prune(y.now, 100, 3, 3)
	y.listed(guard.Query{}, old[4], old[3], holds)
	y.prune(y.now, 100, 3, 1) // that with the highest number stays
	y.listed(guard.Query{}, old[4], holds)
	if list, now := y.since(number); now != number || len(list) != 0 {
		y.Errorf("the number went from %d to %d, with %v", number, now, list)
	}
	y.keepUntil(y.now.Add(time.Minute), holds) // which is no reason to forget it sooner
	y.prune(y.now.Add(2*time.Minute), 100, 3, 0)
}

func surplus(y *story) {
	known := y.record("192.0.2.1/32", "ann@one.example")
	known.Known = y.now
	y.keep(known)
	var all []guard.Record
	for n := range 10 {
		all = append(all, y.record(fmt.Sprintf("10.0.0.%d/32", n), "ann@one.example", 1))
	}
	y.keep(all...)
	y.prune(y.now, 10, 100, 0)
	y.prune(y.now, 7, 2, 2)
	y.prune(y.now, 7, 2, 1)
	y.prune(y.now, 7, 2, 0)
	y.listed(guard.Query{}, all[9], all[8], all[7], all[6], all[5], all[4], all[3], known)
}

// bounded: of a login that comes from ever new networks no more than so many are known, and
// none goes that was used lately.
func bounded(y *story) {
	known := func(n, days int) guard.Record {
		r := y.record(fmt.Sprintf("10.0.%d.%d/32", n/256, n%256), "ann@one.example")
		r.Known = y.now.Add(time.Duration(days)*24*time.Hour + time.Duration(n)*time.Second)
		return r
	}
	count := func(want int, when string) {
		y.Helper()
		list, err := y.s.Records(y.ctx, guard.Query{Login: "ann@one.example"}, 1000)
		expect.Must(y, err)
		n := 0
		for i := range list {
			if !list[i].Known.IsZero() {
				n++
			}
		}
		if n != want {
			y.Fatalf("%s %d networks are known, want %d", when, n, want)
		}
	}
	is := func(n int) bool {
		y.Helper()
		list, err := y.s.Records(y.ctx, guard.Query{Network: known(n, 0).Network}, 10)
		expect.Must(y, err)
		return len(list) == 1 && !list[0].Known.IsZero()
	}
	y.keep(y.record("192.0.2.1/32", "bob@one.example", 1))
	var all []guard.Record
	for n := range 3 * guard.MaxStored { // in one go, and each more than there is room for
		all = append(all, known(n, 0))
	}
	y.keep(all...)
	count(guard.MaxStored, "at first")
	failed := known(200, 1)
	failed.Secrets, failed.Devices = y.record("", "x", 7).Secrets, []familiar.Use{familiar.UseAt(5, failed.Known)}
	y.keep(known(0, 6), failed, known(201, 6)) // the first is not new
	count(guard.MaxStored, "days later")
	if !is(0) || is(201) {
		y.Error("what was used lately has given way")
	}
	y.listed(guard.Query{Network: failed.Network}, func() guard.Record { r := failed; r.Known, r.Devices = time.Time{}, nil; return r }())
	y.keep(known(202, 8), known(203, 8))
	count(guard.MaxStored, "a week later")
	if !is(202) || !is(203) || !is(0) || is(1) || is(2) || !is(3) {
		y.Error("what gave way are not those that were used longest ago")
	}
	other := known(300, 0)
	other.Login = "eve@one.example"
	y.keep(other)
	count(guard.MaxStored, "beside another login")
	y.listed(guard.Query{Login: "eve@one.example"}, other)
}

func eventsFollow(y *story) {
	before, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	e := audit.Event{At: y.now, Kind: audit.GuardForgot, Actor: "cli:root", Object: "ann@one.example"}
	expect.Must(y, y.s.KeepRecords(y.ctx, []guard.Kept{{Record: y.record("192.0.2.1/32", "ann@one.example", 1)}}, []audit.Event{e}))
	if err := y.s.KeepRecords(y.ctx, []guard.Kept{{}}, []audit.Event{e}); !fault.Is(err, fault.Invalid) {
		y.Errorf("what is none: %v", err)
	}
	list, err := y.s.Search(y.ctx, audit.Query{})
	expect.Must(y, err)
	if len(list) != 1 || list[0].Kind != audit.GuardForgot {
		y.Errorf("the record has %+v", list)
	}
	after, err := y.s.Generation(y.ctx)
	expect.Must(y, err)
	if before != after {
		y.Errorf("the account generation went from %d to %d", before, after)
	}
}
