package book

import (
	"maps"
	"net/netip"

	"countersign/internal/access"
)

// byLogin has the bans of logins from networks.
type byLogin map[netip.Prefix]map[string]*access.Ban

// draft is pages that change, of which nobody else knows yet. What the pages had before is
// shared until it changes: of the logins of a network there is one copy however many
// of them change.
type draft struct {
	pages
	// logins are those of the networks where some have changed, in place of those of pages.
	logins byLogin
}

// done returns the pages as they are now. The draft is of no use any more.
func (d *draft) done() *pages {
	p := d.pages
	p.version++
	for network, of := range d.logins {
		if len(of) == 0 {
			p.logins = p.logins.DeletePersist(network)
		} else {
			p.logins = p.logins.InsertPersist(network, of)
		}
	}
	return &p
}

// of returns the bans of logins from a network; they may be changed.
func (d *draft) of(network netip.Prefix) map[string]*access.Ban {
	network = network.Masked() // as the table has it
	of, mine := d.logins[network]
	if !mine {
		shared, _ := d.pages.logins.Get(network)
		if of = maps.Clone(shared); of == nil {
			of = map[string]*access.Ban{}
		}
		d.logins[network] = of
	}
	return of
}

// put adds a ban, in place of an earlier one of the same network and login.
func (d *draft) put(ban *access.Ban) {
	if ban.Login == "" {
		d.everybody = d.everybody.InsertPersist(ban.Prefix, ban)
		return
	}
	of := d.of(ban.Prefix)
	if of[ban.Login] == nil {
		d.pairs++
	}
	of[ban.Login] = ban
}

// drop removes a ban, unless another one is in its place.
func (d *draft) drop(ban *access.Ban) {
	if ban.Login == "" {
		if have, found := d.everybody.Get(ban.Prefix); found && have.ID == ban.ID {
			d.everybody = d.everybody.DeletePersist(ban.Prefix)
		}
		return
	}
	of := d.of(ban.Prefix)
	if have := of[ban.Login]; have != nil && have.ID == ban.ID {
		delete(of, ban.Login)
		d.pairs--
	}
}
