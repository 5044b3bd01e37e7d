package credentials

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit/accountstore"
)

// maker is a SecretMaker whose secrets show what they were made of.
type maker struct{}

func (maker) MakeSecret(_ context.Context, login, password string, _ account.CredentialKind, legacy bool) (account.Secret, error) {
	s := account.Secret{Hash: "hash of " + password, Cost: "cheap", Keys: []account.SecretKey{{Mechanism: "SCRAM-SHA-256", Value: "scram of " + password}}}
	if legacy {
		for _, m := range account.LegacyMechanisms() {
			s.Keys = append(s.Keys, account.SecretKey{Mechanism: m, Value: "key of " + login + " " + password})
		}
	}
	return s, nil
}

// world has accounts a@acme.example, of customer acme on plan gold, and
// o@other.example, of customer other; each with a password.
type world struct {
	*testing.T
	store *accountstore.Store
	admin *Admin
}

func clock() time.Time { return time.Unix(1_800_000_000, 123456789) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, store: accountstore.New()}
	ids := &mail.IDSource{}
	w.admin = NewAdmin(Options{
		Store: w.store, Secrets: maker{}, IDs: ids, Mechanisms: []string{"PLAIN", "SCRAM-SHA-256", "EXTERNAL"}, Now: clock, Actor: "cli:test",
		Proves: func(kind account.CredentialKind, m string) bool {
			return (kind == account.Certificate) == (m == "EXTERNAL")
		},
	})
	ad := admin.New(admin.Options{Store: w.store, Secrets: maker{}, IDs: ids, Now: clock, Actor: "cli:test"})
	ctx, keys := t.Context(), []account.Key{{Selector: "s1"}}
	for _, err := range []error{
		ad.AddPlan(ctx, account.Plan{Name: "gold"}),
		ad.AddCustomer(ctx, "acme", "gold"),
		ad.AddCustomer(ctx, "other", ""),
		ad.AddDomain(ctx, "acme.example", "acme", keys),
		ad.AddDomain(ctx, "second.example", "acme", keys),
		ad.AddDomain(ctx, "other.example", "other", keys),
		ad.AddAccount(ctx, admin.NewAccount{
			Address: a, Password: "correct horse battery",
			Aliases: []mail.Address{{Local: "alias", Domain: "acme.example"}}, Grants: []account.Granted{{Grant: account.Grant{Domain: "second.example"}, Manner: account.SendAs}},
		}),
		ad.AddAccount(ctx, admin.NewAccount{Address: other, Password: "correct horse battery"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

var (
	a      = mail.Address{Local: "a", Domain: "acme.example"}
	other  = mail.Address{Local: "o", Domain: "other.example"}
	nobody = mail.Address{Local: "n", Domain: "acme.example"}
)

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// stored returns a credential as it is stored.
func (w *world) stored(address mail.Address, name string) account.Credential {
	w.Helper()
	acc, err := w.store.Account(w.Context(), address.Key())
	w.must(err)
	i := indexOf(&acc, name)
	if i < 0 {
		w.Fatalf("%s has no credential %q but %s", address, name, namesOf(&acc))
	}
	return acc.Credentials[i]
}

// said wants exactly one more event than before, with that text.
func (w *world) said(before int, object, text string) {
	w.Helper()
	events := w.store.Events()
	if len(events) != before+1 {
		w.Fatalf("%d events, 1 wanted", len(events)-before)
	}
	e := events[before]
	if e.Kind != audit.AdminChanged || e.Object != object || e.Text != text || e.Actor != "cli:test" || e.At.Nanosecond()%1000 != 0 {
		w.Errorf("event %+v, want text %q", e, text)
	}
	if login, ok := strings.CutPrefix(object, "account "); ok && e.Login != login {
		w.Errorf("the event is of %q", e.Login)
	}
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// full bounds everything, in forms that are not canonical.
func full() account.Envelope {
	return account.Envelope{
		Networks:   prefixes("192.0.2.7/24", "::ffff:192.0.2.0/120", "2001:db8::1/64"),
		Senders:    []account.Grant{{Address: mail.Address{Local: "Alias", Domain: "acme.example"}}, {Domain: "second.example"}, {Address: mail.Address{Local: "alias", Domain: "acme.example"}}},
		Mechanisms: []string{"plain", "PLAIN", "SCRAM-SHA-256"}, MaxRecipients: 5, MaxMessageBytes: 1 << 20, MaxMessages: 2,
		Expires: clock().Add(time.Hour),
	}
}

func TestAdd(t *testing.T) {
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, c := range []struct {
		n             New
		subject, text string
	}{
		{New{Kind: account.AppPassword, Name: "printer"}, "", "app-password"},
		{New{Kind: account.AppPassword, Name: "laptop.2", Envelope: full()}, "",
			"app-password, networks 192.0.2.0/24 2001:db8::/64, senders Alias@acme.example @second.example, mechanisms PLAIN SCRAM-SHA-256, " +
				"max recipients 5, max message bytes 1048576, max messages 2, expires 2027-01-15T09:00:00Z"},
		{New{Kind: account.OAuth, Name: "office", Subject: "example 12 34"}, "example 12 34", "oauth example 12 34"},
		{New{Kind: account.Certificate, Name: "card", Subject: "sha256:" + strings.ToUpper(sum)}, "sha256:" + sum, "certificate sha256:" + sum},
		{New{Kind: account.Certificate, Name: "mail", Subject: "email:A@Acme.Example"}, "email:a@acme.example", "certificate email:a@acme.example"},
		{New{Kind: account.Network, Name: "web", Subject: "192.0.2.7/24"}, "192.0.2.0/24", "network 192.0.2.0/24"},
		{New{Kind: account.Network, Name: "all", Subject: "10.1.2.3/0", Wide: true}, "0.0.0.0/0", "network 0.0.0.0/0"},
	} {
		t.Run(c.n.Name, func(t *testing.T) {
			w := newWorld(t)
			before := len(w.store.Events())
			password, err := w.admin.Add(t.Context(), a, c.n)
			w.must(err)
			got := w.stored(a, c.n.Name)
			if got.ID == "" || got.ID == w.stored(a, "password").ID || got.Kind != c.n.Kind || got.Subject != c.subject || got.Created.IsZero() || got.Changed != got.Created {
				t.Errorf("stored %+v", got)
			}
			if (password != "") != c.n.Kind.Secret() || password != "" && (len(password) < 16 || got.Secret.Hash != "hash of "+password) {
				t.Errorf("password %q, stored %+v", password, got.Secret)
			}
			w.said(before, "account a@acme.example", "credential "+c.n.Name+" added: "+c.text)
			for _, e := range w.store.Events() {
				if password != "" && strings.Contains(e.Text+e.Object, password) {
					t.Errorf("event %+v has the password", e)
				}
			}
		})
	}
}

// TestAppPasswordsDiffer: each is another, also by its source of randomness.
func TestAppPasswordsDiffer(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for _, name := range []string{"one", "two", "three"} {
		password, err := w.admin.Add(t.Context(), a, New{Kind: account.AppPassword, Name: name})
		w.must(err)
		seen[password] = true
	}
	if len(seen) != 3 {
		t.Errorf("made %v", seen)
	}
	opt := w.admin.opt
	opt.Random = bytes.NewReader(nil)
	if _, err := NewAdmin(opt).Add(t.Context(), a, New{Kind: account.AppPassword, Name: "none"}); !fault.Is(err, fault.Internal) {
		t.Errorf("without randomness: %v", err)
	}
}

func TestRefusedCredentials(t *testing.T) {
	app := func(change func(*New)) New {
		n := New{Kind: account.AppPassword, Name: "x"}
		change(&n)
		return n
	}
	envelope := func(change func(*account.Envelope)) New { return app(func(n *New) { change(&n.Envelope) }) }
	networks := make([]netip.Prefix, 101)
	for i := range networks {
		networks[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24)
	}
	for name, c := range map[string]struct {
		n    New
		kind fault.Kind
		says string
	}{
		"a password":        {app(func(n *New) { n.Kind = account.Password }), fault.Invalid, "account passwd"},
		"an unknown kind":   {app(func(n *New) { n.Kind = "token" }), fault.Invalid, "app-password, oauth"},
		"no kind":           {app(func(n *New) { n.Kind = "" }), fault.Invalid, "not a kind"},
		"no name":           {app(func(n *New) { n.Name = "" }), fault.Invalid, "1 to 63"},
		"a name of spaces":  {app(func(n *New) { n.Name = "my phone" }), fault.Invalid, "a-z and 0-9"},
		"a long name":       {app(func(n *New) { n.Name = strings.Repeat("x", 64) }), fault.Invalid, "1 to 63"},
		"the password's":    {app(func(n *New) { n.Name = "password" }), fault.Invalid, "choose another name"},
		"a name twice":      {app(func(n *New) { n.Name = "there" }), fault.Conflict, "account a@acme.example has a credential there already"},
		"a subject":         {app(func(n *New) { n.Subject = "cn:x" }), fault.Invalid, "has no subject"},
		"no subject":        {New{Kind: account.Certificate, Name: "x"}, fault.Invalid, "sha256:FINGERPRINT"},
		"no fingerprint":    {New{Kind: account.Certificate, Name: "x", Subject: "sha256:00"}, fault.Invalid, "64 hexadecimal digits"},
		"no user":           {New{Kind: account.OAuth, Name: "x", Subject: "example"}, fault.Invalid, "issuer's name, a space"},
		"no network":        {New{Kind: account.Network, Name: "x", Subject: "192.0.2.7"}, fault.Invalid, "192.0.2.0/24"},
		"every network":     {New{Kind: account.Network, Name: "x", Subject: "0.0.0.0/0"}, fault.Invalid, "say by --any-address that it is meant"},
		"another's network": {New{Kind: account.Network, Name: "x", Subject: "198.51.100.9/24"}, fault.Conflict, "credential of account o@other.example already"},
		"one's own network": {New{Kind: account.Network, Name: "x", Subject: "203.0.113.9/24"}, fault.Conflict, "credential of account a@acme.example already"},
		"a network by a mechanism": {New{Kind: account.Network, Name: "x", Subject: "192.0.2.0/24", Envelope: account.Envelope{Mechanisms: []string{"PLAIN"}}},
			fault.Invalid, "name none"},
		"a network elsewhere": {New{Kind: account.Network, Name: "x", Subject: "192.0.2.0/24", Envelope: account.Envelope{Networks: prefixes("192.0.3.0/24")}},
			fault.Invalid, "no client is in network 192.0.2.0/24 and in 192.0.3.0/24 too"},
		"a certificate by a password's": {New{Kind: account.Certificate, Name: "x", Subject: "cn:x", Envelope: account.Envelope{Mechanisms: []string{"plain"}}},
			fault.Invalid, "PLAIN proves no credential of kind certificate; that is done with EXTERNAL"},
		"a password by a certificate's": {envelope(func(e *account.Envelope) { e.Mechanisms = []string{"EXTERNAL"} }), fault.Invalid, "that is done with PLAIN SCRAM-SHA-256"},
		"bound to everywhere":           {envelope(func(e *account.Envelope) { e.Networks = prefixes("::/0") }), fault.Invalid, "say by --any-address that it is meant"},
		"bound to no network":           {envelope(func(e *account.Envelope) { e.Networks = make([]netip.Prefix, 1) }), fault.Invalid, "no network"},
		"too many networks":             {envelope(func(e *account.Envelope) { e.Networks = networks }), fault.Invalid, "at most 100"},
		"an unknown mechanism":          {envelope(func(e *account.Envelope) { e.Mechanisms = []string{"NTLM"} }), fault.Invalid, "which knows PLAIN SCRAM-SHA-256 EXTERNAL"},
		"another's sender":              {envelope(func(e *account.Envelope) { e.Senders = []account.Grant{{Address: other}} }), fault.Invalid, "may not use o@other.example itself"},
		"a domain not granted":          {envelope(func(e *account.Envelope) { e.Senders = []account.Grant{{Domain: "acme.example"}} }), fault.Invalid, "may not use @acme.example itself"},
		"a sender of nothing":           {envelope(func(e *account.Envelope) { e.Senders = make([]account.Grant, 1) }), fault.Invalid, "a sender is one address"},
		"a negative limit":              {envelope(func(e *account.Envelope) { e.MaxMessages = -1 }), fault.Invalid, "negative"},
		"expired":                       {envelope(func(e *account.Envelope) { e.Expires = clock().Add(-time.Second) }), fault.Invalid, "has passed"},
		"expires at once":               {envelope(func(e *account.Envelope) { e.Expires = clock() }), fault.Invalid, "has passed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for address, n := range map[mail.Address]New{
				a:     {Kind: account.AppPassword, Name: "there"},
				other: {Kind: account.Network, Name: "web", Subject: "198.51.100.0/24"},
			} {
				_, err := w.admin.Add(t.Context(), address, n)
				w.must(err)
			}
			_, err := w.admin.Add(t.Context(), a, New{Kind: account.Network, Name: "web", Subject: "203.0.113.0/24"})
			w.must(err)
			before := len(w.store.Events())
			password, err := w.admin.Add(t.Context(), a, c.n)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || password != "" {
				t.Errorf("%v, password %q; %v with %q wanted", err, password, c.kind, c.says)
			}
			if !strings.Contains(err.Error(), "a@acme.example") && !strings.Contains(name, "name") {
				t.Errorf("%v does not name the account", err)
			}
			if len(w.store.Events()) != before {
				t.Error("something was changed all the same")
			}
		})
	}
}

func TestMostCredentials(t *testing.T) {
	w := newWorld(t)
	name := func(i int) string { return "app" + string(rune('a'+i/10)) + string(rune('0'+i%10)) }
	for i := range Most - 1 {
		_, err := w.admin.Add(t.Context(), a, New{Kind: account.AppPassword, Name: name(i)})
		w.must(err)
	}
	if _, err := w.admin.Add(t.Context(), a, New{Kind: account.AppPassword, Name: "more"}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "50") {
		t.Errorf("one too many: %v", err)
	}
	w.must(w.admin.Revoke(t.Context(), a, name(7)))
	_, err := w.admin.Add(t.Context(), a, New{Kind: account.AppPassword, Name: "more"})
	w.must(err)
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.admin.Add(ctx, a, New{Kind: account.Network, Name: "web", Subject: "192.0.2.0/24"})
	w.must(err)
	before := len(w.store.Events())
	w.must(w.admin.Revoke(ctx, a, "web"))
	w.said(before, "account a@acme.example", "credential web revoked: network")
	if err := w.admin.Revoke(ctx, a, "web"); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), `account a@acme.example has no credential "web"; it has password`) {
		t.Error(err)
	}
	_, err = w.admin.Add(ctx, other, New{Kind: account.Network, Name: "web", Subject: "192.0.2.0/24"}) // free again
	w.must(err)
	w.must(w.admin.Revoke(ctx, a, "password"))
	if err := w.admin.Revoke(ctx, a, "password"); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "it has none") {
		t.Error(err)
	}
	for _, err := range []error{w.admin.Revoke(ctx, nobody, "x"), w.admin.SetEnvelope(ctx, nobody, "x", EnvelopeChange{}), w.admin.SetLegacy(ctx, nobody, true)} {
		if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "account n@acme.example does not exist") {
			t.Error(err)
		}
	}
	if _, err := w.admin.List(ctx, nobody); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// TestRevokeOfDirectory: the password of an account of a directory stays, as nothing could
// give it back; its other credentials go.
func TestRevokeOfDirectory(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.store.Alter(a.Key(), func(acc *account.Account) { acc.Directory = "mailboxes" })
	_, err := w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "phone"})
	w.must(err)
	before := len(w.store.Events())
	err = w.admin.Revoke(ctx, a, "password")
	if !fault.Is(err, fault.Conflict) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{`directory "mailboxes"`, `"countersign account suspend a@acme.example"`, `"countersign credential set a@acme.example password"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not said in %v", part, err)
		}
	}
	if w.stored(a, "password").ID == "" || len(w.store.Events()) != before {
		t.Error("something was changed")
	}
	w.must(w.admin.Revoke(ctx, a, "phone"))
}

// TestRevokeOfACertificateClosesToNames: the certificate that was revoked must not open the
// account by the name in it, with the password's envelope.
func TestRevokeOfACertificateClosesToNames(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, c := range []struct {
		directory           string
		before, want        []string
		kind                account.CredentialKind
		subject, said, what string
	}{
		{"mailboxes", nil, []string{"PLAIN", "SCRAM-SHA-256"}, account.Certificate, "cn:printer", "; certificates open the account by name no more, until credential password is given every mechanism again", "with all mechanisms"},
		{"mailboxes", []string{"EXTERNAL", "PLAIN"}, []string{"PLAIN"}, account.Certificate, "cn:printer", "; certificates open the account by name no more, until credential password is given every mechanism again", "with some"},
		{"mailboxes", []string{"PLAIN"}, []string{"PLAIN"}, account.Certificate, "cn:printer", "", "without EXTERNAL"},
		{"mailboxes", nil, nil, account.Network, "192.0.2.0/24", "", "another kind"},
		{"", nil, nil, account.Certificate, "cn:printer", "", "the store's account"},
	} {
		w.store.Alter(a.Key(), func(acc *account.Account) {
			acc.Directory = c.directory
			acc.Credentials[indexOf(acc, "password")].Envelope.Mechanisms = c.before
		})
		_, err := w.admin.Add(ctx, a, New{Kind: c.kind, Name: "printer", Subject: c.subject})
		w.must(err)
		before := len(w.store.Events())
		w.must(w.admin.Revoke(ctx, a, "printer"))
		w.said(before, "account a@acme.example", "credential printer revoked: "+string(c.kind)+c.said)
		if p := w.stored(a, "password"); !slices.Equal(p.Envelope.Mechanisms, c.want) || p.Recall.All != 0 {
			t.Errorf("%s: the password has %v, recalls %+v; want %v and nothing recalled", c.what, p.Envelope.Mechanisms, p.Recall, c.want)
		}
	}
}

func ptr[V any](v V) *V { return &v }

func TestSetEnvelope(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "printer", Envelope: full()})
	w.must(err)
	first := w.stored(a, "printer")
	want := first
	for _, step := range []struct {
		change EnvelopeChange
		do     func(*account.Envelope)
		text   string
	}{
		{EnvelopeChange{Networks: ptr(prefixes("198.51.100.7/25"))}, func(e *account.Envelope) { e.Networks = prefixes("198.51.100.0/25") }, "networks 198.51.100.0/25, mail that waits held"},
		{EnvelopeChange{MaxRecipients: ptr(0), MaxMessages: ptr(9)}, func(e *account.Envelope) { e.MaxRecipients, e.MaxMessages = 0, 9 }, "max recipients 0, max messages 9"},
		{EnvelopeChange{Expires: ptr(time.Time{})}, func(e *account.Envelope) { e.Expires = time.Time{} }, "expires never"},
		{EnvelopeChange{Networks: ptr(prefixes("0.0.0.0/0")), Wide: true}, func(e *account.Envelope) { e.Networks = prefixes("0.0.0.0/0") }, "networks 0.0.0.0/0"},
		{EnvelopeChange{Networks: new([]netip.Prefix), Senders: new([]account.Grant), Mechanisms: new([]string), MaxMessageBytes: new(int64), MaxMessages: new(int)},
			func(e *account.Envelope) { *e = account.Envelope{} }, "networks any, senders any, mechanisms any, max message bytes 0, max messages 0"},
	} {
		before := len(w.store.Events())
		w.must(w.admin.SetEnvelope(ctx, a, "printer", step.change))
		w.said(before, "account a@acme.example", "credential printer: "+step.text)
		step.do(&want.Envelope)
		got := w.stored(a, "printer")
		if got.ID != first.ID || got.Changed != first.Changed || got.Secret.Hash != first.Secret.Hash || len(got.Envelope.Networks) != len(want.Envelope.Networks) ||
			!slices.Equal(got.Envelope.Networks, want.Envelope.Networks) || !slices.Equal(got.Envelope.Mechanisms, want.Envelope.Mechanisms) ||
			!slices.Equal(got.Envelope.Senders, want.Envelope.Senders) || got.Envelope.MaxRecipients != want.Envelope.MaxRecipients ||
			got.Envelope.MaxMessages != want.Envelope.MaxMessages || got.Envelope.MaxMessageBytes != want.Envelope.MaxMessageBytes || !got.Envelope.Expires.Equal(want.Envelope.Expires) {
			t.Errorf("after %s:\n got %+v\nwant %+v", step.text, got, want)
		}
	}
	before := len(w.store.Events())
	for what, change := range map[string]EnvelopeChange{
		"nothing": {}, "everywhere": {Networks: ptr(prefixes("::/0"))}, "the past": {Expires: ptr(clock().Add(-time.Hour))},
		"good and bad": {MaxMessages: ptr(1), Mechanisms: ptr([]string{"NTLM"})}, "less than none": {MaxMessageBytes: ptr(int64(-1))},
		"what proves it not": {Mechanisms: ptr([]string{"EXTERNAL"})},
	} {
		if err := w.admin.SetEnvelope(ctx, a, "printer", change); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "credential printer of account a@acme.example: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(w.store.Events()) != before || w.stored(a, "printer").Envelope.MaxMessages != 0 {
		t.Error("something was changed all the same")
	}
	w.must(w.admin.SetEnvelope(ctx, a, "password", EnvelopeChange{MaxMessages: ptr(3)}))
}

// TestSetEnvelopeRecalls: what is forbidden of what was allowed is recalled, unless the
// change keeps it.
func TestSetEnvelopeRecalls(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "printer"})
	w.must(err)
	one, two := []account.Grant{{Address: a}}, []account.Grant{{Domain: "second.example"}}
	want := account.Recall{}
	for _, step := range []struct {
		change EnvelopeChange
		do     func(r *account.Recall, revision int64)
		text   string
	}{
		{EnvelopeChange{MaxRecipients: ptr(1), Expires: ptr(clock().Add(time.Hour))}, nil, "max recipients 1, expires 2027-01-15T09:00:00Z"},
		{EnvelopeChange{Senders: &one, KeepMail: true}, nil, "senders a@acme.example, mail that waits goes on"},
		{EnvelopeChange{Senders: &two}, func(r *account.Recall, n int64) { r.Some, r.Spared = n, two }, "senders @second.example, mail that waits held, but under these senders"},
		{EnvelopeChange{Senders: new([]account.Grant)}, nil, "senders any"},
		{EnvelopeChange{Mechanisms: ptr([]string{"PLAIN"}), Senders: &one}, func(r *account.Recall, n int64) { *r = account.Recall{All: n} },
			"senders a@acme.example, mechanisms PLAIN, mail that waits held"},
		{EnvelopeChange{Networks: ptr(prefixes("192.0.2.0/24")), KeepMail: true}, nil, "networks 192.0.2.0/24, mail that waits goes on"},
		{EnvelopeChange{Networks: ptr(prefixes("192.0.2.0/23")), KeepMail: true}, nil, "networks 192.0.2.0/23"},
		{EnvelopeChange{Senders: &two}, func(r *account.Recall, n int64) { r.Some, r.Spared = n, two }, "senders @second.example, mail that waits held, but under these senders"},
	} {
		before := len(w.store.Events())
		w.must(w.admin.SetEnvelope(ctx, a, "printer", step.change))
		w.said(before, "account a@acme.example", "credential printer: "+step.text)
		acc, err := w.store.Account(ctx, a.Key())
		w.must(err)
		if step.do != nil {
			step.do(&want, acc.Revision)
		}
		if got := w.stored(a, "printer").Recall; !reflect.DeepEqual(got, want) {
			t.Errorf("after %s: %+v is recalled, want %+v", step.text, got, want)
		}
	}
	if err := w.admin.SetEnvelope(ctx, a, "printer", EnvelopeChange{KeepMail: true}); !fault.Is(err, fault.Invalid) {
		t.Errorf("nothing but to keep mail: %v", err)
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, n := range []New{{Kind: account.Network, Name: "web", Subject: "192.0.2.0/24"}, {Kind: account.AppPassword, Name: "app"}} {
		_, err := w.admin.Add(ctx, a, n)
		w.must(err)
	}
	u := account.Use{Credential: w.stored(a, "app").ID, At: clock(), Client: netip.MustParseAddr("192.0.2.9"), Mechanism: "PLAIN"}
	w.must(w.store.Used(ctx, []account.Use{u}))
	list, err := w.admin.List(ctx, a)
	w.must(err)
	if len(list) != 3 || list[0].Name != "app" || list[1].Name != "password" || list[2].Name != "web" {
		t.Fatalf("got %+v", list)
	}
	for _, l := range list {
		if l.Secret.Hash != "" || l.Secret.Keys != nil || slices.Equal(l.Keys, []string{"SCRAM-SHA-256"}) != l.Kind.Secret() || (l.Used != nil) != (l.Name == "app") {
			t.Errorf("got %+v", l)
		}
	}
	if *list[0].Used != u {
		t.Errorf("used %+v", list[0].Used)
	}
}

// racing lets something happen between reading an account and writing it.
type racing struct {
	*accountstore.Store
	between func() error
}

func (s *racing) PutAccount(ctx context.Context, acc account.Account, e audit.Event) error {
	if err := s.between(); err != nil {
		return err
	}
	return s.Store.PutAccount(ctx, acc, e)
}

func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	opt := w.admin.opt
	opt.Store = &racing{w.store, func() error { return w.admin.SetLegacy(t.Context(), a, true) }}
	password, err := NewAdmin(opt).Add(t.Context(), a, New{Kind: account.AppPassword, Name: "x"})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "account a@acme.example was changed by somebody else") || password != "" {
		t.Errorf("%q, %v", password, err)
	}
	down := errors.New("the disk is gone")
	w.store.Down(down)
	for _, do := range []func() error{
		func() error {
			_, err := w.admin.Add(t.Context(), a, New{Kind: account.AppPassword, Name: "x"})
			return err
		},
		func() error { return w.admin.Revoke(t.Context(), a, "password") },
		func() error { _, err := w.admin.List(t.Context(), a); return err },
		func() error { return w.admin.SetPlanLegacy(t.Context(), "gold", true) },
	} {
		if err := do(); !errors.Is(err, down) {
			t.Errorf("without a store: %v", err)
		}
	}
}
