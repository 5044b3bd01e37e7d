package cli

import (
	"fmt"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/story"
	"countersign/internal/config/option"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// auditGroup is "countersign audit".
type auditGroup struct {
	Search auditSearch `cmd:"" help:"Search the record; the newest event comes last."`
	Tail   auditTail   `cmd:"" help:"Print the last events of the record, and with --follow those to come."`
}

// wanted says which events are meant; all that is given must hold.
type wanted struct {
	Account    string            `help:"Of one account; of a failed login, the name that was tried." placeholder:"LOGIN"`
	Session    argument.ID       `help:"Of one session." placeholder:"ID"`
	Submission argument.Delivery `help:"Of one submission; of ID/N, as queue list has it, all of ID." placeholder:"ID"`
	Client     argument.Network  `help:"From a client's address, or a network." placeholder:"PREFIX"`
	From       argument.Address  `help:"Of messages from one sender: acceptances." placeholder:"ADDRESS"`
	To         argument.Address  `help:"Of one recipient: deliveries, and reports to it." placeholder:"ADDRESS"`
	Kind       string            `help:"Of a kind, or of all that a pattern matches: 'delivery.*'." placeholder:"KIND"`
	Reason     string            `help:"Refused or held for a reason, as docs/refusals.md has it." placeholder:"REASON"`
	Actor      string            `help:"Done by an administrator: 'cli:root'." placeholder:"NAME"`
	Object     string            `help:"Done to an object: 'account a@example.org'." placeholder:"NAME"`
}

// query makes the query for what is wanted, at any time.
func (w *wanted) query() (audit.Query, error) {
	q := audit.Query{
		Login: loginOf(w.Account), Session: w.Session.ID, Submission: w.Submission.ID, Client: w.Client.Prefix,
		From: w.From.Address, To: w.To.Address, Kind: audit.Kind(w.Kind), Reason: w.Reason, Actor: w.Actor, Object: w.Object,
	}
	return q, w.checkWords(q)
}

// checkWords refuses a kind or reason that there is not: it would look as if nothing
// had happened.
func (w *wanted) checkWords(q audit.Query) error {
	if len(q.Kinds()) == 0 {
		return call.Usage("--kind %q matches no kind of event; docs/events.md lists them", w.Kind)
	}
	var kinds, reasons []string
	for _, m := range audit.Kinds() {
		kinds = append(kinds, string(m.Kind))
	}
	for _, r := range smtp.Reasons() {
		reasons = append(reasons, string(r))
	}
	if len(q.Kinds()) == 1 {
		if err := known("--kind", string(q.Kinds()[0]), kinds, "kind of event; docs/events.md lists them"); err != nil {
			return err
		}
	}
	return known("--reason", w.Reason, append(append(reasons, queue.HoldCertificate), queue.HoldsByChange()...), "reason; docs/refusals.md lists them")
}

// known refuses a word that is not one of words, and offers the one that may be
// meant.
func known(flag, word string, words []string, what string) error {
	if word == "" || slices.Contains(words, word) {
		return nil
	}
	if near, found := option.Nearest(word, words); found {
		return call.Usage("%s %q: did you mean %q?", flag, word, near)
	}
	return call.Usage("%s %q is no %s", flag, word, what)
}

// loginOf returns the login that a text means: an address in its one form, and
// any other text, which a client may have tried, as it is.
func loginOf(text string) string {
	if a, err := mail.ParseAddress(text); err == nil {
		return a.Key()
	}
	return text
}

// defaultPast is how far back the record is read where neither an id nor an
// account leads to what is wanted.
const defaultPast = 24 * time.Hour

// past bounds a search in time.
type past struct {
	Since argument.Time `help:"From this time on: 2026-11-20T10:00:00Z, 2026-11-20 (in UTC), or 2h for two hours ago. Without it 24 hours are looked through, unless an account or an id is searched for." placeholder:"TIME"`
	Until argument.Time `help:"Until before this time." placeholder:"TIME"`
}

// times returns both ends as of now; since is the default where none is given
// and one is needed, and bounded says so.
func (p *past) times(now time.Time, needed bool) (since, until time.Time, bounded bool) {
	since, until = p.Since.Of(now), p.Until.Of(now)
	if p.Since.IsSet() || !needed {
		return since, until, false
	}
	if until.IsZero() {
		return now.Add(-defaultPast), until, true
	}
	return until.Add(-defaultPast), until, true
}

// limited bounds the length of a listing.
type limited struct {
	Limit int `help:"The most to print; where there is more, the newest are printed." default:"100"`
}

// check refuses a limit that bounds nothing.
func (l limited) check() error {
	const most = 100_000
	if l.Limit < 1 || l.Limit > most {
		return call.Usage("--limit is from 1 to %d", most)
	}
	return nil
}

// note says on standard error why a listing may not be all.
func (l limited) note(c *call.Call, more, bounded bool) {
	switch {
	case more:
		fmt.Fprintf(c.Stderr, "there are more than the newest %d; see --limit\n", l.Limit)
	case bounded:
		fmt.Fprintln(c.Stderr, "nothing found, but only 24 hours were looked through; see --since")
	}
}

type auditSearch struct {
	wanted
	past
	limited
	JSON bool `help:"Print a JSON object in each line."`
}

// search makes the query; bounded says that it looks back for the default
// time alone. Whatever is asked for, an id, an account or a time leads to it.
func (cmd *auditSearch) search(now time.Time) (q audit.Query, bounded bool, err error) {
	q, err = cmd.query()
	if err == nil {
		err = cmd.check()
	}
	q.Since, q.Until, bounded = cmd.times(now, !q.ByID() && q.Login == "")
	q.Newest, q.Limit = true, cmd.Limit+1
	return q, bounded, err
}

func (cmd *auditSearch) Run(c *call.Call) error {
	q, bounded, err := cmd.search(c.Env.Now())
	if err != nil {
		return err
	}
	return c.With(func(o *call.Opened) error {
		events, err := o.Store.Search(c.Ctx, q)
		if err != nil {
			return err
		}
		over := len(events) - cmd.Limit
		if len(events) == 0 && !bounded {
			fmt.Fprintln(c.Stderr, "nothing matches")
		}
		cmd.note(c, over > 0, bounded && len(events) == 0)
		return story.PrintEvents(c.Stdout, cmd.JSON, events[max(over, 0):])
	})
}

type auditTail struct {
	wanted
	Lines  int  `help:"How many of the last events to print, of the last 24 hours." short:"n" default:"20"`
	Follow bool `help:"Go on with new events until interrupted." short:"f"`
	JSON   bool `help:"Print a JSON object in each line."`
}

func (cmd *auditTail) Run(c *call.Call) error {
	q, err := cmd.query()
	if err != nil {
		return err
	}
	if cmd.Lines < 0 || cmd.Lines > 100_000 {
		return call.Usage("--lines is from 0 to 100000")
	}
	ctx, stop := signal.NotifyContext(c.Ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.With(func(o *call.Opened) error {
		f := story.Follow(o.Store, q, func(events []audit.Event) error {
			return story.PrintEvents(c.Stdout, cmd.JSON, events)
		})
		if err := f.Last(ctx, cmd.Lines, c.Env.Now().Add(-defaultPast)); err != nil || !cmd.Follow {
			return err
		}
		look := time.NewTicker(time.Second)
		defer look.Stop()
		return f.Go(ctx, look.C)
	})
}
