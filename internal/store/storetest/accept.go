package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func acceptCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"a message comes back as it was accepted":       messageComesBack,
		"accepting is all or nothing":                   acceptIsWhole,
		"senseless messages are refused":                senselessIsRefused,
		"a canceled caller stores nothing":              canceledStoresNothing,
		"a sender suspended meanwhile is denied":        suspendedMeanwhile,
		"a change elsewhere does not deny":              changedElsewhere,
		"rights that changed meanwhile deny for now":    changedRights,
		"a report of our own has no sender to suspend":  reportHasNoSender,
		"totals follow each state that is accepted":     totalsFollowAccept,
		"unknown submissions have no content":           unknownContent,
		"finished and new submissions share no content": contentIsNotMixed,
	}
}

func messageComesBack(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	m := Message(1, "a", `odd "local@part`, "bücher")
	m.Submission.Account, m.Generation = p.ann.ID, p.generation
	m.Deliveries[1].State, m.Deliveries[1].HoldReason = queue.Held, "policy"
	m.Deliveries[2].State, m.Deliveries[2].Attempts, m.Deliveries[2].Last, m.Deliveries[2].DelayReported = queue.Deferred, 3, result(), true
	expect.Must(t, s.Accept(ctx, m))
	items := everything(t, s)
	if len(items) != 3 {
		t.Fatalf("got %d deliveries", len(items))
	}
	for i, item := range items {
		expect.Equal(t, "delivery", item.Delivery, m.Deliveries[i])
		expect.Equal(t, "submission", *item.Submission, m.Submission)
	}
	due := expect.Got(s.Due(ctx, Start(), queue.Position{}, 10))(t)
	expect.Equal(t, "due deliveries", names(due), []string{name(items[0]), name(items[2])})
	expect.Equal(t, "due delivery", due[1], items[2])
	expect.Equal(t, "content", *expect.Got(s.Content(ctx, m.Submission.ID))(t), m.Content)

	// Everything that may be absent is.
	least := Message(2, "x")
	least.Submission = queue.Submission{ID: ID("SUB", 2), At: Start(), Expires: Start()}
	least.Content, least.Events = queue.Content{}, nil
	expect.Must(t, s.Accept(ctx, least))
	expect.Equal(t, "least submission", *everything(t, s)[3].Submission, least.Submission)
	expect.Equal(t, "least content", *expect.Got(s.Content(ctx, ID("SUB", 2)))(t), least.Content)
}

func acceptIsWhole(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a", "b")))
	again := Message(1, "c", "d", "e")
	again.Content.Body = []byte("another")
	expect.Kind(t, s.Accept(ctx, again), fault.Conflict)
	twice := Message(2, "c", "d")
	twice.Deliveries[1].N = 1
	if err := s.Accept(ctx, twice); err == nil {
		t.Fatal("two deliveries of one number were accepted")
	}
	if items := everything(t, s); len(items) != 2 || items[0].Delivery.Recipient.To.Local != "a" {
		t.Errorf("got %v", items)
	}
	if body := expect.Got(s.Content(ctx, ID("SUB", 1)))(t).Body; !bytes.Equal(body, Message(1).Content.Body) {
		t.Errorf("the body became %q", body)
	}
	_, err := s.Content(ctx, ID("SUB", 2))
	expect.Kind(t, err, fault.NotFound)
	if n := len(eventsOf(t, s, ID("SUB", 1))) + len(eventsOf(t, s, ID("SUB", 2))); n != 1 {
		t.Errorf("there are %d events, want that of the accepted one", n)
	}
	WantStats(t, s, 2, 0, 0)
}

func senselessIsRefused(t *testing.T, s Store) {
	for what, spoil := range map[string]func(*queue.Acceptance){
		"no id":           func(a *queue.Acceptance) { a.Submission.ID = "" },
		"no delivery":     func(a *queue.Acceptance) { a.Deliveries = nil },
		"a final state":   func(a *queue.Acceptance) { a.Deliveries[0].State = queue.Delivered },
		"another's":       func(a *queue.Acceptance) { a.Deliveries[0].Submission = ID("SUB", 9) },
		"too large":       func(a *queue.Acceptance) { a.Content.Body = make([]byte, queue.InlineMax+1) },
		"a foreign body":  func(a *queue.Acceptance) { a.Content = queue.Content{Large: foreignBody{}} },
		"an unknown word": func(a *queue.Acceptance) { a.Deliveries[0].State = "lost" },
	} {
		t.Run(what, func(t *testing.T) {
			m := Message(1, "a")
			spoil(m)
			expect.Kind(t, s.Accept(expect.Within(t), m), fault.Invalid)
			if n := len(everything(t, s)); n != 0 {
				t.Errorf("%d deliveries are stored", n)
			}
		})
	}
}

// foreignBody is a large body that no store made.
type foreignBody struct{}

func (foreignBody) Size() int64                  { return 1 }
func (foreignBody) Open() (io.ReadCloser, error) { return nil, errors.New("not there") }

func canceledStoresNothing(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	expect.Kind(t, s.Accept(ctx, Message(1, "a")), fault.Canceled)
	expect.Kind(t, s.Append(ctx, Message(1, "a").Events), fault.Canceled)
	_, err := s.Due(ctx, Start(), queue.Position{}, 1)
	expect.Kind(t, err, fault.Canceled)
	WantStats(t, s, 0, 0, 0)
}

func suspendedMeanwhile(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	for what, change := range map[string]func(account.State) error{
		"account": func(st account.State) error {
			a := expect.Got(s.Account(ctx, p.ann.Login()))(t)
			a.State = st
			return s.PutAccount(ctx, a, Event(""))
		},
		"domain": func(st account.State) error {
			d := expect.Got(s.Domain(ctx, "one.example"))(t)
			d.State = st
			return s.PutDomain(ctx, d, Event(""))
		},
		"customer": func(st account.State) error {
			c := expect.Got(s.Customer(ctx, "acme"))(t)
			c.State = st
			return s.PutCustomer(ctx, c, Event(""))
		},
		"plan": func(st account.State) error {
			p := expect.Got(s.Plan(ctx, "basic"))(t)
			p.State = st
			return s.PutPlan(ctx, p, Event(""))
		},
		"a suspended plan of its own": func(st account.State) error {
			a := expect.Got(s.Account(ctx, p.ann.Login()))(t)
			a.Plan = ""
			if st == account.Suspended {
				expect.Must(t, s.PutPlan(ctx, account.Plan{Name: "stopped too", State: account.Suspended, Created: Start()}, Event("")))
				a.Plan = "stopped too"
			}
			return s.PutAccount(ctx, a, Event(""))
		},
		"move to a suspended plan": func(st account.State) error {
			c := expect.Got(s.Customer(ctx, "acme"))(t)
			c.Plan = "basic"
			if st == account.Suspended {
				expect.Must(t, s.PutPlan(ctx, account.Plan{Name: "stopped", State: account.Suspended, Created: Start()}, Event("")))
				c.Plan = "stopped"
			}
			return s.PutCustomer(ctx, c, Event(""))
		},
	} {
		t.Run(what, func(t *testing.T) {
			decided := expect.Got(s.Generation(ctx))(t)
			expect.Must(t, change(account.Suspended))
			err := s.Accept(ctx, messageOf(p.ann, "acme", decided, 1))
			expect.Kind(t, err, fault.Denied)
			if reason := fault.ReasonOf(err); reason != "account-suspended" {
				t.Errorf("got reason %q", reason)
			}
			if n := len(everything(t, s)); n != 0 {
				t.Errorf("%d deliveries are stored", n)
			}
			expect.Must(t, change(account.Active))
		})
	}
	decided := expect.Got(s.Generation(ctx))(t)
	expect.Must(t, s.RemoveAccount(ctx, p.ann.Login(), Event("")))
	expect.Kind(t, s.Accept(ctx, messageOf(p.ann, "acme", decided, 1)), fault.Denied)
}

func changedElsewhere(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	p.bob.State = account.Suspended
	expect.Must(t, s.PutAccount(ctx, p.bob, Event("")))
	expect.Must(t, s.Accept(ctx, messageOf(p.ann, "acme", p.generation, 1)))
	expect.Kind(t, s.Accept(ctx, messageOf(p.bob, "acme", p.generation, 2)), fault.Denied)
	expect.Must(t, s.Accept(ctx, messageOf(p.ann, "acme", expect.Got(s.Generation(ctx))(t), 3)))
	WantStats(t, s, 2, 0, 0)
}

// changedRights: what the decision relied on is another by the commit.
func changedRights(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	refused := func(what string, a *queue.Acceptance) {
		t.Helper()
		err := s.Accept(ctx, a)
		expect.Kind(t, err, fault.Busy)
		if reason := fault.ReasonOf(err); reason != "account-changed-now" {
			t.Errorf("%s: got reason %q", what, reason)
		}
	}
	p.ann.Legacy = true
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	refused("another revision", messageOf(p.ann, "acme", p.generation, 1))

	p.ann = expect.Got(s.Account(ctx, p.ann.Login()))(t)
	withTwo := func(n int) *queue.Acceptance {
		m := messageOf(p.ann, "acme", p.generation, n)
		m.Domains = append(m.Domains, p.two.Name)
		return m
	}
	expect.Must(t, s.Accept(ctx, withTwo(2)))
	p.two.State = account.Suspended
	expect.Must(t, s.PutDomain(ctx, p.two, Event("")))
	refused("a suspended domain", withTwo(3))

	other := account.Customer{Name: "other", State: account.Active, Created: Start()}
	expect.Must(t, s.PutCustomer(ctx, other, Event("")))
	theirs := account.Domain{Name: "theirs.example", Customer: "other", State: account.Active, Created: Start()}
	expect.Must(t, s.PutDomain(ctx, theirs, Event("")))
	m := messageOf(p.ann, "acme", p.generation, 4)
	m.Domains = append(m.Domains, theirs.Name)
	refused("a domain of another customer", m)
	m.Domains = []mail.Domain{"gone.example"}
	refused("a domain that is gone", m)
	WantStats(t, s, 0, 0, 1) // the second, for the domain that it relies on
}

func reportHasNoSender(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	p.customer.State = account.Suspended
	expect.Must(t, s.PutCustomer(ctx, p.customer, Event("")))
	b := bounce(1, ID("SUB", 9))
	expect.Must(t, s.Accept(ctx, &b))
	if sub := everything(t, s)[0].Submission; sub.Cause != ID("SUB", 9) || !sub.Envelope.From.IsNull() {
		t.Errorf("got %+v", sub)
	}
}

func totalsFollowAccept(t *testing.T, s Store) {
	ctx := expect.Within(t)
	if stats := expect.Got(s.Stats(ctx))(t); stats != (queue.Stats{}) {
		t.Errorf("an empty queue has %+v", stats)
	}
	m := Message(5, "a", "b", "c", "d")
	m.Deliveries[1].State, m.Deliveries[2].State, m.Deliveries[3].State = queue.Held, queue.Deferred, queue.Deferred
	expect.Must(t, s.Accept(ctx, m))
	expect.Must(t, s.Accept(ctx, Message(6, "a")))
	WantStats(t, s, 2, 2, 1)
	if oldest := expect.Got(s.Stats(ctx))(t).Oldest; !oldest.Equal(m.Submission.At) {
		t.Errorf("the oldest is of %v", oldest)
	}
	expect.Must(t, s.Accept(ctx, Message(4, "a")))
	if oldest := expect.Got(s.Stats(ctx))(t).Oldest; !oldest.Equal(Start().Add(4 * time.Second)) {
		t.Errorf("the oldest is of %v", oldest)
	}
}

func unknownContent(t *testing.T, s Store) {
	_, err := s.Content(expect.Within(t), ID("SUB", 1))
	expect.Kind(t, err, fault.NotFound)
}

func contentIsNotMixed(t *testing.T, s Store) {
	ctx := expect.Within(t)
	for n := range 6 {
		m := Message(n, "a")
		m.Content.Body = []byte{byte('0' + n)}
		expect.Must(t, s.Accept(ctx, m))
		if n%2 == 1 {
			expect.Must(t, s.Report(ctx, Outcome(ID("SUB", n), 1, queue.Delivered)))
		}
	}
	for n := 0; n < 6; n += 2 {
		if body := expect.Got(s.Content(ctx, ID("SUB", n)))(t).Body; string(body) != string(rune('0'+n)) {
			t.Errorf("message %d has body %q", n, body)
		}
	}
}

func bodyCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"a large body comes back":              largeBody,
		"a body at the limit stands inline":    inlineBody,
		"a body has to be sealed, and is once": bodyMustBeSealed,
		"a part of a body is not the whole":    partIsNotTheWhole,
		"discarding":                           discarding,
		"an open body outlives its message":    openBodyOutlives,
	}
}

// writeBody writes a body in pieces and seals it.
func writeBody(t *testing.T, s Store, text string) queue.BodyFile {
	t.Helper()
	body := expect.Got(s.NewBody(expect.Within(t)))(t)
	for piece := range slices.Chunk([]byte(text), 10_000) {
		if n := expect.Got(body.Write(piece))(t); n != len(piece) {
			t.Fatalf("wrote %d octets of %d", n, len(piece))
		}
	}
	expect.Must(t, body.Seal())
	return body
}

// readBody reads a body to its end.
func readBody(t *testing.T, body queue.LargeBody) string {
	t.Helper()
	r := expect.Got(body.Open())(t)
	text := expect.Got(io.ReadAll(r))(t)
	expect.Must(t, r.Close())
	return string(text)
}

// long is a body of more than InlineMax.
func long() string { return strings.Repeat("0123456789abcde\n", queue.InlineMax/16+100) }

func largeBody(t *testing.T, s Store) {
	body := writeBody(t, s, long())
	m := Message(1, "a")
	m.Content.Body, m.Content.Large = nil, body
	expect.Must(t, s.Accept(expect.Within(t), m))
	body.Discard() // does nothing any more
	for range 2 {
		content := expect.Got(s.Content(expect.Within(t), m.Submission.ID))(t)
		if content.Body != nil || content.Large == nil || content.Large.Size() != int64(len(long())) {
			t.Fatalf("got %d octets inline, large %v", len(content.Body), content.Large)
		}
		if !bytes.Equal(content.Head, m.Content.Head) || readBody(t, content.Large) != long() {
			t.Error("the content is not what was accepted")
		}
	}
}

func inlineBody(t *testing.T, s Store) {
	m := Message(1, "a")
	m.Content.Body = []byte(long()[:queue.InlineMax])
	expect.Must(t, s.Accept(expect.Within(t), m))
	if content := expect.Got(s.Content(expect.Within(t), m.Submission.ID))(t); !bytes.Equal(content.Body, m.Content.Body) || content.Large != nil {
		t.Error("the body is not what was accepted")
	}
}

func bodyMustBeSealed(t *testing.T, s Store) {
	body := expect.Got(s.NewBody(expect.Within(t)))(t)
	expect.Got(body.Write([]byte("text")))(t)
	m := Message(1, "a")
	m.Content.Body, m.Content.Large = nil, body
	expect.Kind(t, s.Accept(expect.Within(t), m), fault.Invalid)
	expect.Must(t, body.Seal())
	expect.Must(t, body.Seal()) // again is no error
	if _, err := body.Write([]byte("more")); err == nil {
		t.Error("a sealed body takes more")
	}
	expect.Must(t, s.Accept(expect.Within(t), m))
	second := Message(2, "a")
	second.Content.Body, second.Content.Large = nil, body
	expect.Kind(t, s.Accept(expect.Within(t), second), fault.Invalid)
	if body.Size() != 4 || readBody(t, body) != "text" {
		t.Error("the body is not what was written")
	}
}

func partIsNotTheWhole(t *testing.T, s Store) {
	body := expect.Got(s.NewBody(expect.Within(t)))(t)
	expect.Got(body.Write(make([]byte, 1<<20)))(t)
	expect.Got(body.Write([]byte("the end")))(t) // which an engine keeps to itself before Seal
	r, err := body.Open()
	if err == nil {
		_, err = io.ReadAll(r)
		expect.Must(t, r.Close())
	}
	expect.Kind(t, err, fault.Corrupt)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a part of a body ends with %v", err)
	}
	expect.Must(t, body.Seal())
	if n := len(readBody(t, body)); n != 1<<20+7 {
		t.Errorf("the whole has %d octets", n)
	}
}

func discarding(t *testing.T, s Store) {
	open := expect.Got(s.NewBody(expect.Within(t)))(t)
	expect.Got(open.Write([]byte("text")))(t)
	open.Discard()
	sealed := writeBody(t, s, long())
	expect.Must(t, s.Accept(expect.Within(t), Message(1, "a")))
	clash := Message(1, "a")
	clash.Content.Body, clash.Content.Large = nil, sealed
	expect.Kind(t, s.Accept(expect.Within(t), clash), fault.Conflict)
	sealed.Discard() // still ours, as Accept did not take it
	_, err := sealed.Open()
	expect.Kind(t, err, fault.NotFound)
}

func openBodyOutlives(t *testing.T, s Store) {
	m := Message(1, "a")
	m.Content.Body, m.Content.Large = nil, writeBody(t, s, long())
	expect.Must(t, s.Accept(expect.Within(t), m))
	content := expect.Got(s.Content(expect.Within(t), m.Submission.ID))(t)
	r := expect.Got(content.Large.Open())(t)
	expect.Must(t, s.Report(expect.Within(t), Outcome(m.Submission.ID, 1, queue.Delivered)))
	if text := expect.Got(io.ReadAll(r))(t); string(text) != long() {
		t.Error("the open body changed")
	}
	expect.Must(t, r.Close())
	_, err := content.Large.Open()
	expect.Kind(t, err, fault.NotFound)
	_, err = s.Content(expect.Within(t), m.Submission.ID)
	expect.Kind(t, err, fault.NotFound)
}

// after is the position of an item in the order of Due.
func after(item queue.Item) queue.Position {
	return queue.Position{Next: item.Delivery.Next, Submission: item.Delivery.Submission, N: item.Delivery.N}
}
