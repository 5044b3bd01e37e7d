package rekeying

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/policy/turnover"
)

// grace is how long keys wait, beyond what it takes, until that is worth a word.
const grace = 24 * time.Hour

// mostSaid bounds the domains that are named.
const mostSaid = 5

// lateness has what does not get on in one round. It is safe for concurrent use.
type lateness struct {
	mu sync.Mutex // guards what follows
	// problem is what failed, the first alone.
	problem string
	// said is what waits, in the order of the alphabet.
	said []string
}

// fail notes what failed.
func (l *lateness) fail(problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.problem == "" {
		l.problem = problem
	}
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
	if text == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, text)
}

// text joins it with the problem of a round.
func (l *lateness) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	if l.problem != "" {
		all = append(all, l.problem)
	}
	slices.Sort(l.said) // whichever was found first
	named := min(len(l.said), mostSaid)
	all = append(all, l.said[:named]...)
	if more := len(l.said) - named; more > 0 {
		all = append(all, fmt.Sprintf("%d domains more", more))
	}
	return strings.Join(all, "; ")
}
