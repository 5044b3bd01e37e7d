package terms

import (
	"testing"

	"countersign/internal/limit"
)

// TestApply: what is said is in all limits, what is not said leaves them as they were, and a mistake
// names its field.
func TestApply(t *testing.T) {
	number, share, none := int64(7), 25, 0
	list := func() []limit.Limit {
		return []limit.Limit{{Action: limit.Defer, Max: 1}, {Action: limit.Hold, Measure: limit.FailedShare, Least: 20, Max: 2}}
	}
	for _, c := range []struct {
		name, member string
		terms        Terms
		want         []limit.Limit
	}{
		{name: "nothing", want: list()},
		{name: "all", terms: Terms{Action: "slow", Share: &share, Least: &number, Shadow: true}, want: []limit.Limit{
			{Action: limit.Slow, Max: 1, Share: 25, Least: 7, Shadow: true}, {Action: limit.Slow, Measure: limit.FailedShare, Max: 2, Share: 25, Least: 7, Shadow: true},
		}},
		{name: "an action that there is not", terms: Terms{Action: "drop"}, member: "action"},
		{name: "a share of nothing", terms: Terms{Share: &none}, member: "share"},
	} {
		got := list()
		member, err := c.terms.Apply(got)
		if member != c.member || (err != nil) != (c.member != "") {
			t.Errorf("%s: %q, %v", c.name, member, err)
		}
		for i := range c.want {
			if got[i] != c.want[i] {
				t.Errorf("%s: limit %d is %+v, want %+v", c.name, i, got[i], c.want[i])
			}
		}
	}
}
