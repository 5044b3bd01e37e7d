package rules

import (
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"countersign/internal/mail"
	"countersign/internal/policy/rules/invented"
)

// attempts is with how many mails that do not exist a rule is tried.
const attempts = 500

// matchesAll reports whether a rule matches each of attempts mails that were made up: such as anybody may send,
// and such as have what the expression names, in all places where that may stand. So a rule that lets some
// mail pass is found out nearly always, mostly by the first one. It is never said of a rule with a pattern for
// which no text is found that it matches, nor of one that cannot be evaluated for some mail.
func matchesAll(r *Rule, a *ast.AST, known map[string]*variable) bool {
	for _, pattern := range patterns(a) {
		if len(invented.Examples(pattern)) == 0 {
			return false
		}
	}
	m := newMaker(a)
	for range attempts {
		if is, err := r.ask(m.facts(), known); err != nil || !is {
			return false
		}
	}
	return true
}

// patterns returns the patterns that an expression has.
func patterns(a *ast.AST) (all []string) {
	for _, n := range ast.MatchDescendants(ast.NavigateAST(a), ast.FunctionMatcher(overloads.Matches)) {
		args := n.AsCall().Args()
		if pattern, is := args[len(args)-1].AsLiteral().(types.String); is {
			all = append(all, string(pattern))
		}
	}
	return all
}

// maker makes up mails, like those that come to rules: what the gate refuses before, none of them has.
type maker struct{ *invented.Source }

// newMaker returns one that knows what an expression names.
func newMaker(a *ast.AST) *maker {
	m := &maker{invented.New(time.Now())}
	for _, n := range ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.LiteralKind)) {
		switch v := n.AsLiteral().(type) {
		case types.String:
			m.NameText(string(v))
		case types.Int:
			m.NameNumber(int64(v))
		}
	}
	for _, pattern := range patterns(a) {
		for _, text := range invented.Examples(pattern) {
			m.NameText(text)
		}
	}
	return m
}

// principal makes up who has logged in.
func (m *maker) principal(now time.Time) Principal {
	login := m.Address()
	p := Principal{
		Login: login.Key(), Domain: string(login.Domain), Customer: m.Word(), Plan: m.Word(), Credential: m.Word("password", "phone"),
		Kind:      invented.OneOf(m.Source, "password", "app-password", "oauth", "certificate", "network"),
		Mechanism: m.Word("PLAIN", "LOGIN", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "CRAM-MD5"),
		Created:   now.AddDate(0, 0, -int(min(m.Number(0), 10_000))), CustomerCreated: now.AddDate(0, 0, -int(min(m.Number(0), 10_000))),
	}
	if m.Flag() {
		p.Login = login.String()
	}
	if p.Kind == "network" {
		p.Mechanism = ""
	}
	if m.IntN(4) == 0 {
		p.Plan = ""
	}
	return p
}

// facts makes up a mail.
func (m *maker) facts() *Facts {
	m.Near = m.IntN(3) == 0
	now := m.Moment()
	used := map[Used]int64{}
	f := &Facts{
		Now: now,
		Connection: Connection{
			Client: m.Client(), Listener: m.Word("submission", "submissions"), TLS: invented.OneOf(m.Source, "1.2", "1.3"), Hello: m.Word(),
		},
		Principal: m.principal(now),
		Envelope: mail.Envelope{
			From: m.Address(), Size: m.Number(0), Body: invented.OneOf(m.Source, mail.Body7Bit, mail.Body8Bit), SMTPUTF8: m.Flag(),
			Return: invented.OneOf(m.Source, "", mail.ReturnFull, mail.ReturnHeaders),
		},
		Recipient: m.Address(),
		Message:   Message{Size: m.Number(smallest)},
		Counters:  Counters{SessionMessages: int(m.Number(0)), Recipients: int(m.Number(1))},
		Used: func(u Used) (int64, error) {
			if _, is := used[u]; !is {
				used[u] = m.Number(0)
			}
			return used[u], nil
		},
	}
	if m.IntN(4) == 0 {
		f.Envelope.From = mail.Address{}
	}
	for range 1 + m.IntN(3) {
		f.Recipients = append(f.Recipients, mail.Recipient{To: m.Address()})
		f.Message.Senders = append(f.Message.Senders, m.Address())
	}
	f.Message.Header = &made{m, f.Message.Senders[0].String(), map[string][]string{}}
	return f
}

// smallest is how many octets a message has at least: a From field, and the line that ends the header.
const smallest = int64(len("From: a@b.de\r\n\r\n"))

// made is a header that has some of each field, and one From.
type made struct {
	*maker
	from   string
	fields map[string][]string // by lower-case name
}

// field returns the fields of a name, the same each time.
func (h *made) field(name string) []string {
	name = strings.ToLower(name)
	if name == "from" {
		return []string{h.from}
	}
	all, is := h.fields[name]
	if !is {
		for range h.IntN(3) {
			all = append(all, h.Text())
		}
		h.fields[name] = all
	}
	return all
}

// Count implements Header.
func (h *made) Count(name string) int { return len(h.field(name)) }

// Values implements Header.
func (h *made) Values(name string, most, octets int) []string {
	var all []string
	for _, body := range h.field(name)[:min(most, h.Count(name))] {
		all = append(all, strings.ToValidUTF8(body[:min(octets, len(body))], ""))
	}
	return all
}
