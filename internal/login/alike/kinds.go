package alike

import (
	"context"
	"slices"
	"sync"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/login/shape"
)

const (
	// readAgain is how long after the kinds of a directory were read they are again: so much
	// later a gate knows what was learned at another one.
	readAgain = 10 * time.Second
	// keepKind is how long a kind is known that was learned here, as long as the store has it.
	keepKind = 7 * 24 * time.Hour
)

// Hashes are what an operator has said of the hashes of directories, and who is told of those of
// which failures do not cost as much.
type Hashes struct {
	// Said are what the hashes of a directory cost, by its name, for who has said all kinds of
	// them: 8 at most. Each failure in its domains costs as much from the first one on, whatever
	// they come to. The rest is learned as people log in.
	Said map[string][]hash.Cost
	// Unsaid is told each kind of hash that a directory answers with and that was not said of it,
	// once, and 8 of each directory at most: nobody is told of those of which nothing was said. Whoever asked, and
	// by which password, tells nothing. TooCostly is told the first hash of each directory that
	// somebody has logged in with and that costs too much beside the others. nil for nobody; both
	// must be quick.
	Unsaid, TooCostly func(directory string, c hash.Cost)
}

// maxUnsaid is how many kinds of a directory Unsaid is told.
const maxUnsaid = 8

// Kinds are the costs of the hashes that directories answer with, so that a login that one
// does not know can cost as much as one that it knows: those that were said, and those that were learned, which
// are kept in the store, for all gates and for the time after a restart. It is safe for concurrent use.
type Kinds struct {
	most   time.Duration
	fronts *Fronts
	hashes Hashes

	mu sync.Mutex // guards what follows
	// of is what is known of each directory.
	of map[string]*known
}

// known are the kinds of one directory.
type known struct {
	// said are those that were said beforehand, unsaid those of which somebody was told.
	said, unsaid []hash.Cost
	// stored are those that the store had when it was read.
	stored []hash.Cost
	read   time.Time
	// learned are those that were learned here, with when they were seen last: the store has them a
	// little later, or not, where there is no room.
	learned []kind
	// over says that some kind was too much.
	over bool
}

// kind is a cost that was seen last at some time.
type kind struct {
	cost hash.Cost
	seen time.Time
}

// NewKinds returns Kinds that know what hashes says and what the store of fronts has, whose Run keeps what they
// learn. What is learned of one directory costs most at most, with what was said, by hash.Cost.Estimate: whoever
// writes its hashes decides what each failure costs the gate.
func NewKinds(most time.Duration, fronts *Fronts, hashes Hashes) *Kinds {
	return &Kinds{most: most, fronts: fronts, hashes: hashes, of: map[string]*known{}}
}

// Meet notes that a directory has answered with a hash of that cost, whether or not somebody knows its
// password.
func (k *Kinds) Meet(directory string, c hash.Cost) {
	k.mu.Lock()
	o := k.at(directory)
	unsaid := len(o.said) > 0 && len(o.unsaid) < maxUnsaid && !slices.Contains(o.said, c) && !slices.Contains(o.unsaid, c)
	if unsaid {
		o.unsaid = append(o.unsaid, c)
	}
	k.mu.Unlock()
	if unsaid && k.hashes.Unsaid != nil {
		k.hashes.Unsaid(directory, c)
	}
}

// Learn notes that somebody has logged in with a hash of a directory, of that cost, unless that was
// said. What is too much beside the others is not noted, and told of where it is the first of that directory.
func (k *Kinds) Learn(directory string, c hash.Cost) {
	if k.learn(directory, c) && k.hashes.TooCostly != nil {
		k.hashes.TooCostly(directory, c)
	}
}

// learn is Learn, and reports whether this is the first time that something of a directory is too much.
func (k *Kinds) learn(directory string, c hash.Cost) (over bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.at(directory)
	if c == (hash.Cost{}) || slices.Contains(o.said, c) {
		return false
	}
	sum := c.Estimate()
	for _, each := range k.list(o) {
		if each != c {
			sum += each.Estimate()
		}
	}
	if sum > k.most {
		over = !o.over
		o.over = true
		return over
	}
	o.learned = slices.DeleteFunc(o.learned, func(each kind) bool { return each.cost == c })
	o.learned = append(o.learned, kind{c, k.fronts.now()})
	k.fronts.Of(directory, shape.Hashes).keepCost(c)
	return false
}

// Of returns the costs of a directory's hashes, as far as they are known. Where the store cannot be
// read, that is what was known before.
func (k *Kinds) Of(ctx context.Context, directory string) []hash.Cost {
	k.mu.Lock()
	o := k.at(directory)
	if since := k.fronts.now().Sub(o.read); since >= 0 && since < readAgain {
		defer k.mu.Unlock()
		return k.list(o)
	}
	k.mu.Unlock()
	list, err := k.fronts.store.Shapes(ctx, shape.Place{Directory: directory, Mechanism: shape.Hashes})
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		o.stored, o.read = nil, k.fronts.now()
		for _, s := range list {
			if c, err := hash.ParseCost(string(s.Kind)); err == nil && c != (hash.Cost{}) {
				o.stored = append(o.stored, c)
			}
		}
	}
	return k.list(o)
}

// at returns what is known of a directory. The caller has locked k.
func (k *Kinds) at(directory string) *known {
	o := k.of[directory]
	if o == nil {
		o = &known{said: k.hashes.Said[directory]}
		k.of[directory] = o
	}
	return o
}

// list returns the costs of a directory, each once: those that were said, and of the others as far as all together
// are not too much, as two gates may have learned one each. The caller has locked k.
func (k *Kinds) list(o *known) (costs []hash.Cost) {
	o.learned = slices.DeleteFunc(o.learned, func(each kind) bool { return k.fronts.now().Sub(each.seen) > keepKind })
	all := slices.Concat(o.said, o.stored)
	for _, each := range o.learned {
		all = append(all, each.cost)
	}
	sum := time.Duration(0)
	for i, c := range all {
		if !slices.Contains(all[:i], c) && (i < len(o.said) || sum+c.Estimate() <= k.most) {
			costs = append(costs, c)
			sum += c.Estimate()
		}
	}
	return costs
}

// keepCost has the cost of a hash of the directory kept, seldom.
func (f *Front) keepCost(c hash.Cost) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(shape.OfCost(c.String()))
}
