package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// randomOperations runs random sequences of operations against a store and a
// model of it in memory, and compares the two after each.
func randomOperations(t *testing.T, open Opener) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		defer func() { expect.Must(rt, s.Close()) }()
		m := &model{store: s, test: t, deliveries: map[place]*queue.Delivery{}, owner: map[mail.ID]string{}, relies: map[mail.ID][]mail.Domain{}, suspended: map[string]bool{}, under: map[mail.ID]mail.ID{}, excused: map[mail.ID]bool{}}
		m.people = settle(t, s)
		m.customers = map[mail.Domain]string{"one.example": "acme", "two.example": "acme"}
		expect.Must(rt, s.PutCustomer(rt.Context(), account.Customer{Name: "other", State: account.Active, Created: Start()}, Event("")))
		m.people.generation = expect.Got(s.Generation(rt.Context()))(rt)
		m.events = 7
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.compare,
			"accept":  m.accept,
			"report":  m.report,
			"hold":    m.hold,
			"release": m.release,
			"retry":   m.retry,
			"drop":    m.drop,
			"suspend": m.suspend,
			"move":    m.move,
			"revoke":  m.revoke,
		})
	})
}

// place names a delivery.
type place struct {
	submission mail.ID
	n          int
}

// model is what the store should hold.
type model struct {
	store      Store
	test       *testing.T
	people     people
	deliveries map[place]*queue.Delivery
	// owner is the login of each submission, finished ones too.
	owner map[mail.ID]string
	// relies holds the domains that each relies on.
	relies map[mail.ID][]mail.Domain
	// under is the credential that each came under; passwords are how many ann and
	// bob have had.
	under map[mail.ID]mail.ID
	// excused are those that were released after theirs was gone.
	excused   map[mail.ID]bool
	passwords int
	// suspended holds logins and names of domains, customers and plans.
	suspended map[string]bool
	// customers holds the customer of each domain; acme is on plan basic.
	customers map[mail.Domain]string
	events    int
}

// sorted returns the places of all deliveries in order.
func (m *model) sorted() []place {
	var all []place
	for p := range m.deliveries {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.submission, b.submission), cmp.Compare(a.n, b.n))
	})
	return all
}

// compare compares the whole queue, its order, totals and content.
func (m *model) compare(t *rapid.T) {
	items := everything(t, m.store)
	want := m.sorted()
	if len(items) != len(want) {
		t.Fatalf("the store has %d deliveries, the model %d", len(items), len(want))
	}
	var total queue.Stats
	for i, item := range items {
		d := m.deliveries[want[i]]
		expect.Equal(t, "delivery", item.Delivery, *d)
		if item.Submission.Login != m.owner[d.Submission] {
			t.Fatalf("%s belongs to %q", name(item), item.Submission.Login)
		}
		switch d.State {
		case queue.Queued:
			total.Queued++
		case queue.Deferred:
			total.Deferred++
		case queue.Held:
			total.Held++
		}
	}
	WantStats(t, m.store, total.Queued, total.Deferred, total.Held)
	m.compareDue(t)
	for sub := range m.owner {
		_, err := m.store.Content(m.test.Context(), sub)
		if m.waits(sub) {
			expect.Must(t, err)
		} else {
			expect.Kind(t, err, fault.NotFound)
		}
	}
	if all := expect.Got(m.store.Search(m.test.Context(), audit.Query{Limit: 1 << 20}))(t); len(all) != m.events {
		t.Fatalf("there are %d events, the model has %d", len(all), m.events)
	}
}

// compareDue compares what is due at some moment, read in pages.
func (m *model) compareDue(t *rapid.T) {
	now := Start().Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "hours")) * time.Hour)
	var want []string
	places := m.sorted()
	slices.SortStableFunc(places, func(a, b place) int { return m.deliveries[a].Next.Compare(m.deliveries[b].Next) })
	for _, p := range places {
		if d := m.deliveries[p]; d.State != queue.Held && !d.Next.After(now) {
			want = append(want, name(queue.Item{Delivery: *d}))
		}
	}
	var due []string
	from := queue.Position{}
	for {
		page := expect.Got(m.store.Due(m.test.Context(), now, from, 3))(t)
		due = append(due, names(page)...)
		if len(page) < 3 {
			break
		}
		from = after(page[len(page)-1])
	}
	expect.Equal(t, "due", due, want)
}

// waits reports whether any delivery of a submission does.
func (m *model) waits(sub mail.ID) bool {
	for p := range m.deliveries {
		if p.submission == sub {
			return true
		}
	}
	return false
}

// domainOf is the domain of one of our logins.
func domainOf(login string) mail.Domain { return mail.Domain(login[len("ann@"):]) }

// active reports whether an account may send.
func (m *model) active(login string) bool {
	customer := m.customers[domainOf(login)]
	return !m.suspended[login] && !m.suspended[string(domainOf(login))] && !m.suspended[customer] && (customer != "acme" || !m.suspended["basic"])
}

// usable reports whether all of the domains may be used by an account.
func (m *model) usable(login string, domains []mail.Domain) bool {
	for _, d := range domains {
		if m.suspended[string(d)] || m.customers[d] != m.customers[domainOf(login)] {
			return false
		}
	}
	return true
}

func (m *model) accept(t *rapid.T) {
	who := rapid.SampledFrom([]account.Account{m.people.ann, m.people.bob}).Draw(t, "who")
	a := Message(rapid.IntRange(1, 12).Draw(t, "submission"), []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "recipients")]...)
	a.Submission.Account, a.Submission.Login, a.Submission.Domain = who.ID, who.Login(), who.Address.Domain
	a.Submission.Customer = m.customers[who.Address.Domain]
	// As decided a moment ago, or long ago with the account as it is now.
	now := expect.Got(m.store.Account(m.test.Context(), who.Login()))(t)
	a.Generation, a.Revision = m.people.generation, now.Revision
	if p := now.Password(); p != nil {
		a.Submission.Credential = p.ID
	}
	a.Domains = rapid.SampledFrom([][]mail.Domain{{who.Address.Domain}, {"two.example"}, {"one.example", "two.example"}}).Draw(t, "domains")
	for i := range a.Deliveries {
		a.Deliveries[i].Next = Start().Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "next")) * time.Hour)
	}
	err := m.store.Accept(m.test.Context(), a)
	switch {
	case !m.active(who.Login()):
		expect.Kind(t, err, fault.Denied)
	case !m.usable(who.Login(), a.Domains):
		expect.Kind(t, err, fault.Busy)
	case m.waits(a.Submission.ID):
		expect.Kind(t, err, fault.Conflict)
	default:
		expect.Must(t, err)
		m.owner[a.Submission.ID], m.relies[a.Submission.ID], m.under[a.Submission.ID] = who.Login(), a.Domains, a.Submission.Credential
		delete(m.excused, a.Submission.ID)
		for _, d := range a.Deliveries {
			m.deliveries[place{d.Submission, d.N}] = &d
		}
		m.events++
	}
}

func (m *model) report(t *rapid.T) {
	p := m.somewhere(t)
	state := rapid.SampledFrom([]queue.State{queue.Delivered, queue.Failed, queue.Deferred, queue.Held}).Draw(t, "state")
	r := Outcome(p.submission, p.n, state)
	expect.Must(t, m.store.Report(m.test.Context(), r))
	m.events++
	d := m.deliveries[p]
	if d == nil {
		return
	}
	if state.Final() {
		delete(m.deliveries, p)
		return
	}
	o := r.Outcomes[0]
	d.Attempts++
	d.Last, d.Next = o.Result, o.Next
	if state == queue.Held {
		d.State, d.HoldReason = queue.Held, o.HoldReason
	} else if d.State != queue.Held {
		d.State = queue.Deferred
	}
}

// somewhere draws the place of a delivery, which may be gone.
func (m *model) somewhere(t *rapid.T) place {
	return place{ID("SUB", rapid.IntRange(1, 12).Draw(t, "submission")), rapid.IntRange(1, 3).Draw(t, "n")}
}

// filter draws a filter and returns what it selects.
func (m *model) filter(t *rapid.T) (queue.Filter, []*queue.Delivery) {
	var f queue.Filter
	switch rapid.IntRange(0, 5).Draw(t, "filter") {
	case 0:
		p := m.somewhere(t)
		f.Submission, f.N = p.submission, p.n
	case 1:
		f.Login = rapid.SampledFrom([]string{"ann@one.example", "bob@two.example"}).Draw(t, "login")
	case 2:
		f.Domain = rapid.SampledFrom([]mail.Domain{"one.example", "two.example"}).Draw(t, "domain")
	case 3:
		f.State = rapid.SampledFrom([]queue.State{queue.Queued, queue.Deferred, queue.Held}).Draw(t, "only")
	case 4:
		f.Credential = m.under[m.somewhere(t).submission]
	case 5:
		if d := m.deliveries[m.somewhere(t)]; d != nil {
			f.Why = d.HoldReason
		}
	}
	var selected []*queue.Delivery
	for _, p := range m.sorted() {
		d, login := m.deliveries[p], m.owner[p.submission]
		if f.Submission != "" && (p.submission != f.Submission || p.n != f.N) || f.Login != "" && login != f.Login ||
			f.Domain != "" && login[len("ann@"):] != string(f.Domain) || f.State != "" && d.State != f.State ||
			f.Credential != "" && m.under[p.submission] != f.Credential || f.Why != "" && d.HoldReason != f.Why {
			continue
		}
		selected = append(selected, d)
	}
	return f, selected
}

// changed checks the number of changes, each of which left an event.
func (m *model) changed(t *rapid.T, n, want int) {
	m.events += want
	if n != want {
		t.Fatalf("the store changed %d deliveries, the model %d", n, want)
	}
}

func (m *model) hold(t *rapid.T) {
	f, selected := m.filter(t)
	n := expect.Got(m.store.Hold(m.test.Context(), f, "operator", audit.Event{Kind: audit.DeliveryHeld}))(t)
	want := 0
	for _, d := range selected {
		if d.State != queue.Held {
			d.State, d.HoldReason = queue.Held, "operator"
			want++
		}
	}
	m.changed(t, n, want)
}

func (m *model) release(t *rapid.T) {
	f, selected := m.filter(t)
	began := time.Now()
	n := expect.Got(m.store.Release(m.test.Context(), f, audit.Event{Kind: audit.DeliveryReleased}))(t)
	want := 0
	for _, d := range selected {
		if d.State == queue.Held {
			backToQueue(d)
			m.adoptNext(t, d, began)
			want++
			if !m.proved(d.Submission) {
				m.excuse(d.Submission, selected)
			}
		}
	}
	m.changed(t, n, want)
}

// excuse is what a release of some does to the submission.
func (m *model) excuse(sub mail.ID, released []*queue.Delivery) {
	m.excused[sub] = true
	for p, d := range m.deliveries {
		if p.submission == sub && d.State == queue.Held && slices.Contains(queue.HoldsByChange(), d.HoldReason) && !slices.Contains(released, d) {
			d.HoldReason = queue.HoldLeft
		}
	}
}

// backToQueue is what a release does to a delivery.
func backToQueue(d *queue.Delivery) {
	d.State, d.HoldReason = queue.Queued, ""
	if d.Attempts > 0 {
		d.State = queue.Deferred
	}
}

// adoptNext takes over the time that the store set, which has to be now.
func (m *model) adoptNext(t *rapid.T, d *queue.Delivery, began time.Time) {
	items := expect.Got(m.store.List(m.test.Context(), queue.Filter{Submission: d.Submission, N: d.N}))(t)
	if len(items) != 1 {
		t.Fatalf("delivery %d of %s is gone", d.N, d.Submission)
	}
	next := items[0].Delivery.Next
	if next.Before(began.Truncate(time.Microsecond)) || next.After(time.Now()) {
		t.Fatalf("delivery %d of %s is due at %v, not now", d.N, d.Submission, next)
	}
	d.Next = next
}

func (m *model) retry(t *rapid.T) {
	f, selected := m.filter(t)
	began := time.Now()
	n := expect.Got(m.store.Retry(m.test.Context(), f, audit.Event{Kind: audit.DeliveryRetried}))(t)
	want := 0
	for _, d := range selected {
		if d.State == queue.Deferred {
			m.adoptNext(t, d, began)
			want++
		}
	}
	m.changed(t, n, want)
}

func (m *model) drop(t *rapid.T) {
	f, selected := m.filter(t)
	n := expect.Got(m.store.Drop(m.test.Context(), f, audit.Event{Kind: audit.DeliveryDropped}))(t)
	for _, d := range selected {
		delete(m.deliveries, place{d.Submission, d.N})
	}
	m.changed(t, n, len(selected))
}

// suspend turns the state of an object.
func (m *model) suspend(t *rapid.T) {
	what := rapid.SampledFrom([]string{"ann@one.example", "bob@two.example", "one.example", "two.example", "acme", "other", "basic"}).Draw(t, "what")
	standing := m.standing()
	m.suspended[what] = !m.suspended[what]
	if m.suspended[what] {
		stateOf(m.test, m.store, what, account.Suspended)
	} else {
		stateOf(m.test, m.store, what, account.Active)
	}
	m.events++
	m.follow(what, standing)
}

// move gives a domain to the other of the two customers.
func (m *model) move(t *rapid.T) {
	d := expect.Got(m.store.Domain(m.test.Context(), rapid.SampledFrom([]mail.Domain{"one.example", "two.example"}).Draw(t, "domain")))(t)
	standing := m.standing()
	d.Customer = map[string]string{"acme": "other", "other": "acme"}[d.Customer]
	expect.Must(t, m.store.PutDomain(m.test.Context(), d, Event("")))
	m.customers[d.Name] = d.Customer
	m.events++
	m.follow(string(d.Name), standing)
}

// revoke gives an account another password, or its first.
func (m *model) revoke(t *rapid.T) {
	a := expect.Got(m.store.Account(m.test.Context(), rapid.SampledFrom([]string{"ann@one.example", "bob@two.example"}).Draw(t, "login")))(t)
	m.passwords++
	first := len(a.Credentials) == 0
	a.Credentials = []account.Credential{password(100 + m.passwords)}
	expect.Must(t, m.store.PutAccount(m.test.Context(), a, Event("")))
	m.events++
	if !first { // a new one moves nothing
		m.follow(a.Login(), m.standing())
	}
}

// proved reports whether the credential that a submission came under is there.
func (m *model) proved(sub mail.ID) bool {
	under := m.under[sub]
	if under == "" || m.excused[sub] {
		return true
	}
	a := expect.Got(m.store.Account(m.test.Context(), m.owner[sub]))(m.test)
	return a.Password().ID == under
}

// cause is why a submission may not go, "" where it may.
func (m *model) cause(sub mail.ID) string {
	switch login := m.owner[sub]; {
	case !m.active(login) || !m.usable(login, m.relies[sub]):
		return queue.HoldSuspended
	case !m.proved(sub):
		return queue.HoldRevoked
	}
	return ""
}

// standing says of acme whether it is active with its plan.
func (m *model) standing() bool { return !m.suspended["acme"] && !m.suspended["basic"] }

// follow does to the queue what a change of an object does: whatever hangs on
// it is held or released. standing is that of before: what was suspended above
// a customer already, or still is, changes nothing.
func (m *model) follow(what string, standing bool) {
	if what == "acme" && standing == m.standing() {
		return
	}
	changed := map[mail.ID]bool{}
	for p, d := range m.deliveries {
		login := m.owner[p.submission]
		customer := m.customers[domainOf(login)]
		hangs := what == login || what == string(domainOf(login)) || what == customer || what == "basic" && customer == "acme" ||
			slices.Contains(m.relies[p.submission], mail.Domain(what))
		if !hangs {
			continue
		}
		cause := m.cause(p.submission)
		switch follows := slices.Contains(queue.HoldsByChange(), d.HoldReason); {
		case cause != "" && d.State != queue.Held:
			d.State, d.HoldReason = queue.Held, cause
			changed[p.submission] = true
		case cause != "" && follows:
			d.HoldReason = cause
		case cause == "" && follows:
			backToQueue(d)
			changed[p.submission] = true
		}
	}
	m.events += len(changed)
}
