package rule

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/internal/account/breached"
	"countersign/internal/fault"
)

// rule returns a Rule as it is by default, with more.
func rule(t testing.TB, more func(*Options)) *Rule {
	t.Helper()
	opt := Options{MinCharacters: DefaultMinCharacters, MinScore: DefaultMinScore}
	if more != nil {
		more(&opt)
	}
	r, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// good passes all that does not concern what was before.
const good = "purple-kettle-ocean-42"

var account = About{
	Login: "mjf.gardiner@fjordlingen.example", Customer: "Brückenwirt Obersdorf KG",
	Aliases: []string{"info@fjordlingen.example", "rosenstolzer@xn--bcher-kva.example"},
}

// refused wants a refusal with these parts, and nothing of the password in it.
func refused(t *testing.T, err error, password string, parts ...string) {
	t.Helper()
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("%q: the error is %v", password, err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q: no %q in %v", password, part, err)
		}
	}
	if len(password) > 3 && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(password)) {
		t.Errorf("the refusal repeats the password: %v", err)
	}
}

func TestGoodPasswords(t *testing.T) {
	r := rule(t, func(o *Options) { o.Remember = MaxRemember })
	for _, password := range []string{
		good, "correct horse battery staple", "nB7#xq!Lw2Zr", "ヴィトゲンシュタイン橋九十四", "Жареный рояль 71 окно",
		strings.Repeat("nB7#xq!Lw2Zr-", 39), "mjf.gardiner swims past 9 umbrellas",
	} {
		if err := r.Check(t.Context(), password, account); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// TestGenerated: what is generated in the form of package account always passes.
func TestGenerated(t *testing.T) {
	r := rule(t, func(o *Options) { o.MinScore = MaxScore })
	random := rand.New(rand.NewPCG(3, 4))
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
	for range 300 {
		var b strings.Builder
		for i := range 20 {
			if i > 0 && i%5 == 0 {
				b.WriteByte('-')
			}
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		if err := r.Check(t.Context(), b.String(), account); err != nil {
			t.Errorf("%q: %v", b.String(), err)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := rule(t, nil)
	for _, c := range []struct {
		password string
		parts    []string
	}{
		{"", []string{"0 characters: make it 12 or more", "too easy"}},
		{"nB7#xq!Lw2Z", []string{"11 characters"}},
		{"ééééééééééé", []string{"11 characters", "too easy", "repetition"}},
		{"password1234", []string{"too easy to guess (", "what many others choose"}},
		{"=-09876tyuio", []string{"side by side"}},
		{"abcdefghijklmnop", []string{"sequences"}},
		{"hunter2hunter2hunter2", []string{"repetition"}},
		{"19.04.1987..", []string{"dates"}},
		{strings.Repeat("x", MaxBytes+1), []string{"513 octets: shorten it to 512"}},
		{"abcdefgh\xff\xfe", []string{"UTF-8"}},
		{"PässwörtLétmein", []string{"what many others choose"}},
		{strings.Repeat("x", 200) + "nB7#xq!Lw2Zr", []string{"repetition"}},
	} {
		refused(t, r.Check(t.Context(), c.password, account), c.password, c.parts...)
	}
}

// TestLength counts characters as people do, and octets for the bound.
func TestLength(t *testing.T) {
	r := rule(t, func(o *Options) { o.MinScore, o.MinCharacters = 0, 14 })
	for password, parts := range map[string]string{
		strings.Repeat("é", 14): "", strings.Repeat("é", 13): "13 characters: make it 14",
		strings.Repeat("é", 256): "", strings.Repeat("é", 257): "514 octets",
	} {
		err := r.Check(t.Context(), password, About{})
		if parts == "" && err != nil {
			t.Errorf("%v", err)
		} else if parts != "" {
			refused(t, err, password, parts)
		}
	}
}

// TestOwnNames: each password is good for an account of another name, and refused
// for this one, in whichever way the name is written.
func TestOwnNames(t *testing.T) {
	r := rule(t, nil)
	for _, password := range []string{
		"mjf.gardiner@fjordlingen.example", "MJF.Gardiner@Fjordlingen.Example", "fjordlingen.example",
		"fjordlingen2026", "negnildrojf2026", "Fj0rdl1ng3n!", "Fjördlingen99", "rosenstolzer1",
		"Brückenwirt Obersdorf KG", "brÜckenwirt11", "Obersdorf#61", "Bücher.Example!7",
	} {
		if err := r.Check(t.Context(), password, About{Login: "somebody@else.test"}); err != nil {
			t.Errorf("%q is no test: %v", password, err)
		}
		refused(t, r.Check(t.Context(), password, account), password, "too easy", "leave out the names of the account")
	}
}

// TestTheRestMustSuffice: what everybody knows of an account and its gate adds nothing to a
// password, however it is put together.
func TestTheRestMustSuffice(t *testing.T) {
	r := rule(t, func(o *Options) { o.Words = []string{"countersign", "gate.example.net"} })
	shop := About{Login: "shop12@example.org", Customer: "acme"}
	for password, part := range map[string]string{
		"shop example org": "leave out the names", "shopexampleorg": "leave out the names", "acme example shop": "leave out the names",
		"example shop 2026": "dates and years", "anna example org": "leave out the names", "shop-shop-shop": "leave out the names",
		"gate.example.net": "and this server", "Countersign2026!": "and this server", "     a          ": "1 characters, of blanks",
		"$h0p 3xampl3 0rg": "leave out the names", "pohs elpmaxe gro": "leave out the names", "a.shop-b.shop-c.shop-d": "leave out the names",
		"acme!!shop??example##": "leave out the names", "Sommer2026!!": "dates and years", "kiwi-kiwi-kiwi-kiwi": "repetition",
		"\u3000\u3000\u3000\u3000x\u3000\u3000\u3000\u3000\u3000\u3000\u3000": "different characters", "acme 2024 shop 2025 org 2026": "leave out the names",
	} {
		refused(t, r.Check(t.Context(), password, shop), password, part)
	}
	for _, password := range []string{
		"shop swims past 9 umbrellas", "umbrellas 2026 past 9 swims", "forgotten organ of the acme",
		"nB7#xq!Lw2Zr-shop", "example org " + good,
	} {
		if err := r.Check(t.Context(), password, shop); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// TestWithout: what is taken out, and what stays.
func TestWithout(t *testing.T) {
	own := words(About{Login: "shop3@example.org"}, nil)
	for password, want := range map[string]string{
		"": "", "shop": "", "Shop3-Example.org": "", "organ": "organ", "my org, yes": "myyes", "a shopper": "aper",
		"1999": "", "19990": "19990", "x-2026-y": "xy", "two  blanks": "two blanks", "one two one": "one two", "no-no": "no", "a a a": "a a a",
		"5h0p!7": "7", "keep#this!": "keep#this!",
	} {
		if got := without(password, own).text; got != want {
			t.Errorf("%q leaves %q, want %q", password, got, want)
		}
	}
}

// TestAllReasonsAtOnce names five in one sentence.
func TestAllReasonsAtOnce(t *testing.T) {
	const password = "abcdefgh1"
	r := rule(t, func(o *Options) { o.Breached, o.Remember = listOf(t, password), 3 })
	about := account
	about.Earlier = []string{"h1", "h2"}
	about.Same = func(_ context.Context, hash, p string) (bool, error) { return hash == "h2" && p == password, nil }
	refused(t, r.Check(t.Context(), password, about), password, "9 characters", "too easy", "sequences", "stolen elsewhere", "one of the last 3")
}

// listOf makes a list of ten thousand hashes and that of a password.
func listOf(t testing.TB, password string) *breached.List {
	t.Helper()
	const n = 10_000
	sum := sha1.Sum([]byte(password))
	all := make([][sha1.Size]byte, n, n+1)
	for i := range all {
		binary.BigEndian.PutUint32(all[i][:], uint32(float64(i)/n*(1<<32)))
	}
	at, there := slices.BinarySearchFunc(all, sum, func(a, b [sha1.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	if there {
		t.Fatal("an unlikely hash")
	}
	all = slices.Insert(all, at, sum)
	text := make([]byte, 0, len(all)*(2*sha1.Size+3))
	for _, h := range all {
		text = append(hex.AppendEncode(text, h[:]), ":1\n"...)
	}
	path := filepath.Join(t.TempDir(), "list")
	if _, err := breached.Import(t.Context(), breached.ImportOptions{From: bytes.NewReader(text), To: path}); err != nil {
		t.Fatal(err)
	}
	l, err := breached.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestReuse compares the last passwords, no more than are to be remembered.
func TestReuse(t *testing.T) {
	r := rule(t, func(o *Options) { o.Remember = 3 })
	compared := 0
	same := func(of string) func(context.Context, string, string) (bool, error) {
		compared = 0
		return func(_ context.Context, hash, password string) (bool, error) {
			compared++
			if password != good {
				t.Errorf("compared with %q", password)
			}
			return hash == of, nil
		}
	}
	about := About{Earlier: []string{"one", "two", "three", "four"}}
	for of, refusal := range map[string]bool{"one": true, "three": true, "four": false, "none": false} {
		about.Same = same(of)
		err := r.Check(t.Context(), good, about)
		if refusal {
			refused(t, err, good, "one of the last 3")
		} else if err != nil || compared != 3 {
			t.Errorf("%s: compared %d, %v", of, compared, err)
		}
	}
	about.Same = same("one")
	if err := rule(t, nil).Check(t.Context(), good, about); err != nil || compared != 0 {
		t.Errorf("nothing is to be remembered, and %d were compared: %v", compared, err)
	}
}

// TestNothingIsAllowedInTheDark: what cannot be asked does not pass, and keeps its
// kind.
func TestNothingIsAllowedInTheDark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, fmt.Appendf(nil, "%040x:1", 1), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := breached.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rule(t, func(o *Options) { o.Remember, o.Breached = 3, list })
	if err := r.Check(t.Context(), good, About{}); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context(), good, About{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without the list: %v", err)
	}
	r = rule(t, func(o *Options) { o.Remember = 3 })
	about := About{Earlier: []string{"one"}}
	if err := r.Check(t.Context(), good, about); !fault.Is(err, fault.Internal) {
		t.Errorf("without Same: %v", err)
	}
	about.Same = func(context.Context, string, string) (bool, error) {
		return false, fault.Wrap("x", fault.Corrupt, errors.New("what hash is this"))
	}
	if err := r.Check(t.Context(), good, about); !fault.Is(err, fault.Corrupt) {
		t.Errorf("Same fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	about.Same = func(context.Context, string, string) (bool, error) { cancel(); return false, nil }
	about.Earlier = []string{"one", "two"}
	if err := r.Check(ctx, good, about); !fault.Is(err, fault.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := r.Check(ctx, good, About{}); !fault.Is(err, fault.Canceled) {
		t.Errorf("canceled before: %v", err)
	}
}

func TestOptionsHaveBounds(t *testing.T) {
	for _, o := range []Options{
		{}, {MinCharacters: -1}, {MinCharacters: MaxMinCharacters + 1}, {MinCharacters: 1, MinScore: -1},
		{MinCharacters: 1, MinScore: MaxScore + 1}, {MinCharacters: 1, Remember: -1}, {MinCharacters: 1, Remember: MaxRemember + 1},
	} {
		if _, err := New(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestLittleIsJudged: whatever the length of password and names, the estimate,
// whose time grows with their length, sees no more than its bound of them.
func TestLittleIsJudged(t *testing.T) {
	const costly = "4@8({[<369!1|70$5+%2"
	for n := range MaxBytes {
		if got := len(fold(strings.Repeat(costly, 26)[:n])); got != min(n, maxJudged) {
			t.Fatalf("of %d characters %d are judged", n, got)
		}
	}
	name := strings.Repeat("fjord-lingen", 5)
	refused(t, rule(t, nil).Check(t.Context(), name, About{Login: name}), name, "leave out the names of the account")
}

// TestManyNames: what an account has of names is looked at up to a bound.
func TestManyNames(t *testing.T) {
	about := About{Login: strings.Repeat("a.", 5000) + "b@example.org", Customer: strings.Repeat("word ", 5000)}
	for i := range 5000 {
		about.Aliases = append(about.Aliases, fmt.Sprintf("alias%d@domain%d.example", i, i))
	}
	if n := len(words(about, nil)); n != maxWords {
		t.Errorf("%d words", n)
	}
	if err := rule(t, nil).Check(t.Context(), good, about); err != nil {
		t.Error(err)
	}
}

// FuzzCheck: nothing panics, no refusal repeats the password, and whatever passes
// is long enough.
func FuzzCheck(f *testing.F) {
	f.Add("password1234", "a@example.org", "Acme")
	f.Add("ßßßßßß\nßßßßßß", "ß@b\u00fccher.example", "ß")
	f.Add(strings.Repeat("4@8({[<369!1|70$5+%2", 3), "x", "\xff")
	f.Add("aabaab\r\naabaab\x00", "aab", "")
	f.Add("11.11.1111/1/1", "", "")
	r := rule(f, nil)
	f.Fuzz(func(t *testing.T, password, login, customer string) {
		err := r.Check(context.Background(), password, About{Login: login, Customer: customer, Aliases: []string{customer, login}})
		if err == nil && len([]rune(password)) < DefaultMinCharacters {
			t.Errorf("%q passes", password)
		}
		if err != nil && len(password) > 20 && strings.Contains(err.Error(), password) {
			t.Errorf("the refusal repeats %q: %v", password, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for name, password := range map[string]string{
		"usual": good, "long": strings.Repeat(good, 20), "costly": strings.Repeat("4@8({[<369!1|70$5+%2", 20),
	} {
		b.Run(name, func(b *testing.B) {
			r := rule(b, nil)
			for b.Loop() {
				_ = r.Check(context.Background(), password, account)
			}
		})
	}
}
