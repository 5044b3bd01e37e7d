package keys

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/seal"
	"countersign/internal/seal/rotation"
)

// Rotate is "countersign key rotate".
type Rotate struct {
	To    string `help:"Put this key in front instead of a new one: one that \"key add\" made, and that all gates have by now." placeholder:"KEY"`
	Force bool   `help:"Go on although a gate that is up lacks the key; it cannot open what is sealed with it until it has the file."`
}

// Help is what "key rotate --help" says beside the flags.
func (*Rotate) Help() string {
	return "It works in portions while gates run, and each gate reads the changed file by itself. It may be interrupted: run again, it goes on with the key " +
		"that is in front, and makes a new one only where nothing is left to do. The earlier keys stay in the file until \"countersign key drop\"."
}

// Run does it.
func (cmd *Rotate) Run(s *Site) error {
	return s.change(func(t *task) error {
		if err := t.lead(cmd.To, cmd.Force); err != nil {
			return err
		}
		sealer, err := t.sealer()
		if err != nil {
			return err
		}
		result, err := rotation.Run(t.ctx, t.store, sealer, s.progress())
		return t.finish(sealer, result, err)
	})
}

// lead sees to it that the key to seal with is in front: the one that is asked for, the one of
// a run that was interrupted, or a new one.
func (t *task) lead(to string, force bool) error {
	sealer, err := t.sealer()
	if err != nil {
		return err
	}
	front := sealer.ID()
	if to != "" {
		if !slices.Contains(sealer.IDs(), to) {
			return t.unknown(to)
		}
		if !force {
			if err := t.missing("key.rotate", to); err != nil {
				return err
			}
		}
		if to == front {
			return t.site.say("key %s is in front already: it seals what is left", front)
		}
		if err := t.file.Lead(to); err != nil {
			return err
		}
		return t.leads(to)
	}
	counts, err := rotation.Count(t.ctx, t.store)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(sealer.IDs()[1:], func(id string) bool { return counts.Of(id) > 0 }) {
		return t.site.say("an earlier run is not finished: going on with key %s, without a new one", front)
	}
	if !force {
		if err := t.alone(); err != nil {
			return err
		}
	}
	id, err := t.file.Add(true)
	if err != nil {
		return err
	}
	return t.leads(id)
}

// leads records that a key seals from now on.
func (t *task) leads(id string) error {
	if err := t.record(audit.AdminChanged, id, "seals from now on"); err != nil {
		return err
	}
	return t.site.say("key %s is in front of %s and seals from now on", id, t.cfg.DKIM.KeyFile)
}

// alone refuses a new key where other gates would meet it before they have it.
func (t *task) alone() error {
	up, err := t.others()
	if err != nil || len(up) == 0 {
		return err
	}
	names := make([]string, len(up))
	for i, n := range up {
		names[i] = n.ID
	}
	return fault.New("key.rotate", fault.Conflict,
		"other gates share the database (%s) and could not open what a new key seals: make it by \"countersign key add\", copy the key file to all of them, then \"countersign key rotate --to KEY\"",
		strings.Join(names, ", "))
}

// finish says and records what a run did, and that it is not to be followed by a drop
// at once.
func (t *task) finish(sealer *seal.Sealer, result rotation.Result, failed error) error {
	text := tally(result.Anew) + " sealed anew"
	if result.Total() > 0 {
		if err := t.file.Touch(t.site.Now()); err != nil {
			return err
		}
		if err := t.record(audit.AdminChanged, sealer.ID(), text); err != nil {
			return err
		}
	}
	if err := t.site.say("%s with key %s", text, sealer.ID()); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("not all is sealed anew; run it again to go on: %w", failed)
	}
	if result.NotOpened == 0 {
		return nil
	}
	for _, closed := range result.Closed {
		fmt.Fprintln(t.site.Stderr, table.Clean(closed))
	}
	return fault.New("key.rotate", fault.Corrupt, "%s cannot be opened and stayed as it was: see above, and \"countersign key status\"", table.Count(result.NotOpened, "sealed secret", "sealed secrets"))
}

// tellEvery is how often progress is told of.
const tellEvery = 2 * time.Second

// progress tells on standard error how far a long run is.
func (s *Site) progress() rotation.Progress {
	last := s.Now()
	return func(seen, anew int) {
		if now := s.Now(); now.Sub(last) >= tellEvery {
			last = now
			fmt.Fprintf(s.Stderr, "%d looked at, %d sealed anew\n", seen, anew)
		}
	}
}

// Drop is "countersign key drop".
type Drop struct {
	Keys  []string `arg:"" name:"key" help:"The keys, as \"key status\" names them."`
	Force bool     `help:"Go on although a gate that is up lacks the key in front, or still seals with one of these."`
}

// Help is what "key drop --help" says beside the flags.
func (*Drop) Help() string {
	return "It refuses a key that something is sealed with, the one in front, and all within a minute of a change of the file or of sealing anew: " +
		"a gate may be about to store what it has sealed just before. Copies of the file, and copies of the store that were made earlier, still need the key."
}

// rest is how long nothing may have been sealed anew, nor the file changed, before a
// key goes: longer than whatever is sealed takes to be in the store.
const rest = time.Minute

// Run does it.
func (cmd *Drop) Run(s *Site) error {
	return s.change(func(t *task) error {
		if err := t.droppable(cmd.Keys); err != nil {
			return err
		}
		if !cmd.Force {
			if err := t.followed(cmd.Keys); err != nil {
				return err
			}
		}
		before, err := t.file.Remove(cmd.Keys)
		if err != nil {
			return err
		}
		// What was put in the store between the look and the removal is found now.
		if err := t.unused(cmd.Keys); err != nil {
			if undone := t.file.Restore(before); undone != nil {
				return fmt.Errorf("%w; and the key file could not be put back: %w", err, undone)
			}
			return err
		}
		for _, id := range cmd.Keys {
			if err := t.record(audit.AdminRemoved, id, ""); err != nil {
				return err
			}
		}
		return s.say("%s removed from %s", strings.Join(cmd.Keys, ", "), t.cfg.DKIM.KeyFile)
	})
}

// droppable refuses keys that cannot go now.
func (t *task) droppable(ids []string) error {
	sealer, err := t.sealer()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(sealer.IDs(), id) {
			return t.unknown(id)
		}
	}
	if err := t.unused(ids); err != nil {
		return err
	}
	changed, err := t.file.Changed()
	if err != nil {
		return err
	}
	if ago := t.site.Now().Sub(changed); ago < rest {
		return fault.New("key.drop", fault.Conflict, "the key file was changed, or something sealed anew, less than a minute ago, and a gate may still store what it sealed before: wait %s",
			max(min(rest-ago, rest), time.Second).Round(time.Second))
	}
	return nil
}

// followed refuses to drop keys while another gate that is alive lacks the one in front,
// or seals with one of them.
func (t *task) followed(ids []string) error {
	sealer, err := t.sealer()
	if err != nil {
		return err
	}
	if err := t.missing("key.drop", sealer.ID()); err != nil {
		return err
	}
	up, err := t.others()
	for _, n := range up {
		if err == nil && n.Alive && len(n.Keys) > 0 && slices.Contains(ids, n.Keys[0]) {
			err = fault.New("key.drop", fault.Conflict, "gate %s still seals with key %s: copy the key file there, where it is read within seconds, or --force to go on", n.ID, n.Keys[0])
		}
	}
	return err
}

// unused refuses keys that something is sealed with.
func (t *task) unused(ids []string) error {
	counts, err := rotation.Count(t.ctx, t.store)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if n := counts.Of(id); n > 0 {
			return fault.New("key.drop", fault.Conflict, "key %s still seals %s (%s): \"countersign key rotate\" seals it anew", id, table.Count(n, "secret", "secrets"), tally(counts[id]))
		}
	}
	return nil
}
