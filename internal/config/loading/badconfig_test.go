package loading_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"countersign/internal/app"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the want.txt of every case in test/badconfig")

// TestBadConfigs loads every folder of test/badconfig and compares all that is
// reported.
func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob("../../../test/badconfig/*/countersign.toml")
	if err != nil || len(files) < 20 {
		t.Fatalf("only %d cases found: %v", len(files), err)
	}
	for _, file := range files {
		folder, err := filepath.Abs(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Chdir(folder)
			got := complaint(t)
			if *update {
				if err := os.WriteFile("want.txt", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile("want.txt")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// complaint loads the configuration in the current folder, which must fail.
func complaint(t *testing.T) string {
	t.Helper()
	c, _, err := app.LoadConfig("countersign.toml")
	var all *loading.Errors
	if !errors.As(err, &all) || c != nil {
		t.Fatalf("Load returned %v, %v", c, err)
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("the kind is %v", fault.KindOf(err))
	}
	for _, p := range all.List {
		if p.File != "countersign.toml" || p.Line < 1 || p.Text == "" {
			t.Errorf("incomplete: %#v", p)
		}
	}
	return err.Error() + "\n"
}
