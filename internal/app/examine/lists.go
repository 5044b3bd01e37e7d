package examine

import (
	"context"
	"net/netip"
	"time"

	"countersign/internal/access/list"
	listbook "countersign/internal/access/list/book"
	"countersign/internal/access/place"
	"countersign/internal/account"
	"countersign/internal/app/entrances"
	"countersign/internal/config"
	"countersign/internal/feed"
	"countersign/internal/login"
	"countersign/internal/submission/visit"
)

// lists are the access lists of a store, with the places of a configuration.
type lists struct {
	book   *listbook.Book
	places *place.Finder
}

// readLists reads them. Errors are those of the store, and of the files.
func readLists(ctx context.Context, cfg *config.Config, store list.Store) (*lists, error) {
	l := &lists{listbook.New(time.Now), new(place.Finder)}
	change, err := l.places.Prepare(entrances.Files(cfg))
	if err != nil {
		return nil, err
	}
	change.Commit()
	return l, listbook.Follow(store, l.book, feed.Options{}).Load(ctx)
}

// denied is login.Options.Denied.
func (l *lists) denied(a *login.Attempt, p *account.Principal) string {
	if d := l.decide(a.Client, visit.Who(a.Listener, p.Sender, &p.Credential)); d.Denied {
		return d.Rule()
	}
	return ""
}

func (l *lists) decide(client netip.Addr, who list.Who) list.Decision {
	return l.book.Decide(list.Question{Who: who, Place: l.places.Place(client)})
}

// about says by which entry an account is denied there, whatever it proves itself by; "" for
// none, and for no account.
func (l *lists) about(a *login.Attempt, s *account.Sender) string {
	if s == nil {
		return ""
	}
	d := l.decide(a.Client, visit.Who(a.Listener, s, new(account.Credential)))
	switch {
	case !d.Denied:
		return ""
	case d.Entry == nil:
		return "from here nobody is allowed in: " + d.Rule() + "; see \"countersign access show\""
	}
	return d.Rule() + " refuses it: " + d.Entry.Reason + "; \"countersign access remove " + string(d.Entry.ID) + "\" ends it"
}
