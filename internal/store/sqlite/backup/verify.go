package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// shown is how many damaged files an error names.
const shown = 10

// Verify reads the whole backup in folder and compares it with its manifest.
// progress is as in Options. Errors: fault.NotFound where there is no backup,
// fault.Conflict for one that this program cannot restore, fault.Corrupt for one
// that is not as it was made, which names the files, fault.Unavailable,
// fault.Canceled.
func Verify(ctx context.Context, folder string, progress func(what string, done, total int64)) (*Manifest, error) {
	m, err := readManifest(folder)
	if err != nil {
		return nil, err
	}
	p := &pace{ctx: ctx, told: progress}
	p.begin("verifying", m.Octets())
	var wrong []string
	for _, f := range append([]File{m.Database}, m.Bodies...) {
		said, err := p.compare(folder, f)
		if err != nil {
			return nil, failure("backup.verify", err)
		}
		if said != "" {
			wrong = append(wrong, said)
		}
	}
	if len(wrong) == 0 {
		return m, nil
	}
	more := ""
	if len(wrong) > shown {
		more = fmt.Sprintf(", and %d more files", len(wrong)-shown)
	}
	return nil, damaged("in %s %s%s", folder, strings.Join(wrong[:min(len(wrong), shown)], ", "), more)
}

// compare says what is wrong with a file of a backup, "" for nothing.
func (p *pace) compare(folder string, f File) (wrong string, err error) {
	path := filepath.Join(folder, filepath.FromSlash(f.Name))
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.Name + " is missing", nil
	case err != nil:
		return "", err
	case info.Size() != f.Size:
		return fmt.Sprintf("%s has %d octets instead of %d", f.Name, info.Size(), f.Size), nil
	}
	_, sum, err := p.sumOf(path)
	if err == nil && sum != f.SHA256 {
		wrong = f.Name + " has changed since it was made"
	}
	return wrong, err
}
