package login

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/login/alike"
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

// Where it was said beforehand which hashes a directory has, a login that fails costs the same from
// the very first one on, whether the name is there or not, however much those hashes cost, and at a
// gate of which no store knows anything.
func TestNamesAreAlikeBeforeAnybodyHasLoggedIn(t *testing.T) {
	w, m := outsiders(t, 0)
	tooDear := hash.Params{MemoryKiB: 8 * mostKinds * today.MemoryKiB, Iterations: 1, Parallelism: 1}
	m[1].answers["dear@out.example"] = directory.Answer{Login: "dear@out.example", Hash: hashOf(t, dearer, goodPassword).Text()}
	m[1].answers["costly@out.example"] = directory.Answer{Login: "costly@out.example", Hash: hashOf(t, tooDear, goodPassword).Text()}
	said := []hash.Cost{hash.CostOf(today), hash.CostOf(dearer), hash.CostOf(tooDear)}
	for _, first := range []string{"nobody@out.example", "dear@out.example", "costly@out.example", "plain@out.example", "off@out.example"} {
		w.restart(setup{options: Options{Directories: m, Hashes: alike.Hashes{
			Said:   map[string][]hash.Cost{m[1].name: said},
			Unsaid: func(directory string, c hash.Cost) { t.Errorf("told of %s of %s, which was said", c, directory) },
		}}})
		for _, login := range []string{first, "nobody@out.example"} {
			w.work()
			p, err := fromOutside(w, login, wrongPassword)
			wantRefused(t, p, err)
			got := w.work()
			slices.Sort(got)
			want := []string{said[0].String(), said[1].String(), said[2].String()}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, after %s, has cost %v, want %v", login, first, got, want)
			}
		}
	}
}

// A hash that is none of those that were said is told of at once, even where the password is
// wrong, once for each kind; failures cost as much when somebody has logged in with one.
func TestAHashThatWasNotSaid(t *testing.T) {
	w, m := outsiders(t, 0)
	m[1].answers["dear@out.example"] = directory.Answer{Login: "dear@out.example", Hash: hashOf(t, dearer, goodPassword).Text()}
	var told []string
	w.restart(setup{options: Options{Directories: m, Hashes: alike.Hashes{
		Said:   map[string][]hash.Cost{m[1].name: {hash.CostOf(today)}},
		Unsaid: func(directory string, c hash.Cost) { told = append(told, directory+" "+c.Kind()) },
	}}})
	costs := func() bool {
		w.work()
		p, err := fromOutside(w, "nobody@out.example", wrongPassword)
		wantRefused(t, p, err)
		return slices.Contains(w.work(), hash.CostOf(dearer).String())
	}
	for range 2 {
		p, err := fromOutside(w, "dear@out.example", wrongPassword)
		wantRefused(t, p, err)
	}
	if want := []string{m[1].name + " " + hash.CostOf(dearer).Kind()}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if costs() {
		t.Error("a hash counts that nobody has proved")
	}
	w.must(fromOutside(w, "dear@out.example", goodPassword))
	if !costs() || len(told) != 1 {
		t.Errorf("a hash that was proved does not count; told %q", told)
	}
}
