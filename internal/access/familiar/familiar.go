// Package familiar is from which networks logins have come in lately, and by which devices, in memory and within bounds:
// nobody who has a password can push out what is known of others, nor the networks that its owner
// has used before.
//
// It decides nothing, and does not store: package guard does both.
//
// Main types: Networks, Use.
package familiar

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"time"
)

// Again is how much later another visit is to be stored.
const Again = 24 * time.Hour

// The leading bits of networks of IPv6: of what a customer can have, and of what one has as a rule.
const (
	WideIPv6   = 48
	NarrowIPv6 = 64
)

// Each is from how many networks one login is known: so nobody who has a password
// can push out what is known of others.
const Each = 32

// Networks are those that logins have come in from. They hold keyed hashes alone. Not safe for
// concurrent use.
type Networks struct {
	seed maphash.Seed
	// keep is for how long a visit counts, most how many are kept in all.
	keep time.Duration
	most int
	// of has the visits of each login.
	of map[uint64][]visit
	// logins counts those that are known in a network.
	logins map[uint64]int
	total  int
}

// EachWide is how many of Each may be narrow networks of one wide network.
const EachWide = 4

// visit is when a login came in from a network.
type visit struct {
	// wide is the wide network of a narrow one of IPv6; 0 for others.
	network, wide uint64
	// first and at are the first time and the last one, and stored is which of them was last to be
	// stored, in seconds since 1970.
	first, at, stored int64
	// devices are those that it was by, the last one first, and those of 0 at the end.
	devices [EachDevice]Use
	// hidden says that it is not stored, told how many new devices were since it was.
	hidden bool
	told   uint8
}

// visit returns that of a login from a network, nil for none.
func (k *Networks) visit(login string, p netip.Prefix) *visit {
	network, list := k.network(p), k.of[k.login(login)]
	i := slices.IndexFunc(list, func(v visit) bool { return v.network == network })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// lasting says that it has come on several days.
func (v visit) lasting() bool { return v.at-v.first >= int64(Again/time.Second) }

// New returns Networks in which a visit counts for keep; most, or Each if that is more, are kept in all.
func New(keep time.Duration, most int) *Networks {
	return &Networks{seed: maphash.MakeSeed(), keep: keep, most: max(most, Each), of: map[uint64][]visit{}, logins: map[uint64]int{}}
}

func (k *Networks) login(name string) uint64 { return maphash.String(k.seed, name) }

func (k *Networks) network(p netip.Prefix) uint64 { return maphash.Comparable(k.seed, p) }

// Last returns when a login came in from a network, in seconds since 1970; 0 for never, or
// too long ago.
func (k *Networks) Last(login string, p netip.Prefix, now time.Time) int64 {
	network := k.network(p)
	for _, v := range k.of[k.login(login)] {
		if v.network == network && v.at > now.Add(-k.keep).Unix() {
			return v.at
		}
	}
	return 0
}

// In counts the logins that are known in a network. It may count some whose visit is a
// little too long ago.
func (k *Networks) In(p netip.Prefix) int { return k.logins[k.network(p)] }

// Add notes that a login came in from a network, and reports whether that is to be stored: once a
// day, and not on its first day where it comes from ever new ones.
func (k *Networks) Add(login string, p netip.Prefix, at time.Time) (worth bool) {
	name, network := k.login(login), k.network(p)
	list := k.of[name]
	if i := slices.IndexFunc(list, func(v visit) bool { return v.network == network }); i >= 0 {
		return list[i].again(at.Unix())
	}
	v := visit{network: network, first: at.Unix(), at: at.Unix(), stored: at.Unix()}
	if p.Addr().Is6() && p.Bits() == NarrowIPv6 {
		v.wide = k.network(netip.PrefixFrom(p.Addr(), WideIPv6).Masked())
	}
	alike := 0
	for _, other := range list {
		if v.wide != 0 && other.wide == v.wide {
			alike++
		}
	}
	gone := -1
	switch {
	case alike >= EachWide:
		gone = leastOf(list, func(other visit) bool { return other.wide == v.wide })
	case len(list) >= Each:
		gone = leastOf(list, func(visit) bool { return true })
	}
	worth = gone < 0 || v.at-list[max(gone, 0)].first >= int64(Again/time.Second)
	if gone >= 0 {
		list = k.drop(list, gone)
	}
	v.hidden = !worth
	k.of[name] = append(list, v)
	k.logins[network]++
	if k.total++; k.total > k.most {
		k.shrink()
	}
	return worth
}

// again notes another visit, and reports whether it is to be stored.
func (v *visit) again(at int64) bool {
	v.at, v.first = max(v.at, at), min(v.first, at)
	if at-v.stored < int64(Again/time.Second) {
		return false
	}
	v.stored, v.hidden, v.told = at, false, 0
	return true
}

// leastOf returns the visit that goes first: of those of one day alone the youngest, so that
// whoever has somebody's password cannot push out the networks that they have used before; else
// the one whose last time is longest ago.
func leastOf(list []visit, among func(visit) bool) (found int) {
	found = -1
	for i, v := range list {
		if among(v) && (found < 0 || v.before(list[found])) {
			found = i
		}
	}
	return found
}

// before reports whether a visit goes before another.
func (v visit) before(other visit) bool {
	switch {
	case v.lasting() != other.lasting():
		return other.lasting()
	case v.lasting():
		return v.at < other.at
	}
	return v.first > other.first
}

// drop forgets one visit of a list.
func (k *Networks) drop(list []visit, i int) []visit {
	network := list[i].network
	if k.logins[network]--; k.logins[network] == 0 {
		delete(k.logins, network)
	}
	k.total--
	return slices.Delete(list, i, i+1)
}

// Forget removes visits before a time.
func (k *Networks) Forget(before int64) {
	for name, list := range k.of {
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].at < before {
				list = k.drop(list, i)
			}
		}
		if len(list) == 0 {
			delete(k.of, name)
		} else {
			k.of[name] = list
		}
	}
}

// shrink removes the older half.
func (k *Networks) shrink() {
	all := make([]int64, 0, k.total)
	for _, list := range k.of {
		for _, v := range list {
			all = append(all, v.at)
		}
	}
	slices.Sort(all)
	k.Forget(all[len(all)/2])
	if k.total > k.most { // all of one second
		clear(k.of)
		clear(k.logins)
		k.total = 0
	}
}

// SetKeep changes for how long a visit counts.
func (k *Networks) SetKeep(keep time.Duration) { k.keep = keep }

// Len is how many visits are kept, of how many networks.
func (k *Networks) Len() (visits, networks int) { return k.total, len(k.logins) }
