package limit

import (
	"testing"

	"countersign/internal/fault"
)

// FuzzParse: what is read is written so that it is read as the same, and what is not read
// is refused in words.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"recipients/hour=100", "bytes/day=500MiB", "bytes/month=8388607TiB", "messages/day=", "messages/day=+1", "messages/day=-0", "/=", "a/b/c=d", "bytes/day=KiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || fault.DetailOf(err, fault.Invalid) == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if l.Max < 0 || l.Action != Defer || l.Shadow || l.Share != 0 {
			t.Fatalf("%q is read as %+v", text, l)
		}
		if again, err := Parse(l.String()); err != nil || again != l {
			t.Fatalf("%s is read as %+v (%v)", l, again, err)
		}
		if m, w, err := ParseMeasured(l.Measure.String() + "/" + l.Window.String()); err != nil || m != l.Measure || w != l.Window {
			t.Fatalf("%s: %v, %v, %v", l, m, w, err)
		}
	})
}
