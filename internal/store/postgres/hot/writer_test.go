package hot

import (
	"testing"

	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/incoming"
)

// accepting and reporting are operations on a submission.
func accepting(ids ...mail.ID) *operation {
	var o operation
	for _, id := range ids {
		o.accepts = append(o.accepts, &incoming.Acceptance{ID: id})
	}
	return &o
}

func reporting(id string, numbers ...int) *operation {
	o := &operation{submission: id}
	for _, n := range numbers {
		o.outcomes = append(o.outcomes, incoming.Outcome{N: n})
	}
	return o
}

// TestCompatible puts into one transaction what statements over arrays can do in
// any order, and no more; but always something.
func TestCompatible(t *testing.T) {
	for name, c := range map[string]struct {
		list []*operation
		want int
	}{
		"nothing":                      {nil, 0},
		"different ids":                {[]*operation{accepting("a"), accepting("b"), {}, reporting("c", 1)}, 4},
		"one id twice":                 {[]*operation{accepting("a"), accepting("b"), accepting("a")}, 2},
		"an id and its report":         {[]*operation{accepting("a"), reporting("a", 1)}, 1},
		"a report and a new life":      {[]*operation{reporting("a", 1), accepting("b"), accepting("a")}, 2},
		"recipients of one":            {[]*operation{reporting("a", 1), reporting("a", 2, 3)}, 2},
		"one recipient twice":          {[]*operation{reporting("a", 1, 2), reporting("b", 2), reporting("a", 2)}, 2},
		"a report that clashes itself": {[]*operation{accepting("a", "a"), accepting("a")}, 1},
	} {
		if got := compatible(c.list); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestWaitedOverALease: a report that came under one lease and is stored under the
// next stores nothing where a delivery is another node's by then.
func TestWaitedOverALease(t *testing.T) {
	var w Writer
	before, now := reporting("a", 1), reporting("b", 1)
	before.epoch, now.epoch = 7, 8
	w.SetEpoch(8)
	epoch, allowed := w.under([]*operation{before, now})
	if epoch != 8 || len(allowed) != 2 || !before.again || now.again {
		t.Errorf("epoch %d, %d operations, made again: %v, %v", epoch, len(allowed), before.again, now.again)
	}
}
