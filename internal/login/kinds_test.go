package login

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/login/shape"
)

// A gate on which nobody has logged in from a directory yet, as it has been started just now or
// others come there, takes as long for a name that is not there as for one that is, also after
// days without a login.
func TestNamesAreAlikeBeforeTheFirstLoginOfAGate(t *testing.T) {
	w, m := outsiders(t, 0)
	shapes := &shape.Memory{}
	again := func() { w.restart(setup{options: Options{Directories: m, Shapes: shapes}}) }
	again()
	m[1].answers["dear@out.example"] = directory.Answer{Login: "dear@out.example", Hash: hashOf(t, dearer, goodPassword).Text()}
	w.must(fromOutside(w, "dear@out.example", goodPassword))
	w.v.fronts.Keep(t.Context())
	for _, days := range []int{0, 6} {
		again()
		w.pass(time.Duration(days) * 24 * time.Hour)
		for _, login := range []string{"nobody@out.example", "dear@out.example", "plain@out.example"} {
			w.work()
			p, err := fromOutside(w, login, wrongPassword)
			wantRefused(t, p, err)
			if got := w.work(); !slices.Contains(got, hash.CostOf(dearer).String()) || len(got) != 2 {
				t.Errorf("after %d days %s has cost %v", days, login, got)
			}
		}
	}
}
