package loading

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/option"
)

// maxFiltering is how long all filters of a listener may have a message: clients give up ten
// minutes after its end (RFC 5321 section 4.5.3.2.6).
const maxFiltering = 8 * time.Minute

// filters checks each [[filter]], and how long all of a listener may take.
func (v *validator) filters() {
	names := map[string]int{}
	total := map[string]time.Duration{}
	for i := range v.c.Filters {
		f, at := &v.c.Filters[i], option.Element("filter", i)+"."
		v.unique(names, at+"name", f.Name)
		v.filterPlace(f, at+"address")
		for j, name := range f.Listeners {
			v.listenerNamed(option.Element(at+"listeners", j), name)
		}
		for j, part := range f.May {
			if !slices.Contains(config.FilterParts(), part) {
				v.Fail(option.Element(at+"may", j), option.Choice(part, config.FilterParts()), "%q is nothing that a filter may change", part)
			}
		}
		if f.TotalTimeout < f.Timeout && !v.Failed(at+"timeout") && !v.Failed(at+"total_timeout") {
			v.Warn(at+"total_timeout", "", "%s ends a command before its own time of %s", f.TotalTimeout, f.Timeout)
		}
		for _, l := range v.c.Listeners {
			if !f.Serves(l.Name) {
				continue
			}
			if total[l.Name] += f.TotalTimeout.Std(); total[l.Name] > maxFiltering && !v.Failed(at+"total_timeout") {
				v.Fail(at+"total_timeout", "shorten it", "filters of listener %q may have a message for %s together, and clients give up after ten minutes (at most %s)",
					l.Name, config.Duration(total[l.Name]), config.Duration(maxFiltering))
			}
		}
	}
}

// filterPlace checks where a filter is.
func (v *validator) filterPlace(f *config.Filter, path string) {
	if f.Address == "" {
		return // required has said so
	}
	network, address := f.Place()
	if network == "" {
		v.Fail(path, `write "unix:/run/…" or "tcp:127.0.0.1:11332"`, "%q is not the address of a filter", f.Address)
		return
	}
	if network == "unix" {
		if !filepath.IsAbs(address) {
			v.Fail(path, "", "%s is not a whole path", address)
		}
		return
	}
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || host == "" {
		v.Fail(path, `for example "tcp:127.0.0.1:11332"`, "%q is not a host with a port", address)
		return
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		v.Warn(path, "let it run on this machine, or reach it by a tunnel", "messages pass unencrypted to %s", host)
	}
}

// listenerNamed reports a listener that does not exist.
func (v *validator) listenerNamed(path, name string) {
	var names []string
	for _, l := range v.c.Listeners {
		names = append(names, l.Name)
	}
	if !slices.Contains(names, name) && len(names) > 0 {
		v.Fail(path, option.Choice(name, names), "there is no listener %q", name)
	}
}
