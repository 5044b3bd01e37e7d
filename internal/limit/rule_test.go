package limit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit/network"
	"countersign/internal/mail"
)

// rule makes the n-th rule.
func rule(n int, kind Kind, name, text string) Rule {
	l, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return Rule{ID: mail.ID(fmt.Sprintf("01K%023d", n)), For: Subject{kind, name}, Limit: l, Start: noon, By: "cli:root"}
}

// until ends a rule.
func until(r Rule, at time.Time) Rule {
	r.End = at
	return r
}

// shadow puts a rule in shadow.
func shadow(r Rule) Rule {
	r.Limit.Shadow = true
	return r
}

func extra(r Rule) Rule {
	r.Extra = true
	return r
}

// holding finds rules among these.
func holding(rules ...Rule) func(Subject) []Rule {
	return func(s Subject) (list []Rule) {
		for _, r := range rules {
			if r.For == s {
				list = append(list, r)
			}
		}
		return list
	}
}

// TestEffective: the narrowest source of a measure and window decides, an end comes before
// none, and what is extra is added; what is in shadow, here in brackets, stands beside that.
func TestEffective(t *testing.T) {
	who := Who{
		Credential: "01K00000000000000000000099", Account: "a@example.org", Plan: "small", Domain: "example.org", Customer: "acme",
		Network: "192.0.2.1", Node: "1",
	}
	lifted := until(rule(9, Account, "a@example.org", "messages/day=1"), noon)
	lifted.Lifted = "cli:eve"
	for name, c := range map[string]struct {
		rules []Rule
		want  string
	}{
		"none":                      {nil, ""},
		"the plan's":                {[]Rule{rule(1, Plan, "small", "messages/hour=5")}, "account a@example.org messages/hour=5"},
		"another plan's":            {[]Rule{rule(1, Plan, "large", "messages/hour=5")}, ""},
		"its own":                   {[]Rule{rule(1, Plan, "small", "messages/hour=5"), rule(2, Account, "a@example.org", "messages/hour=7")}, "account a@example.org messages/hour=7"},
		"one beside the plan's":     {[]Rule{rule(1, Plan, "small", "messages/hour=5"), rule(2, Account, "a@example.org", "messages/day=7")}, "account a@example.org messages/hour=5 messages/day=7"},
		"everybody's":               {[]Rule{rule(1, Account, Each, "messages/hour=5"), rule(2, Plan, "small", "bytes/day=1")}, "account a@example.org messages/hour=5 bytes/day=1"},
		"the plan's to everybody's": {[]Rule{rule(1, Account, Each, "messages/hour=5"), rule(2, Plan, "small", "messages/hour=6")}, "account a@example.org messages/hour=6"},
		"with an end": {[]Rule{rule(1, Account, "a@example.org", "messages/hour=5"), until(rule(2, Account, "a@example.org", "messages/hour=50"), noon.Add(time.Hour))},
			"account a@example.org messages/hour=50"},
		"with an end, of the plan": {[]Rule{rule(1, Account, "a@example.org", "messages/hour=5"), until(rule(2, Plan, "small", "messages/hour=50"), noon.Add(time.Hour))},
			"account a@example.org messages/hour=5"},
		"ended":  {[]Rule{rule(1, Account, "a@example.org", "messages/hour=5"), until(rule(2, Account, "a@example.org", "messages/hour=50"), noon)}, "account a@example.org messages/hour=5"},
		"lifted": {[]Rule{lifted}, ""},
		"extra": {[]Rule{rule(1, Plan, "small", "messages/hour=5"), extra(until(rule(2, Account, "a@example.org", "messages/hour=10"), noon.Add(time.Hour))), extra(rule(3, Account, "a@example.org", "messages/hour=100"))},
			"account a@example.org messages/hour=115"},
		"in shadow beside its own": {[]Rule{shadow(rule(1, Account, "a@example.org", "messages/hour=1")), rule(2, Account, "a@example.org", "messages/hour=5")},
			"account a@example.org messages/hour=5 (messages/hour=1)"},
		"its own in shadow, and the plan's": {[]Rule{rule(1, Plan, "small", "messages/hour=5"), shadow(rule(2, Account, "a@example.org", "messages/hour=1"))},
			"account a@example.org messages/hour=5 (messages/hour=1)"},
		"its own in shadow, and everybody's": {[]Rule{rule(1, Account, Each, "messages/hour=5"), shadow(rule(2, Account, "a@example.org", "messages/hour=1"))},
			"account a@example.org messages/hour=5 (messages/hour=1)"},
		"in shadow for a while beside its own": {[]Rule{rule(1, Account, "a@example.org", "messages/hour=5"), shadow(until(rule(2, Account, "a@example.org", "messages/hour=1"), noon.Add(time.Hour)))},
			"account a@example.org messages/hour=5 (messages/hour=1)"},
		"in shadow beside its own for a while": {[]Rule{shadow(rule(1, Account, "a@example.org", "messages/hour=1")), until(rule(2, Account, "a@example.org", "messages/hour=5"), noon.Add(time.Hour))},
			"account a@example.org messages/hour=5 (messages/hour=1)"},
		"the plan's in shadow, behind its own": {[]Rule{shadow(rule(1, Plan, "small", "messages/hour=1")), rule(2, Account, "a@example.org", "messages/hour=5")},
			"account a@example.org messages/hour=5"},
		"the plan's in shadow, before everybody's": {[]Rule{shadow(rule(1, Plan, "small", "messages/hour=1")), rule(2, Account, Each, "messages/hour=5")},
			"account a@example.org messages/hour=5 (messages/hour=1)"},
		"all in shadow": {[]Rule{shadow(rule(1, Account, Each, "messages/hour=1")), shadow(rule(2, Plan, "small", "messages/hour=2")), shadow(rule(3, Account, "a@example.org", "messages/hour=3"))},
			"account a@example.org (messages/hour=3)"},
		"in shadow, of another window": {[]Rule{shadow(rule(1, Plan, "small", "messages/day=1")), rule(2, Account, "a@example.org", "messages/hour=5")},
			"account a@example.org messages/hour=5 (messages/day=1)"},
		"in shadow, over": {[]Rule{shadow(until(rule(1, Account, "a@example.org", "messages/hour=1"), noon)), rule(2, Account, "a@example.org", "messages/hour=5")},
			"account a@example.org messages/hour=5"},
		"extra on both": {[]Rule{rule(1, Plan, "small", "messages/hour=5"), shadow(rule(2, Account, "a@example.org", "messages/hour=1")), extra(until(rule(3, Account, "a@example.org", "messages/hour=10"), noon.Add(time.Hour)))},
			"account a@example.org messages/hour=15 (messages/hour=11)"},
		"extra of nothing": {[]Rule{extra(rule(2, Account, "a@example.org", "messages/hour=10"))}, ""},
		"each level": {[]Rule{
			rule(1, Credential, who.Credential, "messages/minute=1"), rule(2, Domain, Each, "messages/minute=2"), rule(3, Customer, "acme", "messages/minute=3"),
			rule(4, Network, Each, "messages/minute=4"), rule(5, Node, "1", "messages/minute=5"), rule(6, Everything, "", "messages/minute=6"), rule(7, Domain, "other.example", "messages/minute=7"),
		}, "credential 01K00000000000000000000099 messages/minute=1|domain example.org messages/minute=2|customer acme messages/minute=3|network 192.0.2.1 messages/minute=4|node 1 messages/minute=5|everything messages/minute=6"},
	} {
		var got []string
		for _, l := range who.Levels(holding(c.rules...), noon) {
			text := l.Subject.String()
			for _, k := range l.Limits {
				if k.Shadow {
					text += " (" + k.String() + ")"
					continue
				}
				text += " " + k.String()
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "|"); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
	shared := rule(1, Domain, "example.org", "messages/hour=100")
	shared.Limit.Share = 25
	if levels := who.Levels(holding(shared), noon); len(levels) != 2 || levels[0].Subject.Kind != Account || len(levels[0].Limits) != 0 {
		t.Errorf("the account that shares is not counted: %+v", levels)
	}
	if levels := (&Who{}).Levels(holding(rule(1, Account, Each, "messages/hour=1")), noon); levels != nil {
		t.Errorf("nobody has %+v", levels)
	}
}

func TestCheckRefuses(t *testing.T) {
	for says, change := range map[string]func(*Rule){
		"needs an id":       func(r *Rule) { r.ID = "1" },
		"that there is not": func(r *Rule) { r.Limit.Window = windows },
		"of one message recipients and bytes are counted":  func(r *Rule) { r.Limit.Window = PerMessage },
		"of one connection messages, recipients and bytes": func(r *Rule) { r.Limit.Measure, r.Limit.Window = NewRecipients, PerConnection },
		"waiting makes no room in one message":             func(r *Rule) { r.Limit = Limit{Measure: Bytes, Window: PerMessage, Max: 1, Action: Slow} },
		"messages/connection: waiting makes no room":       func(r *Rule) { r.Limit.Window, r.Limit.Action = PerConnection, Slow },
		"one connection is one account's":                  func(r *Rule) { r.For, r.Limit.Window, r.Limit.Share = Subject{Everything, ""}, PerConnection, 5 },
		"nothing extra":                                    func(r *Rule) { r.Extra, r.Limit.Max = true, 0 },
		"neither action":                                   func(r *Rule) { r.Extra, r.Limit.Shadow = true, true },
		"1 to 100 percent":                                 func(r *Rule) { r.Limit.Share = 101 },
		"could share":                                      func(r *Rule) { r.Limit.Share = 10 },
		"failed-share/day is a percentage, of which no account can have a share: leave the share out, and bound each account by a failed-share of its own": func(r *Rule) {
			r.For, r.Limit = Subject{Domain, Each}, Limit{Measure: FailedShare, Window: Day, Max: 20, Least: 20, Action: Defer, Share: 25}
		},
		"connections/at-once: a connection belongs to no account yet": func(r *Rule) {
			r.For, r.Limit = Subject{Network, Each}, Limit{Measure: Connections, Window: AtOnce, Max: 20, Action: Defer, Share: 25}
		},
		"of a network":       func(r *Rule) { r.For, r.Limit.Measure = Subject{Network, Each}, FailedRecipients },
		"nobody sets":        func(r *Rule) { r.By = "" },
		"no beginning":       func(r *Rule) { r.Start = time.Time{} },
		"before it began":    func(r *Rule) { r.End = noon.Add(-time.Second) },
		"is no name":         func(r *Rule) { r.For.Name = "A@example.org" },
		"one line":           func(r *Rule) { r.Because = "a\nb" },
		"has 151 octets":     func(r *Rule) { r.Because = strings.Repeat("x", 151) },
		`"plan *"`:           func(r *Rule) { r.For = Subject{Plan, Each} },
		`"everything x"`:     func(r *Rule) { r.For = Subject{Everything, "x"} },
		`"network 192.0.2.`:  func(r *Rule) { r.For = Subject{Network, "192.0.2.0/24"} },
		`"domain Example.o`:  func(r *Rule) { r.For = Subject{Domain, "Example.org"} },
		`"credential scan"`:  func(r *Rule) { r.For = Subject{Credential, "scan"} },
		`"customer"`:         func(r *Rule) { r.For = Subject{Customer, ""} },
		`"node xxxxxxxxxxxx`: func(r *Rule) { r.For = Subject{Node, strings.Repeat("x", 600)} },
	} {
		r := rule(1, Account, "a@example.org", "messages/hour=5")
		change(&r)
		if err := r.Check(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	r := rule(1, Account, "a@example.org", "messages/hour=5")
	if err := r.Check(); err != nil || r.Object() != "account a@example.org messages/hour=5" {
		t.Errorf("%s: %v", r.Object(), err)
	}
	if r = extra(r); r.Check() != nil || r.Object() != "account a@example.org messages/hour=+5" {
		t.Errorf("%s: %v", r.Object(), r.Check())
	}
}

func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := network.Of(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is in %s, want %s", text, got, want)
		}
	}
	if got := network.Of(netip.Addr{}); got != "" {
		t.Errorf("no address is in %s", got)
	}
	for text, want := range map[string]string{"192.0.2.1": "192.0.2.1", "192.0.2.1/32": "192.0.2.1", "2001:db8::/64": "2001:db8::/64", "2001:DB8::9": "2001:db8::/64"} {
		if got, err := network.Parse(text); got != want || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "192.0.2.0/24", "2001:db8::/48", "2001:db8::1/64", "fe80::1%eth0", "example.org"} {
		if got, err := network.Parse(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

// TestReplaces: a rule ends the one in its place, one in shadow none that is not, and one that is not
// the one in shadow that would be silent beside it.
func TestReplaces(t *testing.T) {
	with := func(text string, change ...func(*Limit)) Rule {
		r := rule(1, Domain, "example.org", text)
		for _, c := range change {
			c(&r.Limit)
		}
		return r
	}
	share := func(n int) func(*Limit) { return func(l *Limit) { l.Share = n } }
	action := func(a Action) func(*Limit) { return func(l *Limit) { l.Action = a } }
	hour := with("messages/hour=10")
	for name, c := range map[string]struct {
		set, before Rule
		want        bool
	}{
		"alike":                                {hour, with("messages/hour=10"), true},
		"another number":                       {hour, with("messages/hour=100"), true},
		"another window":                       {hour, with("messages/day=10"), false},
		"another measure":                      {hour, with("recipients/hour=10"), false},
		"somebody else":                        {hour, rule(2, Domain, Each, "messages/hour=10"), false},
		"one with an end":                      {hour, until(with("messages/hour=10"), noon), false},
		"both with an end":                     {until(hour, noon), until(with("messages/hour=9"), noon), true},
		"extra":                                {hour, extra(until(with("messages/hour=10"), noon)), false},
		"in shadow":                            {shadow(hour), with("messages/hour=100"), false},
		"both in shadow":                       {shadow(hour), shadow(with("messages/hour=100")), true},
		"over one in shadow of the number":     {hour, shadow(with("messages/hour=10")), true},
		"over one in shadow of more":           {hour, shadow(with("messages/hour=11")), true},
		"over one in shadow of less":           {hour, shadow(with("messages/hour=9")), false},
		"over one in shadow with an end":       {hour, shadow(until(with("messages/hour=10"), noon)), false},
		"over one in shadow with a share":      {hour, shadow(with("messages/hour=10", share(30))), false},
		"with the share":                       {with("messages/hour=10", share(30)), shadow(with("messages/hour=10", share(30))), true},
		"with a larger share":                  {with("messages/hour=10", share(31)), shadow(with("messages/hour=10", share(30))), false},
		"slow over a refusal in shadow":        {with("messages/hour=10", action(Slow)), shadow(with("messages/hour=10", action(Refuse))), false},
		"slow over slow in shadow":             {with("messages/hour=10", action(Slow)), shadow(with("messages/hour=10", action(Slow))), true},
		"a refusal over a refusal in shadow":   {hour, shadow(with("messages/hour=10", action(Refuse))), true},
		"failures, over fewer of them in turn": {with("failed-share/day=5"), shadow(with("failed-share/day=5", func(l *Limit) { l.Least = 3 })), false},
	} {
		if got := c.set.Replaces(&c.before); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
