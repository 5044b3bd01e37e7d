// Package lists is what an engine must do about the entries of access lists: the contract of
// list.Store, as tests. An engine calls Run from a test of its own.
//
// It does not test who is denied; that is for package access/list.
//
// Main types: Store, Run.
package lists

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
	"countersign/internal/tenant"
)

// Store is what the cases need of an engine.
type Store interface {
	account.Store
	list.Store
	audit.Store
}

// Run runs the cases, each with a store that open makes empty.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, run := range map[string]func(*story){
		"entries come back as they were put":      comeBack,
		"what is no entry is refused":             formIsChecked,
		"the same is said once":                   saidOnce,
		"an entry is for what there is":           forWhatThereIs,
		"an entry is removed once":                removedOnce,
		"entries are found by what was asked":     found,
		"who follows sees each change, in order":  followed,
		"changes made at once are all followed":   followedAtOnce,
		"who waits for changes is told":           told,
		"accounts and their generation stay":      generationStays,
		"ended entries are removed in portions":   pruned,
		"the event is stored with the entry only": eventsFollow,
		"added twice at once is once":             addedAtOnce,
		"entries end with what they are for":      endWithOwner,
		"entries end with their credential":       endWithCredential,
		"removed and added at once":               removedWhileAdded,
		"customers have what is for them":         ofCustomers,
		"no more hold than a bound says":          withinBound,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			y := &story{T: t, s: open(t), ctx: ctx, now: time.Now().UTC().Truncate(time.Microsecond)}
			y.settle()
			run(y)
		})
	}
}

// story is one case. Its store has customer acme with domain one.example and account ann, who
// has two credentials.
type story struct {
	*testing.T
	s   Store
	ctx context.Context
	now time.Time
	n   int
	// within is what put is bound by.
	within tenant.Bound
}

const (
	ann     = "ann@one.example"
	phone   = mail.ID("01KPH00000000000000000000A")
	printer = mail.ID("01KPR00000000000000000000A")
)

// change is the event of a change of an object.
func (y *story) change(object string) audit.Event {
	return audit.Event{At: y.now, Kind: audit.AdminChanged, Actor: "cli:root", Object: object}
}

// settle adds what entries are for.
func (y *story) settle() {
	y.Helper()
	expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: "acme", State: account.Active, Created: y.now}, y.change("customer acme")))
	expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active, Created: y.now}, y.change("domain one.example")))
	y.addAnn()
}

// addAnn adds ann with her credentials.
func (y *story) addAnn() {
	y.Helper()
	credential := func(id mail.ID, name string) account.Credential {
		return account.Credential{ID: id, Kind: account.Certificate, Name: name, Subject: "cn:" + name, Created: y.now, Changed: y.now}
	}
	expect.Must(y, y.s.PutAccount(y.ctx, account.Account{
		ID: "01KANN00000000000000000001", Address: mail.Address{Local: "ann", Domain: "one.example"}, State: account.Active, Created: y.now,
		Credentials: []account.Credential{credential(phone, "phone"), credential(printer, "printer")},
	}, y.change("account "+ann)))
}

// entry makes another entry that denies.
func (y *story) entry(kind list.Kind, name, what string) list.Entry {
	y.Helper()
	w, err := list.ParseWhat(what)
	expect.Must(y, err)
	y.n++
	return list.Entry{
		ID: mail.ID(fmt.Sprintf("01K%023d", y.n)), For: list.Subject{Kind: kind, Name: name}, What: w,
		Reason: "asked for", Start: y.now.Add(time.Duration(y.n) * time.Microsecond), By: "cli:root",
	}
}

// everywhere is an entry for everybody.
func (y *story) everywhere(what string) list.Entry { return y.entry(list.Everywhere, "", what) }

// until gives an entry an end so long after its beginning.
func until(e list.Entry, length time.Duration) list.Entry {
	e.End = e.Start.Add(length)
	return e
}

// gone is an entry that somebody has removed.
func gone(e list.Entry, at time.Time, by string) list.Entry {
	e.End, e.Lifted = at, by
	return e
}

func (y *story) put(e list.Entry) error {
	return y.s.AddEntry(y.ctx, e, y.within, e.Event(audit.AccessAdded, y.now, "cli:root", e.Reason))
}

func (y *story) add(entries ...list.Entry) {
	y.Helper()
	for _, e := range entries {
		expect.Must(y, y.put(e))
	}
}

func (y *story) remove(e list.Entry, at time.Time) error {
	return y.s.RemoveEntry(y.ctx, e.ID, at, "cli:eve", e.Event(audit.AccessRemoved, y.now, "cli:eve", ""))
}

// listed wants these to be found, in this order.
func (y *story) listed(q list.Query, want ...list.Entry) {
	y.Helper()
	got, err := y.s.Entries(y.ctx, q)
	expect.Must(y, err)
	y.equal(got, want)
}

// since returns what has changed since a number, and wants no error.
func (y *story) since(number uint64) ([]list.Entry, uint64) {
	y.Helper()
	found, now, err := y.s.EntriesSince(y.ctx, number)
	expect.Must(y, err)
	return found, now
}

func (y *story) equal(got, want []list.Entry) {
	y.Helper()
	if !slices.Equal(got, want) {
		y.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func comeBack(y *story) {
	all, six, shop := y.everywhere("0.0.0.0/0"), until(y.everywhere("2001:db8::/48"), time.Hour), y.entry(list.Listener, "web", "DE")
	shop.Effect, shop.Shadow, shop.Reason = list.Except, true, "web mail"
	customer, domain := y.entry(list.Customer, "acme", "AS64500"), y.entry(list.Domain, "one.example", "AS4294967295")
	customer.Effect = list.Allow
	account, credential := y.entry(list.Account, ann, "192.0.2.1"), y.entry(list.Credential, string(phone), "XK")
	y.add(credential, account, domain, customer, shop, all, six)
	y.listed(list.Query{}, all, six, shop, customer, domain, account, credential)
}

func formIsChecked(y *story) {
	for what, change := range map[string]func(*list.Entry){
		"id":      func(e *list.Entry) { e.ID = "1" },
		"subject": func(e *list.Entry) { e.For.Name = "Ann@one.example" },
		"kind":    func(e *list.Entry) { e.For.Kind = 200 },
		"effect":  func(e *list.Entry) { e.Effect = 200 },
		"country": func(e *list.Entry) { e.What = list.What{Country: "ZZ"} },
		"nothing": func(e *list.Entry) { e.What = list.What{} },
		"two":     func(e *list.Entry) { e.What.Country = "DE" },
		"reason":  func(e *list.Entry) { e.Reason = "a\r\nb" },
		"actor":   func(e *list.Entry) { e.By = "" },
		"end":     func(e *list.Entry) { e.End = e.Start },
	} {
		e := y.entry(list.Account, ann, "192.0.2.0/24")
		change(&e)
		if err := y.s.AddEntry(y.ctx, e, tenant.Bound{}, audit.Event{}); !fault.Is(err, fault.Invalid) {
			y.Errorf("%s: %v", what, err)
		}
	}
	y.listed(list.Query{})
}

func saidOnce(y *story) {
	first := until(y.everywhere("192.0.2.0/24"), time.Hour)
	allowed, shadow, other := y.everywhere("192.0.2.0/24"), y.everywhere("192.0.2.0/24"), y.entry(list.Account, ann, "192.0.2.0/24")
	allowed.Effect, shadow.Shadow = list.Allow, true
	y.add(first, allowed, shadow, other, y.everywhere("192.0.2.0/25"))
	again := y.everywhere("192.0.2.0/24")
	expect.Kind(y, y.put(again), fault.Conflict)
	late := y.everywhere("192.0.2.0/24")
	late.Start = first.End // it has ended
	y.add(late)
	expect.Must(y, y.remove(late, late.Start.Add(time.Second)))
	again.Start = late.Start.Add(time.Minute)
	y.add(again)
	twice := y.everywhere("198.51.100.0/24")
	twice.ID = first.ID
	expect.Kind(y, y.put(twice), fault.Conflict)
}

func forWhatThereIs(y *story) {
	for _, e := range []list.Entry{
		y.entry(list.Account, "eve@one.example", "DE"), y.entry(list.Domain, "two.example", "DE"),
		y.entry(list.Customer, "other", "DE"), y.entry(list.Credential, "01KN0000000000000000000000", "DE"),
	} {
		err := y.put(e)
		expect.Kind(y, err, fault.NotFound)
		if detail := fault.DetailOf(err, fault.NotFound); detail != e.For.String()+" does not exist" {
			y.Errorf("it says %q", detail)
		}
	}
	y.listed(list.Query{})
	y.add(y.entry(list.Listener, "of another gate", "DE"))
}

func removedOnce(y *story) {
	e, timed := y.everywhere("DE"), until(y.everywhere("FR"), time.Hour)
	expect.Kind(y, y.remove(e, y.now), fault.NotFound)
	y.add(e, timed)
	at := y.now.Add(time.Minute)
	expect.Must(y, y.remove(e, at))
	expect.Kind(y, y.remove(e, at), fault.Conflict)
	expect.Kind(y, y.remove(timed, timed.End), fault.Conflict)
	expect.Must(y, y.remove(timed, at))
	y.listed(list.Query{}, gone(e, at, "cli:eve"), gone(timed, at, "cli:eve"))
}

func found(y *story) {
	a, b := until(y.entry(list.Account, ann, "DE"), time.Minute), y.everywhere("DE")
	c := until(y.entry(list.Account, ann, "FR"), time.Hour)
	y.add(c, b, a)
	y.listed(list.Query{}, b, a, c)
	y.listed(list.Query{ID: b.ID}, b)
	y.listed(list.Query{ID: "01K00000000000000000000099"})
	y.listed(list.Query{For: &a.For}, a, c)
	y.listed(list.Query{For: &list.Subject{Kind: list.Listener, Name: ann}})
	y.listed(list.Query{Holding: a.End.Add(-time.Microsecond)}, b, a, c)
	y.listed(list.Query{Holding: a.End}, b, c)
	y.listed(list.Query{For: &a.For, Holding: c.End})
}
