package storage

import (
	"errors"
	"fmt"
	"strings"

	"countersign/internal/app/upkeep"
	"countersign/internal/cli/table"
)

// Backup is "countersign store backup".
type Backup struct {
	To string `required:"" type:"path" help:"The folder to make; it must not exist yet." placeholder:"FOLDER"`
}

// Help is what "store backup --help" says beside the flags.
func (*Backup) Help() string {
	return "Makes a folder with the database, the large bodies and a manifest, of one moment, while the server goes on. " +
		"The folder is there when all of it is on the disk, and not before. The key file (dkim.key_file) is not part of it. " +
		"Run it as the user of the service. For PostgreSQL there are pg_dump and pg_basebackup."
}

// Run does it.
func (cmd *Backup) Run(s *Site) error {
	cfg, err := s.Config()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	m, err := upkeep.BackUp(ctx, cfg, upkeep.BackupOptions{Folder: cmd.To, Version: s.Version, Actor: s.Actor, Now: s.Now, Progress: s.progress()})
	if err != nil {
		return err
	}
	err = s.say("%s: %s, %s, %s, %s", cmd.To, plural(m.Rows["delivery"], "delivery that waits", "deliveries that wait"),
		plural(m.Rows["event"], "event", "events"), plural(int64(len(m.Bodies)), "large body", "large bodies"), table.Octets(m.Octets()))
	if err == nil && len(m.Keys) > 0 {
		err = s.say("not in it: the key file %s, which opens the signing keys (%s); keep a copy of it in another place", cfg.DKIM.KeyFile, strings.Join(m.Keys, ", "))
	}
	if len(m.Missing) > 0 {
		err = errors.Join(err, fmt.Errorf("the backup is made, but the store itself lacks %s that it names, or parts of them, %s first; see \"countersign store check\"",
			plural(int64(len(m.Missing)), "large body", "large bodies"), m.Missing[0]))
	}
	return err
}
