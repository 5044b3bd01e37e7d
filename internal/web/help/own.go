package help

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"countersign/internal/fault"
	"countersign/internal/smtp"
)

const (
	// indexName is the page that lists all others.
	indexName = "index"
	// suffix ends the name of a file.
	suffix = ".html"
	// maxOwn bounds one file in octets.
	maxOwn = 64 << 10
)

// ReadPages reads the operator's own pages: each file of folder is named after a refusal of
// the catalogue, or "index", and ends in ".html"; hidden ones are left alone. What stands in it, a part of a page in
// HTML, takes the place of our text. Errors: Invalid with all that is wrong, Unavailable
// where the folder cannot be read.
func ReadPages(folder string) (map[string]template.HTML, error) {
	const op = "help.pages"
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.New(op, fault.Unavailable, "%s cannot be read: %v", folder, errors.Unwrap(err))
	}
	pages := map[string]template.HTML{}
	var wrong []string
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") {
			continue
		}
		text, err := readPage(folder, f.Name())
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		pages[strings.TrimSuffix(f.Name(), suffix)] = template.HTML(text)
	}
	if wrong != nil {
		return nil, fault.New(op, fault.Invalid, "%s", strings.Join(wrong, "; "))
	}
	return pages, nil
}

// readPage reads one file.
func readPage(folder, name string) (string, error) {
	base, isPage := strings.CutSuffix(name, suffix)
	if !isPage || base != indexName && !slices.Contains(smtp.Reasons(), smtp.Reason(base)) {
		return "", fmt.Errorf("%s is not named after a refusal, as in limit-reached.html", name)
	}
	path := filepath.Join(folder, name)
	// Not a pipe, which nobody may write into.
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", name, errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxOwn+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be read: %w", name, errors.Unwrap(err))
	case len(text) > maxOwn:
		return "", fmt.Errorf("%s has more than %d octets", name, maxOwn)
	case !utf8.Valid(text):
		return "", fmt.Errorf("%s is not UTF-8", name)
	case strings.TrimSpace(string(text)) == "":
		return "", fmt.Errorf("%s is empty", name)
	}
	return string(text), nil
}
