package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"countersign/internal/fault"
)

func TestEveryKindHasAnEnding(t *testing.T) {
	rows := endings()
	for _, k := range fault.Kinds() {
		end, ok := rows[k]
		if !ok || end.status != statusFailed && end.status != statusUsage {
			t.Errorf("%v: status %d (row: %v)", k, end.status, ok)
		}
		if strings.ContainsAny(end.advice, "\n") {
			t.Errorf("%v: the advice is more than a line", k)
		}
	}
	if len(rows) != len(fault.Kinds()) {
		t.Errorf("%d rows for %d kinds", len(rows), len(fault.Kinds()))
	}
}

func TestReport(t *testing.T) {
	cases := []struct {
		err    error
		status int
		says   string
	}{
		{nil, 0, ""},
		{fault.New("x.y", fault.NotFound, "plan gold does not exist"), 1, "countersign: plan gold does not exist\n"},
		{errors.New("plain"), 1, "countersign: plain\n"},
		{usage("say %s", "more"), 2, "countersign: say more\n"},
		{fault.Wrap("x.y", fault.Full, errors.New("disk")), 1, "countersign: no space left: disk\nMake room"},
		{fault.Wrap("a", fault.Unavailable, fault.New("b", fault.Internal, "the database is locked")), 1, "countersign: unavailable: the database is locked\nCheck the data folder"},
		{&fault.Error{Kind: fault.Conflict}, 1, "countersign: conflict\n"},
		{errors.Join(fault.New("a", fault.Invalid, "first"), errors.New("second")), 1, "countersign: first\n"},
	}
	for _, c := range cases {
		var out bytes.Buffer
		status := report(&out, c.err)
		if status != c.status || !strings.HasPrefix(out.String(), c.says) || c.says == "" && out.Len() > 0 {
			t.Errorf("%v: status %d, %q", c.err, status, out.String())
		}
	}
}

func TestPasswordLine(t *testing.T) {
	for in, want := range map[string]string{
		"secret words":        "secret words",
		"secret words\n":      "secret words",
		"secret words\r\n":    "secret words",
		" kept as it is \n":   " kept as it is ",
		"\n":                  "",
		"":                    "!no password",
		"one\ntwo\n":          "!more than the one line",
		"one\n\n":             "!more than the one line",
		string(rune(0)) + "x": string(rune(0)) + "x",
	} {
		got, err := passwordLine(strings.NewReader(in))
		refused, isError := strings.CutPrefix(want, "!")
		switch {
		case isError && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), refused)):
			t.Errorf("%q: %q, %v", in, got, err)
		case !isError && (err != nil || got != want):
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestPasswordIsTypedTwice(t *testing.T) {
	away := errors.New("terminal closed")
	cases := []struct {
		typed []string // what is typed at each prompt; "!" breaks off
		want  string
		kind  fault.Kind
	}{
		{[]string{"one", "one"}, "one", 0},
		{[]string{"one", "two", "two", "two"}, "two", 0},
		{[]string{"1", "2", "3", "4", "5", "6"}, "", fault.Invalid},
		{[]string{"!"}, "", fault.Canceled},
		{[]string{"one", "!"}, "", fault.Canceled},
	}
	for _, c := range cases {
		asked := 0
		got, err := twice(func(prompt string) (string, error) {
			if want := []string{"Password: ", "Again: "}[asked%2]; prompt != want {
				t.Errorf("prompt %q, %q wanted", prompt, want)
			}
			next := c.typed[asked]
			asked++
			if next == "!" {
				return "", away
			}
			return next, nil
		})
		if got != c.want || (err != nil) != (c.kind != 0) || err != nil && !fault.Is(err, c.kind) {
			t.Errorf("%v: %q, %v", c.typed, got, err)
		}
		if asked != len(c.typed) {
			t.Errorf("%v: asked %d times", c.typed, asked)
		}
	}
}

func TestActor(t *testing.T) {
	t.Setenv("SUDO_USER", "")
	plain := OSActor()
	if !strings.HasPrefix(plain, "cli:") || len(plain) < 5 {
		t.Errorf("actor %q", plain)
	}
	t.Setenv("SUDO_USER", "eve\nroot")
	got := OSActor()
	if strings.Contains(got, "\n") {
		t.Errorf("actor %q can forge a line", got)
	}
	if got != "cli:eve\ufffdroot" && got != plain { // believed of root alone
		t.Errorf("actor %q", got)
	}
}
