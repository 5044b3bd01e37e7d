package app

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/access"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/limit"
	limitadmin "countersign/internal/limit/admin"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlkit/tables"
	"countersign/internal/testkit/pgcluster"
)

// place is a store for tests.
type place struct {
	t  testing.TB
	at config.Store
}

// inFile is a place for a database file that does not exist yet.
func inFile(t testing.TB) place {
	return place{t, config.Store{URL: "sqlite:" + filepath.Join(t.TempDir(), "data", "countersign.db")}}
}

// inDatabase is an empty database of a cluster.
func inDatabase(t testing.TB, c *pgcluster.Cluster) place {
	return place{t, config.Store{URL: c.Database(t)}}
}

// open opens it as a command does, with a clock, nil for time.Now.
func (p place) open(now func() time.Time) (Store, error) {
	if p.at.InPostgres() {
		return postgres.Open(p.t.Context(), postgres.Options{URL: p.at.URL, Now: now})
	}
	return sqlite.Open(p.t.Context(), sqlite.Options{Path: p.at.Path(), Now: now})
}

// config is that of a gate on it.
func (p place) config() *config.Config {
	c := &config.Config{DataDir: p.t.TempDir(), Hostname: "gate.example.org", Store: p.at}
	c.Node.ID = "gate-1"
	return c
}

// with opens it and does something.
func (p place) with(do func(Store)) {
	p.t.Helper()
	s, err := p.open(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	do(s)
	if err := s.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// exec runs a statement behind everybody's back.
func (p place) exec(text string) {
	p.t.Helper()
	var err error
	if p.at.InPostgres() {
		err = p.inPostgres(func(c *pgx.Conn) error {
			_, err := c.Exec(context.Background(), text)
			return err
		})
	} else {
		err = p.inSQLite(func(db *sql.DB) error {
			_, err := db.Exec(text)
			return err
		})
	}
	if err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
}

func (p place) inPostgres(do func(*pgx.Conn) error) error {
	c, err := pgx.Connect(context.Background(), p.at.URL)
	if err != nil {
		return err
	}
	defer c.Close(context.Background())
	return do(c)
}

func (p place) inSQLite(do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", "file:"+p.at.Path()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

// dump returns all rows of each table that is carried, as text, without the events
// that say that a store was copied. It asks the engines' own drivers, but for the large
// bodies; what else is to be asked of the store it does meanwhile.
func (p place) dump(also ...func(Store)) map[string][]string {
	p.t.Helper()
	all := map[string][]string{}
	for _, table := range tables.Carried() {
		// In SQLite a text that is none prints as its octets do.
		text := "SELECT " + strings.Join(table.Names(), ", ") + " FROM " + table.Name
		if table.Name == "event" {
			text += " WHERE kind <> 'store.copied'"
		}
		text += " ORDER BY " + strings.Join(table.Names()[:table.Keys], ", ")
		add := func(values []any) { all[table.Name] = append(all[table.Name], show(values)) }
		var err error
		if p.at.InPostgres() {
			err = p.inPostgres(func(c *pgx.Conn) error { return eachPostgres(c, text, add) })
		} else {
			err = p.inSQLite(func(db *sql.DB) error { return eachSQLite(db, text, add) })
		}
		if err != nil {
			p.t.Fatalf("%s: %v", text, err)
		}
	}
	p.with(func(s Store) {
		all["large bodies"] = largeBodies(p.t, s)
		for _, do := range also {
			do(s)
		}
	})
	return all
}

func eachPostgres(c *pgx.Conn, text string, add func([]any)) error {
	rows, err := c.Query(context.Background(), text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		add(values)
	}
	return rows.Err()
}

func eachSQLite(db *sql.DB, text string, add func([]any)) error {
	rows, err := db.Query(text)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			return err
		}
		add(values)
	}
	return rows.Err()
}

// show prints values; PostgreSQL has the texts that it cannot keep as the
// conversion makes them, and no difference between an empty blob and none.
func show(values []any) string {
	var b strings.Builder
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			if len(v) > 0 {
				fmt.Fprintf(&b, "%x|", v)
				continue
			}
			b.WriteString("<nil>|")
		case string:
			fmt.Fprintf(&b, "%q|", strings.ReplaceAll(strings.ToValidUTF8(v, "\ufffd"), "\x00", "\ufffd"))
		default:
			fmt.Fprintf(&b, "%v|", v)
		}
	}
	return b.String()
}

// largeBodies reads the large bodies by the store's own methods.
func largeBodies(t testing.TB, s Store) []string {
	t.Helper()
	items, err := s.List(t.Context(), queue.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, item := range items {
		if item.Delivery.N != 1 {
			continue
		}
		c, err := s.Content(t.Context(), item.Submission.ID)
		if err != nil {
			t.Fatal(err)
		}
		if c.Large == nil {
			continue
		}
		r, err := c.Large.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || r.Close() != nil || int64(len(text)) != c.Large.Size() {
			t.Fatalf("%d octets of %d: %v", len(text), c.Large.Size(), err)
		}
		all = append(all, string(item.Submission.ID)+" "+string(text))
	}
	return all
}

// filler fills a store by its public operations.
type filler struct {
	t   testing.TB
	s   Store
	ids mail.IDSource
	at  time.Time
	n   int
}

func (f *filler) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *filler) event(object string) audit.Event {
	return audit.Event{At: f.at, Kind: audit.AdminAdded, Actor: "test", Object: object}
}

// objects adds plans, customers, domains and accounts in all states.
func (f *filler) objects() {
	ctx := f.t.Context()
	for i, state := range []account.State{account.Active, account.Suspended} {
		name := string(state)
		f.must(f.s.PutPlan(ctx, account.Plan{Name: "plan-" + name, MaxRecipients: 3 + i, MaxMessageBytes: 1 << 40, MaxMessages: 5, State: state, Created: f.at}, f.event("plan")))
		f.must(f.s.PutCustomer(ctx, account.Customer{Name: "on-" + name, Plan: "plan-" + name, State: account.Active, Created: f.at}, f.event("customer")))
		f.must(f.s.PutCustomer(ctx, account.Customer{Name: name, State: state, Created: f.at}, f.event("customer")))
		for j, customer := range []string{"on-" + name, name} {
			domain := mail.Domain(fmt.Sprintf("d%d-%s.example", j, name))
			f.must(f.s.PutDomain(ctx, account.Domain{
				Name: domain, Customer: customer, State: state, Created: f.at,
				Keys: []account.Key{{Selector: "s1", Algorithm: "rsa", Public: "v=DKIM1; p=a", Sealed: []byte{0, 1, 255}, Created: f.at}, {Selector: "s2", Algorithm: "ed25519", Public: "p", Created: f.at}},
			}, f.event("domain")))
			address := func(local string) mail.Address { return mail.Address{Local: local, Domain: domain} }
			f.must(f.s.PutAccount(ctx, account.Account{
				ID: f.ids.New(), Address: address("Ann.é"), State: state, NullSender: j == 0, Legacy: j == 0, Directory: "elsewhere", Credentials: f.credentials(fmt.Sprint(name, j)),
				Aliases:    []mail.Address{address("sales"), address("info")},
				SenderMode: account.Shadow, Created: f.at,
				Grants: []account.Granted{
					{Grant: account.Grant{Domain: domain}, Manner: account.SendAs},
					{Grant: account.Grant{Address: address("boss")}, Manner: account.SendOnBehalf, Across: true, Until: f.at, Given: f.at, By: "cli:root", Because: "a \"merger\""},
				},
			}, f.event("account")))
			f.must(f.s.PutAccount(ctx, account.Account{ID: f.ids.New(), Address: address("bob"), State: account.Active, Created: f.at}, f.event("account")))
		}
	}
	f.must(f.s.PutCertificate(ctx, "account", []byte("sealed\x00")))
	f.must(f.s.PutCertificate(ctx, "empty", nil))
	bans := access.NewAdmin(access.AdminOptions{Store: f.s, IDs: &f.ids, Actor: "cli:filler", Now: func() time.Time { return f.at }})
	for _, w := range []access.Wanted{
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Reason: "for good"}, {Prefix: netip.MustParsePrefix("2001:db8::/48"), Login: "bob@a.example", Reason: "x", End: f.at.Add(time.Hour)},
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Reason: "lifted", Force: true},
	} {
		_, err := bans.Add(ctx, w)
		f.must(err)
	}
	f.at = f.at.Add(time.Second)
	_, err := bans.LiftOf(ctx, netip.MustParsePrefix("0.0.0.0/0"), netip.Addr{}, "")
	f.must(err)
	f.limits("bob@d0-active.example")
	f.at = f.at.Add(-time.Second)
}

// limits sets rules with all that one may have, and lifts one.
func (f *filler) limits(login string) {
	limits := limitadmin.New(limitadmin.Options{Store: f.s, IDs: &f.ids, Actor: "cli:filler", Now: func() time.Time { return f.at }})
	of := limit.Subject{Kind: limit.Account, Name: login}
	for _, w := range []limitadmin.Wanted{
		{For: limit.Subject{Kind: limit.Everything}, Because: "überall", Limits: []limit.Limit{{Measure: limit.Bytes, Window: limit.Month, Max: 1 << 60, Action: limit.Slow, Shadow: true, Share: 30}}},
		{For: of, Limits: []limit.Limit{{Measure: limit.Messages, Window: limit.Hour, Max: 5, Action: limit.Refuse}}},
		{For: of, Extra: true, End: f.at.Add(time.Hour), Limits: []limit.Limit{{Measure: limit.Messages, Window: limit.Hour, Max: 5, Action: limit.Defer}}},
		{For: of, Limits: []limit.Limit{{Measure: limit.Messages, Window: limit.Day, Max: 5, Action: limit.Defer}}},
	} {
		_, err := limits.Set(f.t.Context(), w)
		f.must(err)
	}
	_, err := limits.LiftOf(f.t.Context(), of, limit.Messages, limit.Day, false)
	f.must(err)
}

// credentials are one of each kind with all that one may have.
func (f *filler) credentials(of string) (list []account.Credential) {
	for i, kind := range account.CredentialKinds() {
		c := account.Credential{ID: f.ids.New(), Kind: kind, Name: string(kind), Created: f.at, Changed: f.at, Envelope: account.Envelope{
			Networks:   []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
			Senders:    []account.Grant{{Domain: "a.example"}, {Address: mail.Address{Local: "b b", Domain: "a.example"}}},
			Mechanisms: []string{"PLAIN", "LOGIN"}, MaxRecipients: 1, MaxMessageBytes: 2, MaxMessages: 3, Expires: f.at,
		}}
		if kind.Secret() {
			c.Secret = account.Secret{Hash: "$argon2id$v=19$m=7168,t=1,p=1$a$b", Cost: "argon2id m=7168,t=1,p=1", Former: []string{"$a", "$b"},
				Keys: []account.SecretKey{{Mechanism: "SCRAM-SHA-1", Value: "1,a,b,c"}, {Mechanism: "CRAM-MD5", Value: "x"}}}
		} else {
			c.Subject = fmt.Sprint(of, i)
		}
		list = append(list, c)
	}
	f.must(f.s.Used(f.t.Context(), nil))
	return list
}

// message accepts one with that many recipients and a body of that size, of an
// account where one is named.
func (f *filler) message(login string, recipients, size int) mail.ID {
	ctx := f.t.Context()
	f.n++
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: f.ids.New(), Session: f.ids.New(), At: f.at, Expires: f.at.Add(120 * time.Hour), Size: int64(size),
			Envelope: mail.Envelope{From: mail.Address{Local: "a b", Domain: "example.org"}, Size: 12, Body: mail.Body8Bit, SMTPUTF8: f.n%2 == 0, Return: mail.ReturnHeaders, EnvelopeID: "e+1"},
		},
		Content: queue.Content{Head: []byte("Subject: x\r\n\r\n")},
	}
	if login != "" {
		sender, err := f.s.Sender(ctx, login)
		f.must(err)
		a.Submission.Account, a.Submission.Login, a.Submission.Domain = sender.Account.ID, login, sender.Domain.Name
		a.Submission.Customer, a.Generation, a.Revision = sender.Customer.Name, sender.Generation, sender.Account.Revision
		a.Domains = []mail.Domain{sender.Domain.Name, "d0-active.example"}
	}
	for i := range recipients {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: a.Submission.ID, N: i + 1, State: queue.Queued, Next: f.at,
			Recipient: mail.Recipient{To: mail.Address{Local: fmt.Sprint("r", i), Domain: "there.example"}, Notify: mail.NotifyDelay, Original: "rfc822;x"},
		})
	}
	body := []byte(strings.Repeat("y", size%8) + strings.Repeat(fmt.Sprintf("%03d \xffx\r\n", f.n), size/8))
	if login != "" { // stays where it is, see halfFollowed
		body[0] = 0
	}
	if size > queue.InlineMax {
		file, err := f.s.NewBody(ctx)
		f.must(err)
		_, err = file.Write(body)
		f.must(err)
		f.must(file.Seal())
		a.Content.Large = file
	} else {
		a.Content.Body = body
	}
	a.Events = []audit.Event{{At: f.at, Kind: audit.Accepted, Submission: a.Submission.ID, Session: a.Submission.Session, Login: login, Data: map[string]string{"size": "1"}}}
	f.must(f.s.Accept(ctx, a))
	return a.Submission.ID
}

// waiting fills the queue with deliveries in every state.
func (f *filler) waiting() {
	ctx := f.t.Context()
	for i, size := range []int{0, 1, 4096, queue.InlineMax, queue.InlineMax + 1, 256 << 10, 300 << 10, 3 << 20} {
		id := f.message("", 3, size)
		f.must(f.s.Report(ctx, &queue.Report{
			Submission: id,
			Outcomes: []queue.Outcome{
				{N: 1, State: queue.Deferred, Result: queue.Result{At: f.at, Code: 451, Enhanced: "4.3.0", Text: "later", Remote: "mx [192.0.2.1]"}, Next: f.at.Add(time.Duration(i) * time.Hour), DelayReported: i%2 == 0},
				{N: 2, State: queue.Held, Result: queue.Result{At: f.at}, HoldReason: "policy"},
			},
			Events: []audit.Event{{At: f.at, Kind: audit.DeliveryDeferred, Submission: id, Delivery: 1, Code: 451, Enhanced: "4.3.0", Client: "192.0.2.1", Reason: "r", Text: "not \xff UTF-8, and \x00"}},
		}))
	}
	gone := f.message("", 1, 100<<10) // leaves nothing but its events
	f.must(f.s.Report(ctx, &queue.Report{Submission: gone, Outcomes: []queue.Outcome{{N: 1, State: queue.Delivered}}}))
}

// halfFollowed suspends an account with 250 waiting deliveries by a command that
// is cut off after its first portion.
func halfFollowed(p place) (login string) {
	p.t.Helper()
	login = "bob@d1-active.example"
	p.with(func(s Store) {
		f := &filler{t: p.t, s: s, at: time.Now()}
		for range 250 {
			f.message(login, 1, 10)
		}
	})
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	asked := 0
	s, err := p.open(func() time.Time {
		if asked++; asked == 4 {
			cancel()
		}
		return time.Now()
	})
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := s.Account(p.t.Context(), login)
	if err == nil {
		a.State = account.Suspended
		err = s.PutAccount(ctx, a, audit.Event{At: time.Now(), Kind: audit.AdminSuspended, Actor: "test", Object: "account " + login})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return login
}

// fillPlace does all that.
func fillPlace(p place) {
	p.t.Helper()
	p.with(func(s Store) {
		f := &filler{t: p.t, s: s, at: time.Now().Add(-24 * time.Hour).Truncate(time.Microsecond)}
		f.objects()
		f.waiting()
		f.message("bob@d1-active.example", 2, 50)
	})
}
