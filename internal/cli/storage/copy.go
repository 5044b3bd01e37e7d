package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"countersign/internal/app/upkeep"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
	"countersign/internal/store/transfer"
)

// Copy is "countersign store copy".
type Copy struct {
	From             string `help:"The store that is copied, as store.url has it; that of the configuration where it is not given." placeholder:"URL"`
	To               string `help:"The store that it is copied into: a file that does not exist, or an empty database." placeholder:"URL" required:""`
	FromPasswordFile string `help:"The file with the password for --from, one line." placeholder:"FILE"`
	ToPasswordFile   string `help:"The file with the password for --to, one line." placeholder:"FILE"`
	KeepSource       bool   `help:"Do not mark the source as copied: gates may serve from it as before. For a trial; never start gates on both."`
	Restart          bool   `help:"Remove what an unfinished copy has in the target, and begin anew."`
}

// Help is shown behind the options.
func (*Copy) Help() string {
	return "No gate may use either of the stores. A copy that was interrupted goes on where it was when the same command is given again. " +
		"At the end both stores are read and compared; the target can be opened only then. " +
		"From then on no gate serves from the source, as what waits would be sent twice; \"store reopen\" undoes that."
}

// Run does it.
func (cmd *Copy) Run(s *Site) error {
	from, to, err := cmd.stores(s)
	if err != nil {
		return err
	}
	ctx, end := interruptible()
	defer end()
	m := &meter{out: s.Stderr, now: s.Now}
	began := s.Now()
	result, err := upkeep.Copy(ctx, upkeep.CopyOptions{From: from, To: to, Restart: cmd.Restart, KeepSource: cmd.KeepSource, Progress: m.show, Actor: s.Actor, Now: s.Now})
	m.end()
	if err != nil {
		return ending(ctx, result, err)
	}
	return errors.Join(list(s.Stdout, result), conclude(s.Stdout, result, to, s.Now().Sub(began)))
}

// ending says how to go on after an error. Who has interrupted it knows why it ended, whatever broke first.
func ending(ctx context.Context, result *transfer.Result, err error) error {
	on := "; what is in the target so far stays there, and the same command goes on with it"
	if result.Marked {
		on += ". The source is marked as copied already: until then no gate serves from either"
	}
	// Not of the kind of the cause, whose advice is for commands that change all or nothing.
	unfinished := &fault.Error{Op: "store.copy", Detail: "the copy is not finished" + on, Err: err}
	switch {
	case !result.Begun, result.Differs:
		return err
	case fault.Is(err, fault.Canceled), ctx.Err() != nil:
		unfinished.Detail, unfinished.Err = "interrupted"+on, nil
	}
	return unfinished
}

// stores reads the two places.
func (cmd *Copy) stores(s *Site) (from, to config.Store, err error) {
	to, err = storeAt("--to", cmd.To, "--to-password-file", cmd.ToPasswordFile)
	if err != nil {
		return from, to, err
	}
	if cmd.From != "" {
		from, err = storeAt("--from", cmd.From, "--from-password-file", cmd.FromPasswordFile)
		return from, to, err
	}
	if cmd.FromPasswordFile != "" {
		return from, to, fault.New("store.copy", fault.Invalid, "--from-password-file is for --from, which is not given")
	}
	from, err = s.place()
	return from, to, err
}

// storeAt reads what an option names; file is the option for the file of its
// password.
func storeAt(option, url, file, passwordFile string) (config.Store, error) {
	s, err := loading.StoreAt(url, passwordFile)
	switch {
	case errors.Is(err, loading.ErrPassword):
		err = fault.New("store.at", fault.Invalid, "%s %v (%s)", option, err, file)
	case err != nil:
		err = fault.New("store.at", fault.Invalid, "%s %v", option, err)
	}
	return s, err
}

// list prints what the target has.
func list(w io.Writer, result *transfer.Result) error {
	heads := []string{"TABLE", "ROWS", "BYTES", "SHA-256"}
	return table.List(w, false, result.Tables, heads, func(t transfer.Sum) []string {
		return []string{t.Table, strconv.FormatInt(t.Rows, 10), strconv.FormatInt(t.Bytes, 10), hex.EncodeToString(t.SHA256[:6])}
	})
}

// conclude says what is left to do.
func conclude(w io.Writer, result *transfer.Result, to config.Store, took time.Duration) error {
	fmt.Fprintf(w, "\n%s is copied to %s in %s; both were read again and are the same.\n", result.From, result.To, took.Round(time.Second))
	if result.Changed > 0 {
		fmt.Fprintf(w, "%d texts of the record have octets that PostgreSQL does not keep, and U+FFFD in their place.\n", result.Changed)
	}
	fmt.Fprintf(w, "The key file (dkim.key_file) is not part of a store: it must be where the gate that uses the copy looks for it.\nIn its configuration:\n\n")
	fmt.Fprintf(w, "    [store]\n    url = %q\n", to.URL)
	if to.PasswordFile != "" {
		fmt.Fprintf(w, "    password_file = %q\n", to.PasswordFile)
	}
	if !to.InPostgres() {
		fmt.Fprintf(w, "\nTake [node] and store.password_file out of it, where they are from PostgreSQL: a gate on SQLite does not start with them.\n")
	}
	source := "The source is marked: no gate serves from it any more, as what waits would be sent twice.\n" +
		"\"countersign store reopen\" takes the mark away, for when this copy is given up."
	if !result.Marked {
		source = "No mark was put into the source (--keep-source). Start gates on one of the two alone: what waits in both would be sent twice."
	}
	_, err := fmt.Fprintf(w, "\n%s\n", source)
	return err
}
