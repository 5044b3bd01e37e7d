// Package unsound damages stores and wants the damage to be found: one case for
// each kind of finding that the engines share, and stores with nothing wrong in
// which nothing is found.
//
// Main types: Opened, Run.
package unsound

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/soundness"
	"countersign/internal/store/storetest"
)

// Opened is a store that can be damaged.
type Opened struct {
	Store storetest.Store
	// Exec runs statements that nothing of the store's stands in the way of.
	Exec func(t *testing.T, text string)
	// Check checks the store.
	Check func(t *testing.T) *soundness.Report
}

// Opener opens an empty store and has it closed when the test ends.
type Opener func(t *testing.T) Opened

// The submissions of the story: partly delivered, finished, with a large body, and
// a report to the sender.
const (
	Partly   = mail.ID("01K0000000000000000000PART")
	Finished = mail.ID("01K0000000000000000000D0NE")
	Large    = mail.ID("01K0000000000000000000B1GS")
	Bounce   = mail.ID("01K0000000000000000000B0NC")
)

// Password is the credential that Large came under.
const Password = mail.ID("01K0000000000000000000PASS")

// Run runs the cases. Those that damage a store do it to what filled opens, each to another: a
// store as Fill leaves one, whose Store is not asked for. As they may be copies of one, that
// nothing is wrong with it is seen once, in the case "nothing".
func Run(t *testing.T, open, filled Opener) {
	for name, c := range cases() {
		t.Run(name, func(t *testing.T) {
			o := filled(t)
			for _, text := range c.damage {
				o.Exec(t, text)
			}
			r := o.Check(t)
			Want(t, r, c.want)
			if len(c.damage) == 0 && (!r.Sound() || len(r.Findings) > 0 || r.Deliveries != 4) {
				t.Errorf("without damage: %+v", r)
			}
		})
	}
	t.Run("a record whose beginning was removed", func(t *testing.T) { pruned(t, open(t)) })
	t.Run("more than are named", func(t *testing.T) { many(t, open(t)) })
	t.Run("mail of a credential that is no more", func(t *testing.T) { unheld(t, open(t)) })
	t.Run("dropped as advised", func(t *testing.T) { dropped(t, open(t)) })
	t.Run("beside a server", func(t *testing.T) { beside(t, open(t)) })
}

// Want compares findings with how many of each kind there should be.
func Want(t *testing.T, r *soundness.Report, want map[soundness.Kind]int64) {
	t.Helper()
	for _, f := range r.Findings {
		if want[f.Kind] != f.Count {
			t.Errorf("%s is found %d times (%v), want %d", f.Kind, f.Count, f.Where, want[f.Kind])
		}
		if f.What == "" || f.Do == "" || len(f.Where) == 0 || int64(len(f.Where)) > f.Count {
			t.Errorf("a finding does not say enough: %+v", f)
		}
	}
	for kind := range want {
		if !slices.ContainsFunc(r.Findings, func(f soundness.Finding) bool { return f.Kind == kind }) {
			t.Errorf("%s is not found", kind)
		}
	}
}

// damaged is a case.
type damaged struct {
	damage []string
	want   map[soundness.Kind]int64
}

// one is a case with one statement and one finding for each of kinds.
func one(text string, kinds ...soundness.Kind) damaged {
	c := damaged{[]string{text}, map[soundness.Kind]int64{}}
	for _, k := range kinds {
		c.want[k]++
	}
	return c
}

func cases() map[string]damaged {
	const part = "'" + string(Partly) + "'"
	const big = "'" + string(Large) + "'"
	const done = "'" + string(Finished) + "'"
	return map[string]damaged{
		"nothing":                       {nil, nil},
		"a delivery is gone":            one("DELETE FROM delivery WHERE n = 2 AND submission = "+part, soundness.LostMail, soundness.Totals, soundness.NoDelivery),
		"an outcome is gone":            one("DELETE FROM event WHERE kind = 'delivery.delivered' AND delivery = 1 AND submission = "+part, soundness.LostMail),
		"a finished one has no outcome": {[]string{"DELETE FROM event WHERE kind = 'delivery.delivered' AND submission = " + done}, map[soundness.Kind]int64{soundness.LostMail: 2}},
		"a report to a sender is gone": {[]string{
			"DELETE FROM delivery WHERE submission = '" + string(Bounce) + "'", "DELETE FROM content WHERE id = (SELECT content FROM submission WHERE id = '" + string(Bounce) + "')",
			"DELETE FROM submission WHERE id = '" + string(Bounce) + "'",
		}, map[soundness.Kind]int64{soundness.LostMail: 1, soundness.Totals: 1}},
		"a whole submission is gone": {[]string{
			"DELETE FROM delivery WHERE submission = " + part, "DELETE FROM relied WHERE submission = " + part,
			"DELETE FROM content WHERE id = (SELECT content FROM submission WHERE id = " + part + ")", "DELETE FROM submission WHERE id = " + part,
		}, map[soundness.Kind]int64{soundness.LostMail: 1, soundness.Totals: 1}},
		"it waits though it was delivered": one("INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data) VALUES (1, 'delivery.delivered', '', "+part+", 2, '', '', '', '', 250, '', '', '', '')", soundness.WaitsThough),
		"no acceptance":                    one("DELETE FROM event WHERE kind = 'submission.accepted' AND submission = "+big, soundness.NoAcceptance),
		"outcomes alone":                   one("DELETE FROM event WHERE kind = 'submission.accepted' AND submission = "+done, soundness.OutcomeAlone),
		"a submission is gone":             {[]string{"DELETE FROM submission WHERE id = " + part}, map[soundness.Kind]int64{soundness.NoSubmission: 1, soundness.UnusedContent: 1, soundness.UnusedReliance: 1}},
		"content is gone":                  one("DELETE FROM content WHERE id = (SELECT content FROM submission WHERE id = "+part+")", soundness.NoContent),
		"content is left":                  one("INSERT INTO content (id, head, body, large, large_size) VALUES (99999, NULL, NULL, '', 0)", soundness.UnusedContent),
		"a reliance is left":               one("INSERT INTO relied (submission, domain, content) VALUES ('x', 'one.example', 1)", soundness.UnusedReliance),
		"an unknown state":                 {[]string{"UPDATE delivery SET state = 9 WHERE n = 2 AND submission = " + part}, map[soundness.Kind]int64{soundness.Totals: 2}},
		"a number of another":              {[]string{"UPDATE delivery SET content = content + 100000 WHERE n = 2 AND submission = " + part}, map[soundness.Kind]int64{soundness.OtherNumber: 1}},
		"due in the year 287000":           {[]string{"UPDATE delivery SET next = 9000000000000000000 WHERE state < 3"}, map[soundness.Kind]int64{soundness.NeverDue: 3}},
		"due long after its end":           one("UPDATE delivery SET next = next + 864000000000 WHERE submission = "+big, soundness.NeverDue),
		"its end is nowhere either":        {[]string{"UPDATE submission SET expires = 9000000000000000000 WHERE id = " + big, "UPDATE delivery SET next = 9000000000000000000 WHERE submission = " + big}, map[soundness.Kind]int64{soundness.NeverDue: 1}},
		"it has no end of its own":         {[]string{"UPDATE submission SET expires = 0", "UPDATE delivery SET next = next + 345600000000 WHERE submission = " + big}, nil},
		"held for ever":                    {[]string{"UPDATE delivery SET next = 9000000000000000000 WHERE state = 3"}, nil},
		"totals":                           {[]string{"UPDATE queue_total SET queued = queued + 1, held = held + 1"}, map[soundness.Kind]int64{soundness.Totals: 2}},
		"a body has another size":          one("UPDATE content SET large_size = large_size + 1 WHERE large <> ''", soundness.BodySize),
		"a plan is gone":                   one("DELETE FROM plan", soundness.UnknownObject),
		"an account's plan is gone":        one("UPDATE account SET plan = 'gone' WHERE login IN (SELECT min(login) FROM account)", soundness.UnknownObject),
		"a customer is gone":               one("DELETE FROM customer WHERE name = 'other'", soundness.UnknownObject),
		"an account is gone":               {[]string{"DELETE FROM account"}, map[soundness.Kind]int64{soundness.UnknownObject: 7}},
		"credentials are gone":             {[]string{"DELETE FROM credential WHERE kind = 'password'"}, map[soundness.Kind]int64{soundness.Unheld: 1, soundness.UnusedUse: 1}},
		"a use of another's":               one("UPDATE credential SET login = 'eve@one.example' WHERE kind = 'password'", soundness.UnusedUse, soundness.UnknownObject),
		"limits of nothing": {[]string{
			limitFor("account", "gone", 0),
			limitFor("domain", "gone", 0),
			limitFor("customer", "gone", 0),
			limitFor("plan", "gone", 0),
			limitFor("credential", "gone", 0),
			limitFor("node", "gone", 0),
			limitFor("network", "192.0.2.1", 0),
			limitFor("account", "*", 0),
			limitFor("domain", "one.example", 0),
			limitFor("account", "past", 9),
		}, map[soundness.Kind]int64{soundness.LimitOfNothing: 5}},
		"entries of nothing": {[]string{
			entryFor("credential", "gone", 0),
			entryFor("account", "gone@one.example", 0),
			entryFor("domain", "gone.example", 0),
			entryFor("customer", "gone", 0),
			entryFor("listener", "gone", 0), // of which a store knows nothing
			entryFor("domain", "one.example", 0),
			entryFor("account", "past", 9),
		}, map[soundness.Kind]int64{soundness.EntryOfNothing: 4}},
		"a subject twice": {[]string{"DROP INDEX credential_subject", "UPDATE credential SET kind = 'certificate', subject = 'cn:ann'"}, map[soundness.Kind]int64{soundness.SharedSubject: 1}},
		"a domain is gone": {[]string{"DELETE FROM domain WHERE name = 'one.example'"},
			map[soundness.Kind]int64{soundness.UnknownObject: 2}},
		"an aliased domain is gone": {[]string{"DELETE FROM domain WHERE name = 'two.example'"}, map[soundness.Kind]int64{soundness.ForeignAddress: 2}},
		"a granted domain moved":    one("UPDATE domain SET customer = 'other' WHERE name = 'three.example'", soundness.ForeignAddress),
		"a domain granted on behalf moved": {[]string{
			"UPDATE account_grant SET domain = '', target = '@three.example', under = 'three.example', manner = 'send-on-behalf' WHERE domain = 'three.example'",
			"UPDATE domain SET customer = 'other' WHERE name = 'three.example'",
		}, map[soundness.Kind]int64{soundness.ForeignAddress: 1}},
		"a domain granted across customers moved": {[]string{
			"UPDATE account_grant SET domain = '', target = '@three.example', under = 'three.example', across = 1 WHERE domain = 'three.example'",
			"UPDATE domain SET customer = 'other' WHERE name = 'three.example'",
		}, nil},
		"a grant of nothing":            one("UPDATE account_grant SET domain = '' WHERE domain = 'three.example'", soundness.ForeignAddress),
		"an own address is gone":        one("DELETE FROM account_address WHERE position = 0", soundness.OwnAddress),
		"an own address is another's":   one("UPDATE account_address SET address = 'x@one.example' WHERE position = 0", soundness.OwnAddress),
		"an acceptance nobody can read": {[]string{"UPDATE event SET data = '{' WHERE kind = 'submission.accepted' AND submission = " + big}, map[soundness.Kind]int64{soundness.Unread: 1}},
	}
}

// limitFor is a statement that stores a limit.
func limitFor(kind, name string, ends int) string {
	return fmt.Sprintf(`INSERT INTO limit_rule (id, kind, name, measure, span, most, extra, action, shadow, share, because, actor, began, ends, lifted, change)
    VALUES ('%[1]s %[2]s', '%[1]s', '%[2]s', 'messages', 'day', 1, 0, 'defer', 0, 0, '', 'cli:x', 1, %[3]d, '', 1)`, kind, name, ends)
}

// entryFor is a statement that stores an entry of an access list.
func entryFor(kind, name string, ends int) string {
	return fmt.Sprintf(`INSERT INTO access_entry (id, kind, name, what, effect, shadow, reason, actor, began, ends, lifted, change)
    VALUES ('%[1]s %[2]s', '%[1]s', '%[2]s', '192.0.2.0/24', 'deny', 0, 'x', 'cli:x', 1, %[3]d, '', 1)`, kind, name, ends)
}

// Fill stores people and four submissions.
func Fill(t *testing.T, s storetest.Store) {
	t.Helper()
	ctx := t.Context()
	now := time.Now().UTC()
	e := func(object string) audit.Event {
		return audit.Event{At: now, Kind: audit.AdminAdded, Actor: "cli:tester", Object: object}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(local string, domain mail.Domain) mail.Address { return mail.Address{Local: local, Domain: domain} }
	must(s.PutPlan(ctx, account.Plan{Name: "basic", MaxRecipients: 10, MaxMessageBytes: 1 << 20, MaxMessages: 9, State: account.Active, Created: now}, e("plan")))
	must(s.PutCustomer(ctx, account.Customer{Name: "acme", Plan: "basic", State: account.Active, Created: now}, e("customer")))
	must(s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: now}, e("customer")))
	for domain, customer := range map[mail.Domain]string{"one.example": "acme", "two.example": "acme", "three.example": "acme", "four.example": "other"} {
		d := account.Domain{Name: domain, Customer: customer, State: account.Active, Created: now}
		if domain == "one.example" {
			d.Keys = []account.Key{{Selector: "s1", Algorithm: "rsa", Public: "p", Sealed: []byte{1}, Created: now}}
		}
		must(s.PutDomain(ctx, d, e("domain")))
	}
	must(s.PutAccount(ctx, account.Account{
		ID: "01K00000000000000000000ACC", Address: at("Ann", "one.example"), State: account.Active, Created: now,
		Credentials: []account.Credential{
			{ID: Password, Kind: account.Password, Name: "password", Secret: account.Secret{Hash: "x", Cost: "x"}, Created: now, Changed: now},
			{ID: "01K0000000000000000000CERT", Kind: account.Certificate, Name: "laptop", Subject: "cn:ann", Created: now, Changed: now},
		},
		Aliases: []mail.Address{at("ann", "two.example")},
		Grants: []account.Granted{
			{Grant: account.Grant{Address: at("x", "two.example")}, Manner: account.SendAs}, {Grant: account.Grant{Domain: "three.example"}, Manner: account.SendAs},
		},
	}, e("account")))

	must(s.Accept(ctx, message(Partly, now, 3, "two.example")))
	must(s.Accept(ctx, message(Finished, now, 2)))
	must(s.Used(ctx, []account.Use{{Credential: Password, At: now}}))
	generation, err := s.Generation(ctx)
	must(err)
	big := message(Large, now, 1)
	big.Submission.Account, big.Submission.Credential, big.Generation = "01K00000000000000000000ACC", Password, generation
	body, err := s.NewBody(ctx)
	must(err)
	_, err = body.Write(bytes.Repeat([]byte("0123456789abcdef"), 40_000))
	must(err)
	must(body.Seal())
	big.Content.Body, big.Content.Large = nil, body
	must(s.Accept(ctx, big))
	must(s.Report(ctx, ended(Finished, now, 1, 2)))
	r := ended(Partly, now, 1)
	report := message(Bounce, now, 1)
	report.Submission.Login, report.Submission.Domain, report.Submission.Cause = "", "", Partly
	report.Events = []audit.Event{{At: now, Kind: audit.BounceAccepted, Submission: Bounce, Data: map[string]string{"cause": string(Partly)}}}
	report.Domains = nil
	r.Reports = []queue.Acceptance{*report}
	r.Outcomes = append(r.Outcomes, queue.Outcome{N: 3, State: queue.Deferred, Next: now.Add(time.Hour)})
	r.Events = append(r.Events, audit.Event{At: now, Kind: audit.DeliveryDeferred, Submission: Partly, Delivery: 3})
	must(s.Report(ctx, r))
	n, err := s.Drop(ctx, queue.Filter{Submission: Partly, N: 3}, audit.Event{At: now, Kind: audit.DeliveryDropped, Actor: "cli:tester"})
	must(err)
	if n != 1 {
		t.Fatalf("%d were dropped", n)
	}
	again := message("01K0000000000000000000HE1D", now, 1)
	must(s.Accept(ctx, again))
	n, err = s.Hold(ctx, queue.Filter{Submission: again.Submission.ID}, "look", audit.Event{At: now, Kind: audit.DeliveryHeld})
	must(err)
	if n != 1 {
		t.Fatalf("%d are held", n)
	}
}

// message makes a message to n recipients.
func message(id mail.ID, at time.Time, n int, relied ...mail.Domain) *queue.Acceptance {
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Login: "ann@one.example", Domain: "one.example", Customer: "acme", At: at, Expires: at.Add(time.Hour),
			Envelope: mail.Envelope{From: mail.Address{Local: "Ann", Domain: "one.example"}},
		},
		Content: queue.Content{Head: []byte("A: b\r\n\r\n"), Body: []byte("x\r\n")},
		Events: []audit.Event{{
			At: at, Kind: audit.Accepted, Submission: id, Login: "ann@one.example", Data: map[string]string{"recipients": fmt.Sprint(n)},
		}},
		Domains: append([]mail.Domain{"one.example"}, relied...),
	}
	for i := range n {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: id, N: i + 1, State: queue.Queued, Next: at,
			Recipient: mail.Recipient{To: mail.Address{Local: fmt.Sprint(i), Domain: "there.example"}},
		})
	}
	return a
}

// ended reports these recipients as delivered.
func ended(id mail.ID, at time.Time, numbers ...int) *queue.Report {
	r := &queue.Report{Submission: id}
	for _, n := range numbers {
		r.Outcomes = append(r.Outcomes, queue.Outcome{N: n, State: queue.Delivered})
		r.Events = append(r.Events, audit.Event{At: at, Kind: audit.DeliveryDelivered, Submission: id, Delivery: n})
	}
	return r
}

// pruned removes the beginning of the record: what was accepted then is not
// missed, what came later still is.
func pruned(t *testing.T, o Opened) {
	Fill(t, o.Store)
	later := message("01K1000000000000000000LATE", time.Now().UTC().Add(time.Hour), 1)
	if err := o.Store.Accept(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	o.Exec(t, "DELETE FROM event WHERE seq < (SELECT seq FROM event WHERE submission = '01K1000000000000000000LATE')")
	r := o.Check(t)
	Want(t, r, nil)
	if r.RecordBegins == 0 {
		t.Error("that the record has lost its beginning is not said")
	}
	o.Exec(t, "DELETE FROM delivery WHERE submission = '01K1000000000000000000LATE'")
	Want(t, o.Check(t), map[soundness.Kind]int64{soundness.LostMail: 1, soundness.Totals: 1, soundness.NoDelivery: 1})
}

// unheld wants mail of a credential that is no more to be found, but not what an
// operator has released, nor what still follows a change.
func unheld(t *testing.T, o Opened) {
	Fill(t, o.Store)
	o.Exec(t, "DELETE FROM credential_use")
	o.Exec(t, "DELETE FROM credential WHERE kind = 'password'")
	found := map[soundness.Kind]int64{soundness.Unheld: 1}
	Want(t, o.Check(t), found)
	// A change that no server can go on with, so that it stays unfinished.
	o.Exec(t, "INSERT INTO following (id, kind, name, touched, actor, object, text) VALUES ('x', 'none', 'x', 0, '', '', '')")
	Want(t, o.Check(t), nil)
	wantStopped(t, o.Store, Large)
	o.Exec(t, "DELETE FROM following")
	ctx, only := t.Context(), queue.Filter{Submission: Large}
	Want(t, o.Check(t), found)
	if _, err := o.Store.Hold(ctx, only, "look", audit.Event{At: time.Now().UTC(), Kind: audit.DeliveryHeld}); err != nil {
		t.Fatal(err)
	}
	Want(t, o.Check(t), nil)
	if _, err := o.Store.Release(ctx, only, audit.Event{At: time.Now().UTC(), Kind: audit.DeliveryReleased, Reason: queue.HoldSuspended}); err != nil {
		t.Fatal(err)
	}
	Want(t, o.Check(t), nil)
	// A release of an earlier time excused nothing, but is on record.
	o.Exec(t, "UPDATE submission SET revision = 1 WHERE id = '"+string(Large)+"'")
	Want(t, o.Check(t), found)
	o.Exec(t, "UPDATE event SET reason = '' WHERE kind = 'delivery.released'")
	Want(t, o.Check(t), nil)
}

// wantStopped wants nothing of a submission to be due or attempted, though it is not
// held yet.
func wantStopped(t *testing.T, s storetest.Store, id mail.ID) {
	t.Helper()
	due, err := s.Due(t.Context(), time.Now().Add(time.Minute), queue.Position{}, 100)
	if err != nil || len(due) == 0 {
		t.Fatalf("%d are due, %v", len(due), err)
	}
	for _, item := range due {
		if item.Submission.ID == id {
			t.Errorf("%s is due before it is held", id)
		}
	}
	waits, err := s.Waiting(t.Context(), []queue.Key{{Submission: id, N: 1}})
	items, failed := s.List(t.Context(), queue.Filter{Submission: id})
	if err != nil || failed != nil || len(items) != 1 || items[0].Delivery.State != queue.Queued || waits[0] {
		t.Errorf("%+v are listed, to be attempted: %v (%v, %v)", items, waits, err, failed)
	}
}

// dropped does what the advice for a message says whose content or body nobody has
// any more: the store is sound again.
func dropped(t *testing.T, o Opened) {
	Fill(t, o.Store)
	o.Exec(t, "DELETE FROM content WHERE id = (SELECT content FROM submission WHERE id = '"+string(Partly)+"')")
	o.Exec(t, "UPDATE content SET large_size = large_size + 1 WHERE large <> ''")
	Want(t, o.Check(t), map[soundness.Kind]int64{soundness.NoContent: 1, soundness.BodySize: 1})
	for _, id := range []mail.ID{Partly, Large} {
		n, err := o.Store.Drop(t.Context(), queue.Filter{Submission: id}, audit.Event{At: time.Now().UTC(), Kind: audit.DeliveryDropped, Actor: "cli:tester"})
		if err != nil || n != 1 {
			t.Errorf("%s: %d were dropped, %v", id, n, err)
		}
	}
	Want(t, o.Check(t), nil)
}

// many counts all and names some.
func many(t *testing.T, o Opened) {
	Fill(t, o.Store)
	o.Exec(t, `INSERT INTO relied (submission, domain, content) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    SELECT 'gone' || i, 'one.example', 1 FROM n`)
	r := o.Check(t)
	Want(t, r, map[soundness.Kind]int64{soundness.UnusedReliance: 1000})
	if len(r.Findings) != 1 || len(r.Findings[0].Where) != soundness.MaxExamples {
		t.Errorf("got %+v", r.Findings)
	}
}

// beside checks a store again and again while messages with large bodies come and
// go.
func beside(t *testing.T, o Opened) {
	Fill(t, o.Store)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	through := make(chan struct{}, 1)
	go func() {
		var ids mail.IDSource
		for ctx.Err() == nil {
			if err := pass(o.Store, ids.New()); err != nil {
				done <- err
				return
			}
			select {
			case through <- struct{}{}:
			default:
			}
		}
		done <- nil
	}()
	for range 10 {
		select {
		case <-through:
		case err := <-done:
			cancel()
			t.Fatal(err)
		}
		Want(t, o.Check(t), nil)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// pass accepts a message with a large body and delivers it.
func pass(s storetest.Store, id mail.ID) error {
	ctx := context.Background()
	now := time.Now().UTC()
	m := message(id, now, 1)
	body, err := s.NewBody(ctx)
	if err == nil {
		_, err = body.Write(make([]byte, 100_000))
	}
	if err == nil {
		err = body.Seal()
	}
	if err != nil {
		return err
	}
	m.Content.Body, m.Content.Large = nil, body
	if err := s.Accept(ctx, m); err != nil {
		return err
	}
	return s.Report(ctx, ended(id, now, 1))
}
