package loading

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/option"
	"countersign/internal/config/source"
	"countersign/internal/config/value"
	"countersign/internal/mail"
)

// validator checks a decoded Config as a whole. A check that also brings a
// value into its normal form says so.
type validator struct {
	*source.Report
	c *config.Config
	// now decides whether a certificate has expired.
	now time.Time
}

// all reports every contradiction in the Config. What has been reported
// already is not reported again.
func (v *validator) all() {
	v.required()
	c := v.c
	c.Hostname = v.domain("hostname", c.Hostname)
	if !strings.Contains(c.Hostname, ".") && c.Hostname != "localhost" && c.Hostname != "" && !v.Failed("hostname") {
		v.Warn("hostname", "", "%q is not a full domain name; other servers may refuse it", c.Hostname)
	}
	v.place()
	v.listeners()
	v.web()
	v.help()
	v.certificates()
	v.addresses()
	v.session()
	v.auth()
	v.guard()
	v.access()
	v.secretFileMode("dkim.key_file", c.DKIM.KeyFile)
	v.rekey()
	v.queue()
	v.delivery()
	v.routes()
	v.alignment()
	v.filters()
	v.apiClients()
	v.limits()
}

// limits checks [limits].
func (v *validator) limits() {
	if v.c.Limits.Notify == "" {
		return
	}
	if _, err := mail.ParseAddress(v.c.Limits.Notify); err != nil {
		v.Fail("limits.notify", `for example "ops@example.org"`, "%q is not a mail address", v.c.Limits.Notify)
	}
}

// required reports every option and list that the file must have and has not,
// and options that mean nothing beside their siblings.
func (v *validator) required() {
	for _, t := range config.Schema() {
		if t.List && t.Required && !v.IsSet(t.Key) {
			v.Fail(t.Key, "add "+t.Header(), "at least one is needed")
		}
	}
	for _, p := range config.Schema().Places(v.c) {
		switch {
		case !p.Means() && v.IsSet(p.Path) && !v.Failed(p.Sibling):
			v.Fail(p.Path, "remove it, or set "+p.When, "is only for %s %s, and this one is %q",
				p.When, strings.Join(p.Among, " or "), p.Chosen)
		case !p.Required || !p.Empty():
		case v.IsSet(p.Path):
			v.Fail(p.Path, "", "must not be empty")
		default:
			v.Fail(p.Path, fmt.Sprintf("for example %s = %s", p.Key, p.ExampleText(0)), "is required")
		}
	}
}

// domain returns the normal form of a domain name, and text itself after
// reporting it.
func (v *validator) domain(path, text string) string {
	if text == "" {
		return ""
	}
	d, err := mail.ParseDomain(text)
	if err != nil {
		v.Fail(path, "", "%q is not a domain name", text)
		return text
	}
	_, literal := d.Literal()
	if _, err := netip.ParseAddr(text); err == nil || literal {
		v.Fail(path, "", "%q is an address, not a domain name", text)
	}
	return string(d)
}

// place checks the options that say where the store is.
func (v *validator) place() {
	if v.c.DataDir == "" {
		v.Fail("data_dir", "", "must not be empty")
	}
	v.store()
	v.database()
	v.node()
}

// store checks where the store is. It shows nothing of a URL that may hold a
// password.
func (v *validator) store() {
	s := v.c.Store
	scheme, rest, found := strings.Cut(s.URL, ":")
	switch {
	case s.URL == "":
	case s.InPostgres() && hasPassword(s.URL):
		v.Fail("store.url", "take it out, and put it into the file that store.password_file names", "holds a password")
	case s.InPostgres():
		if why, suggestion := wrongURL(s.URL); why != "" {
			v.Fail("store.url", suggestion, "%s", why)
		}
	case !found || scheme+":" != config.StoreScheme:
		v.Fail("store.url", `write "sqlite:" and the path of the database file, or "postgres://user@host/database"`,
			"%q is not a store that this version knows", scheme+":")
	case rest == "":
		v.Fail("store.url", `for example "sqlite:/var/lib/countersign/countersign.db"`, "has no path")
	}
	if s.PasswordFile == "" {
		return
	}
	if !s.InPostgres() {
		v.Fail("store.password_file", "remove it", "is for a PostgreSQL database alone")
		return
	}
	if _, err := value.ReadSecret(s.PasswordFile); err != nil {
		v.Fail("store.password_file", "", "%s %v", s.PasswordFile, err)
		return
	}
	v.secretFileMode("store.password_file", s.PasswordFile)
}

// session checks [session], and fills in what follows from other options.
func (v *validator) session() {
	s := &v.c.Session
	if s.DataProgressTimeout > s.DataTimeout {
		path := v.newest("session.data_progress_timeout", "session.data_timeout")
		v.Fail(path, "", "data_progress_timeout (%s) is longer than data_timeout (%s), so it would never apply",
			s.DataProgressTimeout, s.DataTimeout)
	}
	if s.GreetingTimeout > s.LoginTimeout {
		path := v.newest("session.login_timeout", "session.greeting_timeout")
		v.Fail(path, "", "greeting_timeout (%s) is longer than login_timeout (%s), so it would never apply",
			s.GreetingTimeout, s.LoginTimeout)
	}
	if s.MaxConnectionsPerWideNetwork == 0 {
		s.MaxConnectionsPerWideNetwork = max(s.MaxConnections/4, s.MaxConnectionsPerPrefix)
	}
	if s.MaxConnectionsPerPrefix > s.MaxConnectionsPerWideNetwork {
		path := v.newest("session.max_connections_per_wide_network", "session.max_connections_per_prefix")
		v.Fail(path, "", "max_connections_per_prefix (%d) is more than max_connections_per_wide_network (%d), so it would never apply",
			s.MaxConnectionsPerPrefix, s.MaxConnectionsPerWideNetwork)
	}
	if v.c.Message.MaxHeaderSize > s.MaxMessageSize {
		path := v.newest("message.max_header_size", "session.max_message_size")
		v.Fail(path, "", "message.max_header_size (%s) is larger than session.max_message_size (%s)",
			v.c.Message.MaxHeaderSize, s.MaxMessageSize)
	}
}

// newest returns the first path that the file sets, for a contradiction between
// two of which one may be a default.
func (v *validator) newest(paths ...string) string {
	for _, p := range paths {
		if v.IsSet(p) {
			return p
		}
	}
	return paths[0]
}

func (v *validator) queue() {
	q := &v.c.Queue
	if len(q.Retry) == 0 {
		v.Fail("queue.retry", `for example ["5m", "30m", "2h"]`, "must not be empty")
		return
	}
	if q.Lifetime < q.Retry[0] {
		v.Fail(v.newest("queue.lifetime", "queue.retry"), "",
			"lifetime (%s) is shorter than the first wait of retry (%s), so nothing would be tried twice", q.Lifetime, q.Retry[0])
	}
}

func (v *validator) delivery() {
	d := &v.c.Delivery
	if d.Hello != "" {
		hello, err := mail.ParseDomain(d.Hello)
		if err != nil {
			v.Fail("delivery.hello", "", "%q is not a domain name or an address literal", d.Hello)
		}
		d.Hello = string(hello)
	}
	if d.SourceIPv4.IsValid() && !d.SourceIPv4.Is4() {
		v.Fail("delivery.source_ipv4", "that is source_ipv6", "%q is not an IPv4 address", d.SourceIPv4)
	}
	if d.SourceIPv6.IsValid() && (!d.SourceIPv6.Is6() || d.SourceIPv6.Is4In6()) {
		v.Fail("delivery.source_ipv6", "that is source_ipv4", "%q is not an IPv6 address", d.SourceIPv6)
	}
	if d.SourceIPv6.IsValid() && !d.IPv6 {
		v.Fail("delivery.source_ipv6", "remove one of the two", "is set although ipv6 is false")
	}
	if d.PerDestination > d.Workers {
		path := v.newest("delivery.per_destination", "delivery.workers")
		v.Fail(path, "", "per_destination (%d) is more than workers (%d)", d.PerDestination, d.Workers)
	}
}

// routes checks the routes and normalises their domains.
func (v *validator) routes() {
	first := map[string]int{}
	for i := range v.c.Routes {
		route, path := &v.c.Routes[i], option.Element("route", i)
		if route.Domain != "*" {
			route.Domain = v.domain(path+".domain", route.Domain)
		}
		if earlier, exists := first[route.Domain]; exists {
			v.Fail(path+".domain", "keep one of them", "%q has a route already in line %d", route.Domain, earlier)
		} else if route.Domain != "" {
			first[route.Domain] = v.Line(path + ".domain")
		}
		v.credentials(route, path)
		v.routeTLS(route, path)
	}
}

// credentials checks a route's login and reads its password file.
func (v *validator) credentials(route *config.Route, path string) {
	inline, file := v.IsSet(path+".password"), route.PasswordFile != ""
	switch {
	case inline && file:
		v.Fail(path+".password_file", "keep one of them", "is set beside password")
	case inline && route.Password == "":
		v.Fail(path+".password", "", "must not be empty")
	case inline:
		v.secretFileMode(path+".password", v.File())
	case file:
		secret, err := value.ReadSecret(route.PasswordFile)
		if err != nil {
			v.Fail(path+".password_file", "", "%s %v", route.PasswordFile, err)
		}
		route.Password = secret
		v.secretFileMode(path+".password_file", route.PasswordFile)
	}
	switch {
	case route.Username != "" && !inline && !file && !v.Failed(path+".password"):
		v.Fail(path+".username", "set password or password_file", "has no password")
	case route.Username == "" && (inline || file):
		v.Fail(v.newest(path+".password", path+".password_file"), "set username", "has no username")
	case route.Username != "" && route.NextHop.IsMX():
		v.Fail(path+".username", `set next_hop to a server`, `next_hop "mx" takes no login`)
	}
}

// routeTLS checks that TLS towards a next hop can be what is asked for, and that
// a password does not travel in the clear.
func (v *validator) routeTLS(route *config.Route, path string) {
	hop := route.NextHop
	if _, err := netip.ParseAddr(hop.Host); err != nil && !hop.IsMX() {
		route.NextHop.Host = v.hop(path+".next_hop", hop.Host)
	}
	loopback := false
	if ip, err := netip.ParseAddr(hop.Host); err == nil {
		loopback = ip.IsLoopback()
	}
	switch {
	case hop.Scheme == "smtps" && route.TLS != "" && route.TLS != "required":
		v.Fail(path+".tls", `write smtp:// or tls = "required"`, "%q contradicts smtps://, which is always TLS", route.TLS)
	case route.Username != "" && route.TLS != "" && route.TLS != "required" && !loopback:
		v.Fail(path+".tls", `set tls = "required"`, "%q would send the password in the clear", route.TLS)
	}
	if route.CAFile != "" {
		if route.TLS == "none" {
			v.Fail(path+".ca_file", "remove one of the two", `is set although tls is "none"`)
		}
		v.rootFile(path+".ca_file", route.CAFile)
	}
}

// hop returns the normal form of a next hop's name.
func (v *validator) hop(path, host string) string {
	d, err := mail.ParseDomain(host)
	if err != nil {
		v.Fail(path, "", "%q is not a host name", host)
		return host
	}
	return string(d)
}

// othersMay are the permission bits that a file with a secret should not have:
// anything for others, change for the group.
const othersMay = 0o037

// secretFileMode warns of a file with a secret that others may read. A file that
// does not exist is not its matter.
func (v *validator) secretFileMode(path, file string) {
	if file == "" {
		return
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&othersMay == 0 {
		return
	}
	v.Warn(path, "chmod 640 or stricter", "%s holds a secret and is open to others (mode %04o)", file, info.Mode().Perm())
}
