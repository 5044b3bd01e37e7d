// Package counting is what an engine must do about limits: it judges a message in the
// transaction that stores it, and counts in all of its subjects or in none. An engine calls
// Run from a test of its own.
//
// It does not test the arithmetic of windows; that is for package limit.
//
// Main types: Store, Run.
package counting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// Store is what the cases need of an engine.
type Store interface {
	queue.Store
	queue.AdminStore
	account.Store
	audit.Store
	limit.Counts
	limit.Doors
	limit.Holders
}

// Run runs the cases, each with an empty store that open makes.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, run := range map[string]func(*story){
		"what passes is counted in every subject":    countedInAll,
		"what is refused is counted nowhere":         refusedNowhere,
		"what is over a limit may be held":           heldOver,
		"what is over a limit may wait for its turn": slowedOver,
		"shadow lets pass, and says so":              shadowPasses,
		"many at once get exactly the limit":         exactAtOnce,
		"what fails otherwise is not counted":        failedNotCounted,
		"reports count whatever the limits":          reportsCount,
		"reports count for who has a share":          reportsCountForShares,
		"somebody is warned once":                    warnedOnce,
		"what no window sees is removed":             pruned,
		"who was written to is not new":              newRecipients,
		"who has an address later inherits nobody":   forgotten,
		"a warning comes with its message, once":     noticedOnce,
		"connections in a window":                    connectionsInWindow,
		"connections at once":                        connectionsAtOnce,
		"connections beside who is called alike":     connectionsBesideAlike,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run(&story{T: t, s: open(t), ctx: ctx})
		})
	}
}

// story is one case.
type story struct {
	*testing.T
	s   Store
	ctx context.Context
	n   atomic.Int64
}

var (
	ann    = limit.Subject{Kind: limit.Account, Name: "ann@one.example"}
	domain = limit.Subject{Kind: limit.Domain, Name: "one.example"}
	all    = limit.Subject{Kind: limit.Everything}
)

// level makes a subject with limits, written as people do.
func level(s limit.Subject, action limit.Action, texts ...string) limit.Level {
	l := limit.Level{Subject: s}
	for _, text := range texts {
		k, err := limit.Parse(text)
		if err != nil {
			panic(err)
		}
		k.Action = action
		l.Limits = append(l.Limits, k)
	}
	return l
}

// message makes a message of nobody in particular to some recipients.
func (y *story) message(recipients int, levels ...limit.Level) *queue.Acceptance {
	id, at := mail.ID(fmt.Sprintf("01K%023d", y.n.Add(1))), time.Now().UTC().Truncate(time.Microsecond)
	a := &queue.Acceptance{
		Submission: queue.Submission{ID: id, Login: ann.Name, Domain: "one.example", Customer: "acme", At: at, Expires: at.Add(5 * 24 * time.Hour), Size: 100},
		Content:    queue.Content{Head: []byte("Subject: x\r\n\r\n")},
		Events:     []audit.Event{{At: at, Kind: audit.Accepted, Submission: id}},
		Limits:     &limit.Question{Levels: levels, Want: limit.Amounts{limit.Messages: 1, limit.Recipients: int64(recipients), limit.Bytes: 100}},
	}
	for n := range recipients {
		to := mail.Address{Local: fmt.Sprint("r", n), Domain: "there.example"}
		a.Deliveries = append(a.Deliveries, queue.Delivery{Submission: id, N: n + 1, State: queue.Queued, Next: at, Recipient: mail.Recipient{To: to}})
	}
	return a
}

// used wants so much to be counted of a measure in the last hour.
func (y *story) used(s limit.Subject, m limit.Measure, want int64) {
	y.Helper()
	list, at, err := y.s.Counted(y.ctx, []limit.Subject{s})
	expect.Must(y, err)
	if got := list[0].Used(limit.Hour, m, at); got != want {
		y.Errorf("%d %s of %s are counted, want %d", got, m, s, want)
	}
	if off := time.Since(at).Abs(); off > time.Minute {
		y.Errorf("the clock by which is counted is %v off", off)
	}
}

// waits wants so many deliveries to wait in a state.
func (y *story) waits(state queue.State, want int) []queue.Item {
	y.Helper()
	list, err := y.s.List(y.ctx, queue.Filter{State: state})
	expect.Must(y, err)
	if len(list) != want {
		y.Fatalf("%d deliveries are %s, want %d", len(list), state, want)
	}
	return list
}

// over wants an error of that kind and reason, which names the subject.
func (y *story) over(err error, kind fault.Kind, reason string, s limit.Subject) {
	y.Helper()
	var e *fault.Error
	var o *limit.OverError
	if !errors.As(err, &e) || e.Kind != kind || e.Reason != reason || !errors.As(err, &o) || o.Decision.Decisive.Subject != s {
		y.Fatalf("got error %v, want %s of %s", err, reason, s)
	}
	if s.Kind != limit.Everything && !strings.Contains(e.Detail, s.Name) {
		y.Errorf("it does not say whose limit it is: %s", e.Detail)
	}
}

func countedInAll(y *story) {
	levels := func() []limit.Level {
		return []limit.Level{level(ann, limit.Defer, "recipients/hour=10"), level(domain, limit.Defer, "messages/hour=10", "bytes/day=1000"), level(all, limit.Defer, "recipients/hour=100")}
	}
	for range 3 {
		a := y.message(3, levels()...)
		expect.Must(y, y.s.Accept(y.ctx, a))
		if d := a.Decision; d.Decisive != nil || !d.Passes() || d.At.IsZero() {
			y.Errorf("the decision is %+v", d)
		}
	}
	y.used(ann, limit.Recipients, 9)
	y.used(domain, limit.Messages, 3)
	y.used(all, limit.Recipients, 9)
	y.used(all, limit.Bytes, 300)
	y.used(limit.Subject{Kind: limit.Customer, Name: "acme"}, limit.Messages, 0)
	y.waits(queue.Queued, 9)
	list, _, err := y.s.Counted(y.ctx, nil)
	if err != nil || len(list) != 0 {
		y.Errorf("nobody has %v, %v", list, err)
	}
}

func refusedNowhere(y *story) {
	levels := func(action limit.Action) []limit.Level {
		return []limit.Level{level(ann, limit.Defer, "recipients/hour=300"), level(domain, action, "recipients/hour=250")}
	}
	expect.Must(y, y.s.Accept(y.ctx, y.message(200, levels(limit.Defer)...)))
	for action, want := range map[limit.Action]struct {
		kind   fault.Kind
		reason string
	}{limit.Defer: {fault.Busy, "limit-reached"}, limit.Refuse: {fault.Denied, "limit-refused"}} {
		a := y.message(200, levels(action)...)
		a.Limits.Levels[0].Limits[0].Max = 1000
		y.over(y.s.Accept(y.ctx, a), want.kind, want.reason, domain)
	}
	// What can never pass is not to be tried again.
	y.over(y.s.Accept(y.ctx, y.message(251, levels(limit.Defer)...)), fault.Denied, "limit-refused", domain)
	y.used(ann, limit.Recipients, 200)
	y.used(domain, limit.Recipients, 200)
	y.waits(queue.Queued, 200)
	expect.Must(y, y.s.Accept(y.ctx, y.message(50, levels(limit.Defer)...)))
}

func heldOver(y *story) {
	levels := func() []limit.Level {
		return []limit.Level{level(ann, limit.Hold, "messages/hour=1"), level(domain, limit.Defer, "messages/hour=2")}
	}
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, levels()...)))
	a := y.message(2, levels()...)
	expect.Must(y, y.s.Accept(y.ctx, a))
	for _, d := range a.Deliveries {
		if d.State != queue.Held || d.HoldReason != queue.HoldLimit {
			y.Errorf("the acceptance says %+v", d)
		}
	}
	for _, item := range y.waits(queue.Held, 2) {
		if item.Delivery.HoldReason != queue.HoldLimit || item.Submission.ID != a.Submission.ID {
			y.Errorf("held is %+v", item.Delivery)
		}
	}
	stats, err := y.s.Stats(y.ctx)
	if err != nil || stats.Held != 2 || stats.Queued != 1 {
		y.Errorf("there are %+v, %v", stats, err)
	}
	y.used(ann, limit.Messages, 2)
	y.used(domain, limit.Messages, 1) // what is held uses up nobody else's
	n, err := y.s.Release(y.ctx, queue.Filter{Submission: a.Submission.ID}, audit.Event{At: time.Now(), Kind: audit.DeliveryReleased, Actor: "cli:root"})
	if err != nil || n != 2 {
		y.Fatalf("%d were released, %v", n, err)
	}
	y.waits(queue.Queued, 3)
}

func slowedOver(y *story) {
	levels := func() []limit.Level { return []limit.Level{level(ann, limit.Slow, "messages/hour=1")} }
	first := y.message(1, levels()...)
	expect.Must(y, y.s.Accept(y.ctx, first))
	before := first.Decision.At
	for turn := 1; turn <= 3; turn++ {
		a := y.message(2, levels()...)
		expect.Must(y, y.s.Accept(y.ctx, a))
		slot := a.Decision.Slot
		if least := before.Add(time.Hour); slot.Before(least) || slot.After(least.Add(2*time.Minute)) {
			y.Fatalf("turn %d is at %v, the one before was at %v", turn, slot, before)
		}
		before = slot
		due, err := y.s.Due(y.ctx, slot.Add(-time.Microsecond), queue.Position{}, 100)
		expect.Must(y, err)
		later, err := y.s.Due(y.ctx, slot, queue.Position{}, 100)
		expect.Must(y, err)
		if len(later)-len(due) != 2 {
			y.Errorf("before turn %d %d are due, then %d", turn, len(due), len(later))
		}
		for _, d := range a.Deliveries {
			if d.State != queue.Queued || d.HoldReason != queue.Slowed || !d.Next.Equal(slot) {
				y.Errorf("the acceptance says %+v, the turn is at %v", d, slot)
			}
		}
		if last := later[len(later)-1].Delivery; last.HoldReason != queue.Slowed || !last.Next.Equal(slot) {
			y.Errorf("due is %+v", last)
		}
	}
	y.used(ann, limit.Messages, 1) // those that wait for their turn count then
	n, err := y.s.Retry(y.ctx, queue.Filter{Why: queue.Slowed}, audit.Event{At: time.Now(), Kind: audit.DeliveryRetried, Actor: "cli:root"})
	if err != nil || n != 6 {
		y.Fatalf("%d were made due, %v", n, err)
	}
	due, err := y.s.Due(y.ctx, time.Now(), queue.Position{}, 100)
	expect.Must(y, err)
	if len(due) != 7 || due[6].Delivery.State != queue.Queued || due[6].Delivery.HoldReason != "" {
		y.Errorf("due are %+v", due)
	}
	stats, err := y.s.Stats(y.ctx)
	if err != nil || stats.Queued != 7 || stats.Deferred != 0 {
		y.Errorf("there are %+v, %v", stats, err)
	}
}

func shadowPasses(y *story) {
	levels := func() []limit.Level {
		l := level(ann, limit.Refuse, "messages/hour=1")
		l.Limits[0].Shadow = true
		return []limit.Level{l}
	}
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, levels()...)))
	a := y.message(1, levels()...)
	expect.Must(y, y.s.Accept(y.ctx, a))
	if d := a.Decision; d.Decisive != nil || len(d.Over) != 1 || d.Over[0].Used != 1 || a.Deliveries[0].State != queue.Queued {
		y.Errorf("the decision is %+v", d)
	}
	y.used(ann, limit.Messages, 2)
}

// exactAtOnce has many send at once, to one and to several recipients, some of whom share
// a subject and have another one of their own.
func exactAtOnce(y *story) {
	const senders, each, room = 50, 10, 333
	var passed, refused atomic.Int64
	var sending sync.WaitGroup
	failed := make(chan error, senders)
	for n := range senders {
		own := limit.Subject{Kind: limit.Account, Name: fmt.Sprintf("%d@one.example", n%10)}
		sending.Go(func() {
			for i := range each {
				recipients := int64(1 + i%3)
				err := y.s.Accept(y.ctx, y.message(int(recipients), level(own, limit.Defer, "recipients/hour=60"), level(domain, limit.Defer, fmt.Sprintf("recipients/hour=%d", room))))
				switch {
				case err == nil:
					passed.Add(recipients)
				case fault.Is(err, fault.Busy):
					refused.Add(1)
				default:
					failed <- err
					return
				}
			}
		})
	}
	sending.Wait()
	if len(failed) > 0 {
		y.Fatal(<-failed)
	}
	// What is left is too little for what was tried last, if anything.
	if passed.Load() > room || passed.Load() < room-2 || refused.Load() == 0 {
		y.Errorf("%d recipients passed of %d, %d messages were refused", passed.Load(), room, refused.Load())
	}
	y.used(domain, limit.Recipients, passed.Load())
	y.waits("", int(passed.Load()))
	for range room - passed.Load() {
		expect.Must(y, y.s.Accept(y.ctx, y.message(1, level(domain, limit.Defer, fmt.Sprintf("recipients/hour=%d", room)))))
	}
	y.over(y.s.Accept(y.ctx, y.message(1, level(domain, limit.Defer, fmt.Sprintf("recipients/hour=%d", room)))), fault.Busy, "limit-reached", domain)
}

// failedNotCounted: what cannot be stored for another reason counts nothing, also where it
// comes together with what can.
func failedNotCounted(y *story) {
	levels := func() limit.Level { return level(ann, limit.Defer, "messages/hour=1000") }
	first := y.message(1, levels())
	expect.Must(y, y.s.Accept(y.ctx, first))
	var sending sync.WaitGroup
	for n := range 40 {
		a := y.message(1, levels())
		taken := n%2 == 0
		if taken {
			a.Submission.ID, a.Deliveries[0].Submission, a.Events[0].Submission = first.Submission.ID, first.Submission.ID, first.Submission.ID
		}
		sending.Go(func() {
			if err := y.s.Accept(y.ctx, a); (err == nil) == taken || err != nil && !fault.Is(err, fault.Conflict) {
				y.Errorf("message %d: %v", n, err)
			}
		})
	}
	sending.Wait()
	y.used(ann, limit.Messages, 21)
}

func reportsCount(y *story) {
	a := y.message(3, level(ann, limit.Defer, "failed-recipients/hour=1"))
	expect.Must(y, y.s.Accept(y.ctx, a))
	for n := 1; n <= 3; n++ {
		r := &queue.Report{
			Submission: a.Submission.ID, Outcomes: []queue.Outcome{{N: n, State: queue.Failed}},
			Counted: &limit.Question{Levels: []limit.Level{level(ann, limit.Defer, "failed-recipients/hour=1")}, Want: limit.Amounts{limit.FailedRecipients: 1}},
		}
		expect.Must(y, y.s.Report(y.ctx, r))
	}
	y.used(ann, limit.FailedRecipients, 3)
	y.waits("", 0)
}

// reportsCountForShares: what fails is counted for an account too that has no limit of its own of
// that, as it may have a share of its domain's; then it has had its share, and others have not.
func reportsCountForShares(y *story) {
	budget := level(domain, limit.Defer, "failed-recipients/hour=8")
	budget.Limits[0].Share = 50
	levels := func(s limit.Subject) []limit.Level { return []limit.Level{level(s, limit.Defer), budget} }
	a := y.message(5, levels(ann)...)
	expect.Must(y, y.s.Accept(y.ctx, a))
	for n := 1; n <= 5; n++ {
		r := &queue.Report{
			Submission: a.Submission.ID, Outcomes: []queue.Outcome{{N: n, State: queue.Failed}},
			Counted: &limit.Question{Levels: limit.Failing(levels(ann)), Want: limit.Amounts{limit.FailedRecipients: 1}},
		}
		expect.Must(y, y.s.Report(y.ctx, r))
	}
	y.used(ann, limit.FailedRecipients, 5)
	y.used(domain, limit.FailedRecipients, 5)
	if err := y.s.Accept(y.ctx, y.message(1, levels(ann)...)); !fault.Is(err, fault.Busy) {
		y.Errorf("who had more than a share is answered %v", err)
	}
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, levels(limit.Subject{Kind: limit.Account, Name: "bob@one.example"})...)))
}

func warnedOnce(y *story) {
	var warned []int
	for i := range 10 {
		a := y.message(1, level(ann, limit.Defer, "messages/hour=10"))
		a.Limits.Warn = 80
		expect.Must(y, y.s.Accept(y.ctx, a))
		if len(a.Decision.Near) > 0 {
			warned = append(warned, i+1)
		}
	}
	if len(warned) != 1 || warned[0] != 8 {
		y.Errorf("warned at %v", warned)
	}
}

func pruned(y *story) {
	levels := []limit.Level{level(ann, limit.Defer, "messages/hour=10"), level(domain, limit.Defer, "messages/month=10"), level(all, limit.Defer, "messages/hour=10")}
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, levels...)))
	prune := func(before time.Time, most, want int) {
		y.Helper()
		n, err := y.s.PruneCounts(y.ctx, before, most)
		if err != nil || n != want {
			y.Fatalf("%d counters were removed, %v; want %d", n, err, want)
		}
	}
	now := time.Now()
	prune(now, 10, 0)
	prune(now.Add(time.Hour), 10, 0)
	y.used(ann, limit.Messages, 1)
	prune(now.Add(50*time.Hour), 1, 1)
	prune(now.Add(50*time.Hour), 10, 1)
	prune(now.Add(33*24*time.Hour), 10, 1)
	y.used(ann, limit.Messages, 0)
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, levels...))) // they begin anew
	y.used(ann, limit.Messages, 1)
}

// newRecipients: a recipient is new to an account once in 90 days, whichever message and node
// comes first.
func newRecipients(y *story) {
	levels := func() []limit.Level { return []limit.Level{level(ann, limit.Defer, "new-recipients/hour=5")} }
	to := func(names ...string) *queue.Acceptance {
		a := y.message(len(names), levels()...)
		a.Limits.Contacts = &limit.Contacts{Login: ann.Name}
		for _, name := range names {
			a.Limits.Contacts.Recipients = append(a.Limits.Contacts.Recipients, limit.DigestOf(name))
		}
		return a
	}
	expect.Must(y, y.s.Accept(y.ctx, to("a", "b", "c")))
	expect.Must(y, y.s.Accept(y.ctx, to("a", "b", "c", "d")))
	y.used(ann, limit.NewRecipients, 4)
	y.over(y.s.Accept(y.ctx, to("a", "e", "f")), fault.Busy, "limit-reached", ann)
	expect.Must(y, y.s.Accept(y.ctx, to("a", "e")))
	y.over(y.s.Accept(y.ctx, to("f")), fault.Busy, "limit-reached", ann) // what was refused was not written to
	days := expect.Got(y.s.Met(y.ctx, []limit.Contact{{Login: ann.Name, Recipient: limit.DigestOf("f")}, {Login: ann.Name, Recipient: limit.DigestOf("e")}, {Login: "bob@one.example", Recipient: limit.DigestOf("a")}}))(y)
	if len(days) != 3 || days[0] != 0 || days[1] != limit.DayOf(time.Now()) || days[2] != 0 {
		y.Errorf("they were written to on the days %v", days)
	}
	var sending sync.WaitGroup
	for range 20 {
		sending.Go(func() { expect.Must(y, y.s.Accept(y.ctx, to("a", "b"))) })
	}
	sending.Wait()
	y.used(ann, limit.NewRecipients, 5)
	other := to("a")
	other.Limits.Contacts.Login, other.Limits.Levels[0].Subject = "bob@one.example", domain
	expect.Must(y, y.s.Accept(y.ctx, other))
	y.used(domain, limit.NewRecipients, 1)
	prune := func(before time.Time, want int) {
		y.Helper()
		n, err := y.s.PruneContacts(y.ctx, before, 4)
		if err != nil || n != want {
			y.Fatalf("%d contacts were forgotten, %v; want %d", n, err, want)
		}
	}
	prune(time.Now().Add(-24*time.Hour), 0)
	prune(time.Now().Add(48*time.Hour), 4)
	prune(time.Now().Add(48*time.Hour), 2)
	y.over(y.s.Accept(y.ctx, to("a")), fault.Busy, "limit-reached", ann) // it is new again
}

// forgotten: whom an account has written to goes with it; how much it has sent stays, so that
// nobody gains room by an account that is made anew.
func forgotten(y *story) {
	event := audit.Event{At: time.Now(), Kind: audit.AdminChanged, Actor: "cli:root", Object: "x"}
	expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: "acme", State: account.Active}, event))
	expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active}, event))
	expect.Must(y, y.s.PutAccount(y.ctx, account.Account{ID: "01K00000000000000000000099", Address: mail.Address{Local: "ann", Domain: "one.example"}, State: account.Active}, event))
	send := func(want int64) {
		y.Helper()
		a := y.message(1, level(ann, limit.Defer, "new-recipients/hour=10"))
		a.Limits.Contacts = &limit.Contacts{Login: ann.Name, Recipients: []int64{limit.DigestOf("r0")}}
		expect.Must(y, y.s.Accept(y.ctx, a))
		y.used(ann, limit.NewRecipients, want)
	}
	send(1)
	send(1)
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann.Name, event))
	send(2)
	y.used(ann, limit.Messages, 3)
}
