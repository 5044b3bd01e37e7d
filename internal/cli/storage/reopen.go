package storage

import (
	"countersign/internal/app/upkeep"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/fault"
)

// Reopen is "countersign store reopen".
type Reopen struct {
	Store        string `help:"The store, as store.url has it; that of the configuration where it is not given." placeholder:"URL"`
	PasswordFile string `help:"The file with the password for --store, one line." placeholder:"FILE"`
}

// Help is what "store reopen --help" says beside the flags.
func (*Reopen) Help() string {
	return "A store that was copied by \"store copy\" is marked, and no gate serves from it. This takes the mark away, for when the copy is given up: " +
		"no gate may use that any more, as what waits in both is sent twice. What happened in the copy meanwhile is not in this store."
}

// Run does it.
func (cmd *Reopen) Run(s *Site) error {
	at, err := cmd.place(s)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	name, moved, err := upkeep.Reopen(ctx, at, s.Actor, s.Now)
	if err != nil {
		return err
	}
	if err := s.say("%s can be served from again", name); err != nil {
		return err
	}
	for _, m := range moved {
		if err := s.say("start no gate on %s, into which %s copied it at %s: what waits in both would be sent twice", m.To, table.Clean(m.Actor), table.Stamp(m.At)); err != nil {
			return err
		}
	}
	return nil
}

// place reads which store it is.
func (cmd *Reopen) place(s *Site) (config.Store, error) {
	if cmd.Store != "" {
		return storeAt("--store", cmd.Store, "--password-file", cmd.PasswordFile)
	}
	if cmd.PasswordFile != "" {
		return config.Store{}, fault.New("store.reopen", fault.Invalid, "--password-file is for --store, which is not given")
	}
	return s.place()
}
