package guard

import (
	"math/bits"
	"net/netip"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard/tried"
	"countersign/internal/fault"
)

// Record is what is known of a login where it comes from a network, of a login wherever it
// comes from (no Network), or of a network (no Login). Times are those of the gates'
// clocks, in whole seconds; zero for never.
type Record struct {
	Network netip.Prefix
	// Login is in the form of accounts, or begins with "?" where it was no address,
	// and with ":" where it came in by what is not its password.
	Login string
	// Missing says that nobody has the login.
	Missing bool
	// Secrets are wrong ones.
	Secrets tried.Secrets
	// Unseen counts failures of exchanges that do not show the secret, since UnseenFrom;
	// UnseenAt is the last of them.
	Unseen               int
	UnseenFrom, UnseenAt time.Time
	// Known is when the login last came in from the network, Devices by which devices.
	Known   time.Time
	Devices []familiar.Use
	// Banned and Sprayed are when the login, and when its network, was last banned or
	// closed for what had failed until then: of that, nothing counts any more.
	Banned, Sprayed time.Time
	// ClosedFrom and ClosedUntil are when a closing began and when it ends, unless Opened
	// is later than its beginning.
	ClosedFrom, ClosedUntil, Opened time.Time
}

// unseenSlot is for how long unseen failures are counted; then half of them are forgotten.
const unseenSlot = 24 * time.Hour

// failed reports whether the record has any failure.
func (r *Record) failed() bool { return len(r.Secrets) > 0 || r.Unseen > 0 }

// Empty reports whether a record says nothing.
func (r *Record) Empty() bool {
	return !r.failed() && r.End(0, 0).Equal(time.Time{})
}

// Closed reports whether a closing holds at that time.
func (r *Record) Closed(now time.Time) bool {
	return now.Before(r.ClosedUntil) && r.ClosedFrom.After(r.Opened)
}

// tries counts what differs among the failures that came after from and are not older than
// window.
func (r *Record) tries(now, from time.Time, window time.Duration) (n int) {
	oldest := now.Add(-window).Unix()
	n = r.Secrets.Count(from.Unix(), oldest)
	if r.UnseenAt.Unix() >= oldest && r.UnseenFrom.After(from) {
		n += bits.Len(uint(r.Unseen)) // who repeats one secret cannot be told from who does not
	}
	return n
}

// Tries counts the failures that differ and count against the login now.
func (r *Record) Tries(now time.Time, window time.Duration) int {
	return r.tries(now, r.Banned, window)
}

// unseen notes a failure whose secret was not seen, and reports whether anything is worth
// being stored of that.
func (r *Record) unseen(now time.Time) bool {
	if r.Unseen == 0 || !r.UnseenFrom.After(r.Banned) { // what a ban was for counts no more
		r.Unseen, r.UnseenFrom = 0, now
	}
	for ; r.Unseen > 0 && now.Sub(r.UnseenFrom) >= unseenSlot; r.UnseenFrom = r.UnseenFrom.Add(unseenSlot) {
		r.Unseen /= 2
	}
	if r.Unseen == 0 {
		r.UnseenFrom = now
	}
	before := bits.Len(uint(r.Unseen))
	r.Unseen = min(r.Unseen+1, maxUnseen)
	r.UnseenAt = now
	return bits.Len(uint(r.Unseen)) > before
}

// maxUnseen bounds what is counted: more says no more.
const maxUnseen = 1 << 20

// LastFailure is when the login failed last; zero for never.
func (r *Record) LastFailure() time.Time {
	return later(r.UnseenAt, r.Secrets.Last())
}

// End is when the record is of no use any more.
func (r *Record) End(window, known time.Duration) time.Time {
	end := r.LastFailure()
	for _, t := range []time.Time{r.Banned, r.Sprayed, r.ClosedUntil, r.Opened} {
		end = later(end, t)
	}
	end = end.Add(window)
	if !r.Known.IsZero() {
		end = later(end, r.Known.Add(known))
	}
	return end
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Merge puts together what two gates know of the same network and login. It comes to the same
// whichever comes first, and however often.
func Merge(a, b Record) Record {
	out := a
	switch {
	case b.failed() && !a.failed():
		out.Missing = b.Missing
	case b.failed() == a.failed():
		out.Missing = a.Missing && b.Missing
	}
	out.Known, out.Opened = later(a.Known, b.Known), later(a.Opened, b.Opened)
	out.Banned, out.Sprayed = later(a.Banned, b.Banned), later(a.Sprayed, b.Sprayed)
	out.ClosedFrom, out.ClosedUntil = later(a.ClosedFrom, b.ClosedFrom), later(a.ClosedUntil, b.ClosedUntil)
	out.Devices = familiar.MergeUses(a.Devices, b.Devices)
	out.Secrets = tried.Merge(a.Secrets, b.Secrets)
	u := lastUnseen(&a, &b)
	out.Unseen, out.UnseenFrom, out.UnseenAt = u.Unseen, u.UnseenFrom, u.UnseenAt
	return out
}

// lastUnseen is what two records know of unseen failures: of the same time the greater
// number, else the later time.
func lastUnseen(a, b *Record) Record {
	if b.Unseen == 0 || a.Unseen > 0 && a.UnseenFrom.After(b.UnseenFrom) {
		a, b = b, a // b has the later beginning
	}
	u := Record{Unseen: b.Unseen, UnseenFrom: b.UnseenFrom, UnseenAt: b.UnseenAt}
	apart := b.UnseenFrom.Sub(a.UnseenFrom) >= unseenSlot/2
	if a.Unseen > 0 && !apart {
		u.Unseen, u.UnseenAt = max(u.Unseen, a.Unseen), later(u.UnseenAt, a.UnseenAt)
	}
	return u
}

// maxLogin is how long a login may be, in octets.
const maxLogin = 320 + len(otherwise)

// Check refuses, as fault.Invalid, a record that is not of the form that the fields say.
func (r *Record) Check() error {
	const op = "guard.check"
	p := r.Network
	switch {
	case !p.IsValid() && r.Login == "":
		return fault.New(op, fault.Invalid, "the record is of nobody")
	case p.IsValid() && (p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != ""):
		return fault.New(op, fault.Invalid, "%s is no network in the form of bans", p)
	case len(r.Login) > maxLogin || r.Unseen < 0:
		return fault.New(op, fault.Invalid, "the record is out of bounds")
	}
	if err := r.Secrets.Check(); err != nil {
		return err
	}
	return familiar.CheckUses(r.Devices)
}
