package password

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"countersign/internal/fault"
)

// ErrInterrupted is the cause of an error where somebody broke off at a prompt. Nothing
// was changed.
var ErrInterrupted = errors.New("interrupted")

// asker asks for one secret, without showing what is typed.
type asker func(prompt string) (string, error)

// terminal returns how to ask a person, nil where standard input is none.
func terminal(stdin io.Reader, stderr io.Writer) asker {
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(prompt string) (string, error) { return ask(int(f.Fd()), stderr, prompt) }
}

// ask reads a line from a terminal that shows nothing of it. An interrupt gives the
// terminal its echo back; who waits for the line then waits until the program ends, which
// the caller is about to do.
func ask(fd int, stderr io.Writer, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	fmt.Fprint(stderr, prompt)
	go func() {
		text, err := term.ReadPassword(fd)
		typed <- line{string(text), err}
	}()
	select {
	case l := <-typed:
		fmt.Fprintln(stderr)
		return l.text, l.err
	case <-signals:
		err := term.Restore(fd, before)
		fmt.Fprintln(stderr)
		return "", errors.Join(ErrInterrupted, err)
	}
}

// twice asks for a password until it was typed alike twice, three times at
// most.
func twice(ask asker, stderr io.Writer) (string, error) {
	const op = "cli.password"
	const times = 3
	for try := range times {
		if try > 0 {
			fmt.Fprintln(stderr, "The two are not the same. Once more:")
		}
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
