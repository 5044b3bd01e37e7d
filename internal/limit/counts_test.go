package limit

import (
	"testing"
	"time"
)

// TestCountsFor: which rules have messages counted, of whom and in which window; levels that come of
// such a rule say the same.
func TestCountsFor(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	shared := rule(1, Domain, "example.org", "bytes/day=1000")
	shared.Limit.Share = 50
	more := extra(rule(1, Account, "a@example.org", "messages/day=5"))
	lifted := rule(1, Account, "a@example.org", "messages/day=5")
	lifted.Lifted = "admin"
	for name, c := range map[string]struct {
		of   Rule
		kind Kind
		want bool
	}{
		"its own":              {rule(1, Account, "a@example.org", "messages/day=5"), Account, true},
		"another measure":      {rule(1, Account, Each, "failed-recipients/day=5"), Account, true},
		"another window":       {rule(1, Account, "a@example.org", "messages/hour=5"), Account, false},
		"another kind":         {rule(1, Domain, "example.org", "messages/day=5"), Account, false},
		"of connections":       {rule(1, Account, "a@example.org", "connections/day=5"), Account, false},
		"of the plan":          {rule(1, Plan, "small", "messages/day=5"), Account, true},
		"of the plan, domains": {rule(1, Plan, "small", "messages/day=5"), Domain, false},
		"a share":              {shared, Account, true},
		"what has shares":      {shared, Domain, true},
		"more on top alone":    {until(more, now.Add(time.Hour)), Account, false},
		"ended":                {until(rule(1, Account, "a@example.org", "messages/day=5"), now), Account, false},
		"lifted":               {lifted, Account, false},
	} {
		if got := c.of.CountsFor(c.kind, Day, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if c.of.Lifted != "" {
			continue // which those who ask for levels leave out
		}
		who := Who{Account: "a@example.org", Plan: "small", Domain: "example.org"}
		levels := who.Levels(holding(c.of), now)
		counted := false
		for i := range levels {
			counted = counted || levels[i].Subject.Kind == c.kind && levels[i].CountsIn(Day, levels)
		}
		if counted != c.want {
			t.Errorf("%s: the levels say %v", name, counted)
		}
	}
}
