// Package lists is "countersign access": the commands about from where clients may come in.
//
// What an entry of an access list is, what is refused as a mistake, and what decides, stands
// in package access/list; here it gets names, flags and tables.
//
// Main types: Group.
package lists

import (
	"fmt"
	"strings"

	"countersign/internal/access/list"
	"countersign/internal/access/place"
	"countersign/internal/app/entrances"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/shown"
)

// Group is "countersign access".
type Group struct {
	List   entries `cmd:"" help:"List the entries that hold."`
	Allow  allow   `cmd:"" help:"Let clients in from a network, a country or an autonomous system, and from elsewhere no more; felt on all gates within a second."`
	Deny   deny    `cmd:"" help:"Keep clients out from there; felt on all gates within a second."`
	Remove remove  `cmd:"" help:"End an entry before its time."`
	Show   show    `cmd:"" help:"Say what becomes of a client, and which entry decides."`
}

// what is an argument that says from where clients come.
type what struct{ list.What }

// UnmarshalText reads "192.0.2.0/24", "DE" or "AS64500".
func (w *what) UnmarshalText(text []byte) (err error) {
	w.What, err = list.ParseWhat(string(text))
	return argument.Plain(err)
}

// whose are the flags that say what an entry is for: one at most, everybody without any.
type whose struct {
	Listener   string                `help:"For the clients of the listeners of this name." placeholder:"NAME" xor:"for"`
	Customer   string                `help:"For the logins of this customer." placeholder:"NAME" xor:"for"`
	Domain     argument.Domain       `help:"For the logins of this domain." placeholder:"NAME" xor:"for"`
	Account    argument.Address      `help:"For this login." placeholder:"LOGIN" xor:"for"`
	Credential argument.CredentialOf `help:"For logins by this credential of an account." placeholder:"LOGIN/NAME" xor:"for"`
}

// subject returns what the flags name, and whose credential it is, "" for others.
func (w *whose) subject(o *call.Opened) (s list.Subject, login string, err error) {
	switch {
	case w.Listener != "":
		return list.Subject{Kind: list.Listener, Name: w.Listener}, "", nil
	case w.Customer != "":
		return list.Subject{Kind: list.Customer, Name: w.Customer}, "", nil
	case w.Domain.Domain != "":
		return list.Subject{Kind: list.Domain, Name: string(w.Domain.Domain)}, "", nil
	case w.Account.Domain != "":
		return list.Subject{Kind: list.Account, Name: w.Account.Key()}, "", nil
	case w.Credential.Name != "":
		id, login, err := o.Credential(w.Credential.Login, w.Credential.Name)
		return list.Subject{Kind: list.Credential, Name: string(id)}, login, err
	}
	return s, "", nil
}

func (w *whose) given() bool {
	return w.Listener != "" || w.Customer != "" || w.Domain.Domain != "" || w.Account.Domain != "" || w.Credential.Name != ""
}

// adding is what "allow" and "deny" have in common.
type adding struct {
	What what `arg:"" name:"network|country|as" help:"A network (192.0.2.0/24, 2001:db8::/48, or an address), a country (DE), or an autonomous system (AS64500)."`
	whose
	For     argument.Length `help:"For how long: 30m, 24h, 7d; without this or --until it never ends." placeholder:"TIME" xor:"end"`
	Until   argument.Expiry `help:"When it ends: 90d, 2027-01-31 or '2027-01-31 18:00' (in UTC), 2027-01-31T18:00:00Z, midnight (in UTC), or never." placeholder:"WHEN" xor:"end"`
	Because string          `required:"" help:"Why: clients that it refuses and the helpdesk read it." placeholder:"TEXT"`
	Shadow  bool            `help:"Record what it would deny, and deny nothing."`
	Force   bool            `help:"Add also what is hardly ever meant: the first network that is allowed for everybody or at a listener, which keeps out all others; what a wider network does already; and networks to deny that are all of IPv4 or IPv6, wider than /8 (IPv6: /19), or the machine's own."`
}

type allow struct {
	adding
	Exception bool `help:"Let these in where they would be denied, and keep out nobody else."`
}

// Help is what "access allow --help" says beside the flags.
func (*allow) Help() string {
	return "Where anything is allowed, for somebody or something, what is not allowed there is denied. With --exception it is not."
}

// Run does it.
func (cmd *allow) Run(c *call.Call) error {
	if cmd.Exception {
		return cmd.add(c, list.Except)
	}
	return cmd.add(c, list.Allow)
}

type deny struct{ adding }

// Run does it.
func (cmd *deny) Run(c *call.Call) error { return cmd.add(c, list.Deny) }

// add adds the entry with that effect.
func (cmd *adding) add(c *call.Call, effect list.Effect) error {
	w := list.Wanted{What: cmd.What.What, Effect: effect, Shadow: cmd.Shadow, Reason: cmd.Because, End: cmd.Until.Of(c.Env.Now()), Force: cmd.Force}
	if cmd.For.Duration > 0 {
		w.End = c.Env.Now().Add(cmd.For.Duration)
	}
	return c.With(func(o *call.Opened) (err error) {
		if w.For, w.Login, err = cmd.subject(o); err != nil {
			return err
		}
		if err := entrances.Useful(o.Cfg, w.For, w.What); err != nil {
			return err
		}
		e, closes, err := admin(o).Add(c.Ctx, w)
		if err != nil {
			return err
		}
		met, err := admin(o).Overlap(c.Ctx, e)
		if err != nil {
			return err
		}
		return c.Say("%s, %s: access entry %s%s", cmd.object(&e), until(&e), e.ID, notes(&e, closes, met))
	})
}

// notes says what follows from an entry beside what it says itself.
func notes(e *list.Entry, closes bool, o list.Overlap) (text string) {
	switch {
	case closes && e.End.IsZero():
		text = "; from elsewhere nobody comes in there any more"
	case closes:
		text = "; until then nobody comes in there from elsewhere, and afterwards all do again who are not denied"
	}
	if e.Shadow {
		return text
	}
	if b := o.Beside; b != nil {
		text += fmt.Sprintf("; entry %s denies exactly that, %s, and decides: this lets nobody in while that holds", b.ID, until(b))
	}
	if w := o.Within; w != nil && (w.Effect == list.Deny) != (e.Effect == list.Deny) {
		text += fmt.Sprintf("; around it entry %s decides: %s %s", w.ID, w.Effect, w.What)
	}
	if n := len(o.Otherwise); n > 0 {
		text += fmt.Sprintf("; in it %d narrower go on to decide otherwise, such as entry %s: %s %s", n, o.Otherwise[0].ID, o.Otherwise[0].Effect, o.Otherwise[0].What)
	}
	return text
}

// object names an entry, with a credential as the flags name it.
func (cmd *adding) object(e *list.Entry) string {
	text := e.Object()
	if cmd.Credential.Name != "" {
		text = strings.Replace(text, e.For.Name, cmd.Credential.Login.Key()+"/"+cmd.Credential.Name, 1)
	}
	if e.Shadow {
		text += " (shadow)"
	}
	return text
}

// admin sets and removes entries in the name of who runs the command.
func admin(o *call.Opened) *list.Admin {
	return list.NewAdmin(list.AdminOptions{Store: o.Store, IDs: &mail.IDSource{Now: o.Env.Now}, Actor: o.Env.Actor, Now: o.Env.Now})
}

// until says in words when an entry ends.
func until(e *list.Entry) string {
	if e.End.IsZero() {
		return "without an end"
	}
	return "until " + table.Stamp(e.End)
}

type remove struct {
	ID argument.ID `arg:"" help:"The entry's id, see \"access list\"."`
}

// Run does it.
func (cmd *remove) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		e, opens, err := admin(o).Remove(c.Ctx, cmd.ID.ID)
		if err != nil {
			return err
		}
		note := ""
		if opens {
			note = "; nothing is allowed there alone any more, so that all may come in who are not denied"
		}
		return c.Say("access entry %s, %s, is removed%s", e.ID, e.Object(), note)
	})
}

// finder knows places by the files of the configuration.
func finder(cfg *config.Config) (*place.Finder, error) {
	f := new(place.Finder)
	change, err := f.Prepare(entrances.Files(cfg))
	if err != nil {
		return nil, err
	}
	change.Commit()
	return f, nil
}

type entries struct {
	call.AsJSON
	whose
	All bool `help:"Also those that ended within the last 30 days."`
}

// Help is what "access list --help" says beside the flags.
func (*entries) Help() string {
	return "A flag that says whose lists those that are set for exactly that."
}

// Run does it.
func (cmd *entries) Run(c *call.Call) error {
	now := c.Env.Now()
	return c.With(func(o *call.Opened) error {
		var q list.Query
		if !cmd.All {
			q.Holding = now
		}
		if cmd.given() {
			of, _, err := cmd.subject(o)
			if err != nil {
				return err
			}
			q.For = &of
		}
		found, err := o.Store.Entries(c.Ctx, q)
		if err != nil {
			return err
		}
		return table.List(c.Stdout, cmd.JSON, shown.Each(found, shown.EntryAt(now)), heads(), cells)
	})
}

func heads() []string {
	return []string{"ID", "EFFECT", "WHAT", "FOR", "STATE", "SINCE", "UNTIL", "BY", "REASON"}
}

// cells is the row of a listing.
func cells(v shown.Entry) []string {
	effect, end := v.Effect, ""
	if v.Shadow {
		effect += ", shadow"
	}
	if v.End != nil {
		end = table.Stamp(*v.End)
	}
	return []string{string(v.ID), effect, v.What, strings.TrimSpace(fmt.Sprintf("%s %s", v.Kind, v.Name)), v.State, table.Stamp(v.Start), end, v.By, v.Reason}
}
