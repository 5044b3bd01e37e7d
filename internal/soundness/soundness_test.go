package soundness

import (
	"strings"
	"testing"
)

// TestAdviceStandsAlone: whoever reads one finding may have no other, and no
// engine's advice is about what it does not have.
func TestAdviceStandsAlone(t *testing.T) {
	for _, rows := range []bool{false, true} {
		f := Findings{BodiesInRows: rows}
		for _, m := range Kinds() {
			f.Add(m.Kind, "here")
		}
		for _, one := range f.Result().Findings {
			if one.Do == "" || one.What == "" {
				t.Errorf("%s says nothing", one.Kind)
			}
			for _, other := range Kinds() {
				if strings.Contains(one.Do, string(other.Kind)) {
					t.Errorf("%s sends to %s, which may not be found: %s", one.Kind, other.Kind, one.Do)
				}
			}
			foreign := "body_chunk"
			if rows {
				foreign = "bodies/"
			}
			// Files alone can be unreadable: an engine with rows never finds that.
			if strings.Contains(one.Do, foreign) && one.Kind != BodyUnreadable {
				t.Errorf("%s, bodies in rows %v: %s", one.Kind, rows, one.Do)
			}
		}
	}
}
