package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
)

// turns is a way to the server that counts how often we wait for it.
type turns struct {
	mu    sync.Mutex // guards what follows
	n     int
	asked bool // we were the last to say something
}

// said notes that we have said something, or the server has.
func (c *turns) said(we bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if we && !c.asked {
		c.n++
	}
	c.asked = we
}

// of returns how many turns something takes, at least: connections are looked at now and then.
func (c *turns) of(t *testing.T, do func() error) (least int) {
	t.Helper()
	for try := range 5 {
		c.mu.Lock()
		before := c.n
		c.mu.Unlock()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		if n := c.n - before; try == 0 || n < least {
			least = n
		}
		c.mu.Unlock()
	}
	return least
}

// pass passes on what one end says.
func (c *turns) pass(to, from net.Conn, we bool) {
	defer to.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			c.said(we)
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// countTurns returns the URL by which a database is reached where turns are counted.
func countTurns(t *testing.T, database string) (*turns, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	name, folder := ".s.PGSQL."+q.Get("port"), t.TempDir()
	far := filepath.Join(q.Get("host"), name)
	listener, err := net.Listen("unix", filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	c := new(turns)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", far)
			if err != nil {
				client.Close()
				continue
			}
			serving.Go(func() { c.pass(server, client, true) })
			serving.Go(func() { c.pass(client, server, false) })
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	q.Set("host", folder)
	u.RawQuery = q.Encode()
	return c, u.String()
}

// putSenders stores two accounts: one that has its own address alone, and one that may write under
// other domains too.
func putSenders(t testing.TB, s *Store) {
	t.Helper()
	ctx := t.Context()
	e := audit.Event{Kind: audit.AdminAdded}
	plain := account.Account{
		ID: "A", Address: mail.Address{Local: "plain", Domain: "one.example"}, State: account.Active, Plan: "gold",
		Credentials: []account.Credential{{ID: "C", Kind: account.Password, Name: "password", Secret: account.Secret{Hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"}}},
	}
	wide := account.Account{ID: "B", Address: mail.Address{Local: "wide", Domain: "one.example"}, State: account.Active}
	wide.Aliases = []mail.Address{{Local: "wide", Domain: "two.example"}}
	wide.Grants = []account.Granted{{Grant: account.Grant{Domain: "three.example"}, Manner: account.SendAs, Across: true}}
	for _, err := range []error{
		s.PutPlan(ctx, account.Plan{Name: "gold", State: account.Active}, e), s.PutPlan(ctx, account.Plan{Name: "basic", State: account.Active}, e),
		s.PutCustomer(ctx, account.Customer{Name: "acme", Plan: "basic", State: account.Active}, e),
		s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active}, e),
		s.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active}, e),
		s.PutDomain(ctx, account.Domain{Name: "two.example", Customer: "acme", State: account.Active}, e),
		s.PutDomain(ctx, account.Domain{Name: "three.example", Customer: "other", State: account.Active}, e),
		s.PutAccount(ctx, plain, e), s.PutAccount(ctx, wide, e),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAccountsAreReadInOneTurn: a login does not wait for the server more often than it has to.
func TestAccountsAreReadInOneTurn(t *testing.T) {
	c, url := countTurns(t, shared.Cluster(t).Database(t))
	s, err := Open(t.Context(), Options{URL: url, Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	putSenders(t, s)
	for name, q := range map[string]struct {
		most int
		do   func() error
	}{
		"proofs":            {1, func() error { _, err := s.Proofs(t.Context(), "plain@one.example"); return err }},
		"sender":            {1, func() error { return sends(s, "plain@one.example", 1, 0) }},
		"a sender for more": {2, func() error { return sends(s, "wide@one.example", 2, 1) }},
		"account":           {1, func() error { _, err := s.Account(t.Context(), "wide@one.example"); return err }},
		"accounts": {1, func() error {
			list, err := s.Accounts(t.Context(), account.AccountQuery{})
			if err == nil && len(list) != 2 {
				err = fmt.Errorf("there are %d accounts", len(list))
			}
			return err
		}},
	} {
		if n := c.of(t, q.do); n < 1 || n > q.most {
			t.Errorf("%s: %d turns, %d wanted", name, n, q.most)
		}
	}
}

// sends wants an account to be one that may write under so many domains of its own, and of others.
func sends(s *Store, login string, own, lent int) error {
	sender, err := s.Sender(context.Background(), login)
	if err == nil && (len(sender.Domains) != own || len(sender.Lent) != lent) {
		err = fmt.Errorf("%s may write under %v and %v", login, sender.Domains, sender.Lent)
	}
	return err
}

func BenchmarkSender(b *testing.B) {
	s := openBench(b)
	putSenders(b, s)
	for _, login := range []string{"plain@one.example", "wide@one.example"} {
		b.Run(login, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Sender(b.Context(), login); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
