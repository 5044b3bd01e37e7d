package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/table"
	"countersign/internal/dkim"
	"countersign/internal/mail"
)

// domainGroup is "countersign domain".
type domainGroup struct {
	Add     domainAdd     `cmd:"" help:"Add a sender domain, with new DKIM keys, and print the records to publish."`
	List    domainList    `cmd:"" help:"List domains."`
	Show    domainShow    `cmd:"" help:"Show a domain and the DNS records to publish."`
	Set     domainSet     `cmd:"" help:"Move a domain, with its accounts, to another customer."`
	Suspend domainSuspend `cmd:"" help:"Stop all accounts and addresses of a domain."`
	Resume  domainResume  `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  domainRemove  `cmd:"" help:"Remove a domain that no account uses, with its keys."`
}

type domainAdd struct {
	Name     domainArg `arg:"" help:"The domain name."`
	Customer string    `required:"" help:"The customer that owns it." placeholder:"NAME"`
}

func (cmd *domainAdd) Run(c *call) error {
	return c.with(func(o *opened) error {
		admin, err := o.admin()
		if err != nil {
			return err
		}
		keys, err := c.env.NewKeys(c.ctx, o.cfg, o.store, cmd.Name.Domain)
		if err != nil {
			return err
		}
		if err := admin.AddDomain(c.ctx, cmd.Name.Domain, cmd.Customer, keys); err != nil {
			return err
		}
		if err := c.say("domain %s added; publish these records:\n", cmd.Name); err != nil {
			return err
		}
		return printRecords(c.stdout, records(cmd.Name.Domain, keys, o.cfg.Hostname))
	})
}

type domainSet struct {
	Name     domainArg `arg:"" help:"The domain name."`
	Customer string    `required:"" help:"The customer that shall own it." placeholder:"NAME"`
}

func (cmd *domainSet) Run(c *call) error {
	return c.administer("domain "+cmd.Name.String()+" changed", func(a *account.Admin) error {
		return a.SetDomainCustomer(c.ctx, cmd.Name.Domain, cmd.Customer)
	})
}

type domainSuspend struct {
	Name domainArg `arg:"" help:"The domain name."`
}

func (cmd *domainSuspend) Run(c *call) error {
	return c.administer("domain "+cmd.Name.String()+" suspended", func(a *account.Admin) error {
		return a.SuspendDomain(c.ctx, cmd.Name.Domain)
	})
}

type domainResume struct {
	Name domainArg `arg:"" help:"The domain name."`
}

func (cmd *domainResume) Run(c *call) error {
	return c.administer("domain "+cmd.Name.String()+" resumed", func(a *account.Admin) error {
		return a.ResumeDomain(c.ctx, cmd.Name.Domain)
	})
}

type domainRemove struct {
	Name domainArg `arg:"" help:"The domain name."`
}

func (cmd *domainRemove) Run(c *call) error {
	return c.administer("domain "+cmd.Name.String()+" removed", func(a *account.Admin) error {
		return a.RemoveDomain(c.ctx, cmd.Name.Domain)
	})
}

// domainView is a domain as it is printed.
type domainView struct {
	Name     mail.Domain   `json:"name"`
	Customer string        `json:"customer"`
	State    account.State `json:"state"`
	Created  time.Time     `json:"created"`
	// Keys and Records are set by show alone.
	Keys    []keyView    `json:"keys,omitempty"`
	Records []recordView `json:"records,omitempty"`
}

// keyView is the public side of a DKIM key.
type keyView struct {
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	Created   time.Time `json:"created"`
}

// recordView is a DNS record to publish.
type recordView struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

func viewDomain(d account.Domain) domainView {
	return domainView{Name: d.Name, Customer: d.Customer, State: d.State, Created: d.Created}
}

type domainList struct {
	Customer string `help:"Those of one customer alone." placeholder:"NAME"`
	asJSON
}

func (cmd *domainList) Run(c *call) error {
	return c.with(func(o *opened) error {
		domains, err := o.store.Domains(c.ctx, cmd.Customer)
		if err != nil {
			return missing(err, "customer "+cmd.Customer)
		}
		heads := []string{"NAME", "STATE", "CUSTOMER", "CREATED"}
		return table.List(c.stdout, cmd.JSON, views(domains, viewDomain), heads, func(v domainView) []string {
			return []string{
				v.Name.String(), string(v.State), v.Customer, table.Stamp(v.Created),
			}
		})
	})
}

type domainShow struct {
	Name domainArg `arg:"" help:"The domain name."`
	asJSON
}

func (cmd *domainShow) Run(c *call) error {
	return c.with(func(o *opened) error {
		d, err := o.store.Domain(c.ctx, cmd.Name.Domain)
		if err != nil {
			return missing(err, "domain "+cmd.Name.String())
		}
		v := viewDomain(d)
		v.Keys = views(d.Keys, func(k account.Key) keyView { return keyView{k.Selector, k.Algorithm, k.Created} })
		v.Records = records(d.Name, d.Keys, o.cfg.Hostname)
		if cmd.JSON {
			return table.JSON(c.stdout, v)
		}
		t := table.New(c.stdout)
		t.Row("domain", v.Name.String())
		if unicode := v.Name.Unicode(); unicode != v.Name.String() {
			t.Row("in letters", unicode)
		}
		t.Row("state", string(v.State))
		t.Row("customer", v.Customer)
		t.Row("created", table.Stamp(v.Created))
		for _, k := range v.Keys {
			t.Row("key", fmt.Sprintf("%s (%s, %s)", k.Selector, k.Algorithm, table.Stamp(k.Created)))
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if err := c.say("\nrecords to publish:\n"); err != nil {
			return err
		}
		return printRecords(c.stdout, v.Records)
	})
}

// records lists what to publish: the DKIM keys (RFC 6376 section 3.6), and a
// start for SPF (RFC 7208) and DMARC (RFC 7489) that turns nothing away yet.
func records(domain mail.Domain, keys []account.Key, hostname string) []recordView {
	var out []recordView
	for _, k := range keys {
		out = append(out, recordView{k.Selector + "._domainkey." + domain.String(), "TXT", k.Public})
	}
	return append(out,
		recordView{domain.String(), "TXT", "v=spf1 a:" + hostname + " ~all"},
		recordView{"_dmarc." + domain.String(), "TXT", "v=DMARC1; p=none; rua=mailto:postmaster@" + domain.String()},
	)
}

// printRecords prints records as lines of a zone file (RFC 1035 section 5.1).
func printRecords(w io.Writer, records []recordView) error {
	for _, r := range records {
		if a, ok := spfTerm(r.Value); ok {
			fmt.Fprintf(w, "; a domain has one SPF record: where there is one already, add %s to it\n", a)
		}
		_, err := fmt.Fprintln(w, dkim.Record{Name: r.Name, Value: r.Value}.ZoneLine())
		if err != nil {
			return err
		}
	}
	return nil
}

// spfTerm returns the term of an SPF record that stands for this gate.
func spfTerm(value string) (string, bool) {
	terms, ok := strings.CutPrefix(value, "v=spf1 ")
	term, _, _ := strings.Cut(terms, " ")
	return term, ok
}
