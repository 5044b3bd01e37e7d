package hash

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/internal/fault"
)

func parse(t *testing.T, text string) Hash {
	t.Helper()
	h, err := Reader{Plain: true}.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNewHash(t *testing.T) {
	p := Params{MemoryKiB: 64, Iterations: 2, Parallelism: 3}
	h, err := New(p, zwerge, strings.NewReader("sixteen octets!!and more"))
	if err != nil || !h.Matches(zwerge) || h.Matches("x") {
		t.Fatalf("%v (%v)", h, err)
	}
	if !strings.HasPrefix(h.Text(), "$argon2id$v=19$m=64,t=2,p=3$c2l4dGVlbiBvY3RldHMhIQ$") {
		t.Errorf("written as %s", h.Text())
	}
	if again := parse(t, h.Text()); again.Text() != h.Text() || !again.Matches(zwerge) {
		t.Errorf("reads again as %s", again.Text())
	}
	if !h.Current(p) || h.Current(DefaultParams()) {
		t.Error("it is not current for its own parameters, or for others")
	}
	argon2i := parse(t, "$argon2i$v=19$m=64,t=2,p=3$c29tZXNhbHRzb21l$wJiOUm8DceAPJ6kx68Jtn753P+F/qKJkfFGxIPJDlFA")
	if argon2i.Current(p) {
		t.Error("argon2i is current")
	}
}

func TestNewHashRefuses(t *testing.T) {
	cheap := Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}
	salt := strings.Repeat("s", 16)
	for name, password := range map[string]string{"empty": "", "NUL": "a\x00b", "too long": strings.Repeat("a", MaxPassword+1)} {
		if _, err := New(cheap, password, strings.NewReader(salt)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Params{}, "password", strings.NewReader(salt)); !fault.Is(err, fault.Invalid) {
		t.Errorf("without parameters: %v", err)
	}
	for name, random := range map[string]int{"none": 0, "short": 15} {
		if _, err := New(cheap, "password", strings.NewReader(salt[:random])); !fault.Is(err, fault.Internal) {
			t.Errorf("randomness %s: %v", name, err)
		}
	}
	if _, err := New(cheap, "password", iotest.ErrReader(errors.New("broken"))); !fault.Is(err, fault.Internal) {
		t.Error("a broken source of randomness")
	}
}

func TestZeroHashMatchesNothing(t *testing.T) {
	var h Hash
	if h.Matches("") || h.Matches("password") || h.Text() != "" || h.Scheme() != "" || h.Cost() != (Cost{}) || h.Current(DefaultParams()) {
		t.Error("the zero hash is something")
	}
	h.Cost().Spend("password")
}

// TestUnusablePasswords looks at passwords that C libraries cut off or that
// take too long.
func TestUnusablePasswords(t *testing.T) {
	long := strings.Repeat("a", MaxPassword)
	for _, text := range []string{vectors[0].text, vectors[3].text, vectors[10].text, goodYescrypt, "{PLAIN}password"} {
		h := parse(t, text)
		if !h.Matches("password") {
			t.Fatalf("%v does not match at all", h)
		}
		// bcrypt of our library goes round the key: "password" NUL "password" is the same key.
		for _, password := range []string{"", "password\x00", "password\x00password", "\x00"} {
			if h.Matches(password) {
				t.Errorf("%v matches %q", h, password)
			}
		}
	}
	h, err := New(Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}, long, strings.NewReader(long))
	if err != nil || !h.Matches(long) {
		t.Fatalf("the longest password does not match: %v", err)
	}
	if h.Matches(long + "a") {
		t.Error("a longer password matches by its beginning")
	}
}

// recorder is a hash that every password matches.
type recorder struct{ tried *[]int }

func (r recorder) matches(password string) bool {
	*r.tried = append(*r.tried, len(password))
	return true
}
func (recorder) cost() Cost     { return Cost{} }
func (recorder) scheme() string { return "recorder" }
func (recorder) text() string   { return "" }

// TestWorkIsBounded counts the octets that a hash is derived from, and wants
// the work done for a password that fails anyway too.
func TestWorkIsBounded(t *testing.T) {
	var tried []int
	for _, n := range []int{0, 1, MaxPassword, MaxPassword + 1, 100 * MaxPassword} {
		matches := Hash{recorder{&tried}}.Matches(strings.Repeat("a", n))
		if usable := n == 1 || n == MaxPassword; matches != usable {
			t.Errorf("%d octets: %v", n, matches)
		}
	}
	if !slices.Equal(tried, []int{0, 1, MaxPassword, MaxPassword, MaxPassword}) {
		t.Errorf("derived from %v octets", tried)
	}
}

// TestBcryptReads72Octets is how those that made the hash do it.
func TestBcryptReads72Octets(t *testing.T) {
	h := parse(t, "$2y$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q")
	for n, want := range map[int]bool{71: false, 72: true, 73: true, 80: true, MaxPassword: true, MaxPassword + 1: false} {
		if h.Matches(strings.Repeat("x", n)) != want {
			t.Errorf("%d octets: matching is not %v", n, want)
		}
		if whole := n <= 72; h.Whole(strings.Repeat("x", n)) != whole {
			t.Errorf("%d octets: Whole is not %v", n, whole)
		}
	}
	if !parse(t, vectors[0].text).Whole(x80) {
		t.Error("MD5-crypt reads a part")
	}
}

func TestPrintedHashTellsNothing(t *testing.T) {
	for _, v := range append(vectors, plainVectors...) {
		h := parse(t, v.text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if got := fmt.Sprintf(verb, h); got != v.scheme+" hash ("+v.cost+")" {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

func TestCurrentIsTheCostOfTheDay(t *testing.T) {
	p := Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	h, err := New(p, "password", bytes.NewReader(make([]byte, 16)))
	if err != nil || h.Cost() != CostOf(p) {
		t.Errorf("%v costs %v (%v)", h, h.Cost(), err)
	}
}
