// Package invented draws texts, addresses, names, numbers, clients and times for mails that nobody has sent: such
// as anybody's mail has, and such as an expression names, in each form in which that may stand somewhere.
//
// What of it is in which place of a mail is for package policy/rules.
//
// Main types: Source; function Examples.
package invented

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/mail"
)

// MaxText is how long a text is at most that stands for a name or an address, in octets.
const MaxText = 320

// Source draws, the same each time but for what is the present. It is for one goroutine at a time.
type Source struct {
	*rand.Rand
	// Near has what is named be drawn wherever there is such.
	Near bool

	texts, addresses, words pool[string]
	numbers                 pool[int64]
	clients                 []netip.Addr
	now                     time.Time
	times                   []time.Time // named, to come
}

// pool has what is named, and what is usual.
type pool[T any] struct{ named, usual []T }

// New returns a Source that knows of nothing that is named. now is the present.
func New(now time.Time) *Source {
	s := &Source{
		Rand: rand.New(rand.NewPCG(1, 2)), now: now.UTC(),
		clients: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")},
	}
	s.texts.usual = []string{"", "a", "Hello", "Gr\u00fc\u00dfe, 7 o'clock", strings.Repeat("long ", 100)}
	s.addresses.usual = []string{
		"ann@example.com", "bob.b+tag@mail.example.org", "o'neil@example.net", "X_7@xn--bcher-kva.example", `"a b"@example.com`, "root@localhost", "me@[192.0.2.7]",
	}
	s.words.usual = []string{"a", "acme", "Big Corp", "pc-7.example.com", "[192.0.2.7]"}
	s.numbers.usual = []int64{0, 1, 3, 50, 5_000, 40_000_000}
	return s
}

// NameNumber has a number and those beside it be drawn too. It may be a year.
func (s *Source) NameNumber(n int64) {
	s.numbers.named = append(s.numbers.named, n-1, n, n+1)
	if n > 0 && n < 10_000 {
		s.nameTime(time.Date(int(n), 1, 1, 0, 0, 0, 0, time.UTC))
	}
}

// nameTime has a time be drawn too. What is past is no more.
func (s *Source) nameTime(at time.Time) {
	for _, t := range []time.Time{at.Add(-time.Second), at, at.Add(time.Second), at.AddDate(1, 0, 0)} {
		if t.After(s.now) {
			s.times = append(s.times, t)
		}
	}
}

// NameText has a text be drawn too, as what it may be or be a part of.
func (s *Source) NameText(text string) {
	s.texts.named = append(s.texts.named, text, text+"x")
	if text != "" && len(text) <= MaxText {
		s.words.named = append(s.words.named, text)
	}
	for _, around := range [][2]string{{"", ""}, {"ann@", ""}, {"ann", ""}, {"", "@example.com"}, {"", "example.com"}, {"ann@x", ""}, {"x", "@example.com"}, {"", ".example"}, {"ann@", ".example"}} {
		if a, err := mail.ParseAddress(around[0] + text + around[1]); err == nil && !a.IsNull() {
			s.addresses.named = append(s.addresses.named, a.String())
		}
	}
	if _, domain, is := strings.Cut(text, "@"); is && domain != "" {
		s.words.named = append(s.words.named, domain)
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		s.clients = append(s.clients, p.Addr())
	}
	if a, err := netip.ParseAddr(text); err == nil {
		s.clients = append(s.clients, a)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		s.nameTime(at)
	}
}

// OneOf draws one of a list.
func OneOf[T any](s *Source, list ...T) T { return list[s.IntN(len(list))] }

func pick[T any](s *Source, from pool[T]) T {
	if len(from.named) > 0 && (s.Near || s.Flag()) {
		return OneOf(s, from.named...)
	}
	return OneOf(s, from.usual...)
}

// Flag draws true or false.
func (s *Source) Flag() bool { return s.IntN(2) == 0 }

// Number draws one that is not below least.
func (s *Source) Number(least int64) int64 { return max(least, pick(s, s.numbers)) }

// Word draws what may name something, such as a plan or a machine: what is named, or one of the usual ones, those
// of any such where there are none.
func (s *Source) Word(usual ...string) string {
	from := s.words
	if len(usual) > 0 {
		from.usual = usual
	}
	return pick(s, from)
}

// Text draws any text, which may be empty; what is named may be in one together.
func (s *Source) Text() string {
	text := pick(s, s.texts)
	for s.IntN(3) == 0 {
		text += pick(s, s.texts)
	}
	return text
}

// Address draws one of somebody.
func (s *Source) Address() mail.Address {
	a, err := mail.ParseAddress(pick(s, s.addresses))
	if err != nil {
		return mail.Address{Local: "bob", Domain: "example.com"}
	}
	return a
}

// Client draws the address of a client.
func (s *Source) Client() netip.Addr { return OneOf(s, s.clients...) }

// Moment draws one to come: near what is named, or any within a year.
func (s *Source) Moment() time.Time {
	if len(s.times) > 0 && s.Flag() {
		return OneOf(s, s.times...)
	}
	const year = 366 * 24 * 60
	return s.now.Add(time.Duration(s.IntN(year)) * time.Minute)
}
