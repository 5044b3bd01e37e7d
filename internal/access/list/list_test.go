package list

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func TestParseWhat(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.0/120": "192.0.2.0/24", "2001:DB8::/48": "2001:db8::/48", "0.0.0.0/0": "0.0.0.0/0",
		"de": "DE", "GB": "GB", "xk": "XK", "as64500": "AS64500", "AS4294967295": "AS4294967295", "AS": "AS", // American Samoa
		"AD": "AD", "ZW": "ZW",
	} {
		w, err := ParseWhat(text)
		if err != nil || w.String() != want || w.check() != nil {
			t.Errorf("%s is %v: %v, %v; want %s", text, w, err, w.check(), want)
		}
		if again, err := ParseWhat(w.String()); err != nil || again != w {
			t.Errorf("%s is read as %v, %v", w, again, err)
		}
	}
	for text, says := range map[string]string{
		"UK": "the United Kingdom is GB", "ZZ": "no code of a country", "EU": "no code of a country", "DDR": "neither a network", "": "neither a network",
		"AS0": "not the number", "AS007": "not the number", "AS4294967296": "not the number", "AS1.1": "not the number", "AS-1": "not the number", "AS+1": "not the number",
		"192.0.2.7/24": "write 192.0.2.0/24", "D ": "neither a network", "Ä": "neither a network", "1.2.3": "is not an address",
	} {
		if w, err := ParseWhat(text); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v: %v, want %q", text, w, err, says)
		}
	}
	if n := len(strings.Fields(countries)); n != 250 {
		t.Errorf("%d countries", n)
	}
	if IsCountry("D ") || IsCountry(" A") || IsCountry("de") {
		t.Error("what is no code is a country")
	}
}

func FuzzParseWhat(f *testing.F) {
	for _, seed := range []string{"DE", "AS1", "192.0.2.0/24", "::/0", "as", "AS99999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWhat(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if err := w.check(); err != nil {
			t.Fatalf("%q is read as what is refused: %v", text, err)
		}
		if again, err := ParseWhat(w.String()); err != nil || again != w {
			t.Fatalf("%v is read as %v (%v)", w, again, err)
		}
	})
}

// lists are entries as a test writes them: "deny DE everywhere", "allow 10.0.0.0/8 for
// account a@example.org", with "shadow" before them or "ended".
func lists(t testing.TB, texts ...string) map[Subject]*Sheet {
	t.Helper()
	by := map[Subject][]Entry{}
	for _, text := range texts {
		e := Entry{Reason: "asked for", Start: noon.Add(-time.Hour)}
		words := strings.Fields(text)
		for ; words[0] == "shadow" || words[0] == "ended"; words = words[1:] {
			e.Shadow = e.Shadow || words[0] == "shadow"
			if words[0] == "ended" {
				e.End = noon
			}
		}
		var errs [3]error
		e.Effect, errs[0] = ParseEffect(words[0])
		e.What, errs[1] = ParseWhat(words[1])
		if words[2] == "for" {
			e.For.Kind, errs[2] = ParseKind(words[3])
			e.For.Name = words[4]
		}
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		by[e.For] = append(by[e.For], e)
	}
	sheets := map[Subject]*Sheet{}
	for s, list := range by {
		sheets[s] = NewSheet(list)
	}
	return sheets
}

// ann is somebody at 192.0.2.9, in AS64500 in Germany.
var (
	ann = Who{Listener: "web", Customer: "acme", Domain: "one.example", Account: "ann@one.example", Credential: "01KPH00000000000000000000A"}
	at  = Place{Client: netip.MustParseAddr("::ffff:192.0.2.9"), Country: "DE", AS: 64500}
)

// decide is Decide at noon.
func decide(q Question, sheets map[Subject]*Sheet) Decision {
	all := q.Who.Sheets(func(s Subject) *Sheet { return sheets[s] })
	d, _ := Decide(q, &all, noon)
	return d
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		entries []string
		want    string // the rule, behind - where it denies and + where it allows; "" for nothing
	}{
		"nothing is set":                     {nil, ""},
		"a network is denied":                {[]string{"deny 192.0.2.0/24 everywhere"}, "-deny 192.0.2.0/24 everywhere"},
		"another network is denied":          {[]string{"deny 192.0.3.0/24 everywhere", "deny 2001:db8::/32 everywhere"}, ""},
		"a country is denied":                {[]string{"deny DE everywhere"}, "-deny DE everywhere"},
		"an autonomous system is denied":     {[]string{"deny AS64500 everywhere"}, "-deny AS64500 everywhere"},
		"the longest network decides":        {[]string{"deny 192.0.0.0/16 everywhere", "allow 192.0.2.0/24 everywhere"}, "+allow 192.0.2.0/24 everywhere"},
		"and the other way round":            {[]string{"allow 192.0.0.0/16 everywhere", "deny 192.0.2.0/24 everywhere"}, "-deny 192.0.2.0/24 everywhere"},
		"deny wins over allow of the same":   {[]string{"allow 192.0.2.0/24 everywhere", "deny 192.0.2.0/24 everywhere"}, "-deny 192.0.2.0/24 everywhere"},
		"deny wins, in whatever order":       {[]string{"deny DE everywhere", "except DE everywhere"}, "-deny DE everywhere"},
		"a network is narrower than an AS":   {[]string{"deny AS64500 everywhere", "except 0.0.0.0/1 everywhere", "except 192.0.0.0/8 everywhere"}, "+except 192.0.0.0/8 everywhere"},
		"an AS is narrower than a country":   {[]string{"deny DE everywhere", "except AS64500 everywhere"}, "+except AS64500 everywhere"},
		"a country is narrower than all":     {[]string{"deny 0.0.0.0/0 everywhere", "except DE everywhere"}, "+except DE everywhere"},
		"all of the other family":            {[]string{"deny ::/0 everywhere"}, ""},
		"allow closes":                       {[]string{"allow 10.0.0.0/8 everywhere"}, "-closed everywhere"},
		"an exception closes nothing":        {[]string{"except 10.0.0.0/8 everywhere"}, ""},
		"deny closes nothing":                {[]string{"deny 10.0.0.0/8 everywhere"}, ""},
		"an exception to what closes":        {[]string{"allow 10.0.0.0/8 everywhere", "except DE everywhere"}, "+except DE everywhere"},
		"the account goes before all":        {[]string{"deny DE everywhere", "allow 192.0.2.9 for account ann@one.example"}, "+allow 192.0.2.9/32 for account ann@one.example"},
		"a short network of the account too": {[]string{"deny 192.0.2.9 everywhere", "allow 192.0.0.0/8 for account ann@one.example"}, "+allow 192.0.0.0/8 for account ann@one.example"},
		"the credential before the account":  {[]string{"allow DE for account ann@one.example", "deny DE for credential 01KPH00000000000000000000A"}, "-deny DE for credential 01KPH00000000000000000000A"},
		"the account before the domain":      {[]string{"allow DE for account ann@one.example", "deny DE for domain one.example"}, "+allow DE for account ann@one.example"},
		"the domain before the customer":     {[]string{"allow DE for domain one.example", "deny DE for customer acme"}, "+allow DE for domain one.example"},
		"the customer before the listener":   {[]string{"allow DE for customer acme", "deny DE for listener web"}, "+allow DE for customer acme"},
		"the listener before everything":     {[]string{"allow DE for listener web", "deny DE everywhere"}, "+allow DE for listener web"},
		"those of others say nothing":        {[]string{"deny DE for account bob@one.example", "allow FR for listener other"}, ""},
		"an account that is closed":          {[]string{"allow FR for account ann@one.example", "allow DE everywhere"}, "-closed account ann@one.example"},
		"deny elsewhere leads on":            {[]string{"deny FR for account ann@one.example", "deny DE everywhere"}, "-deny DE everywhere"},
		"what has ended":                     {[]string{"ended deny DE everywhere", "ended allow FR everywhere"}, ""},
		"what has ended hides nothing":       {[]string{"ended allow 192.0.2.9 everywhere", "deny DE everywhere"}, "-deny DE everywhere"},
		"shadow does nothing":                {[]string{"shadow deny 192.0.2.0/24 everywhere", "shadow allow FR everywhere", "allow DE everywhere"}, "+allow DE everywhere"},
		"nor does it close":                  {[]string{"shadow allow FR everywhere"}, ""},
	} {
		sheets := lists(t, c.entries...)
		d := decide(Question{Who: ann, Place: at}, sheets)
		if got := signed(d); got != c.want || d.Denied && d.Reason() == "" {
			t.Errorf("%s: %q (%q), want %q", name, got, d.Reason(), c.want)
		}
	}
}

// signed is a decision as TestDecide writes it.
func signed(d Decision) string {
	switch {
	case d.Denied:
		return "-" + d.Rule()
	case d.Allowed:
		return "+" + d.Rule()
	}
	return ""
}

func TestShadow(t *testing.T) {
	for entries, want := range map[string]string{
		"shadow deny DE everywhere":                                        "-deny DE everywhere",
		"shadow allow FR everywhere":                                       "-closed everywhere",
		"shadow deny DE everywhere; allow 192.0.2.9 everywhere":            "+allow 192.0.2.9/32 everywhere",
		"shadow except DE for account ann@one.example; deny DE everywhere": "+except DE for account ann@one.example",
	} {
		sheets := lists(t, strings.Split(entries, "; ")...)
		d := decide(Question{Who: ann, Place: at, Shadow: true}, sheets)
		if got := signed(d); got != want {
			t.Errorf("%s: %q, want %q", entries, got, want)
		}
	}
}

func TestUnknownPlaces(t *testing.T) {
	sheets := lists(t, "deny DE everywhere", "allow FR for listener web")
	// Who is nowhere in the files is in no country: not denied for one, nor allowed.
	if d := decide(Question{Place: Place{Client: at.Client}}, sheets); d != (Decision{}) {
		t.Errorf("of an unknown country: %q", signed(d))
	}
	if d := decide(Question{Who: Who{Listener: "web"}, Place: Place{Client: at.Client}}, sheets); signed(d) != "-closed listener web" {
		t.Errorf("of an unknown country where one is allowed: %q", signed(d))
	}
	// Nor is a client without an address in any network.
	sheets = lists(t, "deny 0.0.0.0/0 everywhere", "deny ::/0 everywhere")
	if d := decide(Question{}, sheets); d != (Decision{}) {
		t.Errorf("without an address: %q", signed(d))
	}
}

func TestCheck(t *testing.T) {
	good := Entry{ID: "01K00000000000000000000001", Reason: "x", Start: noon, By: "me", What: What{Country: "DE"}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Entry){
		"id": func(e *Entry) { e.ID = "" }, "by": func(e *Entry) { e.By = "" }, "start": func(e *Entry) { e.Start = time.Time{} }, "end": func(e *Entry) { e.End = noon },
		"effect": func(e *Entry) { e.Effect = effects }, "kind": func(e *Entry) { e.For.Kind = kinds }, "name of everything": func(e *Entry) { e.For.Name = "x" },
		"no listener": func(e *Entry) { e.For.Kind = Listener }, "domain": func(e *Entry) { e.For = Subject{Domain, "One.example"} },
		"account": func(e *Entry) { e.For = Subject{Account, "ann"} }, "credential": func(e *Entry) { e.For = Subject{Credential, "phone"} },
		"long":      func(e *Entry) { e.For = Subject{Listener, strings.Repeat("x", 600)} },
		"host bits": func(e *Entry) { e.What = What{Prefix: netip.MustParsePrefix("192.0.2.1/24")} },
		"mapped":    func(e *Entry) { e.What = What{Prefix: netip.MustParsePrefix("::ffff:192.0.2.0/120")} },
		"nothing":   func(e *Entry) { e.What = What{} }, "two": func(e *Entry) { e.What.AS = 1 }, "country": func(e *Entry) { e.What.Country = "de" },
		"empty reason": func(e *Entry) { e.Reason = " " }, "long reason": func(e *Entry) { e.Reason = strings.Repeat("x", MaxReason+1) }, "lines": func(e *Entry) { e.Reason = "a\r\nb" },
	} {
		e := good
		change(&e)
		if err := e.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// notebook is a store in memory.
type notebook struct {
	Store
	entries []Entry
	events  []audit.Event
}

func (n *notebook) AddEntry(_ context.Context, e Entry, _ tenant.Bound, ev audit.Event) error {
	n.entries, n.events = append(n.entries, e), append(n.events, ev)
	return nil
}

func (n *notebook) RemoveEntry(_ context.Context, id mail.ID, at time.Time, by string, ev audit.Event) error {
	for i := range n.entries {
		if n.entries[i].ID == id {
			n.entries[i].End, n.entries[i].Lifted = at, by
		}
	}
	n.events = append(n.events, ev)
	return nil
}

func (n *notebook) Entries(_ context.Context, q Query) (found []Entry, err error) {
	for _, e := range n.entries {
		if (q.ID == "" || q.ID == e.ID) && (q.For == nil || *q.For == e.For) && (q.Holding.IsZero() || e.Holds(q.Holding)) {
			found = append(found, e)
		}
	}
	return found, nil
}

func TestAdmin(t *testing.T) {
	n, clock := &notebook{}, func() time.Time { return noon }
	a := NewAdmin(AdminOptions{Store: n, IDs: &mail.IDSource{Now: clock}, Actor: "cli:root", Now: clock})
	de, ten := What{Country: "DE"}, What{Prefix: netip.MustParsePrefix("10.0.0.0/8")}
	account, web := Subject{Account, "ann@one.example"}, Subject{Listener, "web"}
	refused := func(says string, w Wanted) {
		t.Helper()
		w.Reason = "asked for"
		if _, _, err := a.Add(t.Context(), w); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) || len(n.entries) != len(n.events) {
			t.Errorf("%+v: %v, want %q", w, err, says)
		}
	}
	added := func(w Wanted, wantCloses bool) Entry {
		t.Helper()
		w.Reason = " asked for "
		e, closes, err := a.Add(t.Context(), w)
		if err != nil || closes != wantCloses || e.Reason != "asked for" || e.By != "cli:root" || !e.Start.Equal(noon) {
			t.Fatalf("%+v: %+v, %v, %v", w, e, closes, err)
		}
		return e
	}
	refused("which is past", Wanted{What: de, End: noon})
	refused("keep out all others", Wanted{What: de, Effect: Allow})
	refused("keep out all others", Wanted{For: web, What: de, Effect: Allow})
	refused("every IPv4 address", Wanted{What: What{Prefix: netip.MustParsePrefix("0.0.0.0/0")}})
	refused("machine itself", Wanted{For: web, What: What{Prefix: netip.MustParsePrefix("127.0.0.1/32")}})
	added(Wanted{What: What{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, Shadow: true}, false)
	added(Wanted{What: What{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, Effect: Except}, false)
	added(Wanted{What: de, Effect: Allow, Shadow: true}, false)
	added(Wanted{What: de, Effect: Except}, false)
	first := added(Wanted{What: de, Effect: Allow, Force: true}, true)
	second := added(Wanted{What: ten, Effect: Allow, End: noon.Add(time.Hour)}, false)
	added(Wanted{For: account, What: ten, Effect: Allow, Login: "ann@one.example"}, true)
	last := n.events[len(n.events)-1]
	if last.Kind != audit.AccessAdded || last.Object != "access allow 10.0.0.0/8 for account ann@one.example" || last.Login != "ann@one.example" || last.Text != "asked for" || last.Data["entry"] == "" {
		t.Errorf("recorded %+v", last)
	}
	for _, c := range []struct {
		e     Entry
		opens bool
	}{{first, false}, {second, true}} {
		if e, opens, err := a.Remove(t.Context(), c.e.ID); err != nil || opens != c.opens || e.Lifted != "cli:root" {
			t.Errorf("removed %+v, %v, %v", e, opens, err)
		}
	}
	if _, _, err := a.Remove(t.Context(), "01K00000000000000000000009"); !fault.Is(err, fault.NotFound) {
		t.Errorf("removing nothing: %v", err)
	}
	if last := n.events[len(n.events)-1]; last.Kind != audit.AccessRemoved || last.Data["until"] == "" {
		t.Errorf("recorded %+v", last)
	}
}

// TestOverlaps: what an entry does that a wider one does already is refused, unless it does so for
// longer, or closes its list, or something else stands between; what it meets is told.
func TestOverlaps(t *testing.T) {
	web := Subject{Listener, "web"}
	entry := func(id string, effect Effect, what string, hours time.Duration) Entry {
		w, err := ParseWhat(what)
		if err != nil {
			t.Fatal(err)
		}
		e := Entry{ID: mail.ID(id), For: web, What: w, Effect: effect, Start: noon, By: "x", Reason: "x"}
		if hours > 0 {
			e.End = noon.Add(hours * time.Hour)
		}
		return e
	}
	shadow := entry("S", Deny, "10.0.0.0/8", 0)
	shadow.Shadow = true
	other := entry("O", Deny, "10.0.0.0/8", 0)
	other.For = Subject{}
	for name, c := range map[string]struct {
		have              []Entry
		add               Entry
		idle              bool
		within, otherwise string
	}{
		"alone":                       {nil, entry("N", Deny, "10.1.0.0/16", 0), false, "", ""},
		"in a wider one":              {[]Entry{entry("A", Deny, "10.0.0.0/8", 0)}, entry("N", Deny, "10.1.0.0/16", 0), true, "A", ""},
		"beside it":                   {[]Entry{entry("A", Deny, "10.0.0.0/8", 0)}, entry("N", Deny, "11.1.0.0/16", 0), false, "", ""},
		"that ends before":            {[]Entry{entry("A", Deny, "10.0.0.0/8", 1)}, entry("N", Deny, "10.1.0.0/16", 2), false, "A", ""},
		"that ends, and it does not":  {[]Entry{entry("A", Deny, "10.0.0.0/8", 1)}, entry("N", Deny, "10.1.0.0/16", 0), false, "A", ""},
		"that ends with it":           {[]Entry{entry("A", Deny, "10.0.0.0/8", 2)}, entry("N", Deny, "10.1.0.0/16", 2), true, "A", ""},
		"of the other effect":         {[]Entry{entry("A", Allow, "10.0.0.0/8", 0)}, entry("N", Deny, "10.1.0.0/16", 0), false, "A", ""},
		"with a hole between":         {[]Entry{entry("A", Deny, "10.0.0.0/8", 0), entry("B", Except, "10.1.0.0/16", 0)}, entry("N", Deny, "10.1.2.0/24", 0), false, "B", ""},
		"with a hole in it":           {[]Entry{entry("A", Except, "10.1.2.0/24", 0), entry("B", Deny, "10.1.3.0/24", 0)}, entry("N", Deny, "10.1.0.0/16", 0), false, "", "A"},
		"in shadow mode":              {[]Entry{shadow}, entry("N", Deny, "10.1.0.0/16", 0), false, "", ""},
		"of another list":             {[]Entry{other}, entry("N", Deny, "10.1.0.0/16", 0), false, "", ""},
		"beside an allow of the same": {[]Entry{entry("A", Deny, "10.0.0.0/8", 0), entry("B", Except, "10.1.0.0/16", 0)}, entry("N", Deny, "10.1.0.0/16", 1), false, "A", ""},
		"an exception in an allow":    {[]Entry{entry("A", Allow, "10.0.0.0/8", 0)}, entry("N", Except, "10.1.0.0/16", 0), true, "A", ""},
		"an allow in an exception":    {[]Entry{entry("A", Except, "10.0.0.0/8", 0), entry("B", Allow, "11.0.0.0/8", 0)}, entry("N", Allow, "10.1.0.0/16", 0), false, "A", ""},
		"of all addresses":            {[]Entry{entry("A", Deny, "0.0.0.0/0", 0)}, entry("N", Deny, "10.1.0.0/16", 0), false, "", ""},
		"of a country":                {[]Entry{entry("A", Deny, "DE", 0)}, entry("N", Deny, "10.1.0.0/16", 0), false, "", ""},
		"of IPv6":                     {[]Entry{entry("A", Deny, "2001:db8::/32", 0), entry("B", Deny, "10.0.0.0/8", 0)}, entry("N", Deny, "2001:db8:1::/48", 0), true, "A", ""},
	} {
		t.Run(name, func(t *testing.T) {
			clock := func() time.Time { return noon }
			a := NewAdmin(AdminOptions{Store: &notebook{entries: c.have}, IDs: &mail.IDSource{Now: clock}, Actor: "cli:root", Now: clock})
			o, err := a.Overlap(t.Context(), c.add)
			if err != nil {
				t.Fatal(err)
			}
			within, otherwise := "", ""
			if o.Within != nil {
				within = string(o.Within.ID)
			}
			for _, e := range o.Otherwise {
				otherwise += string(e.ID)
			}
			if within != c.within || otherwise != c.otherwise {
				t.Errorf("within %q, otherwise %q", within, otherwise)
			}
			w := Wanted{For: c.add.For, What: c.add.What, Effect: c.add.Effect, Reason: "x", End: c.add.End}
			if _, _, err = a.Add(t.Context(), w); fault.Is(err, fault.Invalid) != c.idle || c.idle && !strings.Contains(err.Error(), "would change nothing") {
				t.Errorf("added: %v", err)
			}
			w.Force = true
			if _, _, err = a.Add(t.Context(), w); err != nil {
				t.Errorf("by force: %v", err)
			}
		})
	}
}

// TestBeside: what is let in by an entry is not, while exactly the same is denied.
func TestBeside(t *testing.T) {
	entry := func(id string, effect Effect, what string) Entry {
		w, err := ParseWhat(what)
		if err != nil {
			t.Fatal(err)
		}
		return Entry{ID: mail.ID(id), What: w, Effect: effect, Start: noon, By: "x", Reason: "x"}
	}
	shadow, past, others := entry("S", Deny, "DE"), entry("P", Deny, "DE"), entry("O", Deny, "DE")
	shadow.Shadow, past.End, others.For = true, noon, Subject{Listener, "web"}
	for name, c := range map[string]struct {
		there, add Entry
		beside     bool
	}{
		"an exception":     {entry("A", Deny, "10.0.0.0/8"), entry("N", Except, "10.0.0.0/8"), true},
		"an allow":         {entry("A", Deny, "10.0.0.0/8"), entry("N", Allow, "10.0.0.0/8"), true},
		"of all":           {entry("A", Deny, "::/0"), entry("N", Except, "::/0"), true},
		"a country":        {entry("A", Deny, "DE"), entry("N", Except, "DE"), true},
		"a system":         {entry("A", Deny, "AS64500"), entry("N", Except, "AS64500"), true},
		"another country":  {entry("A", Deny, "FR"), entry("N", Except, "DE"), false},
		"a longer network": {entry("A", Deny, "10.0.0.0/8"), entry("N", Except, "10.0.0.0/9"), false},
		"a deny":           {entry("A", Except, "10.0.0.0/8"), entry("N", Deny, "10.0.0.0/8"), false},
		"two that let in":  {entry("A", Allow, "10.0.0.0/8"), entry("N", Except, "10.0.0.0/8"), false},
		"one in shadow":    {shadow, entry("N", Except, "DE"), false},
		"one that ended":   {past, entry("N", Except, "DE"), false},
		"of another list":  {others, entry("N", Except, "DE"), false},
	} {
		clock := func() time.Time { return noon }
		a := NewAdmin(AdminOptions{Store: &notebook{entries: []Entry{c.there}}, IDs: &mail.IDSource{Now: clock}, Actor: "cli:root", Now: clock})
		o, err := a.Overlap(t.Context(), c.add)
		if err != nil || (o.Beside != nil) != c.beside || o.Within != nil && name != "a longer network" || len(o.Otherwise) > 0 {
			t.Errorf("%s: %+v (%v)", name, o, err)
		}
	}
}
