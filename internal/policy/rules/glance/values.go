package glance

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// written is a text that is written out.
func written(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, is := e.AsLiteral().(types.String)
	return string(text), is
}

// text reads what is a text; Read is nil where nothing can be said of it.
func (r *reader[F]) text(e ast.Expr) Text[F] {
	if text, is := written(e); is {
		return Text[F]{Read: func(*F) (string, bool) { return text, true }}
	}
	if e.Kind() != ast.CallKind {
		return r.words.Texts[r.variable(e)]
	}
	call, id := e.AsCall(), r.overload(e)
	if !call.IsMemberFunction() {
		return Text[F]{}
	}
	if len(call.Args()) == 1 {
		field, has := r.words.Fields[Call{r.variable(call.Target()), id}]
		if text, is := written(call.Args()[0]); is && has {
			return field(text)
		}
	}
	change, has := r.words.Changes[id]
	of := r.text(call.Target())
	if !has || of.Read == nil {
		return Text[F]{}
	}
	return Text[F]{Late: of.Late, Read: func(f *F) (string, bool) {
		s, ok := of.Read(f)
		if !ok {
			return "", false
		}
		return change(s), true
	}}
}

// number reads what is a number; nil where nothing can be said of it.
func (r *reader[F]) number(e ast.Expr) Number[F] {
	switch e.Kind() {
	case ast.LiteralKind:
		if n, is := e.AsLiteral().(types.Int); is {
			return func(*F) (int64, bool) { return int64(n), true }
		}
		return nil
	case ast.CallKind:
		return r.counted(r.overload(e), e.AsCall())
	}
	return r.words.Numbers[r.variable(e)]
}

// counted reads a call that is a number.
func (r *reader[F]) counted(id string, call ast.CallExpr) Number[F] {
	if !call.IsMemberFunction() || len(call.Args()) > 1 {
		return nil
	}
	text := ""
	for _, arg := range call.Args() {
		var is bool
		if text, is = written(arg); !is {
			return nil
		}
	}
	if count, has := r.words.Counts[Call{r.variable(call.Target()), id}]; has {
		return count(text)
	}
	return nil
}

// compared reads a comparison: of texts whether they are the same, of numbers all.
func (r *reader[F]) compared(operator string, left, right ast.Expr) *part[F] {
	if a, b := r.number(left), r.number(right); a != nil && b != nil {
		return &part[F]{look: numbers(operator, a, b)}
	}
	a, b := r.text(left), r.text(right)
	if a.Read == nil || b.Read == nil || operator != operators.Equals && operator != operators.NotEquals {
		return nil
	}
	if a.Late {
		a, b = b, a
	}
	look := Look[F](func(f *F) Truth {
		s, ok := a.Read(f)
		if !ok {
			return Open
		}
		t, ok := b.Read(f)
		if !ok {
			return Open
		}
		return truth(s == t)
	})
	if operator == operators.NotEquals {
		look = not(look)
	}
	return &part[F]{look, a.Late || b.Late}
}

// numbers compares two of them.
func numbers[F any](operator string, a, b Number[F]) Look[F] {
	is := map[string]func(a, b int64) bool{
		operators.Equals:        func(a, b int64) bool { return a == b },
		operators.NotEquals:     func(a, b int64) bool { return a != b },
		operators.Less:          func(a, b int64) bool { return a < b },
		operators.LessEquals:    func(a, b int64) bool { return a <= b },
		operators.Greater:       func(a, b int64) bool { return a > b },
		operators.GreaterEquals: func(a, b int64) bool { return a >= b },
	}[operator]
	return func(f *F) Truth {
		m, ok := a(f)
		if !ok {
			return Open
		}
		n, ok := b(f)
		if !ok {
			return Open
		}
		return truth(is(m, n))
	}
}

// about is what can be said of one text.
func about[F any](text Text[F], is func(string) bool) *part[F] {
	return &part[F]{func(f *F) Truth {
		s, ok := text.Read(f)
		if !ok {
			return Open
		}
		return truth(is(s))
	}, text.Late}
}

// oneOf reads whether a text is in a list that is written out.
func (r *reader[F]) oneOf(one, of ast.Expr) *part[F] {
	text := r.text(one)
	if text.Read == nil || of.Kind() != ast.ListKind {
		return nil
	}
	var list []string
	for _, e := range of.AsList().Elements() {
		s, is := written(e)
		if !is {
			return nil
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return about(text, func(s string) bool {
		_, is := slices.BinarySearch(list, s)
		return is
	})
}

// tested reads a call that is true or false of a text that is written out.
func (r *reader[F]) tested(id string, call ast.CallExpr) *part[F] {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return nil
	}
	with, is := written(call.Args()[0])
	if !is {
		return nil
	}
	if test, has := r.words.Tests[Call{r.variable(call.Target()), id}]; has {
		if passes := test(with); passes != nil {
			return &part[F]{look: func(f *F) Truth { return truth(passes(f)) }}
		}
		return nil
	}
	text := r.text(call.Target())
	if text.Read == nil {
		return nil
	}
	switch id {
	case overloads.StartsWithString:
		return about(text, func(s string) bool { return strings.HasPrefix(s, with) })
	case overloads.EndsWithString:
		return about(text, func(s string) bool { return strings.HasSuffix(s, with) })
	case overloads.ContainsString:
		return about(text, func(s string) bool { return strings.Contains(s, with) })
	case overloads.MatchesString:
		if pattern, err := regexp.Compile(with); err == nil {
			text.Late = true
			return about(text, pattern.MatchString)
		}
	}
	return nil
}
