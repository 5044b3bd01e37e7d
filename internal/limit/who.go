package limit

import (
	"slices"
	"time"

	"countersign/internal/limit/cells"
)

// Who is who sends a message, and by which way: all that limits may be for.
type Who struct {
	// Credential is an id, Account a login; Plan decides about it, "" for none.
	Credential, Account, Plan string
	Domain, Customer          string
	// Network is as package network names it, Node is the gate's id.
	Network, Node string
}

// subjects lists what is counted, from the narrowest; "" for what there is not.
func (w *Who) subjects() [Everything + 1]Subject {
	return [...]Subject{
		{Credential, w.Credential}, {Account, w.Account}, {Domain, w.Domain}, {Customer, w.Customer},
		{Network, w.Network}, {Node, w.Node}, {Everything, ""},
	}
}

// Levels returns the subjects of a message that have limits, with these; counters are for
// who counts. rules finds the rules for exactly that subject, those that have ended may be
// among them. An account is there too where it may have a share of others' limits.
func (w *Who) Levels(rules func(Subject) []Rule, at time.Time) []Level {
	var levels []Level
	shared, account := false, -1
	for _, s := range w.subjects() {
		if s.Name == "" && s.Kind != Everything {
			continue
		}
		limits := effective(w.sources(s, rules), at)
		if s.Kind == Account {
			account = len(levels)
			levels = append(levels, Level{Subject: s, Limits: limits})
			continue
		}
		if len(limits) == 0 {
			continue
		}
		shared = shared || s.Kind > Account && slices.ContainsFunc(limits, func(l Limit) bool { return l.Share > 0 })
		levels = append(levels, Level{Subject: s, Limits: limits})
	}
	if account >= 0 && !shared && len(levels[account].Limits) == 0 {
		levels = append(levels[:account], levels[account+1:]...)
	}
	return levels
}

// sources are the rules of a subject, those that come before others first: its own, its
// plan's, and those for each of its kind.
func (w *Who) sources(s Subject, rules func(Subject) []Rule) [][]Rule {
	sources := [][]Rule{rules(s)}
	if s.Kind == Account && w.Plan != "" {
		sources = append(sources, rules(Subject{Plan, w.Plan}))
	}
	if s.Kind != Everything {
		sources = append(sources, rules(Subject{s.Kind, Each}))
	}
	return sources
}

// RuleOf returns the rule by which a subject has a limit like that one, nil for none, and
// whether there is something extra. rules is as in Levels.
func (w *Who) RuleOf(s Subject, l Limit, rules func(Subject) []Rule, at time.Time) (r *Rule, extra bool) {
	base, more := deciding(w.sources(s, rules), l.Shadow, at)
	return base[l.Measure][l.Window], more[l.Measure][l.Window] > 0
}

// effective returns the limits that hold by rules, those of the first source in place of
// those of the next; of one measure and window the one in shadow stands behind the live one.
func effective(sources [][]Rule, at time.Time) (list []Limit) {
	if !slices.ContainsFunc(sources, func(s []Rule) bool { return len(s) > 0 }) {
		return nil // so it is of most subjects
	}
	live, extra := deciding(sources, false, at)
	var shadow places
	if slices.ContainsFunc(sources, func(s []Rule) bool { return slices.ContainsFunc(s, inShadow) }) {
		shadow, _ = deciding(sources, true, at)
	}
	for m := range live {
		for w := range live[m] {
			for _, r := range [...]*Rule{live[m][w], shadow[m][w]} {
				if r != nil {
					l := r.Limit
					l.Max = cells.Plus(l.Max, extra[m][w])
					list = append(list, l)
				}
			}
		}
	}
	return slices.Clip(list)
}

func inShadow(r Rule) bool { return r.Limit.Shadow }

// places has a rule for each measure and window, nil for none.
type places [measures][windows]*Rule

// deciding returns the rule that decides about each measure and window, of those in shadow or of the
// others, and what is had on top of it. What is in shadow hides nothing that is not. It says what would
// be if it was not in shadow itself: so it is silent where an earlier source has a rule of either kind,
// which would come before it, and stands beside a live one of its own source.
func deciding(sources [][]Rule, shadow bool, at time.Time) (base places, extra [measures][windows]int64) {
	var hidden [measures][windows]bool
	for _, source := range sources {
		if len(source) == 0 {
			continue
		}
		var own places
		var live [measures][windows]bool
		for i := range source {
			r := &source[i]
			m, w := r.Limit.Measure, r.Limit.Window
			switch {
			case !r.Holds(at):
			case r.Extra:
				extra[m][w] = cells.Plus(extra[m][w], r.Limit.Max)
			case r.Limit.Shadow != shadow:
				live[m][w] = live[m][w] || !r.Limit.Shadow
			case own[m][w] == nil || r.Temporary() && !own[m][w].Temporary():
				own[m][w] = r
			}
		}
		for m := range own {
			for w, r := range own[m] {
				if base[m][w] == nil && !hidden[m][w] {
					base[m][w] = r
				}
				hidden[m][w] = hidden[m][w] || live[m][w]
			}
		}
	}
	return base, extra
}

// OfStore returns those of the levels that have limits by which a store judges messages, with these
// alone, and the accounts that may have a share of such: none of connections, nor of what is Passing.
func OfStore(levels []Level) (list []Level) {
	return sharing(levels, func(l *Limit) bool { return l.Measure != Connections && !l.Window.Passing() })
}

// Failing returns those of the levels that have limits of recipients that fail, with these alone, and
// the accounts that may have a share of such.
func Failing(levels []Level) (list []Level) {
	return append([]Level(nil), sharing(levels, func(l *Limit) bool { return l.Measure.fails() })...)
}

// sharing is only with the accounts besides that may have a share of what is wanted.
func sharing(levels []Level, wanted func(*Limit) bool) (list []Level) {
	shared := false
	list = make([]Level, 0, len(levels))
	for _, l := range levels {
		l.Limits = kept(l.Limits, wanted)
		shared = shared || slices.ContainsFunc(l.Limits, func(k Limit) bool { return k.Share > 0 })
		list = append(list, l)
	}
	return slices.DeleteFunc(list, func(l Level) bool { return len(l.Limits) == 0 && (l.Subject.Kind != Account || !shared) })
}

// OfPassing returns those of the levels that have limits of one message or connection, with these
// alone.
func OfPassing(levels []Level) (list []Level) {
	return only(levels, func(l *Limit) bool { return l.Window.Passing() })
}

// Only returns those of the levels that have limits of a measure, with these alone.
func Only(levels []Level, m Measure) (list []Level) {
	return only(levels, func(l *Limit) bool { return l.Measure == m })
}

func only(levels []Level, is func(*Limit) bool) (list []Level) {
	for _, l := range levels {
		if l.Limits = kept(l.Limits, is); len(l.Limits) > 0 {
			list = append(list, l)
		}
	}
	return list
}

// kept returns those of a list of limits that are wanted: itself where that is all of them.
func kept(list []Limit, wanted func(*Limit) bool) (part []Limit) {
	n := 0
	for i := range list {
		if wanted(&list[i]) {
			n++
		}
	}
	switch n {
	case len(list):
		return list
	case 0:
		return nil
	}
	part = make([]Limit, 0, n)
	for i := range list {
		if wanted(&list[i]) {
			part = append(part, list[i])
		}
	}
	return part
}
