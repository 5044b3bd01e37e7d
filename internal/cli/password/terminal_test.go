package password

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pair opens a terminal: what is typed is written to the one, a program has the other.
func pair(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	return person, program
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestAnInterruptGivesTheEchoBack: after Ctrl-C the terminal is as it was, and the cause is
// known.
func TestAnInterruptGivesTheEchoBack(t *testing.T) {
	_, program := pair(t)
	screen, err := os.CreateTemp(t.TempDir(), "screen")
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := Maybe(program, screen)
		failed <- err
	}()
	for echoes(t, program) { // until it asks
		runtime.Gosched()
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, ErrInterrupted) {
		t.Errorf("the error is %v", err)
	}
	if !echoes(t, program) {
		t.Error("the terminal shows no longer what is typed")
	}
	if text, err := os.ReadFile(screen.Name()); err != nil || string(text) != "Password, or nothing: \n" {
		t.Errorf("the screen has %q, %v", text, err)
	}
}

// TestATerminalIsAsked reads what a person types.
func TestATerminalIsAsked(t *testing.T) {
	person, program := pair(t)
	if _, err := person.WriteString("secret words\n"); err != nil {
		t.Fatal(err)
	}
	got, err := Maybe(program, os.Stderr)
	if err != nil || got == nil || *got != "secret words" || !echoes(t, program) {
		t.Errorf("%v, %v", got, err)
	}
}
