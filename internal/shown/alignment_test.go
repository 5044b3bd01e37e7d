package shown

import (
	"testing"
	"time"

	"countersign/internal/policy/rounds"
)

// TestLookOf: where mail passes there is no reason why it does not, also where an older look has left one.
func TestLookOf(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		look rounds.Look
		want string
	}{
		{rounds.Look{At: at, Verdict: "pass", Reason: "DKIM fails"}, "mail passes DMARC, at 2026-11-27 12:00:00Z"},
		{rounds.Look{At: at, Verdict: "will-fail", Reason: "DKIM fails"}, "mail will fail DMARC, at 2026-11-27 12:00:00Z: DKIM fails"},
	} {
		if got := LookOf(c.look).Text(); got != c.want {
			t.Errorf("%+v is shown as %q, want %q", c.look, got, c.want)
		}
	}
	for _, none := range []rounds.Look{{Verdict: "pass"}, {At: at}} {
		if got := LookOf(none); got != nil {
			t.Errorf("%+v is shown as %+v", none, got)
		}
	}
}
