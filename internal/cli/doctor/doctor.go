// Package doctor is "countersign doctor": it looks a domain up as receivers do, and
// prints what is right, what is wrong, and what to publish.
//
// Package policy/alignment finds it out; here it gets words and a table.
//
// Main types: Command.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/app/aligning"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/dmarc"
	"countersign/internal/shown"
)

// Command is "countersign doctor".
type Command struct {
	Domain   argument.Domain `arg:"" help:"The sender domain."`
	MailFrom argument.Domain `help:"The domain of MAIL FROM, where that is another one." placeholder:"DOMAIN"`
	call.AsJSON
}

// Help is what "doctor --help" says beside the flags.
func (*Command) Help() string {
	return "Its DNS is looked up as the servers of recipients do: are the DKIM keys published, does SPF allow the addresses of " +
		"this gate (alignment.addresses), is either aligned with the domain, and what does its DMARC policy ask for. What is found of an active domain is kept as its last look, which listings show; nothing else is changed. " +
		"Where the regular look of the gates found something else last, that is shown too. " +
		"The exit status is 1 where mail will fail, or where that cannot be found out."
}

// view is a shown.Alignment that can be printed.
type view struct {
	shown.Alignment
	// LastLook is what the regular look at the domain found last.
	LastLook *shown.Look `json:"last_look,omitempty"`
}

// atMost bounds the look.
const atMost = 30 * time.Second

// Run does it.
func (cmd *Command) Run(c *call.Call) error {
	return c.Needing("hostname", "dns", "dkim", "delivery", "alignment", "rekey").With(func(o *call.Opened) error {
		d, err := o.Store.Domain(c.Ctx, cmd.Domain.Domain)
		if err != nil {
			return call.Missing(err, "domain "+cmd.Domain.String())
		}
		judge, err := aligning.Judge(o.Cfg)
		if err != nil {
			return err
		}
		var keys []account.Key
		if o.Cfg.DKIM.Sign {
			keys = slices.DeleteFunc(d.Keys, func(k account.Key) bool { return k.Stage != account.Signing })
		}
		q := aligning.Question(d.Name, keys)
		if cmd.MailFrom.Domain != "" {
			q.MailFrom = cmd.MailFrom.Domain
		}
		renewal := aligning.Renewal{Store: o.Store, Every: o.Cfg.Alignment.CheckEvery.Std(), Actor: c.Env.Actor, Began: c.Env.Now(), Now: c.Env.Now}
		ctx, cancel := context.WithTimeout(c.Ctx, atMost)
		defer cancel()
		a := judge.Assess(ctx, q)
		last, err := o.Store.LookAt(c.Ctx, d.Name)
		if err != nil {
			return err
		}
		if err := cmd.print(c, a, shown.LookOf(last)); err != nil {
			return err
		}
		if err := renewal.Keep(c.Ctx, d, a); err != nil { // what was found stands all the same
			fmt.Fprintf(c.Stderr, "warning: what was found could not be kept as the last look, which listings show: %v\n", err)
		}
		switch a.Verdict {
		case alignment.Pass:
			return nil
		case alignment.WillFail:
			return fault.New("cli.doctor", fault.Denied, "mail of %s will fail DMARC", d.Name)
		}
		return fault.New("cli.doctor", fault.Unavailable, "whether mail of %s passes DMARC could not be found out", d.Name)
	})
}

// print shows an assessment; the records, as lines of a zone file (RFC 1035 section 5.1), at
// its end.
func (cmd *Command) print(c *call.Call, a alignment.Assessment, last *shown.Look) error {
	if last != nil && !cmd.JSON && last.Verdict == a.Verdict && last.Reason == a.Reason() {
		last = nil // it says nothing new
	}
	if err := c.Show(cmd.AsJSON, view{shown.AlignmentOf(a), last}); err != nil || cmd.JSON || len(a.Publish) == 0 {
		return err
	}
	if err := c.Say("\nrecords to publish, in place of what is there:\n"); err != nil {
		return err
	}
	for _, r := range a.Publish {
		if err := c.Say("%s", r.ZoneLine()); err != nil {
			return err
		}
	}
	return nil
}

// Details implements what call.Show prints.
func (v view) Details(t table.Table) {
	t.Row("domain", v.Domain.String())
	t.Row("DMARC", word(v.Verdict), map[alignment.Verdict]string{
		alignment.Pass: "mail passes", alignment.WillFail: "mail will fail", alignment.Unknown: "whether mail passes is not known",
	}[v.Verdict])
	mark, asks := "", "the domain asks for nothing"
	switch {
	case v.PolicyUnknown:
		mark, asks = word(alignment.Unknown), "what the domain asks for is not known"
	case v.Policy != dmarc.Nothing:
		asks = fmt.Sprintf("the domain asks for %s of mail that fails", v.Policy)
	}
	t.Row("policy", mark, asks)
	for _, l := range []struct {
		name string
		leg  shown.Leg
	}{{"DKIM", v.DKIM}, {"SPF", v.SPF}} {
		if len(l.leg.Reasons) == 0 {
			t.Row(l.name, word(l.leg.Verdict), "as it should be")
		}
		for i, reason := range l.leg.Reasons {
			mark := word(l.leg.Verdict)
			if i > 0 {
				mark = ""
			}
			t.Row(l.name, mark, reason)
		}
	}
	for _, n := range v.Notes {
		t.Row("note", "", n)
	}
	if v.LastLook != nil {
		t.Row("last look", word(v.LastLook.Verdict), v.LastLook.Text())
	}
}

// word marks a row.
func word(v alignment.Verdict) string {
	return map[alignment.Verdict]string{alignment.Pass: "ok", alignment.WillFail: "NO", alignment.Unknown: "?"}[v]
}
