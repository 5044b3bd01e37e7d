package credentials

import (
	"slices"
	"strconv"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// accept stores the n-th message, of an account under its credential of that name,
// "" for none, to two recipients.
func (y *story) accept(n int, a account.Account, credential string) {
	y.Helper()
	y.acceptFrom(n, a, credential, a.Address, false)
}

// acceptFrom is accept from an address; others says that the header names more.
func (y *story) acceptFrom(n int, a account.Account, credential string, from mail.Address, others bool) {
	y.Helper()
	var under mail.ID
	for _, c := range a.Credentials {
		if c.Name == credential {
			under = c.ID
		}
	}
	if under == "" && credential != "" {
		y.Fatalf("%s has no credential %q", a.Login(), credential)
	}
	now := expect.Got(y.s.Account(expect.Within(y), a.Login()))(y)
	m := &queue.Acceptance{
		Submission: queue.Submission{
			ID: id("SUB", n), Account: a.ID, Credential: under, Login: a.Login(), Domain: a.Address.Domain, Customer: "acme",
			At: start(), Expires: start().Add(24 * time.Hour), Envelope: mail.Envelope{From: from},
		},
		Content:    queue.Content{Head: []byte("Subject: x\r\n\r\n"), Body: []byte("x\r\n")},
		Events:     []audit.Event{{At: start(), Kind: audit.Accepted, Submission: id("SUB", n), Login: a.Login()}},
		Generation: expect.Got(y.s.Generation(expect.Within(y)))(y), Revision: now.Revision, Domains: []mail.Domain{a.Address.Domain}, Others: others,
	}
	for i := range 2 {
		m.Deliveries = append(m.Deliveries, queue.Delivery{
			Submission: id("SUB", n), N: i + 1, State: queue.Queued, Next: start(),
			Recipient: mail.Recipient{To: at("r"+strconv.Itoa(i), "there.example")},
		})
	}
	expect.Must(y, y.s.Accept(expect.Within(y), m))
	if item := expect.Got(y.s.List(expect.Within(y), queue.Filter{Submission: id("SUB", n)}))(y)[0]; item.Submission.Credential != under {
		y.Errorf("message %d came under %q, want %q", n, item.Submission.Credential, under)
	}
}

// wantStates wants exactly the named of the first count messages to be held since they
// may not go any more, and the others to be queued.
func (y *story) wantStates(count int, held ...int) {
	y.Helper()
	for n := 1; n <= count; n++ {
		state := queue.Queued
		if slices.Contains(held, n) {
			state = queue.Held
		}
		for _, item := range expect.Got(y.s.List(expect.Within(y), queue.Filter{Submission: id("SUB", n)}))(y) {
			if d := item.Delivery; d.State != state || slices.Contains(queue.HoldsByChange(), d.HoldReason) != (state == queue.Held) {
				y.Errorf("message %d is %s for %q, want it to be %s", n, d.State, d.HoldReason, state)
			}
		}
	}
	stats := expect.Got(y.s.Stats(expect.Within(y)))(y)
	if stats.Held != 2*len(held) || stats.Queued != 2*(count-len(held)) || stats.Deferred != 0 {
		y.Errorf("got %+v, want %d of %d held", stats, 2*len(held), 2*count)
	}
}

// wantHeld is wantStates, and wants those to be due, and to be attempted, that are
// not held.
func (y *story) wantHeld(count int, held ...int) {
	y.Helper()
	y.wantStates(count, held...)
	due := map[queue.Key]bool{}
	for _, item := range expect.Got(y.s.Due(expect.Within(y), start(), queue.Position{}, 100))(y) {
		due[queue.Key{Submission: item.Delivery.Submission, N: item.Delivery.N}] = true
	}
	for n := 1; n <= count; n++ {
		keys := []queue.Key{{Submission: id("SUB", n), N: 1}, {Submission: id("SUB", n), N: 2}}
		waits, stays := expect.Got(y.s.Waiting(expect.Within(y), keys))(y), slices.Contains(held, n)
		for i, key := range keys {
			if waits[i] == stays || due[key] == stays {
				y.Errorf("message %d: due is %v, waiting %v", n, due[key], waits[i])
			}
		}
	}
}

// crowd accepts 1 and 2 of ann under her password and printer, 3 of ann under none,
// 4 of bob.
func (y *story) crowd() {
	y.Helper()
	y.settle()
	y.accept(1, y.ann, "password")
	y.accept(2, y.ann, "printer")
	y.accept(3, y.ann, "")
	y.accept(4, y.bob, "")
}

func revokedHolds(y *story) {
	y.crowd()
	y.wantHeld(4)
	y.revoke("printer")
	y.wantHeld(4, 2)
	e := expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", 2)}))(y)
	if len(e) != 2 || e[1].Kind != audit.DeliveryHeld || e[1].Reason != queue.HoldRevoked || e[1].Actor != "cli:root" ||
		e[1].Object != "account ann@one.example" || e[1].Login != y.ann.Login() || e[1].Data["deliveries"] != "2" {
		y.Errorf("on record are %+v", e)
	}
	for _, n := range []int{1, 3, 4} {
		if e := expect.Got(y.s.Search(expect.Within(y), audit.Query{Submission: id("SUB", n)}))(y); len(e) != 1 {
			y.Errorf("message %d: on record are %+v", n, e)
		}
	}
	y.put(y.ann.Login(), func(a *account.Account) { a.Credentials = nil })
	y.wantHeld(4, 1, 2)
}

func newMovesNothing(y *story) {
	y.crowd()
	y.revoke("printer")
	before := len(expect.Got(y.s.Search(expect.Within(y), audit.Query{}))(y))
	y.put(y.ann.Login(), func(a *account.Account) {
		a.Credentials = append(a.Credentials, secret(71, account.AppPassword, "printer"))
	})
	y.put(y.bob.Login(), func(a *account.Account) {
		a.Credentials = []account.Credential{secret(72, account.Password, "password")}
	})
	y.wantHeld(4, 2)
	if n := len(expect.Got(y.s.Search(expect.Within(y), audit.Query{}))(y)) - before; n != 2 {
		y.Errorf("two changes left %d events", n)
	}
}

func sameIDMovesNothing(y *story) {
	y.crowd()
	y.put(y.ann.Login(), func(a *account.Account) {
		for i := range a.Credentials {
			a.Credentials[i].Secret, a.Credentials[i].Changed = account.Secret{Hash: "$z$"}, start().Add(time.Hour)
		}
	})
	y.wantHeld(4)
	y.put(y.ann.Login(), func(a *account.Account) {
		i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.Name == "password" })
		a.Credentials[i].ID = id("CRE", 73)
	})
	y.wantHeld(4, 1)
}

func goneIsNotLetGo(y *story) {
	y.crowd()
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.wantHeld(4, 1, 2, 3)
	y.revoke("printer")
	y.wantHeld(4, 1, 2, 3)
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Active })
	y.wantHeld(4, 2)
	c := expect.Got(y.s.Customer(expect.Within(y), "acme"))(y)
	c.State = account.Suspended
	expect.Must(y, y.s.PutCustomer(expect.Within(y), c, event("")))
	y.wantHeld(4, 1, 2, 3, 4)
	c.State, c.Revision = account.Active, c.Revision+1
	expect.Must(y, y.s.PutCustomer(expect.Within(y), c, event("")))
	y.wantHeld(4, 2)
	// An account that takes one away and is resumed in one change.
	y.put(y.ann.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.put(y.ann.Login(), func(a *account.Account) { a.State, a.Credentials = account.Active, nil })
	y.wantHeld(4, 1, 2)
}
