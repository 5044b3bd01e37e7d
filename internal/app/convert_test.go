package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/app/aligning"
	"countersign/internal/app/clients"
	"countersign/internal/app/directories"
	"countersign/internal/app/entrances"
	"countersign/internal/app/guarding"
	"countersign/internal/app/outgoing"
	"countersign/internal/app/passwords"
	"countersign/internal/app/rekeying"
	"countersign/internal/app/ruling"
	"countersign/internal/app/site"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/config/value"
	"countersign/internal/delivery"
	"countersign/internal/delivery/route"
	"countersign/internal/login"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/alignment"
	"countersign/internal/queue"
	"countersign/internal/smtpclient"
	"countersign/internal/smtpserver"
	"countersign/internal/smtpserver/bounds"
	"countersign/internal/submission"
	"countersign/internal/testkit"
	"countersign/internal/testkit/placefile"
)

// everyOption sets each option to a value that is not its default, and each
// number to one that no other has.
const everyOption = `hostname = "gate.example.org"
data_dir = "elsewhere"

[store]
url = "sqlite:book.db"
reserve = "77MiB"

[log]
level = "debug"
format = "json"

[metrics]
listen = "127.0.0.1:9601"

[web]
listen = ["127.0.0.1:9602"]
tls = "on"
certificates = ["paper"]
max_connections = 1011

[help]
url = "https://gate.example.org:9602/help"
name = "Example Hosting"
contact = "support@example.com"
phone = "+49 30 1234567"
page = "https://www.example.org/support"
pages = "pages"

[[listener]]
name = "front"
kind = "submission"
address = ["127.0.0.1:2601"]
certificates = ["own"]
min_tls = "1.2"
mechanisms = ["plain"]
networks = "on"
client_ca_file = "clients.pem"
client_crl_file = "clients.crl"
client_names = ["cn", "fingerprint"]

[[listener]]
name = "back"
kind = "submissions"
address = ["127.0.0.1:2602", "[::1]:2602"]
certificates = ["paper"]
min_tls = "1.3"
proxies = ["192.0.2.7", "2001:db8:7::/64"]

[node]
lease = "119s"

[guard]
mode = "shadow"
allow = ["192.0.2.8"]
window = "31h"
secrets = 30
names = 801
login_secrets = 802
login_networks = 199
close_for = "32h"
free_secrets = 7
delay = "29s"
max_delay = "59s"
ban_for = "33h"
max_ban = "34h"
known_for = "35h"
max_failures = 803001
max_known = 804001

[access]
countries = "countries.mmdb"
networks = "networks.mmdb"
dnsbl_action = "refuse"
dnsbl_at = "login"
dnsbl_score = 805
dnsbl_pass = "nobody"

[[dnsbl]]
zone = "bl.example.net"
name = "Example BL"
score = 806
codes = ["127.0.0.2=1"]
timeout = "9s"
when_away = "closed"
test = "off"

[[certificate]]
name = "own"
source = "self-signed"
hosts = ["own.example.org"]

[[certificate]]
name = "paper"
source = "files"
cert_file = "paper.crt"
key_file = "paper.key"

[[certificate]]
name = "auto"
source = "acme"
hosts = ["auto.example.org"]
directory = "https://acme.example.net/directory"
email = "post@example.net"
challenge = "http-01"
http_listen = "127.0.0.1:2603"
tls_listen = "127.0.0.1:2604"
ca_file = "paper.crt"
terms_agreed = true
rsa = true

[session]
greeting_timeout = "11s"
command_timeout = "12s"
login_timeout = "18s"
handshake_timeout = "13s"
data_progress_timeout = "14s"
data_timeout = "15s"
max_syntax_errors = 21
max_auth_failures = 22
max_refused_recipients = 23
max_connections = 24
max_connections_per_prefix = 25
max_connections_per_wide_network = 35
prefix_ipv4 = 26
prefix_ipv6 = 27
max_recipients = 28
max_message_size = "3MiB"
max_messages = 29
long_lines = "allow"
shutdown_grace = "16s"

[auth]
realm = "realm.example.org"
password_min_length = 61
password_min_score = 2
password_history = 9
breached_file = "breached.list"
mechanisms = ["plain", "login"]
scram_iterations = 5001
scram_iterations_former = [4096, 4097]
hash_memory = "9MiB"
hash_iterations = 3
hash_parallelism = 4
hash_workers = 5
hash_queue = 6
remember = "17s"

[[issuer]]
name = "login"
url = "https://login.example.net/"
accounts = "claim"
audiences = ["gate"]
domains = ["login.example"]
scopes = ["smtp"]
claim = "sub"
access_tokens_only = true
algorithms = ["ES512"]
jwks_url = "https://login.example.net/keys"
leeway = "91s"
ca_file = "paper.crt"
client_id = "us"
client_secret_file = "route.password"
introspection_url = "https://login.example.net/ask"
introspect_all = true
introspection_keep = "92s"

[[issuer]]
name = "file"
url = "https://file.example.net/"
audiences = ["gate"]
domains = ["file.example"]
jwks_file = "keys.jwks"
require_verified = true
client_id = "we"
client_secret_file = "route.password"
introspection_url = "https://file.example.net/ask"
introspection_keep = "93s"

[[directory]]
name = "panel"
kind = "http"
domains = ["panel.example"]
url = "https://panel.example.net"
key_file = "panel.key"
send_password = true
ca_file = "paper.crt"
timeout = "101ms"
connections = 102
failures = 103
remember = "107s"
pause = "104s"
ask_standing = false
max_new_accounts = 105
max_new_domains = 106
plans = ["gold"]

[[directory]]
name = "mailboxes"
kind = "dovecot"
url = "/run/mailboxes"
default_domain = "mailboxes.example"
trust_network = true
pass_challenges = true
tokens = false
external = true
certificates = "name"

[[directory]]
name = "people"
kind = "ldap"
url = "ldap://127.0.0.1"
start_tls = true
ca_file = "paper.crt"
bind_dn = "cn=gate"
password_file = "route.password"
search_base = "ou=people"
search_filter = "(mail={login})"
disabled_filter = "(off=yes)"
login_attribute = "mail"
password_attribute = "userPassword"
hashes = ["SSHA"]
plan_attribute = "plan"
customer_attribute = "o"
alias_attribute = "alias"
network_attribute = "network"
group_plans = ["gold=cn=gold"]
group_base = "ou=groups"
group_filter = "(member={dn})"
decoy_dn = "cn=nobody"

[[directory]]
name = "others"
kind = "ldap"
url = "ldap://127.0.0.1"
user_dn = "uid={local},ou=others"
login_attribute = "uid"

[[directory]]
name = "base"
kind = "sql"
url = "mysql://gate@127.0.0.1/base"
password_file = "route.password"
query = "SELECT login, password FROM t WHERE login = :login"
scheme = "CRYPT"
hashes = ["bcrypt:10", "BLF-CRYPT:10", "SHA512-CRYPT"]
customer = "panel"
create_domains = true
aliases = true

[message]
eight_bit_headers = "refuse"
addresses_in_names = "allow"
max_header_size = "31KiB"
max_received = 32

[limits]
warn_at = 71
notify = "ops@example.net"

[dkim]
key_file = "other.key"
sign = false

[queue]
retry = ["41s", "42s"]
lifetime = "43h"

[delivery]
enabled = false
hello = "out.example.org"
workers = 51
per_destination = 33
per_address = 34
attempt_timeout = "58m"
connect_timeout = "53s"
command_timeout = "54s"
data_timeout = "55s"
idle_timeout = "56s"
max_messages_per_connection = 57
source_ipv4 = "192.0.2.10"
source_ipv6 = "2001:db8::10"
ipv6 = true

[[rule]]
name = "every"
at = "data"
when = "message.size > 1"
verdict = "slow"
because = "For the test"
shadow = true
on_error = "defer"
delay = "17m"

[[route]]
domain = "example.com"
next_hop = "smtps://relay.example.net:4650"
username = "gate"
password = "word"
ca_file = "paper.crt"

[[route]]
domain = "example.net"
next_hop = "smtp://192.0.2.20:2525"
tls = "none"

[[route]]
domain = "example.edu"
next_hop = "smtp://relay.example.edu"
tls = "required"
username = "other"
password_file = "route.password"

[[route]]
domain = "*"
tls = "opportunistic"

[alignment]
action = "warn"
off_for = ["off.example.org"]
warn_for = ["warn.example.org"]
hold_for = ["hold.example.org"]
refuse_for = ["refuse.example.org"]
addresses = ["192.0.2.30", "2001:db8::30"]
spf_term = "include:spf.example.net"
wait = "2s"
check_every = "11h"

[rekey]
check_every = "12m"
settle = "13m"
keep = "14d"
delegate = "dkim.example.net"
renew = "15d"
server = "192.0.2.53"
zone = "example.net"
key_name = "gate"
key_file = "dns.key"

[dns]
servers = ["127.0.0.1:5301", "[::1]:5302"]
timeout = "7s"
`

// loadEvery loads everyOption beside the files that it names.
func loadEvery(t *testing.T) (cfg *config.Config, dir string) {
	t.Helper()
	dir = t.TempDir()
	openCertificates(t, dir, "paper", "second")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("countersign.toml", everyOption)
	authority := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, filepath.Join(dir, "clients.pem"), authority)
	testkit.WriteCRLs(t, filepath.Join(dir, "clients.crl"), authority.CRL(time.Now().Add(time.Hour), nil))
	write("route.password", "kept apart\n")
	placefile.Countries(t, filepath.Join(dir, "countries.mmdb"), map[string]string{"203.0.113.0/24": "DE"})
	placefile.Networks(t, filepath.Join(dir, "networks.mmdb"), map[string]uint32{"198.51.100.0/24": 64500})
	write("dns.key", strings.Repeat("QUJD", 8)+"\n")
	if err := os.Mkdir(filepath.Join(dir, "pages"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("pages/banned.html", "<p>Call us.</p>")
	write("breached.list", strings.Repeat("A", 40)+":1\n")
	write("panel.key", strings.Repeat("k", 64)+"\n")
	write("keys.jwks", `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)
	cfg, warnings, err := loading.Load(filepath.Join(dir, "countersign.toml"))
	// Every option has another value than usual, so that two do not go together.
	if err != nil || len(warnings) != 1 || !strings.Contains(fmt.Sprint(warnings[0]), "alignment.hold_for: nothing is held or refused with dkim.sign = false") {
		t.Fatal(warnings, err)
	}
	return cfg, dir
}

// openCertificates makes self-signed certificates NAME.crt for NAME.example.org.
func openCertificates(t *testing.T, dir string, names ...string) *cert.Manager {
	t.Helper()
	var specs []cert.Spec
	for _, n := range names {
		specs = append(specs, cert.Spec{Name: n, Source: cert.SourceSelfSigned, Hosts: []string{n + ".example.org"}})
	}
	m, err := cert.Open(t.Context(), specs, cert.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// option is one option in a Config.
type option struct {
	path  string // of the reference, without index: "session.max_messages"
	field reflect.StructField
	value reflect.Value
}

// options lists every option of c, those of lists once for each table.
func options(c *config.Config) []option {
	var all []option
	var add func(prefix string, table reflect.Value)
	add = func(prefix string, table reflect.Value) {
		for i := range table.NumField() {
			f, v := table.Type().Field(i), table.Field(i)
			path := prefix + f.Tag.Get("toml")
			switch {
			case f.Type.Kind() == reflect.Struct && f.Tag.Get("since") == "":
				add(path+".", v)
			case f.Type.Kind() == reflect.Slice && f.Tag.Get("since") == "":
				for j := range v.Len() {
					add(path+".", v.Index(j))
				}
			default:
				all = append(all, option{path, f, v})
			}
		}
	}
	add("", reflect.ValueOf(c).Elem())
	return all
}

// TestEveryOptionIsSet holds everyOption to what its comment says. delivery.ipv6
// is false in no file that has a source_ipv6 too, and node.id and three of [store]
// are for a store that the file of every option does not have.
func TestEveryOptionIsSet(t *testing.T) {
	cfg, _ := loadEvery(t)
	set, numbers := map[string]bool{"delivery.ipv6": true, "node.id": true}, map[string]string{}
	for _, name := range []string{"password_file", "connections", "patience"} {
		set["store."+name] = true
	}
	all := options(cfg)
	for _, o := range all {
		initial, hasDefault := o.field.Tag.Lookup("default")
		text := fmt.Sprint(o.value)
		if o.value.IsZero() && !hasDefault || hasDefault && text == initial {
			continue
		}
		set[o.path] = true
		if o.value.CanInt() {
			if other := numbers[text]; other != "" {
				t.Errorf("%s and %s are both %s", o.path, other, text)
			}
			numbers[text] = o.path
		}
	}
	for _, o := range all {
		if !set[o.path] {
			t.Errorf("%s has its default everywhere", o.path)
		}
	}
}

// equal fails with both values unless they are the same in every field.
func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%T:\n got %+v\nwant %+v", want, got, want)
	}
}

func TestLimitsOfTheConfiguration(t *testing.T) {
	cfg, _ := loadEvery(t)
	equal(t, SessionLimits(cfg), bounds.Limits{
		Timeouts: bounds.Timeouts{
			Greeting: 11 * time.Second, Command: 12 * time.Second, Login: 18 * time.Second, Handshake: 13 * time.Second,
			DataProgress: 14 * time.Second, DataTotal: 15 * time.Second,
		},
		MaxErrors: 21, MaxAuthFailures: 22, MaxRefusedRecipients: 23,
		MaxConnections: 24, MaxPerPrefix: 25, MaxPerWide: 35, PrefixV4: 26, PrefixV6: 27,
		MaxRecipients: 28, MaxMessages: 29, MaxMessageBytes: 3 << 20, LongLines: true,
	})
	cfg.Session.LongLines = "refuse"
	if SessionLimits(cfg).LongLines {
		t.Error("long lines pass although they are refused")
	}
}

func TestPolicyOfTheConfiguration(t *testing.T) {
	cfg, _ := loadEvery(t)
	want := submission.Policy{Mechanisms: []string{"PLAIN", "LOGIN"}, MaxHeaderBytes: 31 << 10, MaxReceived: 32, Lifetime: 43 * time.Hour, WarnAt: 71, WarnTo: mail.Address{Local: "ops", Domain: "example.net"}}
	want.Alignment = alignment.Rules{Default: alignment.Warn, Domains: map[mail.Domain]alignment.Action{
		"off.example.org": alignment.Off, "warn.example.org": alignment.Warn, "hold.example.org": alignment.Hold, "refuse.example.org": alignment.Refuse,
	}}
	equal(t, Policy(cfg), want)
	cfg.Message.EightBitHeaders, cfg.Message.AddressesInNames, cfg.DKIM.Sign = "encode", "check", true
	want.EncodeHeaders, want.CheckNames, want.Sign = true, true, true
	cfg.Alignment.Action, want.Alignment.Default = "refuse", alignment.Refuse
	equal(t, Policy(cfg), want)
}

func TestPasswordsOfTheConfiguration(t *testing.T) {
	cfg, _ := loadEvery(t)
	equal(t, hasherOptions(cfg), secrets.HasherOptions{
		Params:  hash.Params{MemoryKiB: 9 << 10, Iterations: 3, Parallelism: 4},
		Workers: 5, Queue: 6,
	})
	equal(t, makerOptions(cfg), secrets.MakerOptions{Iterations: 5001, FormerIterations: []int{4096, 4097}, Realm: "realm.example.org"})
	verifying := login.Options{Remember: 17 * time.Second, ByClaim: map[string]bool{"login": true}}
	verifying.Hashes.Said = map[string][]hash.Cost{"people": kinds(t, "SSHA"), "base": kinds(t, "bcrypt:10", "SHA512-CRYPT")}
	equal(t, VerifierOptions(cfg), verifying)
}

// kinds are what hashes of some kinds cost.
func kinds(t *testing.T, texts ...string) (list []hash.Cost) {
	t.Helper()
	for _, text := range texts {
		c, err := hash.ParseKind(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

func TestCertificatesOfTheConfiguration(t *testing.T) {
	cfg, dir := loadEvery(t)
	paper := filepath.Join(dir, "paper.crt")
	specs := certSpecs(cfg)
	// What does not count for a source is not compared.
	specs[0].ACME, specs[1].ACME, specs[1].Hosts = cert.ACMEOptions{}, cert.ACMEOptions{}, nil
	equal(t, specs, []cert.Spec{
		{Name: "own", Source: cert.SourceSelfSigned, Hosts: []string{"own.example.org"}},
		{Name: "paper", Source: cert.SourceFiles, CertFile: paper, KeyFile: filepath.Join(dir, "paper.key")},
		{Name: "auto", Source: cert.SourceACME, Hosts: []string{"auto.example.org"}, ACME: cert.ACMEOptions{
			DirectoryURL: "https://acme.example.net/directory", Email: "post@example.net", AgreeTerms: true, RSA: true,
			Challenge: cert.ChallengeHTTP, HTTPListen: "127.0.0.1:2603", ALPNListen: "127.0.0.1:2604", RootCAsFile: paper,
		}},
	})
}

func TestDeliveryOfTheConfiguration(t *testing.T) {
	cfg, dir := loadEvery(t)
	got, err := outgoing.Options(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool := rootsOf(t, filepath.Join(dir, "paper.crt"))
	if got.Resolver == nil || !pool.Equal(got.Routes[0].RootCAs) {
		t.Errorf("resolver %v, roots %v", got.Resolver, got.Routes[0].RootCAs)
	}
	got.Resolver, got.Routes[0].RootCAs = nil, nil
	want := delivery.Options{
		Hostname: "gate.example.org", Hello: "out.example.org",
		Routes: []route.Route{
			{Domain: "example.com", Host: "relay.example.net", Port: 4650, ImplicitTLS: true, TLS: smtpclient.TLSRequired, Username: "gate", Password: "word"},
			{Domain: "example.net", Host: "192.0.2.20", Port: 2525, TLS: smtpclient.TLSNone},
			{Domain: "example.edu", Host: "relay.example.edu", Port: 25, TLS: smtpclient.TLSRequired, Username: "other", Password: "kept apart"},
			{Domain: "*", TLS: smtpclient.TLSOpportunistic},
		},
		Schedule: queue.Schedule{Retry: []time.Duration{41 * time.Second, 42 * time.Second}, Lifetime: 43 * time.Hour},
		Limits:   delivery.Limits{Workers: 51, PerDestination: 33, PerAddress: 34, MessagesPerConnection: 57, IdleTimeout: 56 * time.Second},
		Timeouts: smtpclient.Timeouts{
			Greeting: 54 * time.Second, Handshake: 53 * time.Second, Command: 54 * time.Second,
			DataStart: 54 * time.Second, DataEnd: 55 * time.Second,
		},
		ConnectTimeout: 53 * time.Second, AttemptTimeout: 58 * time.Minute, IPv6: true,
		SourceIPv4: netip.MustParseAddr("192.0.2.10"), SourceIPv6: netip.MustParseAddr("2001:db8::10"),
	}
	equal(t, got, want)
	cfg.Delivery.IPv6, cfg.Delivery.IdleTimeout = false, 0
	got, err = outgoing.Options(cfg)
	if err != nil || got.IPv6 || got.Limits.IdleTimeout >= 0 {
		t.Errorf("IPv6 %v, idle %v, %v", got.IPv6, got.Limits.IdleTimeout, err)
	}
}

// rootsOf reads a file of certificates.
func rootsOf(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate (%v)", file, err)
	}
	return pool
}

func TestRouteWithoutItsRootsIsRefused(t *testing.T) {
	cfg, dir := loadEvery(t)
	for _, file := range []string{filepath.Join(dir, "nowhere.pem"), filepath.Join(dir, "route.password")} {
		cfg.Routes[0].CAFile = file
		if _, err := outgoing.Options(cfg); err == nil || !strings.Contains(err.Error(), "example.com") || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestResolverOfTheConfiguration also sees a question arrive, so that the
// options are those of the resolver in use.
func TestResolverOfTheConfiguration(t *testing.T) {
	cfg, _ := loadEvery(t)
	equal(t, outgoing.Resolver(cfg), mx.ClientOptions{
		Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5301"), netip.MustParseAddrPort("[::1]:5302")},
		Timeout: 7 * time.Second,
	})
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cfg.DNS.Servers = []config.Resolver{{AddrPort: netip.MustParseAddrPort(server.LocalAddr().String())}}
	cfg.DNS.Timeout = config.Duration(100 * time.Millisecond) // it is waited for in vain
	opt, err := outgoing.Options(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, _, err := server.ReadFrom(make([]byte, 512))
		asked <- err
		cancel()
	}()
	if _, err := opt.Resolver.LookupMX(ctx, "example.org"); err == nil {
		t.Error("an answer out of nothing")
	}
	if err := server.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err != nil {
		t.Errorf("the server of the configuration was not asked: %v", err)
	}
}

// listenerView is what a ListenerConfig comes to, in a form that compares.
type listenerView struct {
	Name    string
	Kind    smtpserver.ListenerKind
	Proxies []netip.Prefix
	MinTLS  uint16
	// Shown is the name in the certificate for a client that asks for none.
	Shown string
}

func viewListener(t *testing.T, a *App, l config.Listener) listenerView {
	t.Helper()
	lc, err := a.listenerConfig(l)
	if err != nil {
		t.Fatal(err)
	}
	v := listenerView{Name: lc.Name, Kind: lc.Kind, Proxies: lc.Proxies, MinTLS: lc.TLS().MinVersion}
	chosen, err := lc.TLS().GetCertificate(&tls.ClientHelloInfo{
		SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256}, SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256},
	})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chosen.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	v.Shown = strings.Join(leaf.DNSNames, " ")
	return v
}

func TestListenersOfTheConfiguration(t *testing.T) {
	cfg, dir := loadEvery(t)
	a := &App{clients: new(clients.Set), certs: openCertificates(t, dir, "own", "paper")}
	equal(t, viewListener(t, a, cfg.Listeners[0]), listenerView{
		Name: "front", Kind: smtpserver.Submission, MinTLS: tls.VersionTLS12, Shown: "own.example.org",
	})
	equal(t, viewListener(t, a, cfg.Listeners[1]), listenerView{
		Name: "back", Kind: smtpserver.Submissions, MinTLS: tls.VersionTLS13, Shown: "paper.example.org",
		Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8:7::/64")},
	})
	cfg.Listeners[0].Certificates = []string{"unknown"}
	if _, err := a.listenerConfig(cfg.Listeners[0]); err == nil || !strings.Contains(err.Error(), "front") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// elsewhere names the options that convert.go does not handle, with what
// does and the test that proves it.
var elsewhere = map[string]string{
	"data_dir":                  "App.openStore, openCertificates: TestPlacesOfTheConfiguration",
	"store.url":                 "OpenStore: TestPlacesOfTheConfiguration",
	"store.reserve":             "App.openSpace, Reload: TestReserveIsReloaded",
	"store.password_file":       "OpenStore: TestGateOnPostgres",
	"store.connections":         "openEngine: TestStoreOptionsReachTheDatabase",
	"store.patience":            "openEngine: TestStoreOptionsReachTheDatabase",
	"node.id":                   "joinNode: TestDrainedGateStaysUp",
	"node.lease":                "joinNode: TestDrainedGateStaysUp",
	"log.level":                 "New, Reload: TestPlacesOfTheConfiguration",
	"log.format":                "New: TestPlacesOfTheConfiguration",
	"web.listen":                "package app/site: TestOpen",
	"web.tls":                   "package app/site: TestEncrypted",
	"web.certificates":          "package app/site: TestOpen",
	"web.max_connections":       "package app/site: TestMaxConnections",
	"metrics.listen":            "App.openMetrics: TestPlacesOfTheConfiguration",
	"listener.address":          "App.openListeners: TestListenersShareAPort",
	"dkim.key_file":             "OpenSealer: TestPlacesOfTheConfiguration",
	"delivery.enabled":          "App.startDelivery, offer: TestPlacesOfTheConfiguration",
	"session.shutdown_grace":    "package cli, when the server is told to stop",
	"directory.kind":            "package app/directories",
	"directory.ask_standing":    "package app/directories: TestAskStanding",
	"directory.pass_challenges": "package app/directories",
	"directory.certificates":    "package app/directories: TestWhatADovecotIsAsked",
	"directory.key_file":        "package app/directories: TestTheFirstLoginMakesTheAccount",
	"alignment.check_every":     "package app/aligning: TestRun",
	"auth.breached_file":        "package app/passwords",
	"route.password_file":       "package config, which makes route.password of it",
}

// everything is what convert.go and its neighbours make of a configuration, in a form that
// compares. Of a route's roots it holds whether
// there are any, and whether they are those of paper.
func everything(t *testing.T, a *App, c *config.Config, paper *x509.CertPool) []any {
	t.Helper()
	opt, err := outgoing.Options(c)
	if err != nil {
		t.Fatal(err)
	}
	opt.Resolver = nil
	var trusted [][2]bool
	for i := range opt.Routes {
		pool := opt.Routes[i].RootCAs
		trusted = append(trusted, [2]bool{pool != nil, paper.Equal(pool)})
		opt.Routes[i].RootCAs = nil
	}
	judge, err := aligning.Judge(c)
	if err != nil {
		t.Fatal(err)
	}
	pages, noPages := site.Help(c, "")
	turning, unread := rekeying.Configured(c, nil)
	all := []any{pages, fmt.Sprint(noPages), turning, fmt.Sprint(unread), judge.Sending, aligning.Checking(c), SessionLimits(c), Policy(c), ruling.Specs(c), hasherOptions(c), passwords.Options(c), issuers(c), makerOptions(c), VerifierOptions(c), certSpecs(c), outgoing.Resolver(c), opt, trusted, guarding.Rules(&c.Guard), guarding.Lengths(&c.Guard), entrances.Files(c), entrances.Rules(c), entrances.Lists(c)}
	for i := range c.Directories {
		d := &c.Directories[i]
		all = append(all, directories.Guarding(d), directories.Ruling(d), directories.Remembering(d), directories.Callback(d, nil), directories.Dovecot(d), directories.LDAP(d), directories.Database(d))
	}
	for _, l := range c.Listeners {
		all = append(all, viewListener(t, a, l), clients.Options(l))
	}
	return append(all, a.clients.Listeners(c))
}

// TestNoOptionIsWithoutEffect changes one option after the other and wants a
// change in what convert.go and its neighbours make, unless elsewhere has it. A new option fails
// here until one of both is the case.
func TestNoOptionIsWithoutEffect(t *testing.T) {
	cfg, dir := loadEvery(t)
	a := &App{clients: new(clients.Set), certs: openCertificates(t, dir, "own", "paper", "second")}
	var pem []byte
	for _, name := range []string{"paper.crt", "second.crt"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, text...)
	}
	both := filepath.Join(dir, "both.pem")
	if err := os.WriteFile(both, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	paper := rootsOf(t, filepath.Join(dir, "paper.crt"))
	before := everything(t, a, cfg, paper)
	used := map[string]bool{}
	for _, o := range options(cfg) {
		old := reflect.New(o.value.Type()).Elem()
		old.Set(o.value)
		change(t, o, both)
		different := !reflect.DeepEqual(before, everything(t, a, cfg, paper))
		o.value.Set(old)
		used[o.path] = true
		switch where := elsewhere[o.path]; {
		case different && where != "":
			t.Errorf("%s is listed as handled elsewhere, in %s", o.path, where)
		case !different && where == "":
			t.Errorf("%s = %v has no effect", o.path, old)
		}
	}
	for path := range elsewhere {
		if !used[path] {
			t.Errorf("%s is no option", path)
		}
	}
}

// change gives an option another value of its kind. roots is a file of two
// certificates.
func change(t *testing.T, o option, roots string) {
	t.Helper()
	switch v := o.value.Addr().Interface().(type) {
	case *netip.Addr:
		*v = netip.MustParseAddr("203.0.113.9")
	case *[]netip.Addr:
		*v = append(slices.Clone(*v), netip.MustParseAddr("203.0.113.9"))
	case *value.NextHop:
		*v = value.NextHop{Scheme: "smtp", Host: "changed.example", Port: 26}
	case *[]value.Prefix:
		*v = append(slices.Clone(*v), value.Prefix{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
	case *value.Resolver:
		v.AddrPort = netip.MustParseAddrPort("192.0.2.99:53")
	case *[]value.Resolver:
		*v = append(slices.Clone(*v), value.Resolver{AddrPort: netip.MustParseAddrPort("203.0.113.9:53")})
	case *[]value.Duration:
		*v = append(slices.Clone(*v), value.Duration(time.Minute))
	case *[]string:
		*v = []string{"second"}
		if o.path == "directory.hashes" { // where a word that is none counts for nothing
			*v = []string{"bcrypt:9"}
		}
	case *[]int:
		*v = append(slices.Clone(*v), 99)
	case *bool:
		*v = !*v
	case *int:
		*v++
	case *value.Duration:
		*v += value.Duration(time.Second)
	case *value.Size:
		*v += 1 << 10
	case *value.Secret:
		*v += "changed"
	case *string:
		*v = otherWord(o, *v, roots)
	default:
		t.Fatalf("%s is of type %s, which this test cannot change", o.path, o.value.Type())
	}
}

// otherWord returns another string for an option that holds old.
func otherWord(o option, old, roots string) string {
	if o.path == "route.ca_file" {
		return roots
	}
	for word := range strings.SplitSeq(o.field.Tag.Get("oneof"), ",") {
		if word != old && word != "" {
			return word
		}
	}
	return "changed.example"
}

// TestPlacesOfTheConfiguration starts a gate with the options that say where
// things are and whether they run.
func TestPlacesOfTheConfiguration(t *testing.T) {
	cfg, dir := loadEvery(t)
	free(t, cfg)
	var log lines
	a, err := New(cfg, Options{Version: "test", Stderr: &log})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.Stop(context.Background())
	for _, file := range []string{"book.db", "other.key", "elsewhere/own.crt"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	if a.offer() != nil {
		t.Error("messages are offered although delivery is switched off")
	}
	a.Logger().Debug("a fine point")
	for _, want := range []string{`"msg":"a fine point"`, `"option":"delivery.enabled"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	get(t, "http://"+cfg.Metrics.Listen+"/healthz")
	changed := *cfg
	changed.Log.Level = "error"
	if _, err := a.Reload(t.Context(), &changed); err != nil {
		t.Fatal(err)
	}
	a.Logger().Warn("a coarse point")
	if strings.Contains(log.String(), "a coarse point") {
		t.Error("the level of the log was not reloaded")
	}
}

// free takes what a test cannot have out of cfg: fixed ports and an authority.
func free(t *testing.T, cfg *config.Config) {
	t.Helper()
	cfg.Certificates = cfg.Certificates[:2]
	cfg.Listeners = cfg.Listeners[:1]
	cfg.Listeners[0].Address = []string{"127.0.0.1:0"}
	cfg.Metrics.Listen = testkit.FreeAddress(t)
	cfg.Web.Listen = []string{"127.0.0.1:0"}
}
