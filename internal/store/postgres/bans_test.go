package postgres

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/book"
	"countersign/internal/audit"
	"countersign/internal/feed"
	"countersign/internal/mail"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// watchman is two nodes, one of which bans, and the bans that the other knows.
type watchman struct {
	t         *testing.T
	here, far *member
	known     *book.Book
	bans      *access.Admin
}

func newWatchman(t *testing.T, opt feed.Options) *watchman {
	t.Helper()
	url := shared.Cluster(t).Database(t)
	w := &watchman{t: t, here: joinAs(t, url, "here"), far: joinAs(t, url, "far"), known: book.New(nil)}
	w.bans = access.NewAdmin(access.AdminOptions{Store: w.here, IDs: &mail.IDSource{}, Actor: "cli:test", Now: time.Now})
	told(t, w.far.Store, true)
	f := book.Follow(w.far, w.known, opt)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

// felt bans the n-th network and returns how long the far node takes to know.
func (w *watchman) felt(n int) time.Duration {
	w.t.Helper()
	p := netip.MustParsePrefix(fmt.Sprintf("10.1.%d.0/24", n))
	if _, err := w.bans.Add(w.t.Context(), access.Wanted{Prefix: p, Reason: "x"}); err != nil {
		w.t.Fatal(err)
	}
	return w.until(p.Addr(), true)
}

// until waits until the far node refuses a client, or does not any more.
func (w *watchman) until(client netip.Addr, want bool) time.Duration {
	w.t.Helper()
	for began := time.Now(); ; {
		hit := w.known.Hits(client, "")
		took := time.Since(began)
		if hit == want {
			return took
		}
		if took > time.Minute {
			w.t.Fatalf("not felt after %v", took)
		}
		runtime.Gosched()
	}
}

// TestBansAreFeltAtOnce measures how long a ban of one node takes to be known on another,
// which asks for nothing that it is not told of, and wants those who follow accounts to be
// left in peace.
func TestBansAreFeltAtOnce(t *testing.T) {
	w := newWatchman(t, onlyTold)
	accounts, _ := w.far.Changed()
	var all []time.Duration
	for n := range 50 {
		all = append(all, w.felt(n))
	}
	feltAtOnce(t, all)
	select {
	case <-accounts:
		t.Error("who follows accounts was woken by a ban")
	default:
	}
}

// TestLostNotificationsOfBans ends the connection that hears of changes again and again:
// each ban is felt within a second all the same.
func TestLostNotificationsOfBans(t *testing.T) {
	w := newWatchman(t, feed.Options{})
	var all []time.Duration
	for n := range 5 {
		w.here.change("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'")
		all = append(all, w.felt(n))
		told(t, w.far.Store, true)
		w.here.change(fmt.Sprintf("UPDATE ban SET ends = 1, change = change + 1 WHERE network = '10.1.%d.0/24'", n)) // of which nobody is told
		all = append(all, w.until(netip.MustParseAddr(fmt.Sprintf("10.1.%d.1", n)), false))
	}
	feltInTime(t, all)
}

// TestBansHoldUpNobody: a ban waits for no change of accounts, and a change of accounts
// for no ban.
func TestBansHoldUpNobody(t *testing.T) {
	w := newWatchman(t, feed.Options{})
	c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := w.here.db.Exclusive(c, "test", func(*server.Tx) error {
		_, err := w.bans.Add(c, access.Wanted{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Reason: "x"})
		return err
	})
	if err != nil {
		t.Errorf("a ban while accounts change: %v", err)
	}
	err = w.here.apart(w.here.banned, server.LockBansSQL).Change(c, "test", func(sqlkit.Writer) error {
		return w.far.Append(c, []audit.Event{{At: time.Now(), Kind: audit.ServerStarted}})
	})
	if err != nil {
		t.Errorf("mail while bans change: %v", err)
	}
}
