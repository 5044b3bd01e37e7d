package usage

import (
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/node"
)

// TestRemark: people are told where what was set is not what counts.
func TestRemark(t *testing.T) {
	extra, shadow := func(r *limit.Rule) { r.Extra = true }, func(r *limit.Rule) { r.Limit.Shadow = true }
	for _, c := range []struct {
		name string
		// before is what was set, set is what is set now.
		before, set func(t *testing.T, s *store) *limit.Rule
		want        string
	}{
		{name: "alone", set: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5") }},
		{name: "while another one holds for a time",
			before: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=9", temporary) },
			set:    func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5") },
			want:   "messages/hour is set, but messages/hour=9 counts until 2026-11-27T13:00:00Z"},
		{name: "for a time itself",
			before: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=9") },
			set:    func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5", temporary) }},
		{name: "more on top of the plan's",
			before: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, limit.Subject{Kind: limit.Plan, Name: "small"}, "messages/hour=9")
			},
			set: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=5", temporary, extra)
			},
			want: "with this messages/hour=14 counts"},
		{name: "more on top of nothing",
			before: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/day=9") },
			set: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=5", temporary, extra)
			},
			want: "nothing limits messages/hour there now, so that this gives nothing"},
		{name: "more on a plan, of which nobody knows", set: func(t *testing.T, s *store) *limit.Rule {
			return s.set(t, limit.Subject{Kind: limit.Plan, Name: "small"}, "messages/hour=5", temporary, extra)
		}},
		{name: "in shadow beside one that counts",
			before: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=9") },
			set: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=5", shadow)
			},
			want: "messages/hour=5 is in shadow; messages/hour=9 stays and counts"},
		{name: "in shadow above one that counts",
			before: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5") },
			set: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=9", shadow)
			},
			want: "messages/hour=9 is in shadow, and says nothing while messages/hour=5 counts"},
		{name: "in shadow for good, while another one in shadow is looked at for a time",
			before: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=9", temporary, shadow)
			},
			set:  func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5", shadow) },
			want: "messages/hour=5 is in shadow, and messages/hour=9 is looked at until 2026-11-27T13:00:00Z"},
		{name: "in shadow for good, beside one that counts and one that is looked at for a time",
			before: func(t *testing.T, s *store) *limit.Rule {
				s.set(t, subject, "messages/hour=20")
				return s.set(t, subject, "messages/hour=9", temporary, shadow)
			},
			set:  func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5", shadow) },
			want: "messages/hour=5 is in shadow; messages/hour=20 stays and counts, and messages/hour=9 is looked at until 2026-11-27T13:00:00Z"},
		{name: "for good, while one in shadow holds for a time",
			before: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=9", temporary, shadow)
			},
			set: func(t *testing.T, s *store) *limit.Rule { return s.set(t, subject, "messages/hour=5") }},
		{name: "more on top of one in shadow alone",
			before: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=9", shadow)
			},
			set: func(t *testing.T, s *store) *limit.Rule {
				return s.set(t, subject, "messages/hour=5", temporary, extra)
			},
			want: "nothing but a limit in shadow is there, which is messages/hour=14 with this"},
		{name: "more for each", set: func(t *testing.T, s *store) *limit.Rule {
			return s.set(t, limit.Subject{Kind: limit.Domain, Name: limit.Each}, "messages/hour=5", temporary, extra)
		}},
	} {
		s := &store{}
		if c.before != nil {
			c.before(t, s)
		}
		got, err := Remark(t.Context(), s, c.set(t, s), noon)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// TestMakes: of each kind that is counted it is known what more on top leads to.
func TestMakes(t *testing.T) {
	for _, of := range []limit.Subject{
		{Kind: limit.Credential, Name: scanner}, subject, domain, {Kind: limit.Customer, Name: "acme"},
		{Kind: limit.Network, Name: "192.0.2.7"}, {Kind: limit.Node, Name: "a"}, {Kind: limit.Everything},
	} {
		s := &store{}
		s.set(t, of, "messages/hour=5")
		more := s.set(t, of, "messages/hour=2", temporary, func(r *limit.Rule) { r.Extra = true })
		made, known, err := Makes(t.Context(), s, more, noon)
		if err != nil || !known || made == nil || made.Max != 7 {
			t.Errorf("%s: %+v, %v, %v", of, made, known, err)
		}
	}
	s := &store{}
	more := s.set(t, limit.Subject{Kind: limit.Account, Name: "nobody@example.org"}, "messages/hour=2", func(r *limit.Rule) { r.Extra = true })
	if _, _, err := Makes(t.Context(), s, more, noon); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// TestNamed: a credential is read by its account and name, while there is one.
func TestNamed(t *testing.T) {
	s := &store{}
	r := s.set(t, limit.Subject{Kind: limit.Credential, Name: scanner}, "messages/hour=5")
	set := func(login string) {
		e := r.Event(audit.LimitSet, r.Start, r.By, "")
		e.Login = login
		s.events = []audit.Event{e}
	}
	for login, want := range map[string]string{ann: ann + "/scanner", "gone@example.org": scanner, "": scanner} {
		set(login)
		if got, err := Named(t.Context(), s, *r); err != nil || got.For.Name != want || got.For.Kind != limit.Credential {
			t.Errorf("set for %q: %+v, %v", login, got.For, err)
		}
	}
	set(ann)
	other := *r
	other.For.Name = "01K00000000000000000000ELS"
	if got, err := Named(t.Context(), s, other); err != nil || got.For != other.For {
		t.Errorf("of another one: %+v, %v", got.For, err)
	}
	if got, err := Named(t.Context(), s, limit.Rule{For: domain}); err != nil || got.For != domain {
		t.Errorf("of a domain: %+v, %v", got.For, err)
	}
	if text := Subject(limit.Subject{Kind: limit.Credential, Name: limit.Each}); text != "each credential" {
		t.Error(text)
	}
}

// TestGate: a gate that there is not has no limits.
func TestGate(t *testing.T) {
	s := &store{nodes: []node.Node{{ID: "a"}}}
	for of, ok := range map[limit.Subject]bool{
		{Kind: limit.Node, Name: "a"}: true, {Kind: limit.Node, Name: "b"}: false, {Kind: limit.Node, Name: limit.Each}: true,
		{Kind: limit.Domain, Name: "b"}: true,
	} {
		if err := Gate(t.Context(), s, of); (err == nil) != ok || err != nil && !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", of, err)
		}
	}
}

// TestHolderAsOf: the record is asked for when the rule was set, so that a later one for the same is not
// taken for it.
func TestHolderAsOf(t *testing.T) {
	s := &store{}
	r := s.set(t, limit.Subject{Kind: limit.Credential, Name: scanner}, "messages/hour=5")
	e := r.Event(audit.LimitSet, r.Start.Add(time.Hour), r.By, "")
	e.Login = ann
	s.events = []audit.Event{e}
	if login, name, err := Holder(t.Context(), s, *r); err != nil || login != "" || name != "" {
		t.Error(login, name, err)
	}
}
