// Package ruling is "countersign rule": the commands about the rules of the operator, which stand in
// the configuration.
//
// What a rule is stands in package policy/rules, what is known of messages of the past in package
// policy/replay; here both get names, flags and tables.
//
// Main types: Group, Rule, Name, Tested.
package ruling

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/app"
	appruling "countersign/internal/app/ruling"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/policy/rules"
)

// Group is "countersign rule".
type Group struct {
	List  list  `cmd:"" help:"List the rules in their order, and what each costs at most."`
	Check check `cmd:"" noconfig:"" help:"Say whether an expression is in order, and what it costs at most."`
	Names names `cmd:"" noconfig:"" help:"List what expressions may name."`
	Test  test  `cmd:"" help:"Say what the rules would have done about messages of the record, or would do about a file."`
}

// load reads the rules of the configuration; warnings are printed.
func load(c *call.Call) (*config.Config, *rules.Set, error) {
	cfg, warnings, err := app.LoadConfig(c.Config)
	for _, w := range warnings {
		if w.Key == "rule" || strings.HasPrefix(w.Key, "rule.") {
			fmt.Fprintf(c.Stderr, "warning: %s\n", w)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	set, err := appruling.Set(cfg)
	return cfg, set, err
}

type list struct{ call.AsJSON }

// Run does it.
func (cmd *list) Run(c *call.Call) error {
	_, set, err := load(c)
	if err != nil {
		return err
	}
	WarnUncounted(c, set)
	rows := []Rule{}
	for _, at := range rules.Stages() {
		for _, r := range set.Rules(at) {
			rows = append(rows, Rule{
				Name: r.Name, At: string(at), When: r.When, Verdict: string(r.Verdict), Because: r.Because, Shadow: r.Shadow,
				OnError: string(r.OnError), Delay: delay(r), Cost: r.Cost(),
			})
		}
	}
	return table.List(c.Stdout, cmd.JSON, rows, []string{"NAME", "AT", "VERDICT", "ON ERROR", "COST", "BECAUSE", "WHEN"}, Rule.cells)
}

// delay is how long a rule lets messages wait, "" where it does not.
func delay(r *rules.Rule) string {
	if r.Verdict != rules.Slow {
		return ""
	}
	return config.Duration(r.Delay).String()
}

// Rule is what is printed of a rule.
type Rule struct {
	Name    string `json:"name"`
	At      string `json:"at"`
	When    string `json:"when"`
	Verdict string `json:"verdict"`
	Because string `json:"because,omitempty"`
	Shadow  bool   `json:"shadow"`
	OnError string `json:"on_error"`
	Delay   string `json:"delay,omitempty"`
	// Cost is what it costs at worst.
	Cost uint64 `json:"cost"`
}

// cells is the row of a listing; an expression stands in one line there.
func (r Rule) cells() []string {
	verdict := strings.TrimSpace(r.Verdict + " " + r.Delay)
	if r.Shadow {
		verdict += ", shadow"
	}
	return []string{r.Name, r.At, verdict, r.OnError, strconv.FormatUint(r.Cost, 10), r.Because, strings.Join(strings.Fields(r.When), " ")}
}

// stage is an argument that is a moment at which rules are asked.
type stage struct{ rules.Stage }

// UnmarshalText reads "connect", "mail", "rcpt" or "data".
func (s *stage) UnmarshalText(text []byte) error {
	s.Stage = rules.Stage(text)
	if !slices.Contains(rules.Stages(), s.Stage) {
		return fmt.Errorf("%q is not a moment at which rules are asked: connect, mail, rcpt or data", text)
	}
	return nil
}

type check struct {
	Expression string `arg:"" name:"expr" help:"The expression, as it would stand behind when."`
	At         stage  `default:"data" help:"When it would be asked: connect, mail, rcpt or data." placeholder:"MOMENT"`
}

// Run does it.
func (cmd *check) Run(c *call.Call) error {
	most, limit, found := rules.Estimate(cmd.At.Stage, cmd.Expression)
	bad := 0
	for _, m := range found {
		text := m.Text
		if m.Suggestion != "" {
			text += "; " + m.Suggestion
		}
		if m.Row > 0 {
			text = fmt.Sprintf("%d:%d: %s", m.Row, m.Column, text)
		}
		if m.Warning {
			text = "warning: " + text
		} else {
			bad++
		}
		fmt.Fprintln(c.Stderr, table.Clean(text))
	}
	if bad > 0 {
		return fault.New("cli.rule", fault.Invalid, "the expression cannot be used at %q", cmd.At.Stage)
	}
	return c.Say("it is in order at %q, and costs at most %d of %d", cmd.At.Stage, most, limit)
}

type names struct {
	call.AsJSON
	At stage `help:"Those alone that are known at this moment: connect, mail, rcpt or data." placeholder:"MOMENT"`
}

// Run does it.
func (cmd *names) Run(c *call.Call) error {
	rows := []Name{}
	for _, w := range rules.Vocabulary() {
		if cmd.At.Stage != "" && !slices.Contains(w.Stages, cmd.At.Stage) {
			continue
		}
		n := Name{Name: w.Name, Type: w.Type, Text: w.Text}
		for _, s := range w.Stages {
			n.At = append(n.At, string(s))
		}
		rows = append(rows, n)
	}
	return table.List(c.Stdout, cmd.JSON, rows, []string{"NAME", "TYPE", "AT", "IS"}, Name.cells)
}

// Name is what is printed of a variable or function.
type Name struct {
	Name string   `json:"name"`
	Type string   `json:"type"`
	At   []string `json:"at"`
	Text string   `json:"text"`
}

// cells is the row of a listing.
func (n Name) cells() []string { return []string{n.Name, n.Type, strings.Join(n.At, " "), n.Text} }
