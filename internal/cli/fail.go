package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"countersign/internal/cli/call"
	"countersign/internal/cli/password"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
)

// ending is how a command ends that failed with an error of some kind.
type ending struct {
	status int
	// advice says what to do, where the error itself does not.
	advice string
	// folder says that it is about the data folder: errors of PostgreSQL, which has
	// none, have a Detail, and go without.
	folder bool
}

// endings has one row for each kind of error; a test fails until it has.
func endings() map[fault.Kind]ending {
	return map[fault.Kind]ending{
		fault.Internal:        {status: statusFailed},
		fault.Invalid:         {status: statusFailed},
		fault.NotFound:        {status: statusFailed},
		fault.Conflict:        {status: statusFailed},
		fault.Denied:          {status: statusFailed},
		fault.Unauthenticated: {status: statusFailed},
		fault.Busy:            {status: statusFailed, advice: "Somebody else is at work; try again in a moment."},
		fault.Full:            {status: statusFailed, advice: "Make room on the disk of the data folder, then try again. Nothing was changed.", folder: true},
		fault.TooLarge:        {status: statusFailed},
		fault.Unavailable:     {status: statusFailed, advice: "Check the data folder of the configuration, and that you may write in it.", folder: true},
		fault.Corrupt:         {status: statusFailed, advice: "Stored data is damaged; put it back from a copy."},
		fault.Fenced:          {status: statusFailed, advice: "This node has lost its place among the others; try again."},
		fault.Canceled:        {status: statusFailed, advice: "The command was interrupted; look whether it was done."},
	}
}

// wholeError is shown with all that it says: where a server could not start,
// every step on the way to the cause matters.
type wholeError struct{ error }

// whole makes a wholeError; nil stays nil.
func whole(err error) error {
	if err == nil {
		return nil
	}
	return wholeError{err}
}

// Unwrap returns the error itself.
func (e wholeError) Unwrap() error { return e.error }

// report says to a person why a command failed, and returns its exit status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return statusDone
	}
	if errors.Is(err, password.ErrInterrupted) { // at a prompt, before anything was done
		return statusInterrupted
	}
	var wrong *loading.Errors
	if errors.As(err, &wrong) {
		fmt.Fprintln(stderr, wrong.Error())
		return statusFailed
	}
	var all wholeError
	if errors.As(err, &all) {
		fmt.Fprintf(stderr, "countersign: %v\n", err)
		return statusFailed
	}
	said := reworded(err)
	fmt.Fprintf(stderr, "countersign: %s\n", said)
	var bad call.UsageError
	if errors.As(err, &bad) {
		return statusUsage
	}
	kind := fault.KindOf(err)
	end := endings()[kind]
	known := strings.Contains(said, "from a copy") || end.folder && fault.DetailOf(err, kind) != ""
	if end.advice != "" && !known {
		fmt.Fprintln(stderr, end.advice)
	}
	return max(end.status, statusFailed)
}

// reworded puts an error in words: the sentence made for people where there is
// one, without the names of our functions; else the kind with its cause.
func reworded(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch {
	case e.Detail != "" && e.Err != nil:
		return e.Detail + ": " + reworded(e.Err)
	case e.Detail != "":
		return e.Detail
	case e.Err != nil:
		return e.Kind.String() + ": " + reworded(e.Err)
	}
	return e.Kind.String()
}
