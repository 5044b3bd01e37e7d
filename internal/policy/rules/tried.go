package rules

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"countersign/internal/mail"
)

// attempts is with how many mails that do not exist a rule is tried.
const attempts = 500

// matchesAll reports whether a rule matches each of attempts mails that were made up: such as may be anybody's,
// and such as have what the expression names, in all places where that may stand. So a rule that lets some
// mail pass is found out nearly always, mostly by the first one. Of one with a regular expression it is
// never said, as nobody knows what that does not match, nor of one that cannot be evaluated for some mail.
func matchesAll(r *Rule, a *ast.AST, known map[string]*variable) bool {
	if len(ast.MatchDescendants(ast.NavigateAST(a), ast.FunctionMatcher(overloads.Matches))) > 0 {
		return false
	}
	m := newMaker(a)
	for range attempts {
		if is, err := r.ask(m.facts(), known); err != nil || !is {
			return false
		}
	}
	return true
}

// maker makes up mails, the same ones each time.
type maker struct {
	draw *rand.Rand
	// named are the texts of the expression, texts are such and others.
	named, texts []string
	numbers      []int64
	clients      []netip.Addr
	times        []time.Time
}

// newMaker returns one that knows what an expression names.
func newMaker(a *ast.AST) *maker {
	m := &maker{
		draw:    rand.New(rand.NewPCG(1, 2)),
		texts:   []string{"", "a", "example.com", "ann@example.com"},
		numbers: []int64{0, 1, 3, 50, 5_000, 40_000_000},
		clients: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")},
	}
	for day := range 7 { // each hour, each day of a week, and months apart
		m.times = append(m.times, time.Date(2026, time.Month(1+day), 4+8*day, 4*day, 10*day, 0, 0, time.UTC))
	}
	for _, n := range ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.LiteralKind)) {
		switch v := n.AsLiteral().(type) {
		case types.String:
			m.name(string(v))
		case types.Int:
			m.numbers = append(m.numbers, int64(v)-1, int64(v), int64(v)+1)
		}
	}
	return m
}

// name takes a text that an expression has.
func (m *maker) name(text string) {
	m.named = append(m.named, text)
	m.texts = append(m.texts, text, text+"x")
	if !strings.Contains(text, "@") {
		m.texts = append(m.texts, "ann@"+text)
	}
	if _, domain, is := strings.Cut(text, "@"); is {
		m.texts = append(m.texts, domain)
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		m.clients = append(m.clients, p.Addr())
	}
	if a, err := netip.ParseAddr(text); err == nil {
		m.clients = append(m.clients, a)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		m.times = append(m.times, at.Add(-time.Second), at, at.Add(time.Second))
	}
}

// oneOf returns one of a list.
func oneOf[T any](m *maker, list []T) T { return list[m.draw.IntN(len(list))] }

func (m *maker) number() int64 { return max(0, oneOf(m, m.numbers)) }
func (m *maker) flag() bool    { return m.draw.IntN(2) == 0 }
func (m *maker) one(list ...string) string {
	if m.flag() { // such names are compared with texts of any kind
		return m.text()
	}
	return oneOf(m, list)
}

func (m *maker) text() string {
	if len(m.named) > 0 && m.flag() {
		return oneOf(m, m.named)
	}
	return oneOf(m, m.texts)
}

// address returns one whose parts the expression may name.
func (m *maker) address() mail.Address {
	text := m.text()
	if a, err := mail.ParseAddress(text); err == nil {
		return a
	}
	return mail.Address{Local: "bob", Domain: mail.Domain(text)}
}

// facts makes up a mail.
func (m *maker) facts() *Facts {
	now := oneOf(m, m.times).Add(time.Duration(m.draw.IntN(24)) * time.Hour)
	f := &Facts{
		Now: now,
		Connection: Connection{
			Client: oneOf(m, m.clients), Listener: m.one("submission", "submissions"), TLS: m.one("1.2", "1.3"), Hello: m.text(),
		},
		Principal: Principal{
			Login: m.text(), Domain: m.text(), Customer: m.text(), Plan: m.text(), Credential: m.one("password", "phone"),
			Kind: m.one("password", "app-password", "oauth", "certificate", "network"), Mechanism: m.one("PLAIN", "SCRAM-SHA-256", "XOAUTH2", ""),
			Created: now.AddDate(0, 0, -int(min(m.number(), 10_000))), CustomerCreated: now.AddDate(0, 0, -int(min(m.number(), 10_000))),
		},
		Envelope: mail.Envelope{
			From: m.address(), Size: m.number(), Body: mail.BodyType(m.one(string(mail.Body7Bit), string(mail.Body8Bit))), SMTPUTF8: m.flag(),
			Return: mail.DSNReturn(m.one("", string(mail.ReturnFull), string(mail.ReturnHeaders))),
		},
		Recipient: m.address(),
		Message:   Message{Size: m.number(), Header: made{m}},
		Counters:  Counters{SessionMessages: int(m.number()), Recipients: int(max(1, m.number()))},
		Used:      func(Used) (int64, error) { return m.number(), nil },
	}
	if m.flag() {
		f.Envelope.From = mail.Address{}
	}
	for range 1 + m.draw.IntN(3) {
		f.Recipients = append(f.Recipients, mail.Recipient{To: m.address()})
		f.Message.Senders = append(f.Message.Senders, m.address())
	}
	return f
}

// made is a header that has some of each field.
type made struct{ *maker }

// Count implements Header.
func (h made) Count(string) int { return h.draw.IntN(3) }

// Values implements Header.
func (h made) Values(name string, most, _ int) []string {
	var all []string
	for range min(most, h.Count(name)) {
		all = append(all, h.text())
	}
	return all
}
