package ruling

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
	"countersign/internal/policy/rules"
)

const file = `hostname = "mail.example.net"
[[listener]]
name = "submission"
kind = "submission"
address = ["127.0.0.1:0"]
[[certificate]]
name = "main"
source = "self-signed"
[[rule]]
name = "night"
at = "data"
when = '''
  now.getHours("Europe/Berlin") < 6 &&
  message.size > 10'''
verdict = "slow"
because = "At night"
shadow = true
on_error = "defer"
delay = "5m"
`

func load(t *testing.T, text string) (*config.Config, []loading.Warning, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loading.Load(path, Judge)
}

func TestSet(t *testing.T) {
	c, warnings, err := load(t, file)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	set, err := Set(c)
	if err != nil || len(set.Rules(rules.Data)) != 1 {
		t.Fatal(set, err)
	}
	want := rules.Spec{Name: "night", At: rules.Data, When: c.Rules[0].When, Verdict: rules.Slow, Because: "At night", Shadow: true, OnError: rules.DeferOnError, Delay: 5 * time.Minute}
	if got := Specs(c)[0]; got != want {
		t.Errorf("%+v", got)
	}
	c.Rules[0].When = "message.size"
	if _, err := Set(c); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `rule "night"`) {
		t.Errorf("got %v", err)
	}
}

// TestJudge: a mistake is where it stands in the file, a warning prevents nothing.
func TestJudge(t *testing.T) {
	_, _, err := load(t, strings.Replace(file, "message.size", "message.sise", 1))
	if err == nil || !strings.Contains(err.Error(), "countersign.toml:14:3: rule.when: message.sise is not known; message has from, ") {
		t.Errorf("got %v", err)
	}
	c, warnings, err := load(t, strings.Replace(file, "message.size > 10", "1 > 2", 1))
	if err != nil || c == nil || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "countersign.toml:13:1: rule.when: is never true") {
		t.Errorf("%v, %v", warnings, err)
	}
	c, _, err = load(t, strings.Repeat("\n", 3)+file+"[[rule]]\nname = \"night\"\nat = \"mail\"\nwhen = \"envelope.size > 1\"\nverdict = \"allow\"\n")
	if err == nil || c != nil || !strings.Contains(err.Error(), `:24: rule.name: there is a rule "night" already`) {
		t.Errorf("got %v", err)
	}
}

// TestExamples: what the page for operators shows is in order.
func TestExamples(t *testing.T) {
	page, err := os.ReadFile("../../../docs/ops/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	text, rule := file[:strings.Index(file, "[[rule]]")], false
	for line := range strings.Lines(string(page)) {
		code, indented := strings.CutPrefix(line, "    ")
		rule = indented && (rule || strings.HasPrefix(code, "[[rule]]")) || rule && strings.TrimSpace(line) == ""
		if rule {
			text += strings.TrimRight(code, " ")
		}
	}
	c, warnings, err := load(t, text)
	if err != nil || len(warnings) > 0 || len(c.Rules) < 15 {
		t.Fatalf("%v\n%v\n%s", warnings, err, text)
	}
}
