package directory

import "countersign/internal/fault"

// AskError is why a directory could not say whether a login is right. It is for operators
// alone.
type AskError struct {
	// Name is the directory's.
	Name string
	// Err is one of Source.Ask: fault.Corrupt and fault.Invalid are about this login alone, all
	// others about the directory.
	Err error
}

// Error says which directory, and why.
func (e *AskError) Error() string { return "directory " + e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *AskError) Unwrap() error { return e.Err }

// Own reports whether the directory is well, and only this login has no sensible answer.
func (e *AskError) Own() bool {
	kind := fault.KindOf(e.Err)
	return kind == fault.Corrupt || kind == fault.Invalid
}
