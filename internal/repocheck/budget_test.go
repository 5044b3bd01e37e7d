package repocheck

import (
	"go/ast"
	"path/filepath"
	"strings"
	"testing"
)

// Hard budgets; the soft ones of docs/architecture.md are for reviews.
const (
	maxFileLines    = 600
	maxPackageLines = 2000
	maxFuncLines    = 80
	maxNesting      = 4
	maxParams       = 6
	maxMethods      = 7
)

// exception is a budget of its own.
type exception struct {
	most   int // lines, which are enforced as any budget
	reason string
}

// exceptions are the packages with more lines than others.
var exceptions = map[string]exception{
	"internal/smtpserver":      {2200, "the state machine: parsers (smtp) and connections (wire) are apart already, its verbs belong to one session type"},
	"internal/store/storetest": {3200, "a suite of tests, kept out of _test files so that every engine can run it"},
}

// badNames are file names that say nothing.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "misc"}

func TestBudgets(t *testing.T) {
	packages := map[string]int{}
	for _, s := range sources(t) {
		packages[s.pkg] += s.lines
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, the budget is %d: split it", s.path, s.lines, maxFileLines)
		}
		base := strings.TrimSuffix(filepath.Base(s.path), ".go")
		for _, bad := range badNames {
			if base == bad || filepath.Base(s.pkg) == bad {
				t.Errorf("%s: the name says nothing; name what it holds", s.path)
			}
		}
		checkDecls(t, s)
	}
	for pkg, lines := range packages {
		budget := maxPackageLines
		if e, ok := exceptions[pkg]; ok {
			budget = e.most
		}
		if lines > budget {
			t.Errorf("package %s has %d lines, the budget is %d: split it", pkg, lines, budget)
		}
	}
	for pkg, e := range exceptions {
		if packages[pkg] <= maxPackageLines {
			t.Errorf("package %s needs no exception (%s): it has %d lines", pkg, e.reason, packages[pkg])
		}
	}
}

// checkDecls checks functions and interfaces of one file.
func checkDecls(t *testing.T, s source) {
	t.Helper()
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			checkFunc(t, s, n)
		case *ast.InterfaceType:
			own := 0
			for _, m := range n.Methods.List {
				own += len(m.Names)
			}
			if own > maxMethods {
				t.Errorf("%s: an interface has %d methods, the budget is %d", s.fset.Position(n.Pos()), own, maxMethods)
			}
		}
		return true
	})
}

// checkFunc checks length, parameters, nesting and the absence of init.
func checkFunc(t *testing.T, s source, f *ast.FuncDecl) {
	t.Helper()
	at := s.fset.Position(f.Pos())
	if f.Name.Name == "init" && f.Recv == nil {
		t.Errorf("%s: init is not used here; pass what is needed", at)
	}
	if lines := s.fset.Position(f.End()).Line - at.Line + 1; lines > maxFuncLines {
		t.Errorf("%s: %s has %d lines, the budget is %d", at, f.Name.Name, lines, maxFuncLines)
	}
	params := 0
	for _, p := range f.Type.Params.List {
		params += max(len(p.Names), 1)
	}
	if params > maxParams {
		t.Errorf("%s: %s has %d parameters, the budget is %d", at, f.Name.Name, params, maxParams)
	}
	if f.Body != nil {
		if depth := nesting(f.Body); depth > maxNesting {
			t.Errorf("%s: %s nests %d deep, the budget is %d", at, f.Name.Name, depth, maxNesting)
		}
	}
}

// nesting returns how deep control statements stand inside each other.
func nesting(n ast.Node) int {
	deepest := 0
	ast.Inspect(n, func(child ast.Node) bool {
		if child == nil || child == n {
			return true
		}
		switch c := child.(type) {
		case *ast.IfStmt:
			deepest = max(deepest, 1+nesting(c.Body))
			if block, ok := c.Else.(*ast.BlockStmt); ok {
				deepest = max(deepest, 1+nesting(block))
			} else if c.Else != nil { // else if: same depth
				deepest = max(deepest, nesting(&ast.BlockStmt{List: []ast.Stmt{c.Else}}))
			}
			return false
		case *ast.ForStmt:
			deepest = max(deepest, 1+nesting(c.Body))
			return false
		case *ast.RangeStmt:
			deepest = max(deepest, 1+nesting(c.Body))
			return false
		case *ast.SwitchStmt:
			deepest = max(deepest, 1+nesting(c.Body))
			return false
		case *ast.TypeSwitchStmt:
			deepest = max(deepest, 1+nesting(c.Body))
			return false
		case *ast.SelectStmt:
			deepest = max(deepest, 1+nesting(c.Body))
			return false
		case *ast.FuncLit:
			deepest = max(deepest, nesting(c.Body))
			return false
		}
		return true
	})
	return deepest
}
