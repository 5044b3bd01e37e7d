package loading

import "countersign/internal/config/value"

// guard checks what says when somebody guesses.
func (v *validator) guard() {
	g := v.c.Guard
	v.inOrder("guard.delay", g.Delay, "guard.max_delay", g.MaxDelay)
	v.inOrder("guard.ban_for", g.BanFor, "guard.max_ban", g.MaxBan)
	if g.FreeSecrets >= g.Secrets {
		v.Fail("guard.free_secrets", "", "is no fewer than guard.secrets (%d), which ban: no answer would ever wait", g.Secrets)
	}
	if g.LoginNetworks > g.LoginSecrets {
		v.Fail("guard.login_networks", "", "is more than guard.login_secrets (%d), each of which comes from one network", g.LoginSecrets)
	}
}

// inOrder refuses a length of time that is above its maximum, at the one that is set.
func (v *validator) inOrder(path string, first value.Duration, maximum string, most value.Duration) {
	switch {
	case first <= most:
	case v.IsSet(maximum):
		v.Fail(maximum, "", "%s is shorter than %s (%s)", most, path, first)
	default:
		v.Fail(path, "", "%s is longer than %s (%s)", first, maximum, most)
	}
}
