package rules

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"countersign/internal/policy/rules/glance"
)

// budget is what all rules of a stage together may cost for one message (for one recipient, one
// connection) at worst, in the units of CEL: at most 0.3 µs each (docs/performance.md).
func budget(at Stage) uint64 {
	switch at {
	case Connect:
		return 10_000
	case Recipient:
		return 20_000
	case Mail:
		return 100_000
	}
	return 500_000
}

// maxCost is what one rule may cost, where the budget of its stage is not lower.
const maxCost = 100_000

// cheap is up to which worst case the cost of an evaluation is not measured: that takes several
// times as long as a simple expression itself, and there is nothing to cut off.
const cheap = 1_000

// costLimit is what an evaluation of one rule may cost before it is cut off.
func costLimit(at Stage) uint64 { return min(maxCost, budget(at)) }

// Compile makes a Set of rules, in their order. It returns all that is wrong with them; where
// that is more than warnings there is no Set.
func Compile(specs []Spec) (*Set, []Mistake) {
	c := &compiler{set: newSet(), total: map[Stage]uint64{}, envs: map[Stage]*cel.Env{}, words: glanced()}
	if len(specs) > MaxRules {
		c.wrong(Mistake{Rule: MaxRules, Text: fmt.Sprintf("more than %d rules", MaxRules)})
		return nil, c.mistakes
	}
	for i := range specs {
		s := &specs[i]
		found := s.check(i, specs[:i])
		c.mistakes = append(c.mistakes, found...)
		named := func(m Mistake) bool { return m.Field == "at" || m.Field == "verdict" }
		if c.compile(i, *s) && !slices.ContainsFunc(found, named) {
			c.weigh(i, s, specs[:i])
		}
	}
	if slices.ContainsFunc(c.mistakes, func(m Mistake) bool { return !m.Warning }) {
		return nil, c.mistakes
	}
	return c.set, c.mistakes
}

// Estimate says what an expression costs at worst at a stage, and what is wrong with it; limit is
// what it may cost.
func Estimate(at Stage, when string) (most, limit uint64, found []Mistake) {
	set, found := Compile([]Spec{{Name: "expression", At: at, When: when, Verdict: Allow, Shadow: true}})
	if set == nil {
		return 0, costLimit(at), found
	}
	return set.rules[at][0].most, costLimit(at), found
}

// compiler makes a Set.
type compiler struct {
	set      *Set
	mistakes []Mistake
	// total is what the rules of each stage cost together.
	total map[Stage]uint64
	// envs are the environments made so far.
	envs map[Stage]*cel.Env
	// words are what a glance knows.
	words *glance.Words[Facts]
}

// wrong notes a mistake.
func (c *compiler) wrong(m Mistake) { c.mistakes = append(c.mistakes, m) }

// compile adds one rule to the set, and reports whether its expression is in order.
func (c *compiler) compile(i int, s Spec) bool {
	at := func(row, column int, text string) {
		c.wrong(Mistake{Rule: i, Field: "when", Row: row, Column: column, Text: text})
	}
	if strings.TrimSpace(s.When) == "" {
		c.wrong(Mistake{Rule: i, Field: "when", Text: "must not be empty", Suggestion: `for example connection.listener == "legacy"`})
		return false
	}
	env, err := c.environment(s.At)
	if err != nil {
		c.wrong(Mistake{Rule: i, Field: "when", Text: err.Error()})
		return false
	}
	checked, issues := env.Compile(s.When)
	if issues.Err() != nil {
		c.issues(i, &s, env, issues)
		return false
	}
	if kind := checked.OutputType(); !kind.IsExactType(cel.BoolType) {
		c.wrong(Mistake{
			Rule: i, Field: "when", Row: 1, Column: 1, Text: fmt.Sprintf("is %s, not true or false", withArticle(kind.String())),
			Suggestion: "compare it with something",
		})
		return false
	}
	if found := unfitCalls(checked.NativeRep()); len(found) > 0 {
		for _, u := range found {
			at(u.row, u.column, u.text)
		}
		return false
	}
	r, err := c.program(env, checked, s)
	if err != nil {
		at(1, 1, err.Error())
		return false
	}
	if most := r.most; most > costLimit(s.At) {
		c.wrong(Mistake{
			Rule: i, Field: "when", Row: 1, Column: 1,
			Text:       fmt.Sprintf("may cost %d, and %d is the most for one rule at %q", most, costLimit(s.At), s.At),
			Suggestion: "leave out loops within loops and long patterns, or ask for each recipient at \"rcpt\"",
		})
		return false
	}
	c.set.rules[s.At] = append(c.set.rules[s.At], r)
	return true
}

// program makes what is evaluated.
func (c *compiler) program(env *cel.Env, checked *cel.Ast, s Spec) (*Rule, error) {
	estimate, err := env.EstimateCost(checked, model{})
	if err != nil {
		return nil, err
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if estimate.Max > cheap {
		options = limited(costLimit(s.At))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, err
	}
	tree := checked.NativeRep()
	r := &Rule{Spec: s, program: program, look: glance.New(tree, c.words), most: estimate.Max, used: usedBy(tree)}
	r.OnError = s.onError()
	if r.constant, err = c.constant(r); err != nil {
		return r, err
	}
	r.everything = r.constant == nil && s.stops() && !s.Shadow && matchesAll(r, tree, c.set.known)
	return r, nil
}

// limited are the options of a program that is cut off at a cost.
func limited(most uint64) []cel.ProgramOption {
	return []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize), cel.CostTracking(model{}), cel.CostLimit(most)}
}

// environment returns what is known at a stage.
func (c *compiler) environment(at Stage) (*cel.Env, error) {
	if env := c.envs[at]; env != nil {
		return env, nil
	}
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(MaxExpression), cel.ParserRecursionLimit(32), cel.ParserErrorRecoveryLimit(2),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateComprehensionNestingLimit(2),
		),
	}
	for _, v := range variables {
		if slices.Contains(v.stages, at) {
			options = append(options, cel.Variable(v.name, v.kind))
		}
	}
	for i := range functions {
		if slices.Contains(functions[i].stages, at) {
			options = append(options, functions[i].declared())
		}
	}
	env, err := cel.NewEnv(options...)
	if err == nil && c.envs != nil {
		c.envs[at] = env
	}
	return env, err
}

// constant returns what a rule always is, whatever the facts; nil where it depends on them. The
// error is that of a rule which always fails.
func (c *compiler) constant(r *Rule) (*bool, error) {
	nothing := &Facts{Unknown: map[string]bool{}}
	for name := range c.set.known {
		nothing.Unknown[name] = true
	}
	// CEL goes on as far as it can with what is not known: "a || true" is true.
	is, err := r.ask(nothing, c.set.known)
	var depends *unknownError
	switch {
	case err == nil:
		return &is, nil
	case !errors.As(err, &depends):
		return nil, fmt.Errorf("can never be evaluated: %s", plain(err.Error()))
	}
	return nil, nil
}

// weigh looks at what a rule, which compiled, is among the others.
func (c *compiler) weigh(i int, s *Spec, earlier []Spec) {
	rules := c.set.rules[s.At]
	r := rules[len(rules)-1]
	c.total[s.At] += r.most
	if total := c.total[s.At]; total > budget(s.At) {
		c.wrong(Mistake{
			Rule: i, Field: "when", Text: fmt.Sprintf("with it the rules at %q may cost %d, and %d is the most", s.At, total, budget(s.At)),
			Suggestion: "make the costliest simpler; \"countersign rule list\" says which that is",
		})
		return
	}
	if r.constant == nil && !r.everything {
		return
	}
	allows := slices.ContainsFunc(earlier, func(e Spec) bool { return e.At == s.At && e.Verdict == Allow && !e.Shadow })
	m := Mistake{Rule: i, Field: "when", Row: 1, Column: 1, Warning: true}
	switch {
	case r.everything && allows:
		return
	case r.everything:
		m.Text = fmt.Sprintf("is true of each of %d mails that were made up to try it: everything may be met with %q", attempts, s.Verdict)
		m.Suggestion = "try it with \"countersign rule test\", or set shadow = true first"
	case !*r.constant:
		m.Text = "is never true, so that the rule does nothing"
	case s.stops() && !s.Shadow && !allows:
		m.Text, m.Warning = fmt.Sprintf("is always true: everything would be met with %q", s.Verdict), false
		m.Suggestion = "put a rule that allows some of it before this one, or set shadow = true"
	case s.Shadow:
		m.Text = "is always true"
	default:
		m.Text = fmt.Sprintf("is always true: rules at %q that follow are never asked", s.At)
	}
	c.wrong(m)
}

// withArticle puts an article before the name of a type.
func withArticle(name string) string {
	if strings.ContainsAny(name[:min(1, len(name))], "aeiou") {
		return "an " + name
	}
	return "a " + cmp.Or(name, "value")
}
