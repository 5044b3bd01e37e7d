// Command generate writes the configuration's reference page and its commented
// example from the options of package config: docs/config.md and
// docs/countersign.example.toml below the folder given as argument, by default
// the current one. It holds no text of its own; make generate runs it.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"countersign/internal/config"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := write(root); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write makes both files below root.
func write(root string) error {
	files := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"config.md", config.WriteReference},
		{"countersign.example.toml", config.WriteExample},
	}
	docs := filepath.Join(root, "docs")
	if err := os.MkdirAll(docs, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(docs, f.name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
