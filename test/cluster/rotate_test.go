package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// printer is an account that logs in with CRAM-MD5, so with a sealed key.
const printer = "printer@example.org"

// crams switches its mechanism on.
const crams = "[auth]\nmechanisms = [\"CRAM-MD5\", \"PLAIN\"]\n"

// rotating is some gates under load whose key file is rotated.
type rotating struct {
	t     *testing.T
	gates []*harness.Gate
	files []string // the key file of each
	extra int      // domains that were added
}

// TestRotateUnderLoad rotates the key file of one gate twice.
func TestRotateUnderLoad(t *testing.T) {
	r := &rotating{t: t}
	gate := harness.Serve(t, r.hop(), crams)
	r.add(gate, filepath.Join(gate.Dir, "data", "seal.key"))
	r.prepare()
	r.underLoad(func() {
		var keys []string
		for range 2 {
			out := gate.Admin("", "key", "rotate")
			keys = append(keys, r.leading(out))
			r.works()
		}
		first := r.keys()[2]
		if out := gate.Refused("key", "drop", first); !strings.Contains(out, "less than a minute ago") {
			t.Errorf("dropped at once: %s", out)
		}
		r.age()
		gate.Admin("", "key", "drop", first, keys[0])
		if out := gate.Refused("key", "drop", keys[1]); !strings.Contains(out, "still seals") {
			t.Errorf("the last key: %s", out)
		}
		gate.Signal(syscall.SIGHUP)
		harness.WaitFor(t, "the reload", func() bool { return strings.Contains(gate.Log(), "configuration taken") })
		r.works()
		if got := r.keys(); len(got) != 1 || got[0] != keys[1] {
			t.Errorf("the file holds %v, want %s", got, keys[1])
		}
	})
}

// TestRotateOnTwoNodes rotates twice in the order that docs/ops/nodes.md has: each gate has a
// copy of the key file.
func TestRotateOnTwoNodes(t *testing.T) {
	r := &rotating{t: t}
	hop, url, dir := r.hop(), shared.Cluster(t).Database(t), t.TempDir()
	for i, start := range []func(testing.TB, string, string) *harness.Gate{harness.Serve, harness.Join} {
		file := filepath.Join(dir, fmt.Sprintf("%d.key", i))
		if i > 0 {
			r.copy(r.files[0], file)
		}
		r.add(start(t, hop, crams+fmt.Sprintf("[store]\nurl = %q\n[node]\nid = \"gate-%d\"\n[dkim]\nkey_file = %q\n", url, i, file)), file)
	}
	r.prepare()
	one, two := r.gates[0], r.gates[1]
	r.underLoad(func() {
		if out := one.Refused("key", "rotate"); !strings.Contains(out, "other gates share the database (gate-1)") {
			t.Errorf("rotated without the other gate: %s", out)
		}
		for round := range 2 {
			old := r.keys()[0]
			next := regexp.MustCompile(`--to ([0-9a-f]{16})`).FindStringSubmatch(one.Admin("", "key", "add"))[1]
			r.loaded("gate-0", old, next)
			if out := one.Refused("key", "rotate", "--to", next); !strings.Contains(out, "gate gate-1 has not loaded key "+next+" (it has "+old+")") {
				t.Errorf("rotated to a key that the other gate lacks: %s", out)
			}
			r.copy(r.files[0], r.files[1])
			r.loaded("gate-1", old, next)
			one.Admin("", "key", "rotate", "--to", next)
			r.works() // the second gate has the key, not yet in front
			r.age()
			if round == 0 {
				if out := one.Refused("key", "drop", old); !strings.Contains(out, "gate-1 still seals with key "+old) && !strings.Contains(out, "still seals 1 ") {
					t.Errorf("dropped a key with which the other gate seals: %s", out)
				}
			}
			r.copy(r.files[0], r.files[1])
			r.loaded("gate-1", next, old)
			two.Admin("", "key", "rotate", "--to", next)
			r.works()
			r.age()
			one.Admin("", "key", "drop", old)
			r.copy(r.files[0], r.files[1])
			r.works()
			if got := r.keys(); len(got) != 1 || got[0] != next {
				t.Errorf("the file holds %v, want %s", got, next)
			}
		}
	})
}

// hop is a next hop that takes everything.
func (r *rotating) hop() string {
	hop, err := sink.Listen("127.0.0.1:0", func(sink.Message) error { return nil })
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { hop.Close() })
	return hop.Addr()
}

func (r *rotating) add(gate *harness.Gate, file string) {
	r.gates, r.files = append(r.gates, gate), append(r.files, file)
}

// prepare lets all accounts have sealed keys. The one that there is gets them from a gate, when
// it logs in.
func (r *rotating) prepare() {
	gate := r.gates[0]
	gate.Admin("", "plan", "add", "office", "--legacy")
	gate.Admin("", "customer", "set", testkit.Customer, "--plan", "office")
	gate.Admin(harness.Password+"\n", "account", "add", printer)
	r.works()
}

// copy brings a key file to another gate, as docs/ops/nodes.md does.
func (r *rotating) copy(from, to string) {
	r.t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// age lets a minute pass for the key files.
func (r *rotating) age() {
	r.t.Helper()
	for _, file := range r.files {
		at := time.Now().Add(-2 * time.Minute)
		if err := os.Chtimes(file, at, at); err != nil {
			r.t.Fatal(err)
		}
	}
}

// keys are those of the first gate's file, the one that seals first; all that is
// sealed is by them.
func (r *rotating) keys() (ids []string) {
	r.t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(r.gates[0].Admin("", "key", "status")), "\n")[1:] {
		fields := strings.Fields(line)
		if len(fields) != 6 || fields[1] == "missing" || fields[1] == "damaged" {
			r.t.Fatalf("key status says %q", line)
		}
		if (fields[1] == "opens") != (strings.Join(fields[2:5], "") == "000") {
			r.t.Errorf("key status says %q: all is to be sealed by the first", line)
		}
		ids = append(ids, fields[0])
	}
	return ids
}

// loaded waits until a gate tells that it has these keys, the one that seals first, and
// wants "node list" and "key status" to say so.
func (r *rotating) loaded(gate string, keys ...string) {
	r.t.Helper()
	var list string
	harness.WaitFor(r.t, gate+" to have "+strings.Join(keys, ", "), func() bool {
		list = r.gates[0].Admin("", "node", "list")
		return regexp.MustCompile(`(?m)^` + gate + ` .* ` + strings.Join(keys, ",") + `$`).MatchString(list)
	})
	for _, key := range keys {
		if status := r.gates[0].Admin("", "key", "status"); !regexp.MustCompile(`(?m)^` + key + ` .*` + gate).MatchString(status) {
			r.t.Errorf("key status does not say that %s has %s:\n%s", gate, key, status)
		}
	}
}

// leading is the key that a rotation has put in front.
func (r *rotating) leading(out string) string {
	r.t.Helper()
	found := regexp.MustCompile(`(?m)^key ([0-9a-f]{16}) is in front of .*\n.* sealed anew with key ([0-9a-f]{16})$`).FindStringSubmatch(out)
	if found == nil || found[1] != found[2] {
		r.t.Fatalf("key rotate says\n%s", out)
	}
	return found[1]
}

// works logs in at each gate with a sealed key, and sends from a domain that is new, whose
// coming lets the gates read the keys of all domains again.
func (r *rotating) works() {
	r.t.Helper()
	r.extra++
	domain := fmt.Sprintf("d%d.example", r.extra)
	r.gates[0].Admin("", "domain", "add", domain, "--customer", testkit.Customer)
	r.gates[0].Admin(harness.Password+"\n", "account", "add", "a@"+domain)
	for _, gate := range r.gates {
		r.crams(gate)
		for _, login := range []string{harness.Login, "a@" + domain} {
			o := gate.Load(3, 1)
			o.Login, o.From = login, login
			result, err := loadgen.Run(r.t.Context(), o)
			if err != nil || result.Accepted != 3 {
				r.t.Errorf("%s sends %+v, %v", login, result, err)
			}
		}
	}
}

// crams logs in by CRAM-MD5.
func (r *rotating) crams(gate *harness.Gate) {
	r.t.Helper()
	c := talk.Open(r.t, gate)
	if reply := c.Auth(c.By("CRAM-MD5", talk.Key{Login: printer, Password: harness.Password})); !strings.HasPrefix(reply, "235 ") {
		r.t.Errorf("CRAM-MD5: %q", reply)
	}
	c.Vanish(false)
}

// underLoad does work while each gate takes messages, of which none may be refused.
func (r *rotating) underLoad(work func()) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	defer stop()
	type outcome struct {
		result loadgen.Result
		err    error
	}
	done := make(chan outcome, len(r.gates))
	for _, gate := range r.gates {
		o := gate.Load(1_000_000, 3)
		o.PerConnection = 20
		go func() {
			result, err := loadgen.Run(ctx, o)
			done <- outcome{result, err}
		}()
	}
	work()
	stop()
	for range r.gates {
		got := <-done
		for code, n := range got.result.Rejections {
			if code != "0" { // connections that the end of the load has cut
				r.t.Errorf("%d messages were refused with %s: %s", n, code, got.result.FirstError)
			}
		}
		if got.result.Accepted < 50 {
			r.t.Errorf("%d messages were accepted meanwhile, %v", got.result.Accepted, got.err)
		}
	}
}
