package storage

import (
	"strings"

	"countersign/internal/app/upkeep"
	"countersign/internal/cli/table"
	"countersign/internal/config"
)

// Restore is "countersign store restore".
type Restore struct {
	From string `required:"" type:"path" help:"The folder of the backup." placeholder:"FOLDER"`
	Hold bool   `help:"Hold everything that waits, to be looked at and released or dropped."`
}

// Help is what "store restore --help" says beside the flags.
func (*Restore) Help() string {
	return "Verifies the whole backup, then makes a store of it where the configuration says, in which no store may be and beside which no server may run. " +
		"What was delivered after the backup was made waits in it again, and is sent again when the server starts, unless --hold keeps it."
}

// Run does it.
func (cmd *Restore) Run(s *Site) error {
	cfg, err := s.Config()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	r, err := upkeep.Restore(ctx, cfg, upkeep.BackupOptions{Folder: cmd.From, Hold: cmd.Hold, Version: s.Version, Actor: s.Actor, Now: s.Now, Progress: s.progress()})
	if err != nil {
		return err
	}
	err = s.say("%s is as it was at %s: %s", cfg.StorePath(), table.Stamp(r.Made), plural(r.Rows["delivery"], "delivery waits", "deliveries wait"))
	if err != nil {
		return err
	}
	if cmd.Hold {
		err = s.say("%s held: see \"countersign queue list --state held\", then \"queue release\" or \"queue drop\"", plural(int64(r.Held), "delivery is", "deliveries are"))
	} else {
		err = s.say("what was delivered since is sent again when the server starts")
	}
	if err != nil {
		return err
	}
	if len(r.Missing) > 0 {
		err = s.say("the store lacked %s when the backup was made, and still does, %s first; see \"countersign store check\"",
			plural(int64(len(r.Missing)), "large body", "large bodies"), r.Missing[0])
		if err != nil {
			return err
		}
	}
	return s.sayKeys(cfg, r.Keys)
}

// sayKeys says whether the key file is the one that is needed.
func (s *Site) sayKeys(cfg *config.Config, keys []string) error {
	state, err := upkeep.KeyState(cfg, keys)
	if err != nil {
		return err
	}
	names := strings.Join(keys, ", ")
	switch state {
	case "missing":
		return s.say("needed before the server starts: the key file (%s) at %s, from its own copy", names, cfg.DKIM.KeyFile)
	case "another":
		return s.say("needed before the server starts: the key file %s is not the one that was in use (%s); put that one there", cfg.DKIM.KeyFile, names)
	}
	return nil
}
