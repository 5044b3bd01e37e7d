package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/queue"
	"countersign/internal/store/postgres"
	"countersign/internal/testkit"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// office is a site whose accounts also come in by tokens, certificates and networks.
type office struct {
	*site
	issuer    *harness.Issuer
	authority *testkit.Authority
	// cards and networks are the listeners of each gate that ask for certificates, and at which
	// networks count.
	cards, networks []string
}

// newOffice starts two gates on one database.
func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{site: &site{t: t}, authority: testkit.NewAuthority(t), issuer: harness.NewIssuer(t, filepath.Join(t.TempDir(), "keys.json"))}
	o.issuer.Accounts = "credential"
	ca := filepath.Join(t.TempDir(), "authority.pem")
	testkit.WriteCertificates(t, ca, o.authority)
	url, key, nowhere := shared.Cluster(t).Database(t), filepath.Join(t.TempDir(), "seal.key"), harness.FreePort(t)
	for i, start := range []func(testing.TB, string, string) *harness.Gate{harness.Serve, harness.Join} {
		cards, networks := harness.FreePort(t), harness.FreePort(t)
		o.cards, o.networks = append(o.cards, cards), append(o.networks, networks)
		const listener = "[[listener]]\nname = %q\nkind = \"submissions\"\naddress = [%q]\n"
		o.gates = append(o.gates, start(t, nowhere, "[auth]\nmechanisms = [\"OAUTHBEARER\", \"PLAIN\", \"EXTERNAL\"]\n"+o.issuer.Table()+
			fmt.Sprintf("[store]\nurl = %q\n[node]\nid = \"gate-%d\"\n[dkim]\nkey_file = %q\n", url, i, key)+
			fmt.Sprintf(listener+"client_ca_file = %q\nclient_names = [\"email\"]\n", "cards", cards, ca)+
			fmt.Sprintf(listener+"networks = \"on\"\n", "networks", networks)))
	}
	o.open(postgres.Open(t.Context(), postgres.Options{URL: url, Patience: 30 * time.Second}))
	return o
}

// at is the office for a subtest.
func (o *office) at(t *testing.T, w func(o *office) way) *office {
	part := *o
	part.site = &site{t: t, gates: o.gates, store: o.store}
	if w != nil {
		part.way = w(&part)
	}
	return &part
}

// byToken comes in by a token for the account.
func byToken(o *office) way {
	return func(g int, who, _ string) (*talk.Client, string) {
		o.t.Helper()
		c := talk.Open(o.t, o.gates[g])
		return c, c.Auth(c.By("OAUTHBEARER", talk.Key{Login: who, Token: o.issuer.Token(o.issuer.Claims(who))}))[:3]
	}
}

// byCertificate comes in by a certificate that names the account.
func byCertificate(o *office) way {
	return func(g int, who, _ string) (*talk.Client, string) {
		o.t.Helper()
		config := talk.Trust(o.t, o.gates[g])
		shown := o.authority.Client("somebody", func(c *x509.Certificate) { c.EmailAddresses = []string{who} })
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
		c := talk.Enter(o.t, o.cards[g], config)
		c.Send("AUTH EXTERNAL =\r\n")
		return c, c.Reply()[:3]
	}
}

// office's machine that cannot log in.
const machine = "127.0.0.77"

// byNetwork comes in from the machine's address, which shows at the first command of a message.
func byNetwork(o *office) way {
	return func(g int, who, _ string) (*talk.Client, string) {
		o.t.Helper()
		c, err := talk.Connect(machine, o.networks[g], talk.Trust(o.t, o.gates[g]))
		if err != nil {
			o.t.Fatal(err)
		}
		o.t.Cleanup(func() { c.Raw.Close() })
		c.T = o.t
		c.Send("MAIL FROM:<" + who + ">\r\n")
		code := c.Reply()[:3]
		if code == "250" {
			c.Say("RSET", "250 ")
			code = "235"
		}
		return c, code
	}
}

// ended is a change of what an account comes in by, or of what is above it.
type ended struct {
	name string
	// credential are the flags of "credential add"; "" where the password is the way in.
	credential string
	way        func(o *office) way
	// change is the command; object is what it changes, for the record. In both and in credential WHO is the
	// account, NAME the part of its domain that is its own.
	change, object string
}

func endings() []ended {
	return []ended{
		{"OAuth subject revoked", "--oauth example WHO", byToken, "credential revoke WHO it", "account WHO"},
		{"client certificate revoked", "--certificate email:WHO", byCertificate, "credential revoke WHO it", "account WHO"},
		{"network revoked", "--network " + machine + "/32", byNetwork, "credential revoke WHO it", "account WHO"},
		{"domain suspended", "", nil, "domain suspend NAME.example", "domain NAME.example"},
		{"customer suspended", "", nil, "customer suspend NAME", "customer NAME"},
		{"plan suspended", "", nil, "plan suspend NAME", "plan NAME"},
	}
}

// made returns when something was changed last, no earlier than since, by the record.
func (o *office) made(object string, since time.Time) time.Time {
	o.t.Helper()
	found, err := o.store.Search(o.t.Context(), audit.Query{Object: object, Kind: "admin.*", Since: since})
	if err != nil || len(found) == 0 {
		o.t.Fatalf("nothing is recorded of the change of %s: %v", object, err)
	}
	return found[len(found)-1].At
}

// above makes a plan, a customer and a domain of a name.
func (o *office) above(name string) {
	o.t.Helper()
	for _, line := range []string{"plan add NAME --max-recipients 100", "customer add NAME --plan NAME", "domain add NAME.example --customer NAME"} {
		o.gates[0].Admin("", strings.Fields(strings.ReplaceAll(line, "NAME", name))...)
	}
}

// TestEveryCredentialAndWhatIsAboveItOnTwoNodes: whatever an account comes in by, and whatever
// is suspended above it, is felt within a second on both gates, by open sessions, by logins, and
// by what waits.
func TestEveryCredentialAndWhatIsAboveItOnTwoNodes(t *testing.T) {
	all := newOffice(t)
	for i, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			o, name := all.at(t, e.way), fmt.Sprintf("part%d", i)
			who := fmt.Sprintf("user%d@example.org", i) // whose tokens are taken
			if e.credential == "" {
				who = "user@" + name + ".example"
				o.above(name)
			}
			named := strings.NewReplacer("WHO", who, "NAME", name)
			o.gates[0].Admin(harness.Password+"\n", "account", "add", who)
			if e.credential != "" {
				o.gates[0].Admin("", append([]string{"credential", "add", who, "it"}, credentialOf(named.Replace(e.credential))...)...)
			}
			o.ends(revocation{held: true, change: func(*site, string) time.Time {
				began := time.Now().Add(-time.Second) // the store's clock shows microseconds
				o.gates[0].Admin("", strings.Fields(named.Replace(e.change))...)
				return o.made(named.Replace(e.object), began)
			}}, who, harness.Password)
		})
	}
	t.Run("plan lowered", func(t *testing.T) { all.at(t, nil).lowers() })
}

// credentialOf splits a flag from its value, which may have blanks.
func credentialOf(text string) []string {
	flag, value, _ := strings.Cut(text, " ")
	return []string{flag, value}
}

// lowers lowers a plan: open sessions with both gates go on, within what it allows from then on,
// and so does what waits.
func (o *office) lowers() {
	t := o.t
	const who = "user@lowered.example"
	o.above("lowered")
	o.gates[0].Admin(harness.Password+"\n", "account", "add", who)
	var open []*talk.Client
	for g := range o.gates {
		open = append(open, o.login(g, who, harness.Password))
		talk.Accepted(t, open[g].SubmitAs(who, "b@example.com", talk.MessageOf(who, "one", "one")))
	}
	last := make(chan time.Time, len(open))
	refused := make(chan string, len(open))
	for _, c := range open {
		go func() {
			at, reply := seconds(c, who)
			last <- at
			refused <- reply
		}()
	}
	began := time.Now().Add(-time.Second)
	o.gates[0].Admin("", "plan", "set", "lowered", "--max-recipients", "1")
	at := o.made("plan lowered", began)
	for range open {
		if reply := <-refused; !strings.HasPrefix(reply, "452 4.5.3 ") {
			t.Errorf("the second recipient is answered with %q", reply)
		}
		end := <-last
		t.Logf("the last second recipient that was taken came %v after the change", end.Sub(at))
		if end.Sub(at) > felt || at.Sub(end) > felt/2 {
			t.Errorf("the last second recipient that was taken came %v after the change", end.Sub(at))
		}
	}
	for g, c := range open {
		c.Say("RSET", "250 ")
		if talk.QueuedAs(c.SubmitAs(who, "b@example.com", talk.MessageOf(who, "two", "two"))) == "" {
			t.Errorf("gate %d takes no message with one recipient", g)
		}
	}
	o.waiting(who, queue.Held, 0)
}

// seconds names recipients beside the first of a message, until one is refused, for a minute at
// most. It returns when the last one was named that was taken, and the refusal.
func seconds(c *talk.Client, who string) (last time.Time, reply string) {
	round := []string{"MAIL FROM:<" + who + ">"}
	for n := range 90 {
		round = append(round, fmt.Sprintf("RCPT TO:<b%d@example.com>", n))
	}
	round = append(round, "RSET")
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for first := time.Now(); time.Since(first) < time.Minute; {
		for i, line := range round {
			<-pace.C
			began := time.Now()
			reply, err := c.Ask(line)
			switch {
			case err != nil:
				return last, err.Error()
			case !strings.HasPrefix(reply, "250"):
				return last, reply
			case i > 1 && i <= 90:
				last = began
			}
		}
	}
	return last, "every one is taken"
}
