// Package stolen is "countersign breached": the list of passwords that were stolen
// elsewhere and may not be chosen. It needs no configuration, and fetches nothing.
//
// Main types: Group.
package stolen

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"countersign/internal/account/breached"
	"countersign/internal/cli/call"
	"countersign/internal/fault"
)

// Group is "countersign breached".
type Group struct {
	Import Import `cmd:"" noconfig:"" help:"Make the list that auth.breached_file names from a published one, in any order."`
	Verify Verify `cmd:"" noconfig:"" help:"Read a whole list and say whether it is as it was made."`
}

// Import is "countersign breached import".
type Import struct {
	From string `arg:"" help:"The published list, lines of a SHA-1 in hexadecimal, a colon and a count; - for standard input."`
	To   string `arg:"" help:"The list to make. One that is there is replaced when the new one is whole; a running gate uses it at once."`
}

// progressEvery is how often it says how far it is.
const progressEvery = 5 * time.Second

// Run does it.
func (cmd *Import) Run(c *call.Call) error {
	from := c.Stdin
	if cmd.From != "-" {
		file, err := os.Open(cmd.From)
		if err != nil {
			return fault.New("breached.import", fault.Unavailable, "the list cannot be read: %v", err)
		}
		defer file.Close()
		from = file
	}
	n, err := breached.Import(c.Ctx, breached.ImportOptions{From: from, To: cmd.To, Progress: progress(c.Stderr)})
	switch {
	case fault.Is(err, fault.Unavailable):
		return &fault.Error{Op: "breached.import", Kind: fault.Unavailable, Detail: "the list was not made; see that " + cmd.From + " can be read, and " + cmd.To + " be written", Err: err}
	case err != nil:
		return err
	}
	return c.Say("%d hashes are in %s", n, cmd.To)
}

// progress says now and then how far an import is.
func progress(to io.Writer) func(read, written int64) {
	last := time.Now()
	return func(read, written int64) {
		if time.Since(last) >= progressEvery {
			last = time.Now()
			fmt.Fprintf(to, "%d hashes read, %d written\n", read, written)
		}
	}
}

// Verify is "countersign breached verify".
type Verify struct {
	List string `arg:"" help:"The list."`
}

// Run does it.
func (cmd *Verify) Run(c *call.Call) error {
	list, err := breached.Open(cmd.List)
	if err != nil {
		return unusable(err)
	}
	n, err := list.Verify(c.Ctx)
	if err != nil {
		return unusable(err)
	}
	return c.Say("%d hashes, in their order", n)
}

// unusable says what to do about a list that cannot be read, or is none.
func unusable(err error) error {
	var detail string
	switch {
	case errors.Is(err, fs.ErrNotExist):
		detail = `there is no such list; "countersign breached import" makes one`
	case fault.Is(err, fault.Unavailable):
		detail = "the list cannot be read; see that you may, and that its disk is well"
	case fault.Is(err, fault.Corrupt):
		detail = `the list is damaged, or is none; make it anew with "countersign breached import"`
	default:
		return err
	}
	return &fault.Error{Op: "breached.verify", Kind: fault.Invalid, Detail: detail, Err: err}
}
