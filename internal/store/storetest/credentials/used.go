package credentials

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/store/storetest/expect"
)

// uses lists the uses of an account by credential.
func (y *story) uses(login string) []account.Use {
	y.Helper()
	list := expect.Got(y.s.Uses(expect.Within(y), login, 100))(y)
	slices.SortFunc(list, func(a, b account.Use) int { return strings.Compare(string(a.Credential), string(b.Credential)) })
	return list
}

func newestUseIsKept(y *story) {
	y.settle()
	expect.Must(y, y.s.Used(expect.Within(y), nil))
	expect.Equal(y, "at first", y.uses(y.ann.Login()), []account.Use(nil))
	u := use(1, 1)
	u.Client, u.Session, u.Mechanism, u.Program = netip.MustParseAddr("2001:db8::7"), id("SES", 1), "SCRAM-SHA-256-PLUS", "[192.0.2.7]"
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{u, use(2, 0)}))
	expect.Equal(y, "each", y.uses(y.ann.Login()), []account.Use{u, use(2, 0)})

	same, older, gone, newer := use(1, 1), use(1, 0), use(99, 9), use(2, 2)
	same.Program, newer.Client = "same", netip.MustParseAddr("::ffff:192.0.2.9")
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{same, older, gone, newer, use(2, 1)}))
	newer.Client = netip.MustParseAddr("192.0.2.9")
	expect.Equal(y, "the newest", y.uses(y.ann.Login()), []account.Use{u, newer})
}

// aheadFreezesNone: a node whose clock is wrong says that a credential was used at a time
// to come.
func aheadFreezesNone(y *story) {
	y.settle()
	if account.UseAhead != node.MaxSkew {
		y.Errorf("a use may lie %v ahead, and a clock %v", account.UseAhead, node.MaxSkew)
	}
	now := expect.Got(y.s.Clock(expect.Within(y)))(y).Truncate(time.Microsecond)
	at := func(t time.Time, session int) account.Use {
		return account.Use{Credential: id("CRE", 1), At: t.UTC(), Session: id("SES", session)}
	}
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{at(now.Add(48*time.Hour), 1)}))
	first := y.uses(y.ann.Login())
	if len(first) != 1 || first[0].Session != id("SES", 1) || first[0].At.Before(now) || first[0].At.After(now.Add(account.UseAhead)) {
		y.Fatalf("of a clock that is ahead %+v is kept, want about %v", first, now)
	}
	// Of another node, whose clock is right.
	next := at(first[0].At.Add(time.Microsecond), 2)
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{next}))
	expect.Equal(y, "the next", y.uses(y.ann.Login()), []account.Use{next})
	// Within what clocks may differ by, times are taken as they come.
	soon := at(now.Add(account.UseAhead/2), 3)
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{soon}))
	expect.Equal(y, "a bit ahead", y.uses(y.ann.Login()), []account.Use{soon})
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{at(now, 4)}))
	expect.Equal(y, "an older one", y.uses(y.ann.Login()), []account.Use{soon})
}

func usesAreListed(y *story) {
	y.settle()
	y.put(y.bob.Login(), func(a *account.Account) {
		for i := range 5 {
			a.Credentials = append(a.Credentials, secret(60+i, account.AppPassword, fmt.Sprint("app", i)))
		}
	})
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{use(60, 3), use(61, 1), use(62, 5), use(63, 2), use(1, 4), use(2, 6)}))
	expect.Equal(y, "of ann", y.uses(y.ann.Login()), []account.Use{use(1, 4), use(2, 6)})
	expect.Equal(y, "of bob", y.uses(y.bob.Login()), []account.Use{use(60, 3), use(61, 1), use(62, 5), use(63, 2)})
	expect.Equal(y, "of nobody", y.uses("nobody@one.example"), []account.Use(nil))
	latest := func(limit int) []account.Use { return expect.Got(y.s.Uses(expect.Within(y), "", limit))(y) }
	expect.Equal(y, "the latest", latest(3), []account.Use{use(2, 6), use(62, 5), use(1, 4)})
	expect.Equal(y, "all", latest(100), []account.Use{use(2, 6), use(62, 5), use(1, 4), use(60, 3), use(63, 2), use(61, 1)})
	var many []account.Use
	for i := range 200 { // of credentials that are there, and of many that are not
		many = append(many, use(60+i%150, 10+i))
	}
	expect.Must(y, y.s.Used(expect.Within(y), many))
	expect.Equal(y, "the newest of many", y.uses(y.bob.Login()), []account.Use{use(60, 160), use(61, 161), use(62, 162), use(63, 163), use(64, 164)})
	if n := len(expect.Got(y.s.Uses(expect.Within(y), y.bob.Login(), 2))(y)); n != 2 {
		y.Errorf("%d uses of bob within a limit of 2", n)
	}
}

func usesChangeNothing(y *story) {
	y.settle()
	generation := expect.Got(y.s.Generation(expect.Within(y)))(y)
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{use(1, 1)}))
	expect.Equal(y, "account", expect.Got(y.s.Account(expect.Within(y), y.ann.Login()))(y), y.ann)
	if now := expect.Got(y.s.Generation(expect.Within(y)))(y); now != generation {
		y.Errorf("generation %d after %d", now, generation)
	}
	expect.Must(y, y.s.PutAccount(expect.Within(y), y.ann, event(""))) // read before the use
}

func usesGo(y *story) {
	y.settle()
	expect.Must(y, y.s.PutAccount(expect.Within(y), full(), event("account")))
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{use(1, 1), use(2, 2), use(13, 3)}))
	y.put(y.ann.Login(), func(a *account.Account) { a.NullSender = true })
	expect.Equal(y, "after a change", y.uses(""), []account.Use{use(1, 1), use(2, 2), use(13, 3)})
	y.revoke("printer")
	expect.Equal(y, "after one was revoked", y.uses(""), []account.Use{use(1, 1), use(13, 3)})
	expect.Must(y, y.s.RemoveAccount(expect.Within(y), "full@one.example", event("")))
	expect.Equal(y, "after an account was removed", y.uses(""), []account.Use{use(1, 1)})
	expect.Must(y, y.s.Used(expect.Within(y), []account.Use{use(2, 9), use(13, 9)}))
	expect.Equal(y, "of what is gone", y.uses(""), []account.Use{use(1, 1)})
}

func goWithAccount(y *story) {
	y.settle()
	expect.Must(y, y.s.PutAccount(expect.Within(y), full(), event("account")))
	y.accept(1, y.ann, "printer")
	for _, login := range []string{"full@one.example", y.ann.Login()} {
		expect.Must(y, y.s.RemoveAccount(expect.Within(y), login, event("")))
		_, err := y.s.Proofs(expect.Within(y), login)
		expect.Kind(y, err, fault.NotFound, "proofs of "+login+": ")
	}
	expect.Equal(y, "costs", expect.Got(y.s.Costs(expect.Within(y)))(y), []string(nil))
	expect.Equal(y, "holders", y.holders(account.Certificate, "sha256:00ff"), []account.Holder(nil))
	y.wantHeld(1, 1)
	// Names, subjects and ids are free, but nobody speaks for the mail any more.
	again := y.ann
	again.ID, again.Revision = id("ACC", 8), 0
	again.Credentials = slices.Concat(y.ann.Credentials, full().Credentials[:1])
	expect.Must(y, y.s.PutAccount(expect.Within(y), again, event("")))
	y.put(again.Login(), func(a *account.Account) { a.State = account.Suspended })
	y.put(again.Login(), func(a *account.Account) { a.State = account.Active })
	y.wantHeld(1, 1)
}
