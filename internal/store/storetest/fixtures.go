package storetest

import (
	"fmt"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// ID makes the n-th id of a series; ids of a series sort by n.
func ID(series string, n int) mail.ID { return mail.ID(fmt.Sprintf("01%-6s%018d", series, n)) }

// address makes an address of our test domains from a local part and a domain.
func address(local string, domain mail.Domain) mail.Address {
	return mail.Address{Local: local, Domain: domain}
}

// granted makes grants without an end of what an account may send as.
func granted(list ...account.Grant) (out []account.Granted) {
	for _, g := range list {
		out = append(out, account.Granted{Grant: g, Manner: account.SendAs})
	}
	return out
}

// Event makes the event of an administrative act.
func Event(object string) audit.Event {
	return audit.Event{At: Start(), Kind: audit.AdminChanged, Actor: "cli:root", Object: object}
}

// password makes a credential with a secret.
func password(n int) account.Credential {
	return account.Credential{
		ID: ID("CRE", n), Kind: account.Password, Name: "password", Secret: account.Secret{Hash: fmt.Sprintf("$x$%d", n), Cost: "x"},
		Created: Start(), Changed: Start(),
	}
}

// people are the objects that most cases need: customer acme on plan basic
// with domain one.example and account ann, and domain two.example with bob. Ann has a
// password.
type people struct {
	plan       account.Plan
	customer   account.Customer
	one, two   account.Domain
	ann, bob   account.Account
	generation uint64
}

// settle stores people and returns them as they are stored.
func settle(t expect.T, s Store) people {
	t.Helper()
	ctx := t.Context()
	p := people{
		plan:     account.Plan{Name: "basic", MaxRecipients: 100, MaxMessageBytes: 10 << 20, MaxMessages: 50, State: account.Active, Created: Start()},
		customer: account.Customer{Name: "acme", Plan: "basic", State: account.Active, Created: Start()},
		one:      account.Domain{Name: "one.example", Customer: "acme", State: account.Active, Created: Start()},
		two:      account.Domain{Name: "two.example", Customer: "acme", State: account.Active, Created: Start()},
		ann:      account.Account{ID: ID("ACC", 1), Address: address("Ann", "one.example"), State: account.Active, Created: Start(), Credentials: []account.Credential{password(1)}},
		bob:      account.Account{ID: ID("ACC", 2), Address: address("bob", "two.example"), State: account.Active, Created: Start()},
	}
	p.one.Keys = []account.Key{{Selector: "s1", Algorithm: "rsa", Public: "v=DKIM1; p=abc", Sealed: []byte{0, 1, 2}, Created: Start()}}
	expect.Must(t, s.PutPlan(ctx, p.plan, Event("plan basic")))
	expect.Must(t, s.PutCustomer(ctx, p.customer, Event("customer acme")))
	expect.Must(t, s.PutDomain(ctx, p.one, Event("domain one")))
	expect.Must(t, s.PutDomain(ctx, p.two, Event("domain two")))
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("account ann")))
	expect.Must(t, s.PutAccount(ctx, p.bob, Event("account bob")))
	p.plan.Revision, p.customer.Revision, p.one.Revision, p.two.Revision, p.ann.Revision, p.bob.Revision = 1, 1, 1, 1, 1, 1
	p.generation = expect.Got(s.Generation(ctx))(t)
	return p
}

// Message makes the n-th message to the given recipients, due at Start, with
// every field set but the account: no account is looked at when it comes.
func Message(n int, recipients ...string) *queue.Acceptance {
	sub := queue.Submission{
		ID: ID("SUB", n), Session: ID("SES", n), Login: "ann@one.example",
		Domain: "one.example", Customer: "acme", At: Start().Add(time.Duration(n) * time.Second), Expires: Start().Add(5 * 24 * time.Hour),
		Envelope: mail.Envelope{
			From: address("Ann", "one.example"), Size: 1234, Body: mail.Body8Bit, SMTPUTF8: true,
			Return: mail.ReturnHeaders, EnvelopeID: "env 1",
		},
		Size: 1300,
	}
	a := &queue.Acceptance{
		Submission: sub,
		Content:    queue.Content{Head: []byte("Subject: x\r\n\r\n"), Body: []byte("body\x00\xff\r\n")},
		Events:     []audit.Event{{At: sub.At, Kind: audit.Accepted, Session: sub.Session, Submission: sub.ID, Login: sub.Login}},
	}
	for i, r := range recipients {
		to := address(r, "there.example")
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: sub.ID, N: i + 1, State: queue.Queued, Next: Start(),
			Recipient: mail.Recipient{To: to, Notify: mail.NotifyFailure | mail.NotifyDelay, Original: "rfc822;" + to.String()},
		})
	}
	return a
}

// messageOf is message from any account, at a generation.
func messageOf(a account.Account, customer string, generation uint64, n int) *queue.Acceptance {
	m := Message(n, "someone")
	m.Submission.Account, m.Submission.Login, m.Submission.Domain, m.Submission.Customer = a.ID, a.Login(), a.Address.Domain, customer
	if p := a.Password(); p != nil {
		m.Submission.Credential = p.ID
	}
	m.Events[0].Login = a.Login()
	m.Generation, m.Revision, m.Domains = generation, a.Revision, []mail.Domain{a.Address.Domain}
	return m
}

// bounce makes a report of our own about a submission.
func bounce(n int, cause mail.ID) queue.Acceptance {
	m := Message(n, "ann")
	m.Submission.Session, m.Submission.Account, m.Submission.Login, m.Submission.Domain, m.Submission.Customer = "", "", "", "", ""
	m.Submission.Cause = cause
	m.Submission.Envelope = mail.Envelope{}
	m.Events[0] = audit.Event{At: Start(), Kind: audit.BounceAccepted, Submission: m.Submission.ID}
	return *m
}

// Outcome makes a report of one outcome with its event.
func Outcome(sub mail.ID, n int, state queue.State) *queue.Report {
	return &queue.Report{
		Submission: sub,
		Outcomes:   []queue.Outcome{{N: n, State: state, Result: result(), Next: Start().Add(time.Hour), HoldReason: "policy"}},
		Events:     []audit.Event{{At: Start(), Kind: audit.DeliveryDeferred, Submission: sub, Delivery: n, Text: string(state)}},
	}
}

// result is how an attempt ended.
func result() queue.Result {
	return queue.Result{At: Start().Add(time.Minute), Code: 451, Enhanced: "4.3.0", Text: "try later", Remote: "mx.there.example [192.0.2.7]"}
}

// everything lists the whole queue.
func everything(t expect.T, s Store) []queue.Item {
	t.Helper()
	return expect.Got(s.List(t.Context(), queue.Filter{Limit: 100_000}))(t)
}

// states returns the states of all deliveries by "submission/number".
func states(t expect.T, s Store) map[string]queue.State {
	t.Helper()
	all := map[string]queue.State{}
	for _, item := range everything(t, s) {
		all[name(item)] = item.Delivery.State
	}
	return all
}

// name names a delivery.
func name(item queue.Item) string {
	return fmt.Sprintf("%s/%d", item.Delivery.Submission, item.Delivery.N)
}

// names names deliveries.
func names(items []queue.Item) []string {
	var all []string
	for _, item := range items {
		all = append(all, name(item))
	}
	return all
}

// eventsOf returns the events of a submission.
func eventsOf(t expect.T, s Store, sub mail.ID) []audit.Event {
	t.Helper()
	return expect.Got(s.Search(t.Context(), audit.Query{Submission: sub}))(t)
}

// WantStats compares the totals.
func WantStats(t expect.T, s Store, queued, deferred, held int) {
	t.Helper()
	stats := expect.Got(s.Stats(t.Context()))(t)
	if stats.Queued != queued || stats.Deferred != deferred || stats.Held != held {
		t.Fatalf("got %+v, want %d queued, %d deferred, %d held", stats, queued, deferred, held)
	}
}
