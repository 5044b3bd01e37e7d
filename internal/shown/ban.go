package shown

import (
	"net/netip"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/mail"
)

// Ban is what is shown of a ban.
type Ban struct {
	ID      mail.ID    `json:"id"`
	Network string     `json:"network"`
	Login   string     `json:"login,omitempty"`
	Reason  string     `json:"reason"`
	Start   time.Time  `json:"start"`
	End     *time.Time `json:"end,omitempty"` // left out where it never ends
	By      string     `json:"by"`
	Lifted  string     `json:"lifted_by,omitempty"`
	State   string     `json:"state"` // holds, ended or lifted
	Shadow  bool       `json:"shadow,omitempty"`
}

// BanAt shows bans as of now.
func BanAt(now time.Time) func(access.Ban) Ban {
	return func(b access.Ban) Ban {
		return Ban{
			ID: b.ID, Network: b.Prefix.String(), Login: b.Login, Reason: b.Reason, Start: b.Start, End: stamp(b.End), By: b.By, Lifted: b.Lifted,
			State: state(b.Holds(now), b.Lifted, Lifted), Shadow: b.Shadow,
		}
	}
}

// mostBeside is how many bans are shown beside one that was set.
const mostBeside = 100

// BanAdded is what is shown of a ban that was set.
type BanAdded struct {
	Ban
	// Address is that of IPv6 that was asked for, where its /64 is banned for it.
	Address string `json:"address,omitempty"`
	// Overlaps are bans around it or within it that hold as well, at most 100; none
	// also where they could not be looked up.
	Overlaps []Ban `json:"overlaps"`
}

// BanAddedAt shows a ban that was set as of now, for the address that access.ParseBan has as alone,
// with those beside it.
func BanAddedAt(now time.Time, b access.Ban, alone netip.Addr, beside []access.Ban) BanAdded {
	show := BanAt(now)
	added := BanAdded{Ban: show(b), Overlaps: Each(beside[:min(len(beside), mostBeside)], show)}
	if alone.IsValid() {
		added.Address = alone.String()
	}
	return added
}

// Entry is what is shown of an entry of an access list.
type Entry struct {
	ID     mail.ID    `json:"id"`
	Effect string     `json:"effect"` // allow, except or deny
	What   string     `json:"what"`
	Kind   string     `json:"kind"`
	Name   string     `json:"name,omitempty"` // the id of a credential
	Shadow bool       `json:"shadow,omitempty"`
	Reason string     `json:"reason"`
	Start  time.Time  `json:"start"`
	End    *time.Time `json:"end,omitempty"` // left out where it never ends
	By     string     `json:"by"`
	Lifted string     `json:"removed_by,omitempty"`
	State  string     `json:"state"` // holds, ended or removed
}

// EntryAt shows entries as of now.
func EntryAt(now time.Time) func(list.Entry) Entry {
	return func(e list.Entry) Entry {
		return Entry{
			ID: e.ID, Effect: e.Effect.String(), What: e.What.String(), Kind: e.For.Kind.String(), Name: e.For.Name, Shadow: e.Shadow,
			Reason: e.Reason, Start: e.Start, End: stamp(e.End), By: e.By, Lifted: e.Lifted, State: state(e.Holds(now), e.Lifted, Removed),
		}
	}
}

// Guarded is what is shown of a guard.Record.
type Guarded struct {
	Network string `json:"network,omitempty"`
	Login   string `json:"login,omitempty"`
	// Counts is how many different failures count now.
	Counts  int        `json:"counts"`
	Missing bool       `json:"missing,omitempty"` // nobody has the login
	Last    *time.Time `json:"last_failure,omitempty"`
	Known   *time.Time `json:"last_login,omitempty"`
	Other   bool       `json:"other_proof,omitempty"` // the last login was by another proof than its password
	Devices int        `json:"devices,omitempty"`     // by how many devices it has come in, the last few
	Acted   *time.Time `json:"last_ban,omitempty"`    // what was before does not count
	Closed  *time.Time `json:"closed_until,omitempty"`
}

// GuardedAt shows records as of now, by the window in which failures count.
func GuardedAt(now time.Time, window time.Duration) func(guard.Record) Guarded {
	return func(r guard.Record) Guarded {
		login, other := r.Named()
		v := Guarded{Login: login, Other: other, Counts: r.Tries(now, window), Missing: r.Missing, Last: stamp(r.LastFailure()), Known: stamp(r.Known), Acted: stamp(r.Banned), Devices: len(r.Devices)}
		if r.Network.IsValid() {
			v.Network = r.Network.String()
		}
		if r.Closed(now) {
			v.Closed = stamp(r.ClosedUntil)
		}
		return v
	}
}
