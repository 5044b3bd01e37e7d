package alike

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/internal/login/shape"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// lasting is that of the store of that name.
func lasting(store string) Lasting {
	return func(names ...string) []byte {
		sum := sha256.Sum256([]byte(store + "\x00" + strings.Join(names, "\x00")))
		return sum[:]
	}
}

// stood is a Front whose store takes at once what was learned.
type stood struct {
	*Front
	t     testing.TB
	store shape.Store
}

// stand makes one with a store of its own.
func stand(t testing.TB, l Lasting, now func() time.Time) *stood {
	return beside(t, &shape.Memory{}, l, now)
}

// beside makes one of another gate on a store.
func beside(t testing.TB, store shape.Store, l Lasting, now func() time.Time) *stood {
	return &stood{NewFronts(l, store, now).Of("d", "SCRAM-SHA-256"), t, store}
}

func (f *stood) view() *View {
	f.t.Helper()
	v, err := f.View(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *stood) Salt(login string) ([]byte, int) { return f.view().Salt(login) }

func (f *stood) Learn(login string, challenge []byte, took time.Duration) {
	f.view().Learn(login, challenge, took)
	f.fronts.Keep(f.t.Context())
}

// LearnOwn has an account of the store show its keys.
func (f *stood) LearnOwn(salt, iterations int) {
	f.view().Dress(&sasl.Keys{Salt: make([]byte, salt), Iterations: iterations}, "own@example.org", true)
	f.fronts.Keep(f.t.Context())
}

// challenge is the server's first message with a salt of such letters.
func challenge(letter string, octets, iterations int) []byte {
	return fmt.Appendf(nil, "r=abcdef,s=%s,i=%d", base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, octets))), iterations)
}

// Before anything is known a name shows what a Dovecot makes; then what accounts show; the
// same each time, in any order of questions, and on every gate.
func TestSaltsFollowAccounts(t *testing.T) {
	f := stand(t, lasting("a"), time.Now)
	salt, iterations := f.Salt("x@example.org")
	if len(salt) != 16 || iterations != 4096 {
		t.Errorf("at first: %d octets, %d", len(salt), iterations)
	}
	f.Learn("real@example.org", challenge("s", 40, 9000), time.Millisecond)
	salt, iterations = f.Salt("x@example.org")
	if len(salt) != 40 || iterations != 9000 {
		t.Errorf("after one: %d octets, %d", len(salt), iterations)
	}
	f.Learn("real@example.org", challenge("s", 40, 9000), time.Millisecond)
	again, _ := f.Salt("x@example.org")
	other, _ := f.Salt("y@example.org")
	g := stand(t, lasting("a"), time.Now)
	g.LearnOwn(40, 9000)
	elsewhere, _ := g.Salt("x@example.org")
	foreign := stand(t, lasting("b"), time.Now)
	foreign.LearnOwn(40, 9000)
	strange, _ := foreign.Salt("x@example.org")
	if string(again) != string(salt) || string(elsewhere) != string(salt) || string(other) == string(salt) || string(strange) == string(salt) {
		t.Errorf("%x, again %x, on another gate %x, of another name %x, of another store %x", salt, again, elsewhere, other, strange)
	}
	if string(salt[:16]) == string(salt[16:32]) {
		t.Error("a long salt repeats itself")
	}
}

// salted reports how many of 100 names that were never seen show another salt at each try.
func salted(f *stood) (n int) {
	for i := range 100 {
		name := fmt.Sprintf("unknown%d@example.org", i)
		one, _ := f.Salt(name)
		if two, _ := f.Salt(name); string(one) != string(two) {
			n++
		}
	}
	return n
}

// A directory that makes its salts anew shows another one each time, and so do names that
// it does not have: where several of its accounts do, or one does, and none shows one twice.
// New passwords are no such thing, nor are those of whoever's accounts beside others whose stay.
func TestFreshSalts(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	front := func() *stood {
		return stand(t, lasting("a"), func() time.Time { return clock })
	}
	learn := func(f *stood, login string, letters ...string) {
		for _, letter := range letters {
			f.Learn(login, challenge(letter, 16, 4096), 0)
			clock = clock.Add(time.Second)
		}
	}
	f := front()
	learn(f, "real@example.org", "a", "a", "b", "b")
	if n := salted(f); n != 0 {
		t.Errorf("a new password makes the salts of %d names fresh", n)
	}
	f = front()
	learn(f, "honest@example.org", "h", "h")
	learn(f, "mallory@example.org", "a", "b", "c", "d", "e", "f")
	learn(f, "accomplice@example.org", "a", "b", "c", "d", "e", "f")
	if n := salted(f); n != 0 {
		t.Errorf("two owners make the salts of %d names fresh", n)
	}
	for i := range 20 {
		learn(f, fmt.Sprintf("mallory%d@example.org", i), "a", "b", "c", "d")
	}
	if n := salted(f); n != 0 {
		t.Errorf("many accounts of one owner make the salts of %d names fresh", n)
	}
	f = front()
	for _, letter := range []string{"a", "b", "c", "d", "e"} { // one that changes now and then
		learn(f, "real@example.org", letter)
		clock = clock.Add(time.Minute)
	}
	if n := salted(f); n != 0 {
		t.Errorf("passwords of five minutes make the salts of %d names fresh", n)
	}
	f = front()
	learn(f, "only@example.org", "a", "b", "c", "d")
	if n := salted(f); n != 100 {
		t.Errorf("of the only account, which has a new salt each time, learn %d names", n)
	}
	f = front()
	for _, login := range []string{"a@example.org", "b@example.org", "c@example.org"} {
		learn(f, login, "a", "b")
	}
	if n := salted(f); n != 100 {
		t.Errorf("of three accounts learn %d names", n)
	}
	known, _ := f.Salt("a@example.org")
	if again, _ := f.Salt("a@example.org"); string(again) == string(known) {
		t.Error("an account whose salt is new each time shows one twice")
	}
	clock = clock.Add(shape.Shape{Kind: shape.Fresh}.Lasts() + time.Second)
	learn(f, "x@example.org", "a", "a")
	if n := salted(f); n != 0 {
		t.Errorf("what nobody has shown for a day is shown for %d names", n)
	}
}

// What the directory has shown for a name is shown for it when its challenge is missing, so
// that nobody sees two salts of one name.
func TestAMissingChallengeShowsTheSaltThatWasSeen(t *testing.T) {
	f := stand(t, lasting("a"), time.Now)
	f.LearnOwn(16, 10_000)
	for i := range 3 {
		f.Learn("real@example.org", challenge("h", 24, 5000), 0)
		if salt, iterations := f.Salt("real@example.org"); string(salt) != strings.Repeat("h", 24) || iterations != 5000 {
			t.Errorf("after %d: %q, %d", i+1, salt, iterations)
		}
	}
	f.Learn("real@example.org", challenge("n", 24, 5000), 0)
	if salt, _ := f.Salt("real@example.org"); string(salt) != strings.Repeat("n", 24) {
		t.Errorf("after a new password: %q", salt)
	}
}

// A first message goes on where it names the account in its one spelling, and nothing else.
func TestSpelled(t *testing.T) {
	for message, want := range map[string]bool{
		"n,,n=a=3Db@example.org,r=abc":                 true,
		"y,,n=a=3Db@example.org,r=abc":                 true,
		"n,a=a=3Db@example.org,n=a=3Db@example.org,r=": true,
		"n,a=z@example.org,n=a=3Db@example.org,r=abc":  false,
		"n,a=A=3Db@example.org,n=a=3Db@example.org,r=": false,
		"n,,n=A=3Db@example.org,r=abc":                 false,
		"n,,n=a=3Db@Example.org,r=abc":                 false,
		"n,,n=\"a=3Db\"@example.org,r=abc":             false,
		"n,,n=\uff41=3Db@example.org,r=abc":            false,
		"n,,n=a=b@example.org,r=abc":                   false,
		"n,,n=a=3Db@example.org,r=abc,x=y":             true,
		"n,,n=a=3Db@example.org":                       false,
		"n,,a=3Db@example.org,r=abc":                   false,
		"n,x,n=a=3Db@example.org,r=abc":                false,
		"":                                             false,
	} {
		if got := Spelled([]byte(message), "a=b@example.org"); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}

// Of several shapes each is shown for as many names, and one more changes few of them.
func TestShapesAreSharedOut(t *testing.T) {
	f := stand(t, lasting("a"), time.Now)
	const names = 3000
	shapes := func() (list []int) {
		for i := range names {
			_, iterations := f.Salt(fmt.Sprintf("x%d@example.org", i))
			list = append(list, iterations)
		}
		return list
	}
	f.LearnOwn(16, 5000)
	f.LearnOwn(16, 6000)
	before := shapes()
	f.LearnOwn(16, 7000)
	count, changed := map[int]int{}, 0
	for i, n := range shapes() {
		count[n]++
		if n != before[i] {
			changed++
			if n != 7000 {
				t.Fatalf("name %d changes from %d to %d", i, before[i], n)
			}
		}
	}
	for _, n := range []int{5000, 6000, 7000} {
		if count[n] < names/3-150 || count[n] > names/3+150 {
			t.Errorf("%d iterations for %d of %d", n, count[n], names)
		}
	}
	if changed != count[7000] {
		t.Errorf("%d have changed, %d have the new shape", changed, count[7000])
	}
}

// Nothing grows without bounds, whatever a directory says.
func TestWhatIsLearnedIsBounded(t *testing.T) {
	f := stand(t, lasting("a"), time.Now)
	for i := range maxNames + 2000 {
		for range 2 {
			f.Learn(fmt.Sprintf("x%d@example.org", i), challenge("s", 1+i%200, 5000+i), time.Hour)
		}
	}
	if n := len(f.view().shapes); n != shape.Most+1 || len(f.noted) != maxNoted || len(f.names.each) != maxNames || len(f.names.order) != maxNames {
		t.Errorf("%d shapes, %d noted, %d names", n, len(f.noted), len(f.names.each))
	}
}

// nonsense are messages that no exchange of ours could show.
func nonsense() []string {
	return []string{
		"", "r=", "r=a,s=,i=4096", "r=a,s=%%,i=4096", "r=a,s=c2FsdA==,i=1", "r=a,s=c2FsdA==,i=99999999", "r=a,s=c2FsdA==,i=x", "r=a,i=4096,s=c2FsdA==",
		"x=a,s=c2FsdA==,i=4096", "m=x,r=a,s=c2FsdA==,i=4096", "r=a,s=c2FsdA==,i=4096,x=y", "r=a,s=" + base64.StdEncoding.EncodeToString(make([]byte, 300)) + ",i=4096",
	}
}

func TestNonsenseTeachesNothing(t *testing.T) {
	f := stand(t, lasting("a"), time.Now)
	for _, text := range nonsense() {
		for range 4 {
			f.Learn("x@example.org", []byte(text), 0)
		}
	}
	if list := f.view().shapes; len(list) != 0 || len(f.names.each) != 0 {
		t.Errorf("%+v", list)
	}
}

func FuzzLearn(f *testing.F) {
	for _, text := range append(nonsense(), string(challenge("s", 16, 4096))) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		front := stand(t, lasting("a"), time.Now)
		front.Learn("x@example.org", []byte(text), time.Second)
		salt, iterations := front.Salt("y@example.org")
		if len(salt) < 1 || len(salt) > 256 || iterations < 4096 || iterations > 1_000_000 {
			t.Errorf("%q: %d octets, %d", text, len(salt), iterations)
		}
	})
}

// The pace follows the directory: a hiccup is forgotten, what is slow for good is waited for.
func TestPace(t *testing.T) {
	f := stand(t, lasting("a"), time.Now)
	if f.Pace() != firstPace {
		t.Errorf("at first %v", f.Pace())
	}
	learn := func(took time.Duration, times int) {
		for range times {
			f.Learn("x@example.org", challenge("s", 16, 4096), took)
		}
	}
	learn(time.Millisecond, 8)
	if f.Pace() != leastPace {
		t.Errorf("of a quick one %v", f.Pace())
	}
	learn(time.Hour, 1)
	if p := f.Pace(); p > 4*leastPace {
		t.Errorf("after a hiccup %v", p)
	}
	learn(time.Millisecond, 8)
	if f.Pace() != leastPace {
		t.Errorf("after it %v", f.Pace())
	}
	learn(3*time.Second, 4)
	if p := f.Pace(); p < 3*time.Second || p > 12*time.Second {
		t.Errorf("of a slow one %v", p)
	}
}

// Nobody is an address in the same domain, and another nobody for each login.
func TestNobody(t *testing.T) {
	f := NewFronts(lasting("a"), &shape.Memory{}, time.Now)
	seen := map[string]bool{}
	for _, login := range []string{"a@example.org", "b@example.org", `"x@y"@example.org`} {
		name, password := f.Nobody(login)
		again, another := f.Nobody(login)
		a, err := mail.ParseAddress(name)
		if err != nil || a.Domain != "example.org" || a.Key() != name || seen[name] || again != name || password == another || len(password) < 20 {
			t.Errorf("%s: %s, %s; %s, %s", login, name, password, again, another)
		}
		seen[name] = true
	}
}

// A nonce has Dovecot's form, and all of its letters.
func TestNonce(t *testing.T) {
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 2000 {
		n := Nonce()
		if len(n) != 64 || seen[n] {
			t.Fatalf("%q", n)
		}
		seen[n] = true
		for _, r := range n {
			letters[r] = true
			if r <= ' ' || r > '~' || r == ',' {
				t.Fatalf("%q in %q", r, n)
			}
		}
	}
	if len(letters) != 93 {
		t.Errorf("%d letters", len(letters))
	}
}

// Each directory and mechanism has a front of its own.
func TestFronts(t *testing.T) {
	f := NewFronts(lasting("a"), &shape.Memory{}, time.Now)
	first, again := f.Of("d", "SCRAM-SHA-1"), f.Of("d", "SCRAM-SHA-1")
	if first != again || f.Of("d", "SCRAM-SHA-1") == f.Of("d", "SCRAM-SHA-256") || f.Of("d", "SCRAM-SHA-1") == f.Of("e", "SCRAM-SHA-1") {
		t.Error("fronts are mixed up")
	}
	of := func(mechanism string) []byte {
		salt, _ := (&stood{f.Of("d", mechanism), t, nil}).Salt("x@example.org")
		return salt
	}
	one, two := of("SCRAM-SHA-1"), of("SCRAM-SHA-256")
	if string(one) == string(two) {
		t.Error("two mechanisms show one salt")
	}
}
