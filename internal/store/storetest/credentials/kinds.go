package credentials

import (
	"slices"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// found lists the submissions that a filter selects, each once.
func (y *story) found(f queue.Filter) (ids []mail.ID) {
	y.Helper()
	for _, item := range expect.Got(y.s.List(expect.Within(y), f))(y) {
		ids = append(ids, item.Submission.ID)
	}
	return slices.Compact(ids)
}

// kindsAreFound: what came under credentials of a kind is found as long as these are there,
// page by page, in a state.
func kindsAreFound(y *story) {
	y.settle()
	y.put(y.bob.Login(), func(a *account.Account) {
		a.Credentials = append(a.Credentials, subject(7, account.Certificate, "card", "cn:printer"), subject(8, account.Network, "net", "192.0.2.0/24"))
	})
	y.bob = expect.Got(y.s.Account(expect.Within(y), y.bob.Login()))(y)
	y.accept(1, y.ann, "password")
	y.accept(2, y.bob, "card")
	y.accept(3, y.bob, "net")
	y.accept(4, y.bob, "card")
	y.accept(5, y.bob, "")
	of := func(kind account.CredentialKind) queue.Filter { return queue.Filter{CredentialKind: string(kind)} }
	expect.Equal(y, "under certificates", y.found(of(account.Certificate)), []mail.ID{id("SUB", 2), id("SUB", 4)})
	expect.Equal(y, "under passwords", y.found(of(account.Password)), []mail.ID{id("SUB", 1)})
	expect.Equal(y, "under tokens", y.found(of(account.OAuth)), []mail.ID(nil))
	page := of(account.Certificate)
	page.Limit, page.After = 2, queue.Position{Submission: id("SUB", 2), N: 1}
	items := expect.Got(y.s.List(expect.Within(y), page))(y)
	if len(items) != 2 || items[0].Delivery.Submission != id("SUB", 2) || items[1].Delivery.Submission != id("SUB", 4) {
		y.Errorf("the next page has %d deliveries", len(items))
	}
	queued := of(account.Certificate)
	queued.State = queue.Queued
	expect.Got(y.s.Hold(expect.Within(y), queue.Filter{Submission: id("SUB", 2)}, "x", event("")))(y)
	expect.Equal(y, "queued under certificates", y.found(queued), []mail.ID{id("SUB", 4)})
	y.put(y.bob.Login(), func(a *account.Account) {
		a.Credentials = slices.DeleteFunc(a.Credentials, func(c account.Credential) bool { return c.Kind == account.Certificate })
	})
	expect.Equal(y, "under what is gone", y.found(of(account.Certificate)), []mail.ID(nil))
}

// certificateHoldStays: what is held as its certificate is on a list is not let go by a
// suspension that comes and goes, and goes when it is released.
func certificateHoldStays(y *story) {
	y.crowd()
	e := audit.Event{At: start(), Kind: audit.DeliveryHeld, Actor: "gate", Reason: queue.HoldCertificate}
	if n := expect.Got(y.s.Hold(expect.Within(y), queue.Filter{Submission: id("SUB", 2)}, queue.HoldCertificate, e))(y); n != 2 {
		y.Errorf("%d deliveries are held", n)
	}
	for _, state := range []account.State{account.Suspended, account.Active} {
		y.put(y.ann.Login(), func(a *account.Account) { a.State = state })
		expect.Equal(y, "what is held so", y.found(queue.Filter{Why: queue.HoldCertificate}), []mail.ID{id("SUB", 2)})
	}
	recorded := expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", 2), Kind: audit.DeliveryHeld, Reason: queue.HoldCertificate}))(y)
	if len(recorded) != 2 || recorded[0].Actor != "gate" {
		y.Errorf("recorded %+v", recorded)
	}
	if n := expect.Got(y.s.Release(expect.Within(y), queue.Filter{Submission: id("SUB", 2), Standing: queue.Stands}, event("")))(y); n != 2 {
		y.Errorf("%d deliveries are released", n)
	}
	y.wantStates(4)
}
