package app

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit"
	"countersign/internal/testkit/placefile"
)

// lists returns who sets access lists in a world.
func (w *world) lists() *list.Admin {
	return list.NewAdmin(list.AdminOptions{Store: w.app.Store(), IDs: &mail.IDSource{}, Actor: "cli:test", Now: time.Now})
}

// entry adds one.
func (w *world) entry(of list.Subject, effect list.Effect, what string) list.Entry {
	w.t.Helper()
	parsed, err := list.ParseWhat(what)
	if err != nil {
		w.t.Fatal(err)
	}
	e, _, err := w.lists().Add(w.t.Context(), list.Wanted{For: of, What: parsed, Effect: effect, Reason: "spam wave", Force: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// plain is the command that logs in.
func plain(login, password string) string {
	return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password))
}

// logs wants a login to be answered so, within a second of a change.
func (w *world) logs(client, login string, want int) {
	w.t.Helper()
	for set := time.Now(); ; {
		began := time.Now()
		s, _ := w.dial("known", from(client), with(tls.VersionTLS13))
		got := s.code(plain(login, testPassword))
		if got == want {
			return
		}
		if began.Sub(set) > time.Second {
			w.t.Fatalf("a second later %s is answered %d as %s, want %d", client, got, login, want)
		}
	}
}

// TestListsOverTheWire: denied for everybody is who is refused before the greeting, unless
// there is a login that may come from there; then it is refused at its login, as by a wrong
// password; an open session ends at its next command.
func TestListsOverTheWire(t *testing.T) {
	w := newNetworks(t)
	open, _ := w.dial("known", from("203.0.113.9"), with(tls.VersionTLS13))
	proved, _ := w.dial("known", from("203.0.113.10"), with(tls.VersionTLS13))
	proved.say(235, plain(testLogin, testPassword))
	other, _ := w.dial("known", from("203.0.114.1"), with(tls.VersionTLS13))
	denied := w.entry(list.Subject{}, list.Deny, "203.0.113.0/24")
	w.greets("203.0.113.5", "554 5.7.1 Your network may not connect here (spam wave);")
	w.greets("::ffff:203.0.113.5", "554 5.7.1")
	w.greets("203.0.114.1", "220")
	open.say(421, "NOOP")
	proved.say(421, "MAIL FROM:<"+testLogin+">")
	other.say(250, "NOOP")
	w.entry(list.Subject{Kind: list.Account, Name: testLogin}, list.Except, "203.0.113.7")
	w.greets("203.0.113.7", "220")
	w.greets("203.0.113.5", "554")
	w.logs("203.0.113.7", testLogin, 235)
	w.logs("203.0.113.7", otherLogin, 535)
	w.logs("203.0.114.1", otherLogin, 235)
	e := w.last(audit.AuthFailed)
	if e.Data["cause"] != "access-list: deny 203.0.113.0/24 everywhere" || e.Login != otherLogin {
		t.Errorf("recorded %+v", e)
	}
	if _, _, err := w.lists().Remove(t.Context(), denied.ID); err != nil {
		t.Fatal(err)
	}
	w.greets("203.0.113.5", "220")
}

// TestListsOfLogins: what is for a customer, domain, account or listener is felt by that alone.
func TestListsOfLogins(t *testing.T) {
	w := newNetworks(t)
	w.logs("203.0.113.9", testLogin, 235)
	only := w.entry(list.Subject{Kind: list.Account, Name: testLogin}, list.Allow, "198.51.100.0/24")
	w.logs("203.0.113.9", testLogin, 535)
	w.logs("203.0.113.9", otherLogin, 235)
	w.logs("198.51.100.3", testLogin, 235)
	if _, _, err := w.lists().Remove(t.Context(), only.ID); err != nil {
		t.Fatal(err)
	}
	w.logs("203.0.113.9", testLogin, 235)
	w.entry(list.Subject{Kind: list.Listener, Name: "known"}, list.Deny, "203.0.113.0/24")
	w.greets("203.0.113.9", "554")
	if said, err := w.first("strict", "203.0.113.9"); err != nil || !strings.HasPrefix(said, "220") {
		t.Errorf("another listener says %q, %v", said, err)
	}
}

// TestNoAccountIsTold: a login that is denied from there, a wrong password and an account that
// there is not get one answer.
func TestNoAccountIsTold(t *testing.T) {
	w := newNetworks(t)
	w.entry(list.Subject{Kind: list.Account, Name: testLogin}, list.Deny, "203.0.113.0/24")
	w.logs("203.0.113.9", testLogin, 535)
	answers := map[string]bool{}
	for _, try := range []string{plain(testLogin, testPassword), plain(testLogin, "wrong"), plain("nobody@example.org", testPassword)} {
		s, _ := w.dial("known", from("203.0.113.9"), with(tls.VersionTLS13))
		if err := s.conn.PrintfLine("%s", try); err != nil {
			t.Fatal(err)
		}
		_, text, _ := s.conn.ReadResponse(0)
		answer, _, _ := strings.Cut(text, " (id ")
		answer, _, _ = strings.Cut(answer, " id=")
		if i := strings.LastIndex(answer, " "); i > 0 { // the session's id ends it
			answer = answer[:i]
		}
		answers[answer] = true
	}
	if len(answers) != 1 {
		t.Errorf("answered %v", answers)
	}
}

// TestNetworkCredentialIsDenied: who needs no login is held against the lists all the same.
func TestNetworkCredentialIsDenied(t *testing.T) {
	w := newNetworks(t)
	w.credential(testLogin, "network", "203.0.113.0/24")
	s, _ := w.dial("known", from("203.0.113.9"), with(tls.VersionTLS13))
	s.say(250, "MAIL FROM:<"+testLogin+">")
	w.entry(list.Subject{Kind: list.Domain, Name: "example.org"}, list.Deny, "203.0.113.0/24")
	for set := time.Now(); ; {
		began := time.Now()
		s, _ := w.dial("known", from("203.0.113.9"), with(tls.VersionTLS13))
		if got := s.code("MAIL FROM:<" + testLogin + ">"); got == 530 {
			return
		}
		if began.Sub(set) > time.Second {
			t.Fatal("a second later it still needs no login")
		}
	}
}

// changed loads the configuration with something in place of something else.
func (w *world) changed(old, now string) (*config.Config, error) {
	w.t.Helper()
	data, err := os.ReadFile(w.path)
	if err == nil {
		if !strings.Contains(string(data), old) {
			w.t.Fatalf("%q is not in the configuration", old)
		}
		err = os.WriteFile(w.path, []byte(strings.Replace(string(data), old, now, 1)), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	cfg, _, err := LoadConfig(w.path)
	return cfg, err
}

// TestCountriesOverTheWire: countries and autonomous systems count as the files say, and as a
// new file says after a reload; a damaged one changes nothing.
func TestCountriesOverTheWire(t *testing.T) {
	dir := t.TempDir()
	countries, systems := filepath.Join(dir, "countries.mmdb"), filepath.Join(dir, "systems.mmdb")
	placefile.Countries(t, countries, map[string]string{"203.0.113.0/24": "DE", "198.51.100.0/24": "FR", "2001:db8::/32": "DE"})
	placefile.Networks(t, systems, map[string]uint32{"198.51.100.0/24": 64500})
	behind := "address = [\"127.0.0.1:0\"]\nproxies = [\"127.0.0.0/8\"]\n"
	w := newWorld(t, "[[listener]]\nname = \"known\"\nkind = \"submission\"\n"+behind+fmt.Sprintf("[access]\ncountries = %q\nnetworks = %q\n", countries, systems), nil)
	w.entry(list.Subject{}, list.Deny, "DE")
	w.entry(list.Subject{}, list.Deny, "AS64500")
	w.greets("203.0.113.9", "554 5.7.1")
	w.greets("2001:db8::9", "554 5.7.1")
	w.greets("198.51.100.9", "554 5.7.1")
	w.greets("192.0.2.9", "220") // which is in no file
	if err := os.WriteFile(countries, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := *w.app.cfg
	if _, err := w.app.Reload(t.Context(), &cfg); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), countries) {
		t.Errorf("reloaded with a damaged file: %v", err)
	}
	if _, err := w.changed("[access]", "[access]"); err == nil || !strings.Contains(err.Error(), "access.countries") {
		t.Errorf("loaded with a damaged file: %v", err)
	}
	w.greets("203.0.113.9", "554 5.7.1")
	placefile.Countries(t, countries, map[string]string{"192.0.2.0/24": "DE"})
	if _, err := w.app.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	w.greets("203.0.113.9", "220")
	w.greets("192.0.2.9", "554 5.7.1")
	// Entries that no file is for are told of.
	w.wantHealth("ok")
	cfg.Access.Networks = ""
	if _, err := w.app.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	w.greets("198.51.100.9", "220")
	w.wantHealth("nobody is in AS64500 here")
	placefile.CountriesIPv4(t, countries, map[string]string{"192.0.2.0/24": "DE"})
	if _, err := w.app.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	w.greets("2001:db8::9", "220")
	w.wantHealth("no IPv6 address is in DE here")
}

// TestDNSBLOfNetworkCredentials: where DNS lists are asked at the login, who needs none is asked
// about when that is found out.
func TestDNSBLOfNetworkCredentials(t *testing.T) {
	names := testkit.NewDNS(t)
	names.Add("9.113.0.203.bl.example. 60 IN A 127.0.0.2", "2.0.0.127.bl.example. 60 IN A 127.0.0.2")
	names.Break("10.113.0.203.bl.example.", testkit.ServFail)
	w := newWorld(t, "[[listener]]\nname = \"known\"\nkind = \"submission\"\nnetworks = \"on\"\naddress = [\"127.0.0.1:0\"]\nproxies = [\"127.0.0.0/8\"]\n"+
		fmt.Sprintf("[dns]\nservers = [%q]\n[access]\ndnsbl_action = \"refuse\"\ndnsbl_at = \"login\"\n[[dnsbl]]\nzone = \"bl.example\"\nwhen_away = \"closed\"\n", names.Addr()), nil)
	w.credential(testLogin, "network", "203.0.113.0/24")
	for client, want := range map[string]int{"203.0.113.8": 250, "203.0.113.9": 554, "203.0.113.10": 451} {
		s, _ := w.dial("known", from(client), with(tls.VersionTLS13))
		s.say(want, "MAIL FROM:<"+testLogin+">")
	}
}

// wantHealth wants what stands about access in the report of health.
func (w *world) wantHealth(says string) {
	w.t.Helper()
	err := w.app.entrance.Health(w.t.Context())
	if got := fmt.Sprint(err); says == "ok" && err != nil || says != "ok" && !strings.Contains(got, says) {
		w.t.Errorf("the health is %s, want %s", got, says)
	}
}

// TestDNSBLOverTheWire: who is listed is refused at MAIL; that a list is away is told, by the
// record and by health, and what is done then is as the configuration says, also after a reload.
func TestDNSBLOverTheWire(t *testing.T) {
	names := testkit.NewDNS(t)
	names.Add("9.113.0.203.bl.example. 60 IN A 127.0.0.2", "2.0.0.127.bl.example. 60 IN A 127.0.0.2")
	names.Break("10.113.0.203.bl.example.", testkit.ServFail)
	behind := "address = [\"127.0.0.1:0\"]\nproxies = [\"127.0.0.0/8\"]\n"
	w := newWorld(t, "[[listener]]\nname = \"known\"\nkind = \"submission\"\n"+behind+
		fmt.Sprintf("[dns]\nservers = [%q]\n[access]\ndnsbl_action = \"refuse\"\n[[dnsbl]]\nzone = \"bl.example\"\nname = \"Example BL\"\nwhen_away = \"open\"\ntimeout = \"500ms\"\n", names.Addr()), nil)
	mails := func(client string, want int) {
		t.Helper()
		s, _ := w.dial("known", from(client), with(tls.VersionTLS13))
		s.say(235, plain(testLogin, testPassword))
		s.say(want, "MAIL FROM:<"+testLogin+">")
	}
	mails("203.0.113.9", 554)
	mails("203.0.113.8", 250)
	mails("203.0.113.10", 250)
	w.wantHealth("ok")
	cfg, err := w.changed("when_away = \"open\"", "when_away = \"closed\"")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	mails("203.0.113.10", 451)
	names.Break("2.0.0.127.bl.example.", testkit.Refuse)
	for range 3 {
		w.app.entrance.Test(t.Context())
	}
	w.wantHealth("DNS list Example BL: it does not answer")
	if e := w.last(audit.BlocklistAway); e.Object != "dnsbl Example BL" || e.Data["when_away"] != "closed" || strings.Contains(fmt.Sprint(e), "bl.example") {
		t.Errorf("recorded %+v", e)
	}
	names.Break("2.0.0.127.bl.example.", 0)
	w.app.entrance.Test(t.Context())
	if e := w.last(audit.BlocklistBack); e.Object != "dnsbl Example BL" {
		t.Errorf("recorded %+v", e)
	}
	w.wantHealth("ok")
	figures, err := w.app.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range figures {
		for _, m := range f.GetMetric() {
			if f.GetName() == "countersign_access_dnsbl_total" && m.GetLabel()[0].GetValue() == "Example BL" {
				counted[m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if counted["listed"] != 1 || counted["clear"] != 1 || counted["away"] != 2 {
		t.Errorf("counted %v", counted)
	}
}
