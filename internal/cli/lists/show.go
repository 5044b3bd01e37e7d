package lists

import (
	"cmp"
	"net/netip"
	"strconv"

	"countersign/internal/access/list"
	"countersign/internal/access/list/answer"
	"countersign/internal/access/list/book"
	"countersign/internal/app/entrances"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/submission/visit"
)

type show struct {
	call.AsJSON
	Address  string           `arg:"" help:"The address of a client."`
	As       argument.Address `help:"Who the client logs in as." placeholder:"LOGIN"`
	By       string           `help:"By which credential of that login; its password where this is not given." placeholder:"NAME" default:"password"`
	Listener string           `help:"At the listener of this name." placeholder:"NAME"`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	client, err := netip.ParseAddr(cmd.Address)
	if err != nil {
		return call.Usage("%q is not an address: write 192.0.2.1 or 2001:db8::1", cmd.Address)
	}
	return c.With(func(o *call.Opened) error {
		if err := entrances.Listener(o.Cfg, cmd.Listener); err != nil {
			return err
		}
		places, err := finder(o.Cfg)
		if err != nil {
			return err
		}
		entries, err := o.Store.Entries(c.Ctx, list.Query{Holding: c.Env.Now()})
		if err != nil {
			return err
		}
		who, err := cmd.who(o)
		if err != nil {
			return err
		}
		b := book.New(c.Env.Now)
		b.Replace(entries)
		a := answer.Of(b, list.Question{Who: who, Place: places.Place(client)})
		if cmd.JSON {
			return table.JSON(c.Stdout, a)
		}
		return say(c, &a)
	})
}

// who is the client that the flags name.
func (cmd *show) who(o *call.Opened) (list.Who, error) {
	if cmd.As.Domain == "" {
		return list.Who{Listener: cmd.Listener}, nil
	}
	login := cmd.As.Key()
	s, err := o.Store.Sender(o.Ctx, login)
	if err != nil {
		return list.Who{}, call.Missing(err, "account "+login)
	}
	for i := range s.Account.Credentials {
		if credential := &s.Account.Credentials[i]; credential.Name == cmd.By {
			return visit.Who(cmd.Listener, s, credential), nil
		}
	}
	return list.Who{}, fault.New("cli.access", fault.NotFound, "account %s has no credential %q; see \"countersign credential list %s\"", login, cmd.By, login)
}

// say says it in words.
func say(c *call.Call, a *answer.Answer) error {
	system := "no autonomous system that is known"
	if a.AS != 0 {
		system = "AS" + strconv.FormatUint(uint64(a.AS), 10)
	}
	if err := c.Say("%s is in %s and in %s", a.Client, cmp.Or(a.Country, "no country that is known"), system); err != nil {
		return err
	}
	lines := []string{map[string]string{
		"open": "it may come in: nothing is said of it", "allowed": "it may come in, by: " + a.Rule, "denied": "it is denied, by: " + a.Rule,
	}[a.Outcome]}
	if a.Entry != "" {
		lines[0] += " (" + a.Reason + "; entry " + string(a.Entry) + ")"
	}
	switch {
	case a.Greeting:
		lines = append(lines, "it is refused in place of the greeting, whoever it is")
	case a.Outcome == "denied":
		lines = append(lines, "it is greeted, and refused at its login")
	}
	if a.Shadow != "" {
		lines = append(lines, "were that not in shadow mode, it would be denied, by: "+a.Shadow)
	}
	for _, line := range lines {
		if err := c.Say("%s", line); err != nil {
			return err
		}
	}
	return nil
}
