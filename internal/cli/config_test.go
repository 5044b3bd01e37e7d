package cli

import (
	"errors"
	"fmt"
	"testing"

	"countersign/internal/fault"
)

// TestInOneLine: what is wrong with a directory is said once, in a line, and in words.
func TestInOneLine(t *testing.T) {
	away := errors.New("failed to connect to `user=gate`:\n\t127.0.0.1:1: connection refused")
	for want, err := range map[string]error{
		"failed to connect to `user=gate`: 127.0.0.1:1: connection refused": fault.Wrap("directory.check", fault.Unavailable,
			fault.Wrap("database.check", fault.Unavailable, fmt.Errorf("the directory panel: %w", away))),
		"the callback knows somebody": fault.New("web.check", fault.Invalid, "directory panel: the callback knows somebody"),
		"no such file":                fmt.Errorf("no such file: %w", errors.New("no such file")),
		"busy":                        &fault.Error{Op: "a", Kind: fault.Busy},
	} {
		if got := inOneLine(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
