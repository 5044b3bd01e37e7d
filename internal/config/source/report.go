package source

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"countersign/internal/fault"
)

// Problem is one thing that is wrong, or to be warned of, in a configuration file.
type Problem struct {
	// File is the path as it was given to NewReport.
	File string
	// Line counts from 1: the line of the key, of its table where the key is
	// missing, 1 where the table is missing too; 0 when the file itself cannot
	// be read.
	Line int
	// Column counts from 1, in characters; 0 where the line says enough.
	Column int
	// Key is the option, as "session.max_messages"; "" for none in particular.
	Key string
	// Text says what is wrong. It never holds a secret.
	Text string
	// Suggestion says what to do about it; may be "".
	Suggestion string
}

// String returns "file:line:column: key: text; suggestion" without the empty parts.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Text)
	if p.Suggestion != "" {
		b.WriteString("; " + p.Suggestion)
	}
	return b.String()
}

// Errors is everything that is wrong with a configuration, in the order of the
// file. Its kind is fault.Invalid.
type Errors struct {
	// List is never empty.
	List []Problem
}

// Error returns the problems, one per line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.List))
	for i, p := range e.List {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the errors their kind.
func (e *Errors) Unwrap() error {
	return fault.New("config.load", fault.Invalid, "the configuration is not valid")
}

// Report collects problems while a file is read and checked. A path names one
// value with its place in lists, as "listener[1].address[0]". It is for one
// goroutine.
type Report struct {
	file string
	// lines tells where each path stands; it has exactly the paths that the
	// file sets.
	lines map[string]int
	// texts has the strings of the file by path.
	texts map[string]*Node
	// done has the paths with a problem, so that one mistake is reported once.
	done map[string]bool
	// inside are those of them whose problems are inside of a string.
	inside map[string]bool
	// supposed are the paths that a wrong name stands for.
	supposed map[string]bool
	// doubtful says that the file may have more than was found, unread the lines at
	// which that is.
	doubtful bool
	unread   []int
	problems []Problem
	warnings []Problem
}

// NewReport returns an empty report on file.
func NewReport(file string) *Report {
	return &Report{file: file, lines: map[string]int{}, texts: map[string]*Node{}, done: map[string]bool{}, inside: map[string]bool{}, supposed: map[string]bool{}}
}

// File returns the name of the file as it was given.
func (r *Report) File() string { return r.file }

// Found records that the file has path in a line.
func (r *Report) Found(path string, line int) {
	r.lines[path] = line
	delete(r.supposed, path)
}

// FoundText records that the file has a string at path.
func (r *Report) FoundText(path string, n *Node) { r.texts[path] = n }

// Inside records a problem, or a warning, at a row and column of the string at path, both
// from 1. There may be several for one path, but none where there was one of another kind.
func (r *Report) Inside(path string, row, column int, p Problem, warning bool) {
	n := r.texts[path]
	if n == nil || r.doubtful && r.mayBeAmended(path) || !warning && r.Failed(path) && !r.inside[path] {
		return
	}
	p.File, p.Key = r.file, KeyOf(path)
	p.Line, p.Column = n.Place(row, column)
	if warning {
		r.warnings = append(r.warnings, p)
		return
	}
	r.done[path], r.inside[path] = true, true
	r.problems = append(r.problems, p)
}

// IsSet reports whether the file has the path.
func (r *Report) IsSet(path string) bool { return r.lines[path] > 0 }

// Fail records a problem at path unless it has one already or is excused.
func (r *Report) Fail(path, suggestion, format string, args ...any) {
	if !r.Failed(path) && !(r.doubtful && r.mayBeAmended(path)) {
		r.FailAt(r.Line(path), path, suggestion, fmt.Sprintf(format, args...))
	}
}

// FailAt records a problem in a line that is known.
func (r *Report) FailAt(line int, path, suggestion, text string) {
	r.done[path] = true
	r.problems = append(r.problems, Problem{
		File: r.file, Line: line, Key: KeyOf(path), Text: text, Suggestion: suggestion,
	})
}

// Unread records that from a line on something could not be read.
func (r *Report) Unread(line int) { r.unread = append(r.unread, line) }

// Doubt makes the Report ignore from now on what Fail says of a path that the file does
// not have, or of a table in which something could not be read: with what is hidden
// there all may be well.
func (r *Report) Doubt() { r.doubtful = true }

// mayBeAmended reports whether what could not be read may have to do with a path.
func (r *Report) mayBeAmended(path string) bool {
	if !r.IsSet(path) {
		return true
	}
	table := tableOf(path)
	for _, line := range r.unread {
		last, at := "", 0
		for p, n := range r.lines {
			if t := tableOf(p); n <= line && (n > at || n == at && len(t) > len(last)) {
				last, at = t, n
			}
		}
		if last == table {
			return true
		}
	}
	return false
}

// tableOf returns the table that a path is in, "" for the top of the file; of a path
// that is a table it is that itself.
func tableOf(path string) string {
	if i := strings.IndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	if strings.HasSuffix(path, "]") {
		return path
	}
	return ""
}

// Excuse prevents a problem at path, as another one explains it.
func (r *Report) Excuse(path string) { r.done[path] = true }

// Suppose excuses a path that the file seems to have under a wrong name, as long as it
// is not found itself.
func (r *Report) Suppose(path string) {
	if !r.IsSet(path) {
		r.supposed[path] = true
	}
}

// Failed reports whether path has a problem or is excused.
func (r *Report) Failed(path string) bool { return r.done[path] || r.supposed[path] }

// Warn records a warning at path.
func (r *Report) Warn(path, suggestion, format string, args ...any) {
	r.warnings = append(r.warnings, Problem{
		File: r.file, Line: r.Line(path), Key: KeyOf(path), Text: fmt.Sprintf(format, args...), Suggestion: suggestion,
	})
}

// Line returns the line of path, or of the nearest thing around it.
func (r *Report) Line(path string) int {
	for path != "" {
		if n := r.lines[path]; n > 0 {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

// Result returns the warnings, and an *Errors where there are problems, both in
// the order of the file.
func (r *Report) Result() ([]Problem, error) {
	byLine := func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) }
	slices.SortStableFunc(r.warnings, byLine)
	if len(r.problems) == 0 {
		return r.warnings, nil
	}
	slices.SortStableFunc(r.problems, byLine)
	return r.warnings, &Errors{List: r.problems}
}

var indexes = regexp.MustCompile(`\[\d+\]`)

// KeyOf turns a path into the key that people write.
func KeyOf(path string) string { return indexes.ReplaceAllString(path, "") }
