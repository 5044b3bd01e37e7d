// Package ruling has what the configuration says of the operator's rules: it makes them, and
// says where in the file what is wrong with one.
//
// Main functions: Set, Specs, Judge, Uncounted.
package ruling

import (
	"fmt"
	"strconv"

	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
	"countersign/internal/policy/rules"
)

// Set makes the rules of a configuration. The error is of kind fault.Invalid, and only for one
// that Judge has not seen.
func Set(c *config.Config) (*rules.Set, error) {
	set, found := rules.Compile(Specs(c))
	for _, m := range found {
		if !m.Warning {
			return nil, fault.New("app.rules", fault.Invalid, "rule %q: %s: %s", c.Rules[min(m.Rule, len(c.Rules)-1)].Name, m.Field, m.Text)
		}
	}
	return set, nil
}

// Judge says what is wrong with the rules of a configuration. It implements loading.Judge.
func Judge(c *config.Config) (all []loading.Finding) {
	_, found := rules.Compile(Specs(c))
	for _, m := range found {
		path := "rule[" + strconv.Itoa(m.Rule) + "]"
		if m.Field != "" {
			path += "." + m.Field
		}
		all = append(all, loading.Finding{Path: path, Text: m.Text, Suggestion: m.Suggestion, Row: m.Row, Column: m.Column, Warning: m.Warning})
	}
	return all
}

// Uncounted says which rules ask for what no limit counts, so that they fail at each message for which
// they come to it; counts reports whether a limit does, and is asked once for each.
func Uncounted(set *rules.Set, counts func(rules.Used) bool) (all []string) {
	for _, at := range rules.Stages() {
		for _, r := range set.Rules(at) {
			for _, u := range r.Used() {
				if !counts(u) {
					all = append(all, fmt.Sprintf("rule %q: no limit counts %s: each message that it is asked about will fail (on_error = %q); a limit in shadow mode counts too",
						r.Name, u, r.OnError))
				}
			}
		}
	}
	return all
}

// Specs are the rules as they are written.
func Specs(c *config.Config) []rules.Spec {
	all := make([]rules.Spec, len(c.Rules))
	for i := range c.Rules {
		r := &c.Rules[i]
		all[i] = rules.Spec{
			Name: r.Name, At: rules.Stage(r.At), When: r.When, Verdict: rules.Verdict(r.Verdict), Because: r.Because,
			Shadow: r.Shadow, OnError: rules.Failure(r.OnError), Delay: r.Delay.Std(),
		}
	}
	return all
}
