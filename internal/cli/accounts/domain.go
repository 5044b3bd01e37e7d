package accounts

import (
	"fmt"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/app/aligning"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/rounds"
	"countersign/internal/shown"
)

// domainGroup is "countersign domain".
type domainGroup struct {
	Add     domainAdd                    `cmd:"" help:"Add a sender domain, with new DKIM keys, and print the records to publish."`
	List    domainList                   `cmd:"" help:"List domains."`
	Show    domainShow                   `cmd:"" help:"Show a domain and the DNS records to publish."`
	Set     domainSet                    `cmd:"" help:"Say what is done about mail of a domain that will fail DMARC, or move it, with its accounts, to another customer."`
	Rekey   domainRekey                  `cmd:"" help:"Give a domain new DKIM keys, which sign as soon as their records are published."`
	Zone    domainZone                   `cmd:"" help:"Print the records of all domains that have delegated their selectors, for the zone of rekey.delegate."`
	Suspend act[domainName, mail.Domain] `cmd:"" help:"Stop all accounts and addresses of a domain."`
	Resume  act[domainName, mail.Domain] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  act[domainName, mail.Domain] `cmd:"" help:"Remove a domain that no account uses, with its keys."`
}

type domainAdd struct {
	domainName
	Customer string `required:"" help:"The customer that owns it." placeholder:"NAME"`
}

func (cmd *domainAdd) Run(c *call.Call) error {
	return c.Creating().Needing("hostname", "dkim.key_file", "delivery", "alignment", "rekey").With(func(o *call.Opened) error {
		by := o.Admin()
		keys, err := c.Env.NewKeys(c.Ctx, o.Cfg, o.Store, account.Domain{Name: cmd.Name.Domain}, false)
		if err != nil {
			return err
		}
		if err := by.AddDomain(c.Ctx, cmd.Name.Domain, cmd.Customer, keys); err != nil {
			return err
		}
		if err := c.Say("%s added; publish these records:\n", cmd); err != nil {
			return err
		}
		list, err := records(cmd.Name.Domain, keys, o.Cfg)
		if err != nil {
			return err
		}
		return printRecords(c.Stdout, list)
	})
}

type domainSet struct {
	domainName
	Customer  string              `help:"The customer that shall own it." placeholder:"NAME" xor:"what" required:""`
	Alignment *argument.Alignment `help:"What is done about messages with it in From that will fail DMARC at their receivers: warn, hold, refuse or off; default leaves it to the configuration." placeholder:"ACTION" xor:"what" required:""`
}

func (cmd *domainSet) Run(c *call.Call) error {
	if cmd.Alignment != nil {
		return cmd.align(c, cmd.Alignment.Alignment)
	}
	return c.Administer(cmd.String()+" changed", func(a *admin.Admin) error {
		return a.SetDomainCustomer(c.Ctx, cmd.Name.Domain, cmd.Customer)
	})
}

// align has another thing done about mail that will fail, and says so where that may be nothing.
func (cmd *domainSet) align(c *call.Call, to account.Alignment) error {
	return c.With(func(o *call.Opened) error {
		if err := o.Admin().SetDomainAlignment(c.Ctx, cmd.Name.Domain, to); err != nil {
			return err
		}
		if err := c.Say("%s changed", cmd); err != nil {
			return err
		}
		look, err := o.Store.LookAt(c.Ctx, cmd.Name.Domain)
		if err != nil {
			return err
		}
		if note := only(to, cmd.Name.Domain, shown.LookOf(look)); note != "" {
			return c.Say("note: %s", note)
		}
		return nil
	})
}

// only says which mail is held or refused, "" where the last look at the domain found that it is any
// that will fail.
func only(to account.Alignment, domain mail.Domain, last *shown.Look) string {
	if to != account.AlignmentHold && to != account.AlignmentRefuse {
		return ""
	}
	rule := fmt.Sprintf("to %s mail takes a DMARC policy of quarantine or reject; ", to)
	switch {
	case last == nil || last.Verdict == alignment.Unknown && last.Policy == dmarc.Nothing:
		return rule + fmt.Sprintf("otherwise it is accepted with a warning: countersign doctor %s says which policy there is", domain)
	case last.Policy == dmarc.Nothing:
		return rule + fmt.Sprintf("%s had none at %s, and until it has one its mail is accepted with a warning", domain, table.Stamp(last.At))
	case last.Policy == dmarc.None:
		return rule + fmt.Sprintf("that of %s was none at %s, and until it has another its mail is accepted with a warning", domain, table.Stamp(last.At))
	}
	return ""
}

// domainView is a domain as it is printed.
type domainView struct {
	Name     mail.Domain `json:"name"`
	Customer string      `json:"customer"`
	standing
	// Alignment is what is done about mail that will fail DMARC, "default" for what the
	// configuration says.
	Alignment string    `json:"alignment"`
	Created   time.Time `json:"created"`
	// Action is what that comes to; set by show alone.
	Action string `json:"alignment_action,omitempty"`
	// LastLook is what the regular look at it found last.
	LastLook *shown.Look `json:"last_look,omitempty"`
	// Keys and Records are set by show alone.
	Keys    []keyView    `json:"keys,omitempty"`
	Records []recordView `json:"records,omitempty"`
}

// keyView is the public side of a DKIM key.
type keyView struct {
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	Created   time.Time `json:"created"`
	// Stage is what it does: signing, waiting or past.
	Stage string `json:"stage"`
	// Since is when a waiting key was first found in DNS, and when a past one stopped to sign.
	Since *time.Time `json:"since,omitempty"`
}

// recordView is a DNS record to publish.
type recordView struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

func viewDomain(d account.Domain, l rounds.Look) domainView {
	return domainView{
		Name: d.Name, Customer: d.Customer, standing: standing{State: d.State}, Alignment: d.Alignment.String(), Created: d.Created,
		LastLook: shown.LookOf(l),
	}
}

type domainList struct {
	Customer string `help:"Those of one customer alone." placeholder:"NAME"`
	call.AsJSON
}

func (cmd *domainList) Run(c *call.Call) error {
	cells := func(v domainView) []string {
		found := ""
		if v.LastLook != nil {
			found = string(v.LastLook.Verdict)
		}
		return []string{v.Name.String(), string(v.State), v.Customer, found, table.Stamp(v.Created)}
	}
	heads := []string{"NAME", "STATE", "CUSTOMER", "DMARC", "CREATED"}
	var looks map[mail.Domain]rounds.Look
	view := func(d account.Domain) domainView { return viewDomain(d, looks[d.Name]) }
	return call.List(c, cmd.AsJSON, heads, view, cells, func(s call.Store) ([]account.Domain, error) {
		domains, err := s.Domains(c.Ctx, account.DomainsOf(cmd.Customer))
		if err != nil {
			return nil, call.Missing(err, "customer "+cmd.Customer)
		}
		looks, err = rounds.ByDomain(c.Ctx, s, cmd.Customer)
		return domains, err
	})
}

type domainShow struct {
	domainName
	call.AsJSON
}

func (cmd *domainShow) Run(c *call.Call) error {
	return c.Needing("hostname", "delivery", "alignment", "rekey").With(func(o *call.Opened) error {
		d, err := o.Store.Domain(c.Ctx, cmd.Name.Domain)
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		above, err := suspendedCustomer(c.Ctx, o.Store, d.Customer)
		if err != nil {
			return err
		}
		look, err := o.Store.LookAt(c.Ctx, d.Name)
		if err != nil {
			return err
		}
		v := viewDomain(d, look)
		v.standing = v.under(above)
		if v.Action = string(aligning.Rules(o.Cfg).For(d.Name, string(d.Alignment))); v.Action == "" {
			v.Action = string(account.AlignmentOff)
		}
		v.Keys = shown.Each(d.Keys, viewKey)
		v.Records, err = records(d.Name, d.Keys, o.Cfg)
		if err != nil {
			return err
		}
		if err := c.Show(cmd.AsJSON, v); err != nil || cmd.JSON {
			return err
		}
		if err := c.Say("\nrecords to publish:\n"); err != nil {
			return err
		}
		return printRecords(c.Stdout, v.Records)
	})
}

func (v domainView) Details(t table.Table) {
	t.Row("domain", v.Name.String())
	if unicode := v.Name.Unicode(); unicode != v.Name.String() {
		t.Row("in letters", unicode)
	}
	t.Row("state", v.standing.String())
	t.Row("customer", v.Customer)
	if v.Alignment == account.AlignmentDefault {
		t.Row("alignment", v.Action+", as the configuration says")
	} else {
		t.Row("alignment", v.Action)
	}
	if v.LastLook != nil {
		t.Row("last look", v.LastLook.Text())
	}
	t.Row("created", table.Stamp(v.Created))
	for _, k := range v.Keys {
		t.Row("key", fmt.Sprintf("%s (%s, %s)%s", k.Selector, k.Algorithm, table.Stamp(k.Created), k.standing()))
	}
}
