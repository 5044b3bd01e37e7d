package harness

import (
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/sasl"
	"countersign/internal/testkit"
)

// Doors is a gate at which every mechanism leads to the account that its
// configuration can make one lead to.
type Doors struct {
	*Gate
	// Issuer is whose tokens it takes.
	Issuer *Issuer
}

// Host is what such a gate is called: the name by which clients connect to it, which
// DIGEST-MD5 makes part of the proof (RFC 2831 section 2.1.2).
const Host = "localhost"

// ServeDoors starts one with some of the mechanisms, or all; its log tells everything. extra is
// appended to its configuration, in which the table auth is begun and ended already.
func ServeDoors(t testing.TB, nextHop, extra string, mechanisms ...string) *Doors {
	t.Helper()
	return serveDoors(t, testkit.GateConfig{NextHop: nextHop, LogLevel: "debug", Extra: extra}, "claim", mechanisms)
}

// ServeMeasured is ServeDoors for benchmarks, with every mechanism and the log as it is by default.
// Tokens open accounts that have a credential for them.
func ServeMeasured(t testing.TB, nextHop, extra string) *Doors {
	t.Helper()
	return serveDoors(t, testkit.GateConfig{NextHop: nextHop, Extra: extra}, "credential", nil)
}

func serveDoors(t testing.TB, c testkit.GateConfig, accounts string, mechanisms []string) *Doors {
	t.Helper()
	if len(mechanisms) == 0 {
		for _, m := range sasl.Mechanisms() {
			mechanisms = append(mechanisms, m.Name)
		}
	}
	issuer := NewIssuer(t, filepath.Join(t.TempDir(), "keys.json"))
	issuer.Accounts = accounts
	// The password is set once more.
	auth := "[auth]\nmechanisms = [\"" + strings.Join(mechanisms, `", "`) + "\"]\npassword_history = 0\n"
	c.Hostname, c.Extra = Host, auth+issuer.Table()+c.Extra
	d := &Doors{open(t, c), issuer}
	d.Admin("", "account", "set", Login, "--legacy")
	d.Admin(Password+"\n", "account", "passwd", Login) // from which the keys are made
	return d
}
