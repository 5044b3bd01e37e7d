package alike

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"countersign/internal/login/shape"
)

const (
	// maxNames is of how many names it is known what they showed last.
	maxNames = 10_000
	// hasty is how soon after a challenge another salt is no new password, as a rule.
	hasty = 10 * time.Second
	// several is how many names must have shown another salt so soon, within an hour, before
	// salts are believed to be new each time; single is how often one name must have,
	// within a minute.
	several, single = 3, 3
)

// names are what a directory has shown for names lately. They are not safe for concurrent
// use.
type names struct {
	each map[[sha256.Size]byte]*shown
	// order has the names as they came, the next to be forgotten at next.
	order [][sha256.Size]byte
	next  int
	// renewed are the latest names that have shown another salt soon.
	renewed []renewal
}

// shown is what a name has shown last.
type shown struct {
	salt       []byte
	iterations int
	at         time.Time
	// stays says that it was the same the time before. row counts in how many challenges in
	// a row it was another one, since began.
	stays bool
	row   int
	began time.Time
}

// renewal is a name that has shown another salt of a shape soon after the one before.
type renewal struct {
	name  [sha256.Size]byte
	shape shape.Shape
	at    time.Time
}

// hint is what a challenge tells of salts.
type hint uint8

const (
	// unsure: it may be a new password.
	unsure hint = iota
	// stay: the salt is that of before.
	stay
	// change: this name's is another one each time.
	change
	// renew: those of several names are.
	renew
)

// of returns what a name has shown last. The salt is not to be changed.
func (n *names) of(login string) (shown, bool) {
	have := n.each[sha256.Sum256([]byte(login))]
	if have == nil {
		return shown{}, false
	}
	return *have, true
}

// see notes the salt of a name.
func (n *names) see(login string, salt []byte, s shape.Shape, now time.Time) hint {
	name := sha256.Sum256([]byte(login))
	have := n.each[name]
	if have == nil {
		n.add(name, &shown{salt: salt, iterations: s.Iterations, at: now})
		return unsure
	}
	soon := now.Sub(have.at) <= hasty
	same := bytes.Equal(have.salt, salt)
	if have.row == 0 {
		have.began = have.at
	}
	have.salt, have.iterations, have.at, have.stays = salt, s.Iterations, now, same
	if same {
		have.row = 0
		return stay
	}
	have.row++
	switch {
	case soon && n.renews(renewal{name, s, now}):
		return renew
	case have.row >= single && now.Sub(have.began) <= time.Minute:
		return change
	}
	return unsure
}

// renews notes a name that has shown another salt soon, and reports whether several have.
func (n *names) renews(r renewal) bool {
	n.renewed = slices.DeleteFunc(n.renewed, func(o renewal) bool {
		return o.name == r.name && o.shape == r.shape || r.at.Sub(o.at) > time.Hour
	})
	if len(n.renewed) == several*shape.Most {
		n.renewed = slices.Delete(n.renewed, 0, 1)
	}
	n.renewed = append(n.renewed, r)
	count := 0
	for _, o := range n.renewed {
		if o.shape == r.shape {
			count++
		}
	}
	return count >= several
}

// add keeps a name in place of the one that came first, where there is no room.
func (n *names) add(name [sha256.Size]byte, s *shown) {
	if n.each == nil {
		n.each = map[[sha256.Size]byte]*shown{}
	}
	n.each[name] = s
	if len(n.order) < maxNames {
		n.order = append(n.order, name)
		return
	}
	delete(n.each, n.order[n.next])
	n.order[n.next] = name
	n.next = (n.next + 1) % maxNames
}
