package postgres

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/feed"
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	"countersign/internal/limit/book"
	"countersign/internal/mail"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// bookkeeper is two nodes, one of which sets limits, and the limits that the other knows.
type bookkeeper struct {
	t         *testing.T
	here, far *member
	known     *book.Book
	limits    *admin.Admin
}

func newBookkeeper(t *testing.T, opt feed.Options) *bookkeeper {
	t.Helper()
	url := shared.Cluster(t).Database(t)
	k := &bookkeeper{t: t, here: joinAs(t, url, "here"), far: joinAs(t, url, "far"), known: book.New(nil)}
	k.limits = admin.New(admin.Options{Store: k.here, IDs: &mail.IDSource{}, Actor: "cli:test", Now: time.Now})
	told(t, k.far.Store, true)
	f := book.Follow(k.far, k.known, opt)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return k
}

// set sets a limit for a subject.
func (k *bookkeeper) set(ctx context.Context, of limit.Subject, most int64) error {
	_, err := k.limits.Set(ctx, admin.Wanted{For: of, Limits: []limit.Limit{{Max: most, Action: limit.Defer}}})
	return err
}

// felt wants the far node to have a limit for who sends, 0 for none, and returns how long
// that takes.
func (k *bookkeeper) felt(who limit.Who, want int64) time.Duration {
	k.t.Helper()
	for began := time.Now(); ; {
		have := int64(0)
		if levels := k.known.Levels(who); len(levels) > 0 {
			have = levels[0].Limits[0].Max
		}
		took := time.Since(began)
		if have == want {
			return took
		}
		if took > time.Minute {
			k.t.Fatalf("not felt after %v", took)
		}
		runtime.Gosched()
	}
}

// network is a subject that nothing has to be added for, and who sends from there.
func network(n int) (limit.Subject, limit.Who) {
	name := fmt.Sprintf("192.0.2.%d", n)
	return limit.Subject{Kind: limit.Network, Name: name}, limit.Who{Network: name}
}

// TestLimitsAreFeltAtOnce measures how long a limit of one node takes to be known on
// another, which asks for nothing that it is not told of, and wants those who follow
// accounts and bans to be left in peace.
func TestLimitsAreFeltAtOnce(t *testing.T) {
	k := newBookkeeper(t, onlyTold)
	accounts, _ := k.far.Changed()
	bans, _ := k.far.BansChanged()
	var all []time.Duration
	for n := range 50 {
		of, who := network(n)
		if err := k.set(t.Context(), of, 5); err != nil {
			t.Fatal(err)
		}
		all = append(all, k.felt(who, 5))
	}
	feltAtOnce(t, all)
	select {
	case <-accounts:
		t.Error("who follows accounts was woken by a limit")
	case <-bans:
		t.Error("who follows bans was woken by a limit")
	default:
	}
}

// TestLostNotificationsOfLimits ends the connection that hears of changes again and again:
// each limit is felt within a second all the same.
func TestLostNotificationsOfLimits(t *testing.T) {
	k := newBookkeeper(t, feed.Options{})
	var all []time.Duration
	for n := range 3 {
		of, who := network(n)
		k.here.change("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'")
		if err := k.set(t.Context(), of, 5); err != nil {
			t.Fatal(err)
		}
		all = append(all, k.felt(who, 5))
		told(t, k.far.Store, true)
		k.here.change(fmt.Sprintf("UPDATE limit_rule SET ends = 1, change = change + 1 WHERE name = '%s'", of.Name)) // of which nobody is told
		all = append(all, k.felt(who, 0))
	}
	feltInTime(t, all)
}

// TestLimitsEndEverywhere: those of an account that is removed are gone on another node,
// which is told of it.
func TestLimitsEndEverywhere(t *testing.T) {
	k := newBookkeeper(t, feed.Options{})
	ctx, e := t.Context(), audit.Event{At: time.Now(), Kind: audit.AdminAdded, Actor: "cli:test"}
	for _, err := range []error{
		k.here.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active}, e),
		k.here.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active}, e),
		k.here.PutAccount(ctx, account.Account{ID: "01K00000000000000000000001", Address: mail.Address{Local: "ann", Domain: "one.example"}, State: account.Active}, e),
		k.set(ctx, limit.Subject{Kind: limit.Account, Name: "ann@one.example"}, 5),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	who := limit.Who{Account: "ann@one.example"}
	k.felt(who, 5)
	if err := k.here.RemoveAccount(ctx, who.Account, e); err != nil {
		t.Fatal(err)
	}
	if took := k.felt(who, 0); took > time.Second {
		t.Errorf("felt after %v", took)
	}
}

// TestLimitsHoldUpNoMail: mail and bans go on while limits change, and limits change while
// mail is accepted.
func TestLimitsHoldUpNoMail(t *testing.T) {
	k := newBookkeeper(t, feed.Options{})
	c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := k.here.besideAccounts(k.here.limited).Change(c, "test", func(sqlkit.Writer) error {
		if err := k.far.Append(c, []audit.Event{{At: time.Now(), Kind: audit.ServerStarted}}); err != nil {
			return err
		}
		return k.far.db.Change(c, "test", func(t *server.Tx) error { return t.Exec(server.ShareAccountsSQL, nil) }) // as Accept does
	})
	if err != nil {
		t.Errorf("mail while limits change: %v", err)
	}
	err = k.here.db.Change(c, "test", func(tx *server.Tx) error {
		if err := tx.Exec(server.ShareAccountsSQL, nil); err != nil {
			return err
		}
		of, _ := network(1)
		return k.set(c, of, 5)
	})
	if err != nil {
		t.Errorf("a limit while mail is accepted: %v", err)
	}
}

// TestLimitsAndAccountsChangeApart: no limit is set while somebody may be removing what it
// is for, nor the other way round.
func TestLimitsAndAccountsChangeApart(t *testing.T) {
	k := newBookkeeper(t, feed.Options{})
	soon := func(change func(ctx context.Context) error) error {
		c, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		return change(c)
	}
	err := k.here.db.Exclusive(t.Context(), "test", func(*server.Tx) error {
		of, _ := network(1)
		if err := soon(func(c context.Context) error { return k.set(c, of, 5) }); err == nil {
			t.Error("a limit is set while accounts change")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = k.here.besideAccounts(k.here.limited).Change(t.Context(), "test", func(sqlkit.Writer) error {
		e := audit.Event{At: time.Now(), Kind: audit.AdminAdded, Actor: "cli:test"}
		if err := soon(func(c context.Context) error {
			return k.far.PutCustomer(c, account.Customer{Name: "acme", State: account.Active}, e)
		}); err == nil {
			t.Error("accounts change while a limit is set")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
