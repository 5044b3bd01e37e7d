package entrances

import (
	"net/netip"
	"slices"

	"countersign/internal/access/list"
	"countersign/internal/config"
	"countersign/internal/fault"
)

// Useful refuses an entry of an access list that a configuration would make nothing of:
// fault.NotFound for a listener that it has not, fault.Invalid for a place of which no file says
// who is in it.
func Useful(c *config.Config, of list.Subject, what list.What) error {
	const op = "access.useful"
	files := Files(c)
	switch {
	case what.Country != "" && files.Countries == "":
		return fault.New(op, fault.Invalid, "nobody is in %s here: access.countries names no file that says who is", what)
	case what.AS != 0 && files.Networks == "":
		return fault.New(op, fault.Invalid, "nobody is in %s here: access.networks names no file that says who is", what)
	}
	if of.Kind == list.Listener {
		return Listener(c, of.Name)
	}
	return nil
}

// Listener refuses the name of a listener that a configuration has not: fault.NotFound. "" passes.
func Listener(c *config.Config, name string) error {
	if name == "" || slices.ContainsFunc(c.Listeners, func(l config.Listener) bool { return l.Name == name }) {
		return nil
	}
	return fault.New("access.listener", fault.NotFound, "listener %q does not exist in this configuration", name)
}

// Place says where a client is, by the files of the configuration.
func (s *Set) Place(client netip.Addr) list.Place { return s.places.Place(client) }
