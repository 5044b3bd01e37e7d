package repocheck

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestEveryPackageHasOneComment(t *testing.T) {
	count := map[string]int{}
	for _, s := range sources(t) {
		count[s.pkg] += 0
		if s.file.Doc == nil {
			continue
		}
		count[s.pkg]++
		lines := strings.Count(s.file.Doc.Text(), "\n")
		if lines < 3 || lines > 30 {
			t.Errorf("%s: the package comment has %d lines, 3 to 30 are wanted", s.path, lines)
		}
	}
	for pkg, n := range count {
		if n != 1 {
			t.Errorf("package %s has %d package comments, exactly one is wanted", pkg, n)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && !isMethodOfPrivate(d) {
					t.Errorf("%s: %s has no comment", s.fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				checkGenDecl(t, s, d)
			}
		}
	}
}

// isMethodOfPrivate reports whether d is a method of a type that is not
// exported; its contract stands at the interface it fulfils.
func isMethodOfPrivate(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && !name.IsExported()
}

// checkGenDecl wants a comment at each exported type, constant and variable,
// or at the group it stands in.
func checkGenDecl(t *testing.T, s source, d *ast.GenDecl) {
	t.Helper()
	if d.Tok == token.IMPORT {
		return
	}
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && d.Doc == nil {
				t.Errorf("%s: %s has no comment", s.fset.Position(spec.Pos()), spec.Name.Name)
			}
		case *ast.ValueSpec:
			if spec.Names[0].IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
				t.Errorf("%s: %s has no comment", s.fset.Position(spec.Pos()), spec.Names[0].Name)
			}
		}
	}
}
