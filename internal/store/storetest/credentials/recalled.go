package credentials

import (
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// recall changes a credential of ann, whose account then has the revision that change is
// given.
func (y *story) recall(name string, change func(c *account.Credential, revision int64)) {
	y.Helper()
	y.put(y.ann.Login(), func(a *account.Account) {
		i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.Name == name })
		change(&a.Credentials[i], a.Revision+1)
	})
}

func all(c *account.Credential, revision int64) { c.RecallAll(revision) }

// recalledIsHeld: of a credential that stays, what came before is held, and what comes
// later is not.
func recalledIsHeld(y *story) {
	y.crowd()
	y.recall("password", all)
	y.wantHeld(4, 1)
	y.accept(5, y.ann, "password")
	y.accept(6, y.ann, "printer")
	y.wantHeld(6, 1)
	// No other change lets it go, but what was sent since.
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.wantHeld(6, 1, 2, 3, 5, 6)
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Active })
	y.wantHeld(6, 1)
	e := expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", 1)}))(y)
	if len(e) != 2 || e[1].Kind != audit.DeliveryHeld || e[1].Reason != queue.HoldEnvelope || e[1].Object != "account "+y.ann.Login() {
		y.Errorf("on record are %+v", e)
	}
	// An operator lets it go, and the next time it is recalled with the others.
	expect.Got(y.s.Release(expect.Within(y), queue.Filter{Submission: id("SUB", 1)}, audit.Event{At: start(), Kind: audit.DeliveryReleased}))(y)
	y.put(y.ann.Login(), func(a *account.Account) { a.NullSender = true })
	y.wantStates(6)
	y.recall("password", all)
	y.wantHeld(6, 1, 5)
}

// sparedGoes: of mail that is recalled but for some senders, what was sent under one of
// them alone goes on.
func sparedGoes(y *story) {
	y.settle()
	for n, from := range []mail.Address{
		1: at("Ann", "one.example"), 2: at("PRINTER", "one.example"), 3: at("x", "two.example"), 4: at("x", "not-two.example"), 5: {},
		6: at("x@two.example", "one.example"), 7: at("printer", "two.example"), 8: at("o\"\\k", "one.example"),
	} {
		if n > 0 {
			y.acceptFrom(n, y.ann, "printer", from, false)
		}
	}
	y.acceptFrom(9, y.ann, "printer", at("printer", "one.example"), true)
	y.acceptFrom(10, y.ann, "password", at("Ann", "one.example"), false)
	spared := []account.Grant{{Address: at("Printer", "one.example")}, {Domain: "two.example"}, {Address: at("quoted one", "one.example")}}
	y.recall("printer", func(c *account.Credential, revision int64) { c.RecallBut(revision, spared) })
	y.wantHeld(10, 1, 4, 5, 6, 8, 9)
	y.acceptFrom(11, y.ann, "printer", at("Ann", "one.example"), false)
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Active })
	y.wantHeld(11, 1, 4, 5, 6, 8, 9)
	// Other senders: what these spare goes, what was spared does not, nor what came since.
	y.recall("printer", func(c *account.Credential, revision int64) {
		c.RecallBut(revision, []account.Grant{{Address: y.ann.Address}})
	})
	y.wantHeld(11, 2, 3, 4, 5, 6, 7, 8, 9)
	y.recall("printer", all)
	y.wantHeld(11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11)
}

// reasonsAreTrue: what is held has the reason that stands in its way at the moment.
func reasonsAreTrue(y *story) {
	y.crowd()
	want := func(reasons ...string) {
		y.Helper()
		for i, reason := range reasons {
			for _, item := range expect.Got(y.s.List(expect.Within(y), queue.Filter{Submission: id("SUB", i+1)}))(y) {
				if item.Delivery.HoldReason != reason {
					y.Errorf("message %d is held for %q, want %q", i+1, item.Delivery.HoldReason, reason)
				}
			}
		}
	}
	want("", "", "", "")
	y.recall("printer", all)
	want("", queue.HoldEnvelope, "", "")
	y.recall("password", func(c *account.Credential, revision int64) {
		c.Changed = start().Add(time.Minute)
		c.RecallAll(revision)
	})
	want(queue.HoldPassword, queue.HoldEnvelope, "", "")
	before := len(expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", 2)}))(y))
	y.revoke("printer")
	want(queue.HoldPassword, queue.HoldRevoked, "", "")
	if n := len(expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", 2)}))(y)); n != before {
		y.Errorf("another reason left %d events", n-before)
	}
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	want(queue.HoldSuspended, queue.HoldSuspended, queue.HoldSuspended, "")
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Active })
	want(queue.HoldPassword, queue.HoldRevoked, "", "")
	e := expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", 3)}))(y)
	if len(e) != 3 || e[2].Kind != audit.DeliveryReleased || e[2].Reason != queue.HoldSuspended {
		y.Errorf("on record are %+v", e)
	}
	expect.Must(y, y.s.RemoveAccount(expect.Within(y), y.ann.Login(), event("")))
	want(queue.HoldRemoved, queue.HoldRemoved, queue.HoldRemoved, "")
}
