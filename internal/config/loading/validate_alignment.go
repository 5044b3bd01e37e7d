package loading

import (
	"countersign/internal/config/option"
	"countersign/internal/policy/spf"
)

// alignment checks [alignment], and brings its domains into their normal form.
func (v *validator) alignment() {
	a := &v.c.Alignment
	where := map[string]string{} // the list that a domain is in
	for _, list := range []struct {
		key     string
		domains []string
	}{{"off_for", a.OffFor}, {"warn_for", a.WarnFor}, {"hold_for", a.HoldFor}, {"refuse_for", a.RefuseFor}} {
		for i, text := range list.domains {
			path := option.Element("alignment."+list.key, i)
			if text == "" {
				v.Fail(path, "", "must not be empty")
				continue
			}
			d := v.domain(path, text)
			if other := where[d]; other != "" {
				v.Fail(path, "leave it in one of the lists", "%s is in %s already", d, other)
			}
			where[d], list.domains[i] = list.key, d
		}
	}
	for i, addr := range a.Addresses {
		if addr.IsPrivate() || addr.IsLoopback() || addr.IsUnspecified() || addr.IsLinkLocalUnicast() || addr.Zone() != "" {
			v.Warn(option.Element("alignment.addresses", i), "name the address that other servers see",
				"%s is not an address that other servers see", addr)
		}
	}
	if a.SPFTerm != "" {
		if err := spf.CheckTerm(a.SPFTerm); err != nil {
			v.Fail("alignment.spf_term", `for example "include:spf.example.net"`, "%v", err)
		}
	}
	v.stopping()
}

// stopping warns where something is to be done about messages that will fail, and little or nothing can
// ever be known to fail.
func (v *validator) stopping() {
	a := &v.c.Alignment
	path, done := "", "held or refused"
	switch {
	case a.Action == "hold" || a.Action == "refuse":
		path = "alignment.action"
	case len(a.HoldFor) > 0:
		path = "alignment.hold_for"
	case len(a.RefuseFor) > 0:
		path = "alignment.refuse_for"
	case a.Action == "warn":
		path, done = "alignment.action", "warned of"
	case len(a.WarnFor) > 0:
		path, done = "alignment.warn_for", "warned of"
	default:
		return
	}
	if !v.c.DKIM.Sign {
		instead := `take "off"`
		if path != "alignment.action" {
			instead = "leave it out"
		}
		v.Warn(path, "let the gate sign, or "+instead, "nothing is %s with dkim.sign = false, as the next server may sign", done)
	}
	if len(v.c.Sources()) == 0 {
		v.Warn(path, "set alignment.addresses",
			"without alignment.addresses only mail of domains whose SPF record is missing or void is %s", done)
	}
	if a.Wait == 0 && done == "held or refused" {
		v.Warn("alignment.wait", `for example "1s"`,
			"with 0s DNS is not waited for, so the first messages of a domain are accepted whatever it says")
	}
}
