package audit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLogLine(t *testing.T) {
	full := Event{
		Kind: CommandRefused, Session: "S1", Submission: "M1", Delivery: 2, Login: "a@example.org",
		Actor: "cli:root", Client: "192.0.2.1", Object: "account b@example.org", Code: 550, Enhanced: "5.7.1",
		Reason: "sender-not-owned", Text: "not yours",
		Data: map[string]string{"verb": "MAIL", "client": "forged", "empty": "", "attempt": "3"},
	}
	var out bytes.Buffer
	r := NewRecorder(&tape{}, RecorderOptions{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	r.Log(full)
	r.Log(Event{Kind: SessionPanicked})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`level=INFO msg=command.refused session=S1 submission=M1 delivery=2 account=a@example.org actor=cli:root client=192.0.2.1 ` +
			`object="account b@example.org" code=550 enhanced=5.7.1 reason=sender-not-owned text="not yours" attempt=3 verb=MAIL`,
		`level=ERROR msg=session.panicked`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("logged\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestCatalogueIsComplete(t *testing.T) {
	seen := map[Kind]bool{}
	for _, m := range Kinds() {
		if seen[m.Kind] {
			t.Errorf("%s stands twice in the catalogue", m.Kind)
		}
		seen[m.Kind] = true
		noun, verb, ok := strings.Cut(string(m.Kind), ".")
		if !ok || noun == "" || verb == "" || !strings.HasSuffix(m.Text, ".") {
			t.Errorf("%s: %q", m.Kind, m.Text)
		}
	}
}
