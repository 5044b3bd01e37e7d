// Package password gets a new password from whoever runs a command: typed twice
// at a terminal, one line of standard input, or made at random. It is never an
// argument, which other users of the machine can read.
//
// Whether a password is good enough is for package account.
//
// An interrupt at a prompt leaves the terminal as it was, and is ErrInterrupted.
//
// Main types: New; Line and Maybe read one that is known.
package password

import (
	"bufio"
	"crypto/rand"
	"io"
	"strings"

	"countersign/internal/account"
	"countersign/internal/account/generated"
	"countersign/internal/fault"
)

// New are the flags of a command that needs a new password.
type New struct {
	Generate bool `help:"Make a random password and print it, once."`
}

// Get returns the password: made, typed twice where stdin is a terminal, or the
// one line of it. made is the same where it was made, to be shown. Errors:
// fault.Invalid for input that is no password, fault.Canceled,
// fault.Unavailable.
func (p New) Get(stdin io.Reader, stderr io.Writer) (password, made string, err error) {
	if p.Generate {
		password, err = generated.Password(rand.Reader)
		return password, password, err
	}
	if ask := terminal(stdin, stderr); ask != nil {
		password, err = twice(ask, stderr)
	} else {
		password, err = Line(stdin)
	}
	return password, "", err
}

// Maybe returns a password that exists already, for a command that does without one
// too: typed once where stdin is a terminal, or the one line of it; nil for none. Errors
// are those of Get.
func Maybe(stdin io.Reader, stderr io.Writer) (*string, error) {
	if ask := terminal(stdin, stderr); ask != nil {
		typed, err := ask("Password, or nothing: ")
		if err != nil {
			return nil, fault.Wrap("cli.password", fault.Canceled, err)
		}
		return some(typed), nil
	}
	line, _, err := only(stdin, maxToken)
	return some(line), err
}

// maxToken is the most octets of a bearer token that Maybe reads in place of a password.
const maxToken = 16 << 10

// some is nil for nothing.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Line reads a password that is the only line of r, with or without its end.
// Errors are those of Get.
func Line(r io.Reader) (string, error) {
	line, found, err := only(r, 2*account.MaxPasswordBytes)
	if err == nil && !found {
		err = fault.New("cli.password", fault.Invalid, "no password came from standard input; write one line there, or use --generate")
	}
	return line, err
}

// only reads the only line of r, of at most so many octets; found is false where there
// is none at all.
func only(r io.Reader, most int64) (line string, found bool, err error) {
	const op = "cli.password"
	in := bufio.NewReader(io.LimitReader(r, most))
	line, err = in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", false, fault.Wrap(op, fault.Unavailable, err)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return "", false, fault.New(op, fault.Invalid, "standard input has more than the one line of the password")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), line != "", nil
}
