package password

import (
	"errors"
	"strings"
	"testing"

	"countersign/internal/fault"
)

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
		got, err := Line(strings.NewReader(in))
		refused, isError := strings.CutPrefix(want, "!")
		switch {
		case isError && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), refused)):
			t.Errorf("%q: %q, %v", in, got, err)
		case !isError && (err != nil || got != want):
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestMaybe(t *testing.T) {
	long := strings.Repeat("t", maxToken)
	for in, want := range map[string]string{"secret words\n": "secret words", "": "", "\n": "", "one\ntwo\n": "!", long[:maxToken-1] + "\n": long[:maxToken-1]} {
		got, err := Maybe(strings.NewReader(in), nil)
		switch {
		case want == "!":
			if !fault.Is(err, fault.Invalid) || got != nil {
				t.Errorf("%q: %v", in, err)
			}
		case err != nil || (got == nil) != (want == "") || got != nil && *got != want:
			t.Errorf("%.20q: %v, %v", in, got, err)
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
		var screen strings.Builder
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
		}, &screen)
		if told, want := strings.Count(screen.String(), "not the same"), max(0, (len(c.typed)-1)/2); told != want {
			t.Errorf("%v: told %d times that they differ, want %d", c.typed, told, want)
		}
		if got != c.want || (err != nil) != (c.kind != 0) || err != nil && !fault.Is(err, c.kind) {
			t.Errorf("%v: %q, %v", c.typed, got, err)
		}
		if asked != len(c.typed) {
			t.Errorf("%v: asked %d times", c.typed, asked)
		}
	}
}
