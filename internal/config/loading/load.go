package loading

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/source"
	"countersign/internal/config/value"
)

// Problem is one thing that is wrong with a file, with file, line, key, text and
// suggestion.
type Problem = source.Problem

// Warning is a Problem that does not prevent the start.
type Warning = source.Problem

// Errors is everything that is wrong with a file.
type Errors = source.Errors

// Load reads the file at path and checks all of it. Relative file names in it
// are taken from its folder. The error is an *Errors with everything that is
// wrong, and then there is no Config; warnings come in either case.
// Judges have their say too, about the same file.
func Load(path string, judges ...Judge) (*config.Config, []Warning, error) {
	return load(path, time.Now(), judges...)
}

// Judge finds what is wrong with a Config that this package knows too little to see.
type Judge func(*config.Config) []Finding

// Finding is one thing that is wrong: Path is the option with its place in lists, as
// "directory[0].url", Text and Suggestion are those of a Problem.
type Finding struct {
	Path, Text, Suggestion string
	// Row and Column are where in the string that the option is, from 1; 0 for all of it.
	Row, Column int
	// Warning says that it does not prevent the start.
	Warning bool
}

// found reports a finding.
func (d *draft) found(f Finding) {
	switch {
	case f.Row > 0:
		d.report.Inside(f.Path, f.Row, f.Column, Problem{Text: f.Text, Suggestion: f.Suggestion}, f.Warning)
	case f.Warning:
		d.report.Warn(f.Path, f.Suggestion, "%s", f.Text)
	default:
		d.report.Fail(f.Path, f.Suggestion, "%s", f.Text)
	}
}

// load is Load at a given time, on which certificates may have expired.
func load(path string, now time.Time, judges ...Judge) (*config.Config, []Warning, error) {
	d := read(path, now)
	for _, judge := range judges {
		for _, f := range judge(d.config) {
			d.found(f)
		}
	}
	warnings, err := d.report.Result()
	if err != nil {
		return nil, warnings, err
	}
	d.config.Complete()
	return d.config, warnings, nil
}

// draft is a file as far as it was read and checked.
type draft struct {
	config *config.Config
	report *source.Report
	// text is the file; whole says that nothing in it was passed over.
	text  []byte
	whole bool
}

// read reads the file at path and checks it; of one that is not whole, what it has
// in tables that are. The report has what is wrong.
func read(path string, now time.Time) *draft {
	d := &draft{config: config.Default(), report: source.NewReport(path)}
	var err error
	d.text, err = value.ReadFile(path)
	if err != nil {
		other := ""
		if errors.Is(err, fs.ErrNotExist) {
			other = "name another with --config FILE, or set COUNTERSIGN_CONFIG"
		}
		d.report.FailAt(0, "", other, "cannot be read: "+value.Plain(err))
		return d
	}
	var root *source.Node
	root, d.whole = source.Parse(d.text, d.report)
	config.Schema().Decode(root, d.config, d.report)
	resolvePaths(d.config, filepath.Dir(path))
	v := &validator{Report: d.report, c: d.config, now: now}
	if !d.whole {
		d.report.Doubt()
	}
	v.all()
	return d
}

// resolvePaths makes the file names of c relative to folder instead of to the
// place where the program was started.
func resolvePaths(c *config.Config, folder string) {
	resolve := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(folder, path)
	}
	for _, p := range config.Schema().Places(c) {
		if p.Option.Path {
			p.Value.SetString(resolve(p.Value.String()))
		}
	}
	if path, found := strings.CutPrefix(c.Store.URL, config.StoreScheme); found && path != "" {
		c.Store.URL = config.StoreScheme + resolve(path)
	}
}
