package glance_test

import (
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"countersign/internal/policy/rules/glance"
)

// facts are what expressions of the tests are about.
type facts struct {
	name, other string
	n           int64
	// failing says that there is no name.
	failing bool
	// body takes its time to read; reads counts how often that was done.
	body  string
	reads int
}

func words() *glance.Words[facts] {
	return &glance.Words[facts]{
		Texts: map[string]glance.Text[facts]{
			"name":  {Read: func(f *facts) (string, bool) { return f.name, !f.failing }},
			"other": {Read: func(f *facts) (string, bool) { return f.other, true }},
			"body": {Late: true, Read: func(f *facts) (string, bool) {
				f.reads++
				return f.body, true
			}},
		},
		Numbers: map[string]glance.Number[facts]{"n": func(f *facts) (int64, bool) { return f.n, true }},
		Changes: map[string]func(string) string{"text_upper": strings.ToUpper},
		Counts: map[glance.Call]func(string) glance.Number[facts]{
			{Variable: "name", Overload: "text_count"}: func(text string) glance.Number[facts] {
				if text == "?" {
					return nil
				}
				return func(f *facts) (int64, bool) { return int64(strings.Count(f.name, text)), !f.failing }
			},
			{Variable: "name", Overload: "text_length"}: func(string) glance.Number[facts] {
				return func(f *facts) (int64, bool) { return int64(len(f.name)), !f.failing }
			},
		},
		Tests: map[glance.Call]func(string) func(*facts) bool{{Variable: "name", Overload: "text_like"}: func(text string) func(*facts) bool {
			if text == "?" {
				return nil
			}
			return func(f *facts) bool { return strings.EqualFold(f.name, text) }
		}},
	}
}

// looking makes what tells what an expression is.
func looking(t *testing.T, expression string) glance.Look[facts] {
	t.Helper()
	text := cel.StringType
	nothing := cel.FunctionBinding(func(...ref.Val) ref.Val { return types.NewErr("is not called") })
	env, err := cel.NewEnv(
		cel.Variable("name", text), cel.Variable("other", text), cel.Variable("body", text), cel.Variable("n", cel.IntType), cel.Variable("list", cel.ListType(text)),
		cel.Function("upper", cel.MemberOverload("text_upper", []*cel.Type{text}, text, nothing)),
		cel.Function("count", cel.MemberOverload("text_count", []*cel.Type{text, text}, cel.IntType, nothing)),
		cel.Function("length", cel.MemberOverload("text_length", []*cel.Type{text}, cel.IntType, nothing)),
		cel.Function("like", cel.MemberOverload("text_like", []*cel.Type{text, text}, cel.BoolType, nothing)),
	)
	if err != nil {
		t.Fatal(err)
	}
	checked, issues := env.Compile(expression)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	return glance.New(checked.NativeRep(), words())
}

// TestLook: what is told of an expression.
func TestLook(t *testing.T) {
	for expression, want := range map[string]glance.Truth{
		`name == "ann"`: glance.Yes, `name == "bob"`: glance.No, `"ann" != name`: glance.No, `name != other`: glance.Yes, `name.upper() == "ANN"`: glance.Yes,
		`n == 7`: glance.Yes, `n != 7`: glance.No, `n < 7`: glance.No, `n <= 7`: glance.Yes, `n > 7`: glance.No, `n >= 7`: glance.Yes, `8 > n`: glance.Yes, `n == -7`: glance.No,
		`name.count("n") == 2`: glance.Yes, `name.count("a") > 1`: glance.No, `n > name.length()`: glance.Yes, `name.length() != 3`: glance.No,
		`name in ["x", "bob", "ann"]`: glance.Yes, `name in ["x", "an"]`: glance.No, `name in []`: glance.No,
		`name.startsWith("an")`: glance.Yes, `name.startsWith("nn")`: glance.No, `name.endsWith("nn")`: glance.Yes, `name.endsWith("an")`: glance.No,
		`name.contains("n")`: glance.Yes, `name.contains("z")`: glance.No, `name.matches("^a.n$")`: glance.Yes, `name.matches("^n")`: glance.No,
		`name.like("ANN")`: glance.Yes, `name.like("BOB")`: glance.No, `!(n > 7)`: glance.Yes, `!(n == 7)`: glance.No,
		`name == "ann" && n == 7 && n < 8`: glance.Yes, `name == "ann" && n == 8`: glance.No, `name == "bob" || n == 7`: glance.Yes, `name == "bob" || n == 8`: glance.No,
		// What is left to CEL decides nothing where the rest does.
		`list.size() > 1 && n == 8`: glance.No, `list.size() > 1 || n == 7`: glance.Yes, `list.size() > 1 && n == 7`: glance.Open, `list.size() > 1 || n == 8`: glance.Open,
		`!(list.size() > 1 && n == 8)`: glance.Yes, `!(list.size() > 1 && n == 7)`: glance.Open, `(list.size() > 1 || n == 8) && n == 7`: glance.Open,
		`list.exists(x, x == name) && n < 7`: glance.No, `n + 1 == 8 || name == "ann"`: glance.Yes,
	} {
		look := looking(t, expression)
		if look == nil {
			t.Errorf("%s: nothing is told", expression)
		} else if got := look(&facts{name: "ann", other: "bob", n: 7}); got != want {
			t.Errorf("%s: %d, want %d", expression, got, want)
		}
	}
}

// TestNothing: of which expressions nothing is told.
func TestNothing(t *testing.T) {
	for _, expression := range []string{
		`true`, `list.size() > 1`, `n + 1 == 8`, `name < other`, `name in list`, `name in [other]`, `name.startsWith(other)`, `name.size() == 3`, `n in [7]`, `other.like("bob")`,
		`"ann".upper().like("ann")`, `name.like("?")`, `list.exists(name, name == "ann")`, `n == 7 ? name == "ann" : name == "bob"`, `!list.exists(x, x == name)`,
		`(name + "x").contains("x")`, `name == other + "x"`, `list[0] == name`, `n == list.size()`, `string(n) == "7"`,
		`other.count("b") == 1`, `name.count(other) == 0`, `name.count("?") == 0`, `name.upper().length() == 3`, `7.0 == double(n)`,
		`name.matches("a") && list.size() > 1`,
	} {
		if look := looking(t, expression); look != nil {
			t.Errorf("%s: something is told", expression)
		}
	}
}

// TestFailing: what is not to be had decides nothing where the rest does.
func TestFailing(t *testing.T) {
	for expression, want := range map[string]glance.Truth{
		`name == "ann"`: glance.Open, `name != "ann"`: glance.Open, `other == name`: glance.Open, `name.length() == 3`: glance.Open, `7 > name.count("n")`: glance.Open, `name.upper() == "ANN"`: glance.Open, `name in ["ann"]`: glance.Open, `name.contains("a")`: glance.Open,
		`!(name == "ann")`: glance.Open, `name == "ann" && n == 7`: glance.Open, `name == "ann" && n == 8`: glance.No, `name == "ann" || n == 7`: glance.Yes, `name == "ann" || n == 8`: glance.Open,
	} {
		if got := looking(t, expression)(&facts{name: "ann", other: "ann", n: 7, failing: true}); got != want {
			t.Errorf("%s: %d, want %d", expression, got, want)
		}
	}
}

// TestLate: what takes its time is read when nothing else decides, and not where CEL is asked.
func TestLate(t *testing.T) {
	for _, c := range []struct {
		expression string
		failing    bool
		want       glance.Truth
		reads      int
	}{
		{`body == "b"`, false, glance.Yes, 1},
		{`body == "b" && n == 8`, false, glance.No, 0},
		{`body == "b" && n == 7`, false, glance.Yes, 1},
		{`(body == "b" || n == 8) && n == 8`, false, glance.No, 0},
		{`!(body == "b") || n == 7`, false, glance.Yes, 0},
		{`body.upper().startsWith("B") && (n == 8 || name == "bob")`, false, glance.No, 0},
		{`body == "b" && (list.size() > 1 || n == 8)`, false, glance.Open, 0},
		{`body == "b" && name == "ann"`, true, glance.Open, 0},
		{`body == "x" || name == "ann"`, true, glance.Open, 0},
		{`body == name`, true, glance.Open, 0},
		{`name.matches("a") && n == 8`, true, glance.No, 0},
	} {
		f := &facts{name: "ann", n: 7, body: "b", failing: c.failing}
		if got := looking(t, c.expression)(f); got != c.want || f.reads != c.reads {
			t.Errorf("%s: %d after %d reads, want %d after %d", c.expression, got, f.reads, c.want, c.reads)
		}
	}
	if look := looking(t, `body == "b" && list.size() > 1`); look != nil {
		t.Error("something is told though all that could be is for CEL as well")
	}
}
