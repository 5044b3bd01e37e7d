package accounts

import (
	"fmt"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/turnover"
)

type domainRekey struct {
	domainName
	Now     bool `help:"Have the keys that wait sign at once, whether or not their records are found." xor:"how"`
	Cancel  bool `help:"Give up the keys that wait." xor:"how"`
	Drop    bool `help:"Remove the keys that sign no more, before their time." xor:"how"`
	Replace bool `help:"Drop all other keys at once, as when the key file is lost or a key is known to others; a missing key file is made anew unless another gate is up. Until the records are published, no signature verifies." xor:"how"`
}

// Help is what "domain rekey --help" says beside the flags.
func (*domainRekey) Help() string {
	return "Without a flag it makes keys that wait. A gate that runs looks for their records in DNS; when all have been found for " +
		"rekey.settle, they sign in place of the others, which stay for rekey.keep, until what they signed has arrived, and are " +
		"removed then. \"domain show\" says how far it is. Records may go when their keys are not shown any more."
}

func (cmd *domainRekey) Run(c *call.Call) error {
	return c.Needing("hostname", "dkim.key_file", "rekey").With(func(o *call.Opened) error {
		by := o.Admin()
		d, err := o.Store.Domain(c.Ctx, cmd.Name.Domain)
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		switch {
		case cmd.Now:
			return cmd.now(c, by, d)
		case cmd.Cancel:
			return cmd.remove(c, by, d, account.Waiting, "keys that wait")
		case cmd.Drop:
			return cmd.remove(c, by, d, account.Past, "past keys")
		case !cmd.Replace && turnover.Waits(d.Keys):
			return fault.New("cli.rekey", fault.Conflict, "%s has keys that wait already; see \"domain show\", and --now or --cancel", cmd)
		}
		return cmd.make(c, o, by, d)
	})
}

// make gives the domain new keys, that wait or replace all others.
func (cmd *domainRekey) make(c *call.Call, o *call.Opened, by *admin.Admin, d account.Domain) error {
	old := d
	if cmd.Replace {
		old.Keys = slices.DeleteFunc(slices.Clone(d.Keys), func(k account.Key) bool { return k.Stage != account.Signing })
	}
	added, err := c.Env.NewKeys(c.Ctx, o.Cfg, o.Store, old, cmd.Replace)
	if err != nil {
		return err
	}
	keys, what := added, "new keys"
	if !cmd.Replace {
		keys, what = slices.Concat(turnover.Wait(added), d.Keys), "new keys, which sign when they are found in DNS"
	}
	if err := by.RekeyDomain(c.Ctx, d, keys); err != nil {
		return err
	}
	list, err := keyRecords(d.Name, added, o.Cfg)
	if err != nil {
		return err
	}
	if err := c.Say("%s has %s; publish these records:\n", cmd, what); err != nil {
		return err
	}
	return printRecords(c.Stdout, list)
}

// now has the waiting keys sign.
func (cmd *domainRekey) now(c *call.Call, by *admin.Admin, d account.Domain) error {
	turn := turnover.Begin(d.Keys, time.Now().UTC().Truncate(time.Microsecond))
	if !turn.Changes() {
		return fault.New("cli.rekey", fault.Conflict, "%s has no keys that wait", cmd)
	}
	if err := by.RekeyDomain(c.Ctx, d, turn.Keys); err != nil {
		return err
	}
	return c.Say("%s: %s", cmd, turn.Text())
}

// remove takes the keys of a stage away.
func (cmd *domainRekey) remove(c *call.Call, by *admin.Admin, d account.Domain, stage account.Stage, what string) error {
	kept := slices.DeleteFunc(slices.Clone(d.Keys), func(k account.Key) bool { return k.Stage == stage })
	if len(kept) == len(d.Keys) {
		return fault.New("cli.rekey", fault.Conflict, "%s has no %s", cmd, what)
	}
	if err := by.RekeyDomain(c.Ctx, d, kept); err != nil {
		return err
	}
	return c.Say("%s of %s removed", what, cmd)
}

// viewKey is how a key is printed.
func viewKey(k account.Key) keyView {
	v := keyView{Selector: k.Selector, Algorithm: k.Algorithm, Created: k.Created, Stage: "signing"}
	if k.Stage != account.Signing {
		v.Stage = string(k.Stage)
		if !k.Turned.IsZero() {
			v.Since = &k.Turned
		}
	}
	return v
}

// standing says what a key does, "" where it signs.
func (v keyView) standing() string {
	switch {
	case v.Stage == "signing":
		return ""
	case v.Since != nil && v.Stage == string(account.Waiting):
		return fmt.Sprintf(", found in DNS since %s, signs soon", table.Stamp(*v.Since))
	case v.Stage == string(account.Waiting):
		return ", waits until it is found in DNS"
	case v.Since != nil:
		return fmt.Sprintf(", past since %s", table.Stamp(*v.Since))
	}
	return ", past"
}

// domainZone prints what the zone of delegated selectors has.
type domainZone struct{}

func (cmd *domainZone) Run(c *call.Call) error {
	return c.Needing("rekey").With(func(o *call.Opened) error {
		delegate := mail.Domain(o.Cfg.Rekey.Delegate)
		if delegate == "" {
			return fault.New("cli.zone", fault.Conflict, "rekey.delegate is not set: no domain has delegated its selectors")
		}
		domains, err := o.Store.Domains(c.Ctx, account.DomainQuery{})
		if err != nil {
			return err
		}
		for _, d := range domains {
			d, err := o.Store.Domain(c.Ctx, d.Name)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			records, err := turnover.Records(d, delegate)
			if err != nil {
				return err
			}
			for _, r := range records {
				if err := c.Say("%s", r.ZoneLine()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
