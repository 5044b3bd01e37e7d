package glance

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// Truth is what a look at the facts tells.
type Truth uint8

// What a look tells.
const (
	// Open: CEL has to be asked.
	Open Truth = iota
	No
	Yes
)

// truth of a claim.
func truth(is bool) Truth {
	if is {
		return Yes
	}
	return No
}

// Look looks at facts. It may be used concurrently.
type Look[F any] func(*F) Truth

// Text reads a text from facts.
type Text[F any] struct {
	// Read returns false where there is no such text, of which CEL has to say why.
	Read func(*F) (string, bool)
	// Late says that reading it takes its time: what does not is looked at before.
	Late bool
}

// Number reads a number from facts, likewise.
type Number[F any] func(*F) (int64, bool)

// Words is what an expression may have in it; what is not there is left to CEL.
type Words[F any] struct {
	// Texts and Numbers are variables.
	Texts   map[string]Text[F]
	Numbers map[string]Number[F]
	// Changes are functions that make a text of a text, by the ids of their overloads.
	Changes map[string]func(string) string
	// Fields, Counts and Tests make what a call of a function of a variable with a text that is
	// written out is, of Counts also without one, which is ""; nil where that cannot be said.
	Fields map[Call]func(text string) Text[F]
	Counts map[Call]func(text string) Number[F]
	Tests  map[Call]func(text string) func(*F) bool
}

// Call is a function, by the id of its overload, of a variable.
type Call struct{ Variable, Overload string }

// New returns what tells what an expression, which was checked, is; nil where nothing does.
func New[F any](a *ast.AST, words *Words[F]) Look[F] {
	r := &reader[F]{a: a, words: words}
	p := r.part(a.Expr())
	if p == nil {
		return nil
	}
	return p.look
}

// part is a part of an expression.
type part[F any] struct {
	look Look[F]
	// late says that it takes its time.
	late bool
}

// reader reads an expression.
type reader[F any] struct {
	a     *ast.AST
	words *Words[F]
}

// part reads what is true or false; nil where nothing can be said of it.
func (r *reader[F]) part(e ast.Expr) *part[F] {
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	switch name := call.FunctionName(); name {
	case operators.LogicalAnd:
		return r.joined(e, name, No)
	case operators.LogicalOr:
		return r.joined(e, name, Yes)
	case operators.LogicalNot:
		p := r.part(call.Args()[0])
		if p == nil {
			return nil
		}
		return &part[F]{not(p.look), p.late}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return r.compared(name, call.Args()[0], call.Args()[1])
	case operators.In:
		return r.oneOf(call.Args()[0], call.Args()[1])
	}
	return r.tested(r.overload(e), call)
}

// overload is the id of the function that a call is of; "" where it depends.
func (r *reader[F]) overload(e ast.Expr) string {
	if ids := r.a.GetOverloadIDs(e.ID()); len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// variable is the name of a variable; "" for anything else.
func (r *reader[F]) variable(e ast.Expr) string {
	if ref := r.a.ReferenceMap()[e.ID()]; ref != nil && (e.Kind() == ast.IdentKind || e.Kind() == ast.SelectKind) {
		return ref.Name
	}
	return ""
}

// turned is what is true where t is not.
func turned(t Truth) Truth {
	switch t {
	case No:
		return Yes
	case Yes:
		return No
	}
	return Open
}

// not turns each answer around.
func not[F any](look Look[F]) Look[F] { return func(f *F) Truth { return turned(look(f)) } }

// joined reads an && or ||, which one part that is decisive decides.
func (r *reader[F]) joined(e ast.Expr, operator string, decisive Truth) *part[F] {
	parts, whole := r.parts(e, operator)
	if !whole { // what takes its time would be looked at once more by CEL
		parts = slices.DeleteFunc(parts, func(p *part[F]) bool { return p.late })
	}
	if len(parts) == 0 {
		return nil
	}
	slices.SortStableFunc(parts, func(a, b *part[F]) int { return rank(a) - rank(b) })
	last := Open
	if whole {
		last = turned(decisive)
	}
	return &part[F]{func(f *F) Truth {
		all := last
		for _, p := range parts {
			if p.late && whole && all == Open {
				return Open // as above
			}
			switch p.look(f) {
			case decisive:
				return decisive
			case Open:
				all = Open
			}
		}
		return all
	}, parts[len(parts)-1].late}
}

// rank puts what takes its time behind the rest.
func rank[F any](p *part[F]) int {
	if p.late {
		return 1
	}
	return 0
}

// parts are those of an && or ||, and of such in it; whole says that something can be said of each.
func (r *reader[F]) parts(e ast.Expr, operator string) (parts []*part[F], whole bool) {
	whole = true
	for _, arg := range e.AsCall().Args() {
		if arg.Kind() == ast.CallKind && arg.AsCall().FunctionName() == operator {
			inner, all := r.parts(arg, operator)
			parts, whole = append(parts, inner...), whole && all
		} else if p := r.part(arg); p != nil {
			parts = append(parts, p)
		} else {
			whole = false
		}
	}
	return parts, whole
}
