package gates

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"countersign/internal/loadgen"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
	"countersign/internal/testkit/placefile"
	"countersign/test/harness"
)

// appPassword is the credential that accounts log in with: it costs next to nothing.
const appPassword = "bench"

// kind is one gate, or what all of them are.
type kind struct {
	name string
	// config is what its configuration has in addition, commands are done beforehand, and
	// copies are made of what they did.
	config   string
	commands []string
	copies   []copies
}

// The kinds. All other tables of the configuration are in base.
const (
	nothing    = "nothing"
	everything = "all"
	doors      = "limits of connections"
)

// noGuard is for all but the guard, noLooks for all but alignment: no look at the domains beside what is
// measured.
const (
	noGuard = "[guard]\nmode = \"off\"\n"
	noLooks = "[alignment]\ncheck_every = \"0s\"\n"
)

// kinds are those whose cost together matters, nothing first, and each that is in all alone.
func kinds(countries string) (together, alone []kind) {
	alone = []kind{
		{name: "networks and bans", config: networksConfig(countries), commands: []string{
			"ban add 198.18.0.0/15 --shadow --because x", // the first, as the copies count on from the other
			"ban add 203.0.113.9 --for 24h --because x", "access deny 203.0.113.7 --because x", "access deny KP --because x",
			"access allow 198.18.0.0/15 --account " + testkit.Login + " --because x", "access allow DE --customer " + testkit.Customer + " --because x",
		}, copies: networks},
		{name: "guard", config: "[guard]\nmode = \"on\"\n"},
		{name: "limits", commands: []string{
			"limit set --account " + testkit.Login + " recipients/hour=1000000",
			"limit set --plan standard messages/hour=1000000 recipients/day=1000000",
			"limit set --each account messages/day=1000000",
			"limit set --each domain recipients/hour=1000000000 recipients/day=1000000000",
			"limit set --each customer recipients/hour=1000000000 recipients/day=1000000000",
			"limit set --each network messages/hour=1000000000 messages/day=1000000000",
			"limit set --everything recipients/hour=1000000000 recipients/day=1000000000",
			"limit set --each account recipients/message=100 bytes/message=10MiB messages/connection=1000000",
			"limit set --each account failed-share/day=20",
		}, copies: limits},
		{name: "identity", config: "[message]\naddresses_in_names = \"check\"\n", commands: []string{
			"grant add " + testkit.Login + " send-as team@" + string(testkit.Domain),
		}, copies: grants},
		{name: "alignment", config: "[alignment]\naction = \"hold\"\naddresses = [\"192.0.2.10\"]\nwait = \"5s\"\ncheck_every = \"0s\"\n"},
		{name: "ten rules", config: tenRules},
		{name: "a rule that matches", config: ruleThatMatches},
	}
	all := kind{name: everything}
	for _, k := range alone {
		all.config += k.config
		all.commands = append(all.commands, k.commands...)
		all.copies = append(all.copies, k.copies...)
	}
	return []kind{{name: nothing}, all, {name: doors, commands: []string{
		"limit set --each network connections/at-once=1000 connections/minute=1000",
		"limit set --each account connections/at-once=1000",
		"limit set --everything connections/at-once=100000",
	}}}, alone
}

// networksConfig asks one DNS list, and knows countries.
func networksConfig(countries string) string {
	return fmt.Sprintf(`[access]
countries = %q
dnsbl_action = "refuse"
dnsbl_pass = "nobody"
[[dnsbl]]
zone = "bl.example.net"
when_away = "open"
`, countries)
}

// tenRules are rules as hosters have them, none of which matches.
const tenRules = `
[[rule]]
name = "office"
at = "mail"
when = 'principal.customer == "bank" && !connection.client.in_network("198.51.100.0/24")'
verdict = "refuse"
because = "No"
[[rule]]
name = "old-tls"
at = "mail"
when = 'connection.tls == "1.2" && principal.plan != "legacy"'
verdict = "refuse"
because = "No"
[[rule]]
name = "young"
at = "mail"
when = 'counters.account_days < 3 && counters.session_messages > 1000000'
verdict = "refuse"
because = "No"
[[rule]]
name = "trial"
at = "rcpt"
when = 'principal.plan == "small" && counters.recipients > 20'
verdict = "refuse"
because = "No"
[[rule]]
name = "typos"
at = "rcpt"
when = 'envelope.recipient.domain() in ["gmial.com", "gmail.con", "hotmial.com"]'
verdict = "refuse"
because = "No"
[[rule]]
name = "large"
at = "data"
when = 'message.size > 20000000 && principal.plan != "large"'
verdict = "refuse"
because = "No"
[[rule]]
name = "many"
at = "data"
when = 'counters.recipients > 50 && !(principal.login in ["news@example.org"])'
verdict = "refuse"
because = "No"
[[rule]]
name = "subject"
at = "data"
when = 'message.subject.matches("(?i)^(invoice|rechnung) [0-9]+$") && principal.plan == "small"'
verdict = "refuse"
because = "No"
[[rule]]
name = "mailer"
at = "data"
when = 'message.header.first("X-Mailer").startsWith("Bulk 9")'
verdict = "refuse"
because = "No"
[[rule]]
name = "inside"
at = "data"
when = 'principal.customer == "school" && envelope.recipients.exists(r, r.domain() != principal.domain)'
verdict = "refuse"
because = "No"
`

// ruleThatMatches matches each recipient and lets them pass, as one does that makes exceptions for some.
const ruleThatMatches = `
[[rule]]
name = "everybody"
at = "rcpt"
when = 'principal.domain != "" && counters.recipients < 1000000'
verdict = "allow"
`

// base is what all gates have in their configuration: signatures, of which one costs more than all that is
// measured here, and deliveries are off, hashes cheap.
func base(dir string, dns *testkit.DNS) string {
	return fmt.Sprintf(`[session]
max_messages = 1000000
max_connections = 10000
[auth]
hash_memory = "7MiB"
hash_iterations = 1
scram_iterations = 4096
[dkim]
sign = false
key_file = %q
[delivery]
enabled = false
[dns]
servers = [%q]
`, filepath.Join(dir, "seal.key"), dns.Addr().String())
}

// nameServer knows all domains, and the DNS list, which has nobody.
func nameServer(b *testing.B) *testkit.DNS {
	d := testkit.NewDNS(b)
	for i := range domains {
		name := fmt.Sprintf("d%d.example.", i)
		d.Add(name+` 86400 IN TXT "v=spf1 ip4:192.0.2.10 -all"`, "_dmarc."+name+` 86400 IN TXT "v=DMARC1; p=reject"`)
	}
	d.Add("bl.example.net. 3600 IN SOA ns.example.net. x.example.net. 1 3600 3600 3600 3600", "2.0.0.127.bl.example.net. 3600 IN A 127.0.0.2")
	return d
}

// site is a gate that is measured.
type site struct {
	kind
	*harness.Gate
	// server is the id of the database server's first process; 0 where the gate has none.
	server int
}

// store is what differs between the engines.
type store struct {
	b *testing.B
	// config names the database of a gate.
	config func() string
	// open opens the database of a stopped gate.
	open func(s *harness.Gate) engine
	// adopt gives a stopped gate what the first one has, where its database has not.
	adopt func(first, s *harness.Gate)
	// settle is what the server does by itself within a minute, server that of site.
	settle string
	server int
}

// first makes the gate whose database all others copy: with 100,000 accounts, of which those that
// will send have logged in once, as that costs more the first time. It returns their password.
func (st *store) first(common, config string) (g *harness.Gate, password string) {
	b := st.b
	g = harness.Serve(b, harness.FreePort(b), common+noGuard+noLooks+config)
	g.Kill(syscall.SIGTERM)
	g.Admin("", "plan", "add", "standard")
	g.Admin("", "customer", "set", testkit.Customer, "--plan", "standard")
	said := g.Admin("", "credential", "add", testkit.Login, appPassword, "--app-password")
	_, rest, _ := strings.Cut(said, "password: ")
	password, _, _ = strings.Cut(rest, "\n")
	db := st.open(g)
	fill(b, db, everybody)
	db.close()
	g.Start()
	o := g.Load(active, 2)
	o.PerConnection, o.Size = 1, 200
	o.Change = func(n int, o *loadgen.Options) {
		o.Login, o.Password = sender(n), password
		o.From = o.Login
	}
	if result, err := loadgen.Run(b.Context(), o); err != nil || result.Accepted != active {
		b.Fatalf("the first logins: %+v, %v", result, err)
	}
	g.Kill(syscall.SIGTERM)
	return g, password
}

// site makes a gate of a kind, like the first, and starts it.
func (st *store) site(k kind, first *harness.Gate, common string) site {
	b := st.b
	if !strings.Contains(k.config, "[guard]") {
		common += noGuard
	}
	if !strings.Contains(k.config, "[alignment]") {
		common += noLooks
	}
	g := harness.Join(b, harness.FreePort(b), common+k.config+st.config())
	g.Kill(syscall.SIGTERM)
	st.adopt(first, g)
	text, err := os.ReadFile(g.Config)
	if err != nil {
		b.Fatal(err)
	}
	config := strings.NewReplacer(`level = "info"`, `level = "error"`, "kind = \"submissions\"\n", "kind = \"submissions\"\nproxies = [\"127.0.0.1\"]\n").Replace(string(text))
	if err := os.WriteFile(g.Config, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, c := range k.commands {
		g.Admin("", strings.Fields(c)...)
	}
	db := st.open(g)
	if k.copies != nil {
		fill(b, db, k.copies)
	}
	if st.settle != "" {
		if err := db.run(st.settle); err != nil {
			b.Fatal(err)
		}
	}
	db.close()
	g.Start()
	return site{k, g, st.server}
}

// measureAll measures all gates together, and then each alone: ten gates that wait ask the one
// server of their databases often enough to be felt, so that there are no more of them meanwhile.
func (st *store) measureAll(countries, common string, first *harness.Gate, password string) {
	together, alone := kinds(countries)
	start := func(list []kind) (sites []site) {
		for _, k := range list {
			sites = append(sites, st.site(k, first, common))
		}
		return sites
	}
	of := start(together)
	measure(st.b, ofAll, of, password)
	measure(st.b, ofEach, append(of[:1:1], start(alone)...), password)
}

// BenchmarkSQLite measures gates with an embedded database each.
func BenchmarkSQLite(b *testing.B) {
	once(b)
	dns, dir := nameServer(b), b.TempDir()
	st := &store{b: b, config: func() string { return "" }, open: func(g *harness.Gate) engine { return openSQLite(b, g) }}
	st.adopt = func(first, g *harness.Gate) {
		text, err := os.ReadFile(sqlitePath(first))
		if err == nil {
			err = errors.Join(os.RemoveAll(sqlitePath(g)+"-wal"), os.RemoveAll(sqlitePath(g)+"-shm"), os.WriteFile(sqlitePath(g), text, 0o600))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	common := base(dir, dns)
	first, password := st.first(common, "")
	openSQLite(b, first).close() // which leaves one file
	st.measureAll(countries(b, dir), common, first, password)
}

// BenchmarkPostgres measures gates with a database each on one server, with the durability that
// is the default.
func BenchmarkPostgres(b *testing.B) {
	once(b)
	dns, dir := nameServer(b), b.TempDir()
	common := base(dir, dns)
	var c *pgcluster.Cluster
	st := &store{b: b}
	on := func(url string) string { return fmt.Sprintf("[store]\nurl = %q\n[node]\nid = \"gate\"\n", url) }
	urls := map[string]string{} // by configuration
	var first *harness.Gate
	var password string
	c = pgcluster.Start(b, pgcluster.Options{
		Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"},
		Prepare: func(_ context.Context, url string) error {
			st.open = func(*harness.Gate) engine { return openPostgres(b, url) }
			first, password = st.first(common, on(url))
			return nil
		},
	})
	next := c.Database(b)
	st.config = func() string { next = c.Database(b); return on(next) }
	st.adopt = func(_, g *harness.Gate) { urls[g.Config] = next }
	st.open = func(g *harness.Gate) engine { return openPostgres(b, urls[g.Config]) }
	st.server, st.settle = serverOf(b, next), "VACUUM ANALYZE"
	st.measureAll(countries(b, dir), common, first, password)
}

// countries writes a file that has all clients in one country.
func countries(b *testing.B, dir string) string {
	path := filepath.Join(dir, "countries.mmdb")
	networks := map[string]string{"198.18.0.0/15": "DE"}
	for i := range 200 {
		networks[fmt.Sprintf("%d.0.0.0/16", 13+i%100)] = string([]byte{'A' + byte(i%26), 'A' + byte(i/26)})
	}
	placefile.Countries(b, path, networks)
	return path
}
