package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	root := t.TempDir()
	if err := write(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.md", "countersign.example.toml"} {
		if text, err := os.ReadFile(filepath.Join(root, "docs", name)); err != nil || len(text) < 1000 {
			t.Errorf("%s: %d octets, %v", name, len(text), err)
		}
	}
	if err := write(filepath.Join(root, "docs", "config.md")); err == nil {
		t.Error("a folder that cannot be made is no error")
	}
}
