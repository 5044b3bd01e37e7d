package directory

// OptionError is what is wrong with one option of a directory, as far as that can be
// seen without asking anybody.
type OptionError struct {
	// Option is what the configuration calls it, as "url".
	Option string
	// Err says what is wrong with it, and shows nothing that may be a secret.
	Err error
}

// Error says what is wrong.
func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// OptionErrors gathers what is wrong with the options of a directory. The zero value is
// ready for use, by one goroutine.
type OptionErrors []*OptionError

// Add notes what is wrong with an option, unless err is nil. An error that names its
// option itself keeps that.
func (all *OptionErrors) Add(option string, err error) {
	switch e := err.(type) {
	case nil:
	case *OptionError:
		*all = append(*all, e)
	default:
		*all = append(*all, &OptionError{option, err})
	}
}

// First returns the first of them, nil where there is none.
func (all OptionErrors) First() error {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
