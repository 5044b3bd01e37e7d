package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// issues notes what CEL says of an expression, in our words where they say more.
func (c *compiler) issues(i int, s *Spec, env *cel.Env, issues *cel.Issues) {
	parsed, _ := env.Parse(s.When)
	for _, e := range issues.Errors() {
		m := Mistake{Rule: i, Field: "when", Text: plain(e.Message)}
		where := e.Location
		if name, found := undeclared(e.Message); found {
			name, where = whole(parsed, e, name)
			m.Text, m.Suggestion = c.unknown(name, s.At)
		} else if strings.Contains(e.Message, "(address, string)") {
			m.Suggestion = `write address("192.0.2.1"), or in_network("192.0.2.0/24")`
		}
		if where != nil && where.Line() > 0 {
			m.Row, m.Column = where.Line(), where.Column()+1
		}
		c.wrong(m)
	}
}

// expecting begins what a parser would rather have had, a list of half a page.
const expecting = " expecting {"

// plain leaves out of a message of CEL what nobody reads.
func plain(message string) string {
	message = strings.ReplaceAll(message, " (in container '')", "")
	if at := strings.Index(message, expecting); at >= 0 {
		message = message[:at]
	}
	if message == "invalid matches argument" {
		return "is not a regular expression (RE2)"
	}
	message = strings.ReplaceAll(message, "'<EOF>'", "the end")
	return strings.Join(strings.Fields(message), " ")
}

var undeclaredName = regexp.MustCompile(`^undeclared reference to '([^']*)'`)

// undeclared returns the name that a message says is not known.
func undeclared(message string) (string, bool) {
	found := undeclaredName.FindStringSubmatch(message)
	if found == nil {
		return "", false
	}
	return found[1], true
}

// whole returns where a name begins of which CEL complains, perhaps at one of its dots or behind it,
// and the name with the field that follows where CEL has named its beginning alone.
func whole(parsed *cel.Ast, e *common.Error, name string) (string, common.Location) {
	if parsed == nil {
		return name, e.Location
	}
	all := ast.MatchDescendants(ast.NavigateAST(parsed.NativeRep()), func(n ast.NavigableExpr) bool { return n.ID() == e.ExprID })
	for _, n := range all {
		if up, has := n.Parent(); has && n.Kind() == ast.IdentKind && up.Kind() == ast.SelectKind {
			return name + "." + up.AsSelect().FieldName(), e.Location
		}
		x := ast.Expr(n)
		for x.Kind() == ast.SelectKind || x.Kind() == ast.CallKind && x.AsCall().IsMemberFunction() {
			if x.Kind() == ast.SelectKind {
				x = x.AsSelect().Operand()
			} else {
				x = x.AsCall().Target()
			}
		}
		if first, _, _ := strings.Cut(name, "."); x.Kind() == ast.IdentKind && x.AsIdent() == first {
			return name, parsed.NativeRep().SourceInfo().GetStartLocation(x.ID())
		}
	}
	return name, e.Location
}

// unknown says what is wrong with a name that is not known at a stage.
func (c *compiler) unknown(name string, at Stage) (text, suggestion string) {
	if v, found := longest(name); found && !slices.Contains(v.stages, at) {
		return fmt.Sprintf("%s is not known at %q", v.name, at), "it is at " + named(v.stages)
	}
	if i := slices.IndexFunc(functions[:], func(f *function) bool { return f.name == name }); i >= 0 {
		if f := functions[i]; !slices.Contains(f.stages, at) {
			return fmt.Sprintf("%s is not known at %q", name, at), "it is at " + named(f.stages)
		}
		return fmt.Sprintf("%s cannot be used so", name), "write " + functions[i].usage
	}
	group, _, _ := strings.Cut(name, ".")
	var same []string
	for _, v := range variables {
		if g, field, _ := strings.Cut(v.name, "."); g == group && slices.Contains(v.stages, at) {
			same = append(same, field)
		}
	}
	if len(same) > 0 {
		suggestion = group + " has " + strings.Join(same, ", ")
	}
	return name + " is not known", suggestion
}

// longest finds the variable that a name with fields behind it begins with.
func longest(name string) (*variable, bool) {
	for {
		if v, found := lookup(name); found {
			return v, true
		}
		at := strings.LastIndexByte(name, '.')
		if at < 0 {
			return nil, false
		}
		name = name[:at]
	}
}

// named lists stages in words.
func named(stages []Stage) string {
	all := make([]string, len(stages))
	for i, s := range stages {
		all[i] = fmt.Sprintf("%q", string(s))
	}
	return strings.Join(all, ", ")
}

// unfit is a call that CEL takes and we do not.
type unfit struct {
	row, column int
	text        string
}

// unfitCalls finds the calls whose text has to be written out, so that it can be judged before it is
// used: patterns, networks, addresses and time zones.
func unfitCalls(a *ast.AST) (found []unfit) {
	calls := ast.MatchDescendants(ast.NavigateAST(a), func(n ast.NavigableExpr) bool { return n.Kind() == ast.CallKind })
	for _, n := range calls {
		call := n.AsCall()
		if len(call.Args()) == 0 {
			continue
		}
		name, last := call.FunctionName(), call.Args()[len(call.Args())-1]
		judge, has := judged(name, a.GetType(last.ID()))
		if !has {
			continue
		}
		where := a.SourceInfo().GetStartLocation(last.ID())
		u := unfit{row: where.Line(), column: where.Column() + 1}
		if last.Kind() != ast.LiteralKind {
			u.text = fmt.Sprintf("what %s is given has to be a text that is written out", name)
		} else if text, is := last.AsLiteral().(types.String); !is {
			continue
		} else if u.text = judge(string(text)); u.text == "" {
			continue
		}
		found = append(found, u)
	}
	return found
}

// judged returns what says what is wrong with the last argument of a function, "" for nothing.
func judged(name string, kind *types.Type) (judge func(string) string, has bool) {
	if !kind.IsExactType(types.StringType) {
		return nil, false
	}
	switch name {
	case overloads.Matches:
		return func(string) string { return "" }, true // CEL has judged it
	case "in_network":
		return func(s string) string {
			p, err := netip.ParsePrefix(s)
			switch {
			case err != nil:
				return fmt.Sprintf("%q is not a network such as 192.0.2.0/24", s)
			case p != p.Masked():
				return fmt.Sprintf("%q is not the beginning of a network; that is %s", s, p.Masked())
			case p.Addr().Is4In6():
				return fmt.Sprintf("%q is an IPv4 network; write it as one", s)
			}
			return ""
		}, true
	case "used":
		return func(s string) string {
			if _, err := ParseUsed(s); err != nil {
				return err.Error()
			}
			return ""
		}, true
	case "address":
		return func(s string) string {
			if a, err := netip.ParseAddr(s); err != nil || a.Zone() != "" {
				return fmt.Sprintf("%q is not an address", s)
			}
			return ""
		}, true
	}
	if strings.HasPrefix(name, "get") { // getHours and its like, whose text is a time zone
		return func(s string) string {
			if _, err := time.LoadLocation(s); err != nil && !offset.MatchString(s) {
				return fmt.Sprintf("the time zone %q is not known here", s)
			}
			return ""
		}, true
	}
	return nil, false
}

// offset matches a time zone that is a difference to UTC.
var offset = regexp.MustCompile(`^[+-]?\d{2}:\d{2}$`)
