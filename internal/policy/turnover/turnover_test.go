package turnover

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cryptorand "crypto/rand"

	"countersign/internal/account"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/domainkey"
	"countersign/internal/seal"
)

func timing() Timing { return Timing{Settle: time.Hour, Keep: 8 * 24 * time.Hour} }

// TestTheWholeWay goes with a domain from the first look to the last.
func TestTheWholeWay(t *testing.T) {
	start := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	keys := []account.Key{
		{Selector: "new-rsa", Stage: account.Waiting}, {Selector: "new-ed", Stage: account.Waiting},
		{Selector: "old-rsa"}, {Selector: "old-ed"},
	}
	all := func(s domainkey.State) map[string]domainkey.State {
		return map[string]domainkey.State{"new-rsa": s, "new-ed": s}
	}
	for _, step := range []struct {
		after   time.Duration
		states  map[string]domainkey.State
		text    string
		signing string
	}{
		{0, all(domainkey.Absent), "", "old-rsa old-ed"},
		{time.Minute, map[string]domainkey.State{"new-rsa": domainkey.Published, "new-ed": domainkey.Absent}, "new-rsa found in DNS", "old-rsa old-ed"},
		{2 * time.Hour, map[string]domainkey.State{"new-rsa": domainkey.Published, "new-ed": domainkey.Published}, "new-ed found in DNS", "old-rsa old-ed"},
		{150 * time.Minute, map[string]domainkey.State{"new-rsa": domainkey.Different, "new-ed": domainkey.Published}, "new-rsa not found in DNS any more", "old-rsa old-ed"},
		{151 * time.Minute, all(domainkey.Published), "new-rsa found in DNS", "old-rsa old-ed"},
		{4 * time.Hour, all(domainkey.Unknown), "", "old-rsa old-ed"}, // they have settled, and nobody can say whether they are still there
		{210 * time.Minute, all(domainkey.Published), "", "old-rsa old-ed"},
		{211 * time.Minute, all(domainkey.Published), "new-rsa, new-ed signing from now on; old-rsa, old-ed not signing any more", "new-rsa new-ed"},
		{8 * 24 * time.Hour, nil, "", "new-rsa new-ed"},
		{8*24*time.Hour + 211*time.Minute, nil, "old-rsa, old-ed removed; what is published of them may go", "new-rsa new-ed"},
	} {
		before := slices.Clone(keys)
		turn := Next(keys, step.states, start.Add(step.after), timing())
		if turn.Text() != step.text || turn.Changes() != (step.text != "") {
			t.Errorf("after %v: %q, want %q", step.after, turn.Text(), step.text)
		}
		if !slices.EqualFunc(keys, before, func(a, b account.Key) bool {
			return a.Selector == b.Selector && a.Stage == b.Stage && a.Turned.Equal(b.Turned)
		}) {
			t.Fatal("it changes what it was given")
		}
		keys = turn.Keys
		if got := signing(keys); got != step.signing {
			t.Errorf("after %v: %s sign, want %s", step.after, got, step.signing)
		}
	}
}

func signing(keys []account.Key) string {
	var list []string
	for _, k := range keys {
		if k.Stage == account.Signing {
			list = append(list, k.Selector)
		}
	}
	return strings.Join(list, " ")
}

// TestAlwaysVerifiable: whatever DNS says and however the clock goes, a domain signs, and
// a key that has waited signs only after DNS had it, at the looks of a whole hour.
func TestAlwaysVerifiable(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
		keys := []account.Key{{Selector: "first"}}
		since := map[string]time.Time{} // when each was found at every look
		for n := range 60 {
			if !Waits(keys) && r.IntN(6) == 0 {
				keys = append([]account.Key{{Selector: fmt.Sprint("k", n), Stage: account.Waiting}}, keys...)
			}
			states := map[string]domainkey.State{}
			for _, k := range keys {
				s := []domainkey.State{domainkey.Published, domainkey.Published, domainkey.Published, domainkey.Absent, domainkey.Unknown}[r.IntN(5)]
				states[k.Selector] = s
				switch {
				case s == domainkey.Absent:
					delete(since, k.Selector)
				case s == domainkey.Published && since[k.Selector].IsZero():
					since[k.Selector] = now
				}
			}
			turn := Next(keys, states, now, timing())
			for _, s := range turn.Begun {
				if since[s].IsZero() || now.Sub(since[s]) < timing().Settle || states[s] != domainkey.Published {
					t.Fatalf("seed %d: %s signs at %v, and is found since %v", seed, s, now, since[s])
				}
			}
			if signing(turn.Keys) == "" {
				t.Fatalf("seed %d: nothing signs: %+v", seed, turn.Keys)
			}
			keys = turn.Keys
			now = now.Add(time.Duration(r.IntN(200)-10) * time.Minute)
		}
	}
}

func TestBegin(t *testing.T) {
	now := time.Now()
	keys := []account.Key{{Selector: "new", Stage: account.Waiting}, {Selector: "old"}}
	turn := Begin(keys, now)
	if signing(turn.Keys) != "new" || turn.Keys[1].Stage != account.Past || !turn.Keys[1].Turned.Equal(now) || keys[0].Stage != account.Waiting {
		t.Errorf("%+v", turn)
	}
	if turn = Begin(turn.Keys, now); turn.Changes() {
		t.Errorf("without one that waits: %+v", turn)
	}
}

func TestSelectors(t *testing.T) {
	sealer, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "key"), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	var have []account.Key
	for _, want := range []string{"cs-rsa-a cs-ed25519-a", "cs-rsa-b cs-ed25519-b", ""} {
		keys, err := Maker{Sealer: sealer, Delegated: true}.Make("example.org", have, now)
		if (want == "") != fault.Is(err, fault.Conflict) || err == nil && signing(keys) != want {
			t.Errorf("%q, %v; want %q", signing(keys), err, want)
		}
		for _, k := range keys {
			if !Delegated(k.Selector) || !strings.Contains(k.Public, "k="+k.Algorithm) {
				t.Errorf("key %+v", k)
			}
		}
		have = append(have, keys...)
	}
}

// TestNoSelectorTwice: a selector is not used again, also where the domain has forgotten it.
func TestNoSelectorTwice(t *testing.T) {
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	form := regexp.MustCompile(`^cs-(rsa|ed25519)-20261127-[a-z2-7]{4}$`)
	used := map[string]bool{}
	for range 10 {
		for _, algorithm := range dkim.Algorithms() {
			selector, err := Maker{}.selector(algorithm, nil, now)
			if err != nil || used[selector] || !form.MatchString(selector) || Delegated(selector) {
				t.Errorf("%s, %v, after %v", selector, err, used)
			}
			used[selector] = true
		}
	}
}

func TestAlias(t *testing.T) {
	name, target, err := Alias("cs-rsa-a", "example.org", "dkim.example.net")
	if err != nil || name != "cs-rsa-a._domainkey.example.org" || target != "cs-rsa-a.example.org.dkim.example.net" {
		t.Errorf("%s at %s, %v", target, name, err)
	}
	long := strings.Repeat(strings.Repeat("a", 60)+".", 3) + "example.org"
	if _, _, err := Alias("cs-rsa-a", "example.org", "dkim.example.net"); err != nil {
		t.Error(err)
	}
	if _, _, err := Alias("cs-rsa-a", mail.Domain(long), mail.Domain("dkim."+strings.Repeat("b", 50)+".example")); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "shorten rekey.delegate") {
		t.Errorf("a name of more than 253 octets: %v", err)
	}
}
