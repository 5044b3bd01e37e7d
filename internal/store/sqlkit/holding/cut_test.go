package holding

import "testing"

// TestCut takes portions that are bounded but never empty.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		counts []int
		want   []int // how many targets each portion has
	}{
		{[]int{1}, []int{1}},
		{[]int{portion, 1}, []int{1, 1}},
		{[]int{portion - 1, 1, 1}, []int{2, 1}},
		{[]int{10 * portion, 10 * portion}, []int{1, 1}},
		{[]int{1, 10 * portion, 1}, []int{1, 1, 1}},
	} {
		var found, next []target
		for _, n := range c.counts {
			found = append(found, target{n: n})
		}
		var got []int
		for len(found) > 0 {
			next, found = cut(found)
			got = append(got, len(next))
		}
		if len(got) != len(c.want) {
			t.Errorf("%v is cut into %v, want %v", c.counts, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%v is cut into %v, want %v", c.counts, got, c.want)
			}
		}
	}
}
