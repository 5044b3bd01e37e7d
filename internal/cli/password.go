package cli

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"countersign/internal/account"
	"countersign/internal/fault"
)

// newPassword is how a command gets a new password: never from an argument,
// which other users of the machine can read.
type newPassword struct {
	Generate bool `help:"Make a random password and print it, once."`
}

// get returns the password: made, typed twice at a terminal, or one line of
// standard input. generated is the same where it was made, to be shown.
func (p newPassword) get(c *call) (password, generated string, err error) {
	if p.Generate {
		password, err = account.GeneratePassword(rand.Reader)
		return password, password, err
	}
	if ask := c.terminal(); ask != nil {
		password, err = twice(ask)
	} else {
		password, err = passwordLine(c.stdin)
	}
	return password, "", err
}

// asker asks for one secret, without showing what is typed.
type asker func(prompt string) (string, error)

// terminal returns how to ask a person, nil where standard input is none.
func (c *call) terminal() asker {
	f, ok := c.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(prompt string) (string, error) {
		fmt.Fprint(c.stderr, prompt)
		typed, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.stderr)
		return string(typed), err
	}
}

// twice asks for a password until it was typed alike twice, three times at
// most.
func twice(ask asker) (string, error) {
	const op = "cli.password"
	for range 3 {
		first, err := ask("Password: ")
		if err != nil {
			return "", fault.Wrap(op, fault.Canceled, err)
		}
		second, err := ask("Again: ")
		if err != nil {
			return "", fault.Wrap(op, fault.Canceled, err)
		}
		if first == second {
			return first, nil
		}
	}
	return "", fault.New(op, fault.Invalid, "the two passwords differ; nothing was changed")
}

// passwordLine reads a password that is the only line of r, with or without
// its end.
func passwordLine(r io.Reader) (string, error) {
	const op = "cli.password"
	in := bufio.NewReader(io.LimitReader(r, 2*account.MaxPasswordBytes))
	line, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fault.Wrap(op, fault.Unavailable, err)
	}
	if line == "" {
		return "", fault.New(op, fault.Invalid, "no password came from standard input; write one line there, or use --generate")
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return "", fault.New(op, fault.Invalid, "standard input has more than the one line of the password")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}
