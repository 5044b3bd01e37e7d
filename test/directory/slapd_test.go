package directory

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/directory"
	"countersign/internal/directory/ldap"
	"countersign/internal/fault"
	"countersign/internal/testkit"
)

// testLDAP runs every test on one server; the last one stops it.
func testLDAP(t *testing.T, p *peers) {
	server := p.slapd(t)
	for _, each := range []struct {
		name string
		test func(t *testing.T, s *slapd)
	}{
		{"three ways", testThreeWays},
		{"as the page has it", testPage},
		{"who is not let in", testLDAPRefuses},
		{"an empty password", testEmptyPassword},
		{"what would be read as a filter", testInjection},
		{"groups", testGroups},
		{"groups to plan", testGroupsToPlan},
		{"how accounts stand", testLDAPStanding},
		{"encrypted", testLDAPEncrypted},
		{"check", testLDAPCheck},
		{"referrals", testReferrals},
		{"the decoy", testDecoy},
		{"many at once", testLDAPAtOnce},
		{"outage", testLDAPOutage},
	} {
		t.Run(each.name, func(t *testing.T) {
			server.lend(t)
			each.test(t, server)
		})
	}
}

// guardedLDAP is a directory with a guard before it, which checks what it says.
func guardedLDAP(t *testing.T, d directory.Source) *directory.Guard {
	t.Helper()
	g, err := directory.NewGuard(d, directory.GuardOptions{Timeout: 20 * time.Second, Concurrent: 64, Failures: 100, Pause: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// binding are options for the way that binds as a DN made of the login.
func (s *slapd) binding(more func(*ldap.Options)) ldap.Options {
	return s.searching(func(o *ldap.Options) {
		o.UserDN, o.BindDN, o.PasswordFile, o.Base, o.Filter, o.Decoy = userPattern, "", "", "", "", ""
		if more != nil {
			more(o)
		}
	})
}

// hashing are options for the way that reads the hash.
func (s *slapd) hashing(more func(*ldap.Options)) ldap.Options {
	return s.searching(func(o *ldap.Options) {
		o.Attributes.Hash = "userPassword"
		if more != nil {
			more(o)
		}
	})
}

// says asks with a password.
func says(t *testing.T, d directory.Source, login, password string) (*directory.Answer, error) {
	t.Helper()
	a, err := d.Ask(t.Context(), directory.Question{Login: login, Password: password})
	if err != nil && (strings.Contains(err.Error(), "pencil") || strings.Contains(err.Error(), "SSHA") || strings.Contains(err.Error(), "gate's own")) {
		t.Errorf("the error holds a secret: %v", err)
	}
	return a, err
}

// testThreeWays: all that an entry holds, by each.
func testThreeWays(t *testing.T, s *slapd) {
	want := directory.Answer{
		Login: "shop@example.org", Verified: true, Plan: "basic", Customer: "Acme", Aliases: []string{"info@example.org", "sales@example.org"},
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
	hashed := want
	hashed.Verified, hashed.Hash = false, s.hash
	for way, c := range map[string]struct {
		opt  ldap.Options
		want directory.Answer
	}{"search and bind": {s.searching(nil), want}, "bind": {s.binding(nil), want}, "hash": {s.hashing(nil), hashed}} {
		g := guardedLDAP(t, s.asking(c.opt))
		for _, login := range []string{"shop@example.org", "Shop@EXAMPLE.org"} {
			for range 2 { // anew and on a connection that was used
				if a, err := says(t, g, login, "pencil"); err != nil || !reflect.DeepEqual(*a, c.want) {
					t.Errorf("%s, %s: %+v, %v", way, login, a, err)
				}
			}
		}
		if a, err := says(t, g, "off@example.org", "pencil"); err != nil || !a.Disabled {
			t.Errorf("%s, disabled: %+v, %v", way, a, err)
		}
		if a, err := says(t, g, `"o,dd+x"@example.org`, "pencil"); err != nil || a.Disabled || a.Login != `"o,dd+x"@example.org` {
			t.Errorf("%s, odd: %+v, %v", way, a, err)
		}
	}
}

// testPage: the values that the page has for OpenLDAP and for Active Directory, whose
// attributes and bits this server knows too.
func testPage(t *testing.T, s *slapd) {
	for heading, c := range map[string]struct {
		login, off string
		aliases    []string
	}{
		"OpenLDAP":         {"shop@example.org", "off@example.org", nil},
		"Active Directory": {"ad@example.org", "adoff@example.org", []string{"ad@example.org", "ad.two@example.org"}},
	} {
		o := options(t, "### "+heading)
		plan, group, _ := strings.Cut(o["group_plans"], "=")
		opt := ldap.Options{
			Name: heading, URL: s.socket(), BindDN: serviceDN, PasswordFile: s.passwordFile, Base: o["search_base"], Filter: o["search_filter"],
			Attributes: ldap.Attributes{Login: o["login_attribute"], Plan: o["plan_attribute"], Aliases: o["alias_attribute"]},
			Disabled:   o["disabled_filter"], GroupBase: o["group_base"], GroupFilter: o["group_filter"],
			Plans: []ldap.Plan{{Group: group, Plan: plan}}, Decoy: o["decoy_dn"], Connections: 1,
		}
		g := guardedLDAP(t, s.asking(opt))
		a, err := says(t, g, c.login, "pencil")
		if err != nil || !a.Verified || a.Disabled || a.Login != c.login || a.Plan != "gold" || !reflect.DeepEqual(a.Aliases, c.aliases) {
			t.Errorf("%s: %+v, %v", heading, a, err)
		}
		if a, err := says(t, g, c.off, "pencil"); err != nil || !a.Disabled {
			t.Errorf("%s, disabled: %+v, %v", heading, a, err)
		}
		if _, err := says(t, g, "nobody@example.org", "pencil"); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s, unknown: %v", heading, err)
		}
	}
}

// testLDAPRefuses: what each way says to a wrong password, of accounts that are none,
// and of entries that make no sense.
func testLDAPRefuses(t *testing.T, s *slapd) {
	for way, c := range map[string]struct {
		opt                                  ldap.Options
		wrong, unknown, twice, several, none fault.Kind
	}{
		"search and bind": {s.searching(nil), fault.Unauthenticated, fault.NotFound, fault.Corrupt, fault.Corrupt, fault.Unauthenticated},
		"bind":            {s.binding(nil), fault.Unauthenticated, fault.Unauthenticated, fault.Corrupt, fault.Unauthenticated, fault.Unauthenticated},
		"hash":            {s.hashing(nil), fault.Internal, fault.NotFound, fault.Corrupt, fault.Corrupt, fault.NotFound},
	} {
		g := guardedLDAP(t, s.asking(c.opt))
		if c.wrong != fault.Internal {
			if a, err := says(t, g, "shop@example.org", "pencil2"); a != nil || !fault.Is(err, c.wrong) {
				t.Errorf("%s, wrong password: %+v, %v", way, a, err)
			}
		}
		for login, kind := range map[string]fault.Kind{
			"nobody@example.org": c.unknown, "twice@example.org": c.twice, "same@example.org": c.several, "none@example.org": c.none, "nobody": c.unknown,
		} {
			if a, err := says(t, g, login, "pencil"); a != nil || !fault.Is(err, kind) {
				t.Errorf("%s, %s: %+v, %v; want %v", way, login, a, err, kind)
			}
		}
		if state := g.State(); state.Counts.Failed != 0 {
			t.Errorf("%s: %+v", way, state)
		}
	}
}

// testEmptyPassword: RFC 4513 section 5.1.2. The server would let anybody in.
func testEmptyPassword(t *testing.T, s *slapd) {
	for way, opt := range map[string]ldap.Options{"search and bind": s.searching(nil), "bind": s.binding(nil)} {
		if a, err := says(t, s.asking(opt), "shop@example.org", ""); a != nil || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", way, a, err)
		}
	}
	if a, err := says(t, s.asking(s.hashing(nil)), "shop@example.org", ""); err != nil || a.Verified || a.Hash != s.hash {
		t.Errorf("hash: %+v, %v", a, err)
	}
}

// testInjection: nothing in a login means anything to the server.
func testInjection(t *testing.T, s *slapd) {
	for _, login := range []string{
		"*", "sh*", "shop*@example.org", "shop@example.org)(uid=*", "*)(objectClass=*", "x)(|(mail=*", `\2a`, "shop@example.org\\", "{dn}", "{local}",
		"shop,ou=people", "shop,ou=people,dc=example,dc=org", "off+uid=shop", "#shop", "shop\\2c",
	} {
		for way, opt := range map[string]ldap.Options{"search and bind": s.searching(nil), "bind": s.binding(nil), "hash": s.hashing(nil)} {
			a, err := says(t, s.asking(opt), login, "pencil")
			if a != nil || !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%s, %q: %+v, %v", way, login, a, err)
			}
		}
	}
}

// testGroups: the first plan whose group the user is in, by a search and by an
// attribute.
func testGroups(t *testing.T, s *slapd) {
	plans := []ldap.Plan{{Group: "cn=none,ou=groups,dc=example,dc=org", Plan: "none"}, {Group: "CN=gold, OU=groups,dc=example,dc=org", Plan: "gold"}, {Group: "cn=all,ou=groups,dc=example,dc=org", Plan: "all"}}
	searched := func(o *ldap.Options) {
		o.Plans, o.GroupBase, o.GroupFilter, o.Attributes.Plan = plans, "ou=groups,dc=example,dc=org", "(&(objectClass=groupOfNames)(member={dn}))", ""
	}
	for way, opt := range map[string]ldap.Options{"search and bind": s.searching(searched), "hash": s.hashing(searched)} {
		d := s.asking(opt)
		if a, err := says(t, d, "shop@example.org", "pencil"); err != nil || a.Plan != "gold" {
			t.Errorf("%s: %+v, %v", way, a, err)
		}
		if a, err := says(t, d, `"o,dd+x"@example.org`, "pencil"); err != nil || a.Plan != "" {
			t.Errorf("%s, in none: %+v, %v", way, a, err)
		}
	}
	d := s.asking(s.binding(func(o *ldap.Options) { o.Plans = []ldap.Plan{{Group: "BASIC", Plan: "small"}} }))
	if a, err := says(t, d, "shop@example.org", "pencil"); err != nil || a.Plan != "small" {
		t.Errorf("by attribute: %+v, %v", a, err)
	}
}

// testLDAPEncrypted: by StartTLS and from the beginning, with a certificate of that
// authority for that address, and not at all otherwise.
func testLDAPEncrypted(t *testing.T, s *slapd) {
	foreign := write(t, t.TempDir()+"/foreign.pem", foreignCertificate(t))
	for name, c := range map[string]struct {
		url       string
		startTLS  bool
		authority string
		works     bool
	}{
		"ldaps":                   {"ldaps://" + s.encrypted, false, s.path("ca.pem"), true},
		"StartTLS":                {"ldap://" + s.plain, true, s.path("ca.pem"), true},
		"loopback":                {"ldap://" + s.plain, false, "", true},
		"ldaps, foreign":          {"ldaps://" + s.encrypted, false, foreign, false},
		"StartTLS, foreign":       {"ldap://" + s.plain, true, foreign, false},
		"ldaps, another name":     {strings.Replace("ldaps://"+s.encrypted, "127.0.0.1", "localhost", 1), false, s.path("ca.pem"), false},
		"ldaps where it is plain": {"ldaps://" + s.plain, false, s.path("ca.pem"), false},
	} {
		opt := s.searching(func(o *ldap.Options) { o.URL, o.StartTLS, o.Authority = c.url, c.startTLS, c.authority })
		a, err := says(t, s.asking(opt), "shop@example.org", "pencil")
		if c.works && (err != nil || !a.Verified) || !c.works && (a != nil || !fault.Is(err, fault.Unavailable)) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// testLDAPCheck finds what is wrong before anybody logs in.
func testLDAPCheck(t *testing.T, s *slapd) {
	for name, opt := range map[string]ldap.Options{"search and bind": s.searching(nil), "bind": s.binding(nil), "hash": s.hashing(nil)} {
		if err := s.asking(opt).Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := write(t, t.TempDir()+"/password", "topsecret")
	for part, more := range map[string]func(*ldap.Options){
		"cannot log in":  func(o *ldap.Options) { o.PasswordFile = wrong },
		"no such file":   func(o *ldap.Options) { o.PasswordFile = wrong + "x" },
		"No Such Object": func(o *ldap.Options) { o.Base = "ou=nobody,dc=example,dc=org" },
		"ou=none": func(o *ldap.Options) {
			o.GroupBase, o.GroupFilter, o.Plans = "ou=none,dc=example,dc=org", "(member={dn})", []ldap.Plan{{Group: "x", Plan: "y"}}
		},
		"connect":  func(o *ldap.Options) { o.URL = s.socket() + "x" },
		"Referral": func(o *ldap.Options) { o.Base = "ou=elsewhere,dc=example,dc=org" },
	} {
		err := s.asking(s.searching(more)).Check(t.Context())
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// testReferrals: a part of the tree that is elsewhere is not searched.
func testReferrals(t *testing.T, s *slapd) {
	d := s.asking(s.searching(func(o *ldap.Options) { o.Base = "ou=elsewhere,dc=example,dc=org" }))
	if a, err := says(t, d, "shop@example.org", "pencil"); a != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("%+v, %v", a, err)
	}
	d = s.asking(s.binding(func(o *ldap.Options) { o.UserDN = "uid={local},ou=elsewhere,dc=example,dc=org" }))
	if a, err := says(t, d, "shop@example.org", "pencil"); a != nil || fault.Is(err, fault.Corrupt) || err == nil {
		t.Errorf("%+v, %v", a, err)
	}
}

// testDecoy: who is not there is not let in by the decoy's password either.
func testDecoy(t *testing.T, s *slapd) {
	for _, opt := range []ldap.Options{s.searching(nil), s.searching(func(o *ldap.Options) { o.Decoy = "" }), s.hashing(nil), s.hashing(func(o *ldap.Options) { o.Decoy = "" })} {
		if a, err := says(t, s.asking(opt), "nobody@example.org", "nobody knows this"); a != nil || !fault.Is(err, fault.NotFound) {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

// testLDAPAtOnce: more questions than connections, right and wrong ones mixed.
func testLDAPAtOnce(t *testing.T, s *slapd) {
	for _, opt := range []ldap.Options{s.searching(nil), s.binding(nil)} {
		d := s.asking(opt)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 25 {
					if a, err := says(t, d, "shop@example.org", "pencil"); err != nil || a.Login != "shop@example.org" {
						t.Errorf("%+v, %v", a, err)
					}
					if a, err := says(t, d, "shop@example.org", "wrong"); a != nil || !fault.Is(err, fault.Unauthenticated) {
						t.Errorf("%+v, %v", a, err)
					}
					if a, err := says(t, d, "off@example.org", "pencil"); err != nil || a.Login != "off@example.org" {
						t.Errorf("%+v, %v", a, err)
					}
				}
			})
		}
		all.Wait()
	}
}

// testLDAPOutage: a server that goes away and comes back, and a restart that nobody
// notices; a changed password counts at once, the user's and the gate's.
func testLDAPOutage(t *testing.T, s *slapd) {
	d := s.asking(s.searching(nil))
	clock := testkit.NewClock(time.Now())
	g, err := directory.NewGuard(d, directory.GuardOptions{Timeout: 20 * time.Second, Concurrent: 1, Failures: 2, Pause: time.Minute, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	wantsIn := func(password string) {
		t.Helper()
		if a, err := says(t, g, "shop@example.org", password); err != nil || !a.Verified {
			t.Errorf("%+v, %v", a, err)
		}
	}
	defer func() { // the next test finds it as this one did
		s.change("uid=shop,ou=people,dc=example,dc=org", "userPassword", s.hash)
		s.change(serviceDN, "userPassword", serviceSecret)
		write(t, s.passwordFile, serviceSecret)
	}()
	wantsIn("pencil")
	s.stop()
	s.start()
	wantsIn("pencil")
	s.stop()
	for range 2 {
		if a, err := says(t, g, "shop@example.org", "pencil"); a != nil || !fault.Is(err, fault.Unavailable) {
			t.Errorf("%+v, %v", a, err)
		}
	}
	s.start()
	clock.Move(time.Minute)
	wantsIn("pencil")
	s.change("uid=shop,ou=people,dc=example,dc=org", "userPassword", "pen")
	s.change(serviceDN, "userPassword", "another")
	if a, err := says(t, g, "shop@example.org", "pencil"); a != nil || !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("%+v, %v", a, err)
	}
	wantsIn("pen")
	s.stop()
	s.start()
	write(t, s.passwordFile, "another")
	wantsIn("pen")
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := d.Ask(ctx, directory.Question{Login: "shop@example.org", Password: "pen"}); !fault.Is(err, fault.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
