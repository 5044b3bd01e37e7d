// Package ruling has what the configuration says of the operator's rules: it makes them, and
// says where in the file what is wrong with one.
//
// Main functions: Set, Specs, Judge.
package ruling

import (
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
