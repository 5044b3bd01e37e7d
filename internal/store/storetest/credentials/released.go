package credentials

import (
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// release releases of the n-th message one recipient, or all for 0, and wants so many.
func (y *story) release(n, recipient, want int) {
	y.Helper()
	f := queue.Filter{Submission: id("SUB", n), N: recipient}
	if n := expect.Got(y.s.Release(expect.Within(y), f, audit.Event{At: start(), Kind: audit.DeliveryReleased}))(y); n != want {
		y.Errorf("%d were released, want %d", n, want)
	}
}

// pause suspends and resumes ann, both of which look at all her mail.
func (y *story) pause() {
	y.Helper()
	for _, state := range []account.State{account.Suspended, account.Active} {
		y.put(y.ann.Login(), func(a *account.Account) { a.State = state })
	}
}

// releasedStays: what is released of mail under a credential that is gone is held by
// no other change, but by a suspension as long as that lasts.
func releasedStays(y *story) {
	y.crowd()
	y.revoke("printer")
	y.release(2, 0, 2)
	y.put(y.ann.Login(), func(a *account.Account) { a.NullSender = true })
	y.put(y.ann.Login(), func(a *account.Account) {
		a.Credentials = append(a.Credentials, secret(70, account.AppPassword, "printer"))
	})
	y.put(y.ann.Login(), func(a *account.Account) { a.Credentials[0].Envelope.MaxMessages = 3 })
	y.put(y.ann.Login(), func(a *account.Account) { a.Credentials[0].Name = "renamed" })
	y.wantStates(4)
	y.revoke("renamed") // such a change looks at all mail of the account
	y.wantStates(4, 1)
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.wantStates(4, 1, 2, 3)
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Active })
	y.wantStates(4, 1)
	y.release(1, 0, 2)
	y.pause()
	y.wantStates(4)
}

// excusedTillNext: a release excuses from what was recalled until then, and from no
// recall or revocation that comes.
func excusedTillNext(y *story) {
	y.crowd()
	y.recall("password", all)
	y.release(1, 0, 2)
	y.pause()
	y.wantStates(4)
	y.revoke("printer")
	y.wantStates(4, 2)
	y.recall("password", all)
	y.wantStates(4, 1, 2)
	y.release(1, 0, 2)
	y.recall("password", func(c *account.Credential, revision int64) { c.RecallBut(revision, nil) })
	y.wantStates(4, 1, 2)
	y.release(1, 0, 2)
	y.pause()
	y.wantStates(4, 2)
	y.revoke("password")
	y.wantStates(4, 1, 2)
}

// excusedWhateverHeldIt: an administrator's own hold, released, excuses as well.
func excusedWhateverHeldIt(y *story) {
	y.crowd()
	expect.Got(y.s.Hold(expect.Within(y), queue.Filter{Submission: id("SUB", 2)}, "odd", audit.Event{At: start(), Kind: audit.DeliveryHeld}))(y)
	y.revoke("printer")
	y.release(2, 0, 2)
	y.pause()
	y.wantStates(4)
}

// othersAreLeft: of a submission whose recipients were released one by one, no change
// lets the others go.
func othersAreLeft(y *story) {
	y.crowd()
	y.recall("password", all)
	y.release(1, 1, 1)
	want := func(step string, first, second queue.State, reason string) {
		y.Helper()
		items := expect.Got(y.s.List(expect.Within(y), queue.Filter{Submission: id("SUB", 1)}))(y)
		if one, two := items[0].Delivery, items[1].Delivery; one.State != first || two.State != second || two.HoldReason != reason {
			y.Errorf("%s: got %s and %s (%s), want %s and %s (%s)", step, one.State, two.State, two.HoldReason, first, second, reason)
		}
	}
	want("released", queue.Queued, queue.Held, queue.HoldLeft)
	y.pause()
	want("resumed", queue.Queued, queue.Held, queue.HoldLeft)
	y.recall("password", all)
	want("recalled", queue.Held, queue.Held, queue.HoldLeft)
	y.release(1, 0, 2)
	y.pause()
	want("all released", queue.Queued, queue.Queued, "")
}

// stoppedIsLeftOut: what is of senders who may not send is released only where that is
// asked for, and goes with the resume.
func stoppedIsLeftOut(y *story) {
	y.crowd()
	y.revoke("printer")
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.wantStates(4, 1, 2, 3)
	for standing, want := range map[queue.Standing]int{queue.Stands: 2, queue.Stopped: 6, "": 8} {
		if n := len(expect.Got(y.s.List(expect.Within(y), queue.Filter{Standing: standing}))(y)); n != want {
			y.Errorf("%q lists %d, want %d", standing, n, want)
		}
	}
	e := audit.Event{At: start(), Kind: audit.DeliveryReleased}
	expect.Got(y.s.Hold(expect.Within(y), queue.Filter{Submission: id("SUB", 4)}, "odd", audit.Event{At: start(), Kind: audit.DeliveryHeld}))(y)
	if n := expect.Got(y.s.Release(expect.Within(y), queue.Filter{Standing: queue.Stands}, e))(y); n != 2 {
		y.Errorf("%d were released, want the 2 of bob", n)
	}
	y.wantStates(4, 1, 2, 3)
	if n := expect.Got(y.s.Release(expect.Within(y), queue.Filter{Standing: queue.Stopped, Submission: id("SUB", 1)}, e))(y); n != 2 {
		y.Errorf("%d were released, want the 2 that were asked for", n)
	}
	y.wantStates(4, 2, 3)
	expect.Must(y, y.s.RemoveAccount(expect.Within(y), y.ann.Login(), event("")))
	y.wantStates(4, 1, 2, 3)
	if n := expect.Got(y.s.Release(expect.Within(y), queue.Filter{Standing: queue.Stands}, e))(y); n != 0 {
		y.Errorf("%d of an account that is gone were released", n)
	}
}
