package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"countersign/internal/limit"
)

// Used is what limits have counted, in words: "account recipients/hour".
type Used struct {
	Kind    limit.Kind
	Measure limit.Measure
	Window  limit.Window
}

// ParseUsed reads "account recipients/hour": whose, what, and in which time. Only messages,
// recipients and bytes are counted of all who have a limit.
func ParseUsed(text string) (u Used, err error) {
	kind, measured, _ := strings.Cut(text, " ")
	u.Kind, err = limit.ParseKind(kind)
	if err == nil {
		u.Measure, u.Window, err = limit.ParseMeasured(measured)
	}
	switch {
	case err != nil:
		return u, err
	case u.Kind == limit.Plan:
		return u, errors.New("nothing is counted of a plan")
	case !u.Window.Lasts():
		return u, fmt.Errorf("of %q nothing is counted that others see; of a minute, hour, day or month it is", u.Window)
	case u.Measure != limit.Messages && u.Measure != limit.Recipients && u.Measure != limit.Bytes:
		return u, fmt.Errorf("%s are not counted of everybody; messages, recipients and bytes are", u.Measure)
	}
	return u, nil
}

// String returns the words.
func (u Used) String() string { return fmt.Sprintf("%s %s/%s", u.Kind, u.Measure, u.Window) }

// usedBy finds what an expression asks limits for, which unfitCalls has judged.
func usedBy(a *ast.AST) (all []Used) {
	for _, n := range ast.MatchDescendants(ast.NavigateAST(a), ast.FunctionMatcher("used")) {
		args := n.AsCall().Args()
		text, _ := args[len(args)-1].AsLiteral().(types.String)
		if u, err := ParseUsed(string(text)); err == nil && !slices.Contains(all, u) {
			all = append(all, u)
		}
	}
	return all
}

// countedType is what was counted.
var countedType = cel.OpaqueType("counted")

// counted is what was counted, as a value of CEL.
type counted struct{ of func(Used) (int64, error) }

// used returns how much.
func (c counted) used(text string) ref.Val {
	u, err := ParseUsed(text)
	if err != nil {
		return failed("%v", err)
	}
	if c.of == nil {
		return failed("nothing is counted here")
	}
	n, err := c.of(u)
	if err != nil {
		return failed("what was counted cannot be read: %v", err)
	}
	return types.Int(n)
}

// ConvertToNative implements ref.Val.
func (c counted) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("what was counted is no %v", t)
}

// ConvertToType implements ref.Val.
func (c counted) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return countedType
	}
	return failed("what was counted is no %s", t.TypeName())
}

// Equal implements ref.Val. There is one alone.
func (c counted) Equal(other ref.Val) ref.Val {
	_, is := other.(counted)
	return types.Bool(is)
}

// Type implements ref.Val.
func (c counted) Type() ref.Type { return countedType }

// Value implements ref.Val.
func (c counted) Value() any { return c.of }
