package repocheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository's top folder seen from this package.
const root = "../.."

// module is the module's path.
const module = "countersign"

// source is one parsed Go file that is not a test.
type source struct {
	// path is relative to the repository, with slashes.
	path string
	// pkg is the folder: "internal/smtp".
	pkg   string
	file  *ast.File
	fset  *token.FileSet
	lines int
}

// sources parses every Go file of the main module that is not a test.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(t, path, string(text)))
	})
	if len(all) < 20 {
		t.Fatalf("found only %d source files: the walk is broken", len(all))
	}
	return all
}

// parse parses one file.
func parse(t *testing.T, path, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return source{path: path, pkg: filepath.ToSlash(filepath.Dir(path)), file: file, fset: fset, lines: strings.Count(text, "\n")}
}

// walk calls f with each file's path relative to the repository, leaving out
// hidden folders, build output, test data and modules of their own.
func walk(t *testing.T, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return enter(rel, path)
		}
		f(rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// enter decides whether walk goes into a folder.
func enter(rel, path string) error {
	name := filepath.Base(rel)
	if rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || rel == "bin" || rel == "var") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && rel != "." {
		return fs.SkipDir
	}
	return nil
}
