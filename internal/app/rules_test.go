package app

import (
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/loadgen"
	"countersign/internal/sink"
)

// TestReloadTakesRules, all of them or none: where one is wrong those before stay in force.
func TestReloadTakesRules(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	accepted := func(want int) {
		t.Helper()
		if res, err := loadgen.Run(t.Context(), w.load(1, 1)); err != nil || res.Accepted != want {
			t.Errorf("accepted %+v, %v, want %d", res, err, want)
		}
	}
	accepted(1)
	const refuse = "[[rule]]\nname = \"r\"\nat = \"data\"\nwhen = \"message.size > 1\"\nverdict = \"refuse\"\nbecause = \"No\"\n"
	if _, err := w.app.Reload(t.Context(), w.configure(refuse)); err != nil {
		t.Fatal(err)
	}
	accepted(0)
	wrong := w.configure("")
	wrong.Rules = append(w.configure(refuse).Rules, w.configure(refuse).Rules...)
	wrong.Rules[0].When, wrong.Rules[1].Name = "message.sise > 1", "s"
	if _, err := w.app.Reload(t.Context(), wrong); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	accepted(0)
	if _, err := w.app.Reload(t.Context(), w.configure("")); err != nil {
		t.Fatal(err)
	}
	accepted(1)
}

// TestReadyzNamesRulesThatFail: a rule that asks for what no limit counts is a warning until one does;
// the gate stays ready.
func TestReadyzNamesRulesThatFail(t *testing.T) {
	w := newWorld(t, "[[rule]]\nname = \"r\"\nat = \"mail\"\nwhen = \"counted.used('account messages/month') > 5\"\nverdict = \"refuse\"\nbecause = \"No\"\n",
		func(sink.Message) error { return nil })
	warned := func() bool {
		return strings.Contains(get(t, "http://"+w.app.Addresses()["metrics"]+"/readyz"), "no limit counts account messages/month")
	}
	if !warned() {
		t.Error("nothing is said of a rule that fails")
	}
	setLimits(t, w, limit.Subject{Kind: limit.Account, Name: limit.Each}, limit.AwayOpen, "recipients/month=500")
	if warned() {
		t.Error("it is said of a rule that does not fail")
	}
	if _, err := w.app.Reload(t.Context(), w.configure("")); err != nil || warned() {
		t.Errorf("it is said of a rule that there is not (%v)", err)
	}
}
