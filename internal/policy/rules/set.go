package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"countersign/internal/policy/rules/glance"
)

// Rule is a Spec that can be evaluated.
type Rule struct {
	Spec
	program cel.Program
	// look tells what the expression is without the program, where it can; may be nil.
	look glance.Look[Facts]
	// most is what it costs at worst.
	most uint64
	// constant is what it always is; nil where it depends on something.
	constant *bool
	// everything says that it depends on something, stops mail, and has matched all that it was tried with.
	everything bool
	// used is what it asks limits for.
	used []Used
}

// Cost is what the rule costs at worst, in units of CEL.
func (r *Rule) Cost() uint64 { return r.most }

// Used returns what the rule asks limits for, each once: where no limit counts that, there is no
// value. It is not to be changed.
func (r *Rule) Used() []Used { return r.used }

// Set is rules that can be asked. It is not changed, and may be used concurrently. A nil Set
// has no rules.
type Set struct {
	rules map[Stage][]*Rule
	// known has the variables by name.
	known map[string]*variable
}

func newSet() *Set {
	s := &Set{rules: map[Stage][]*Rule{}, known: map[string]*variable{}}
	for _, v := range variables {
		s.known[v.name] = v
	}
	return s
}

// Rules returns the rules of a stage in their order; they are not to be changed.
func (s *Set) Rules(at Stage) []*Rule {
	if s == nil {
		return nil
	}
	return s.rules[at]
}

// Only returns the set without any rule but that of a name, as if it were not in shadow.
func (s *Set) Only(name string) *Set {
	one := newSet()
	for at, rules := range s.rules {
		for _, r := range rules {
			if r.Name == name {
				live := *r
				live.Shadow = false
				live.OnError = live.onError()
				one.rules[at] = []*Rule{&live}
			}
		}
	}
	return one
}

// Fault is a rule that could not be evaluated.
type Fault struct {
	Rule *Rule
	// Err says why, in the words of CEL. It may show what a client sent.
	Err error
}

// failure is why there is no value, in words of ours, which show nothing that a client sent.
type failure struct{ text string }

// Error returns the words.
func (f *failure) Error() string { return f.text }

// failed makes a value of CEL that is a failure.
func failed(format string, args ...any) ref.Val {
	return types.WrapErr(&failure{fmt.Sprintf(format, args...)})
}

// maxCause bounds Cause, in octets.
const maxCause = 200

// Cause says in one line why, without anything that a client sent.
func (f *Fault) Cause() string {
	text := ""
	if own := new(failure); errors.As(f.Err, &own) {
		text = own.text
	} else { // CEL puts values behind a colon, or into quotes
		text, _, _ = strings.Cut(plain(f.Err.Error()), ":")
		text, _, _ = strings.Cut(text, `"`)
	}
	return strings.ToValidUTF8(text[:min(len(text), maxCause)], "")
}

// Doubt is a rule of which it is not known whether it matches.
type Doubt struct {
	Rule *Rule
	// Needs are the variables that would have to be known, in order; one of them may do.
	Needs []string
}

// Decision is what the rules of a stage say.
type Decision struct {
	// Verdict is what follows; Allow where no rule decides.
	Verdict Verdict
	// Rule is the rule that decides; nil where none does.
	Rule *Rule
	// Failed says that it decides as it could not be evaluated.
	Failed bool
	// Would are the rules in shadow that matched, before the one that decides.
	Would []*Rule
	// Faults are the rules that could not be evaluated.
	Faults []Fault
	// Doubts are the rules before the one that decides of which it is not known whether
	// they match, for want of facts; if one does, it decides. None where all is known.
	Doubts []Doubt
}

// Judge asks the rules of a stage in their order until one that is not in shadow matches.
func (s *Set) Judge(at Stage, f *Facts) Decision {
	d := Decision{Verdict: Allow}
	rules := s.Rules(at)
	if len(rules) == 0 {
		return d
	}
	for _, r := range rules {
		matches, err := r.ask(f, s.known)
		needs, unknown := wanted(err)
		switch {
		case unknown:
			d.Doubts = append(d.Doubts, Doubt{Rule: r, Needs: needs})
		case err != nil:
			d.Faults = append(d.Faults, Fault{Rule: r, Err: err})
			if r.OnError == DeferOnError {
				d.Verdict, d.Rule, d.Failed = Defer, r, true
				return d
			}
		case !matches:
		case r.Shadow:
			d.Would = append(d.Would, r)
		default:
			d.Verdict, d.Rule = r.Verdict, r
			return d
		}
	}
	return d
}

// Answer is what one rule says, as if it were alone.
type Answer struct {
	Rule *Rule
	// Matches is whether its expression is true.
	Matches bool
	// Needs are the variables that would have to be known to say so; none where it is known.
	Needs []string
	// Err is why it cannot be evaluated; nil where it can.
	Err error
}

// Ask asks each rule of a stage by itself, in shadow or not.
func (s *Set) Ask(at Stage, f *Facts) []Answer {
	var all []Answer
	for _, r := range s.Rules(at) {
		a := Answer{Rule: r}
		a.Matches, a.Err = r.ask(f, s.known)
		if needs, unknown := wanted(a.Err); unknown {
			a.Needs, a.Err = needs, nil
		}
		all = append(all, a)
	}
	return all
}

// unknownError says that an expression has no value, as something is not known.
type unknownError struct{ needs []string }

// Error returns what is wanted.
func (e *unknownError) Error() string { return "not known" }

// wanted is what would have to be known, where an error is for want of that.
func wanted(err error) (needs []string, unknown bool) {
	if err == nil {
		return nil, false // as nearly always, which costs no memory
	}
	e := new(unknownError)
	unknown = errors.As(err, &e)
	return e.needs, unknown
}

// ask says whether the rule matches, at a glance if that is enough.
func (r *Rule) ask(f *Facts, known map[string]*variable) (bool, error) {
	if r.look != nil && len(f.Unknown) == 0 {
		switch r.look(f) {
		case glance.No:
			return false, nil
		case glance.Yes:
			return true, nil
		}
	}
	return r.evaluate(f, known)
}

// evaluate has CEL say whether the rule matches.
func (r *Rule) evaluate(f *Facts, known map[string]*variable) (bool, error) {
	value, _, err := r.program.Eval(&activation{facts: f, known: known})
	if err != nil {
		return false, err
	}
	switch v := value.(type) {
	case types.Bool:
		return bool(v), nil
	case *types.Unknown:
		return false, &unknownError{needs(v)}
	}
	return false, errors.New("is neither true nor false") // the type check prevents it
}

// needs lists the variables of an unknown value.
func needs(u *types.Unknown) (names []string) {
	for _, id := range u.IDs() {
		trails, _ := u.GetAttributeTrails(id)
		for _, t := range trails {
			names = append(names, t.Variable())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// activation gives an expression its variables.
type activation struct {
	facts *Facts
	known map[string]*variable
}

var _ cel.Activation = (*activation)(nil)

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	v, found := a.known[name]
	if !found {
		return nil, false
	}
	if a.facts.Unknown[name] {
		return unknown(name), true
	}
	return v.get(a.facts), true
}

// Parent implements cel.Activation.
func (a *activation) Parent() cel.Activation { return nil }

// unknown is a variable without a value. Its number only has to be another one than those of
// other variables.
func unknown(name string) ref.Val {
	for i := range variables {
		if variables[i].name == name {
			return types.NewUnknown(int64(i), types.NewAttributeTrail(name))
		}
	}
	return types.NewErr("%s is not known", name)
}
