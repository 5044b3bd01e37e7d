package rekeying

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/policy/turnover"
)

// grace is how long keys wait, beyond what it takes, until that is worth a word.
const grace = 24 * time.Hour

// mostSaid bounds the domains that are named.
const mostSaid = 5

// lateness has what does not get on in one round.
type lateness struct {
	said []string
	more int
}

// note says of a domain's keys that they have waited too long.
func (l *lateness) note(d account.Domain, now time.Time, timing turnover.Timing) {
	i := slices.IndexFunc(d.Keys, func(k account.Key) bool {
		return k.Stage == account.Waiting && now.Sub(k.Created) > timing.Settle+grace
	})
	if i >= 0 {
		l.add(fmt.Sprintf("the keys of %s wait since %s, as not all are found in DNS", d.Name, d.Keys[i].Created.UTC().Format(time.DateOnly)))
	}
}

// add adds what is to be said, "" for nothing.
func (l *lateness) add(text string) {
	switch {
	case text == "":
	case len(l.said) == mostSaid:
		l.more++
	default:
		l.said = append(l.said, text)
	}
}

// with joins it with the problem of a round.
func (l *lateness) with(problem string) string {
	all := l.said
	if problem != "" {
		all = slices.Concat([]string{problem}, all)
	}
	if l.more > 0 {
		all = slices.Concat(all, []string{fmt.Sprintf("%d domains more", l.more)})
	}
	return strings.Join(all, "; ")
}
