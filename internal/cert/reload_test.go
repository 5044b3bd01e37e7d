package cert

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"countersign/internal/fault"
)

// TestWatch follows a certificate on disk through a replacement, a half-done
// one, its repair, and a removal.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		kind := made{hosts: []string{"mx.example"}}
		spec := kind.files(t, dir, "mail")
		log, out := logTo()
		m := open(t, Options{Logger: log}, spec)
		server := tlsConfig(t, m, "mail")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Watch(ctx)
		tick := func() { time.Sleep(defaultPoll); synctest.Wait() } // in the bubble's time
		status := func() Status { return m.Status()[0] }

		first := leaf(t, server, "mx.example")
		tick()
		if out.Len() > 0 {
			t.Errorf("a log without a change: %s", out)
		}

		kind.files(t, dir, "mail")
		tick()
		second := leaf(t, server, "mx.example")
		if second.Equal(first) || status().Err != nil || !strings.Contains(out.String(), "certificate reloaded") {
			t.Fatalf("not reloaded: %v, log %s", status().Err, out)
		}
		if !status().NotAfter.Equal(second.NotAfter) || !status().Usable || status().Algorithm != "ecdsa" {
			t.Errorf("status %+v", status())
		}

		// A new certificate whose key is not there yet.
		out.Reset()
		chain, key := kind.pems(t)
		write(t, spec.CertFile, chain, 0o644)
		tick()
		tick()
		if got := leaf(t, server, "mx.example"); !got.Equal(second) {
			t.Error("the pair in force was dropped for one that does not match")
		}
		if err := status().Err; err == nil || !strings.Contains(err.Error(), "does not match") || !status().Usable {
			t.Errorf("status %+v", status())
		}
		if n := strings.Count(out.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors logged: %s", n, out)
		}
		if err := m.Health(); err != nil {
			t.Errorf("health while the old one serves: %v", err)
		}

		write(t, spec.KeyFile, key, 0o644) // for everybody: refused too
		tick()
		if err := status().Err; err == nil || !strings.Contains(err.Error(), "make it 0600") {
			t.Errorf("status %v", err)
		}
		if err := os.Chmod(spec.KeyFile, 0o600); err != nil { // changes neither time nor size
			t.Fatal(err)
		}
		tick()
		third := leaf(t, server, "mx.example")
		if third.Equal(second) || status().Err != nil {
			t.Errorf("not repaired: %v", status().Err)
		}

		if err := os.Rename(spec.KeyFile, spec.KeyFile+".away"); err != nil {
			t.Fatal(err)
		}
		tick()
		if got := leaf(t, server, "mx.example"); !got.Equal(third) || status().Err == nil {
			t.Errorf("after removal: %v", status().Err)
		}
		if err := os.Rename(spec.KeyFile+".away", spec.KeyFile); err != nil {
			t.Fatal(err)
		}
		tick()
		if status().Err != nil {
			t.Errorf("it is back: %v", status().Err)
		}
	})
}

// TestWatchSameTime: a file that another replaced is seen even if time and
// size are equal, as after a switch of a symbolic link.
func TestWatchSameTime(t *testing.T) {
	dir := t.TempDir()
	kind := made{kind: "rsa", hosts: []string{"mx.example"}}
	stamp := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		s := kind.files(t, filepath.Join(dir, sub), "mail")
		for _, f := range []string{s.CertFile, s.KeyFile} {
			if err := os.Chtimes(f, stamp, stamp); err != nil {
				t.Fatal(err)
			}
		}
	}
	live := filepath.Join(dir, "live")
	if err := os.Symlink("a", live); err != nil {
		t.Fatal(err)
	}
	m := open(t, Options{}, Spec{Name: "mail", Source: SourceFiles,
		CertFile: filepath.Join(live, "mail.pem"), KeyFile: filepath.Join(live, "mail.key")})
	server := tlsConfig(t, m)
	first := leaf(t, server, "mx.example")
	if err := os.Remove(live); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b", live); err != nil {
		t.Fatal(err)
	}
	m.table.Load().order[0].poll()
	if leaf(t, server, "mx.example").Equal(first) {
		t.Error("the switch was not seen")
	}
}

// TestReloadAllOrNothing: one bad Spec leaves everything as it was, and a name
// in use cannot go.
func TestReloadAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	one := made{hosts: []string{"one.example"}}.files(t, dir, "one")
	two := made{hosts: []string{"two.example"}}.files(t, dir, "two")
	m := open(t, Options{DataDir: dir}, one)
	server := tlsConfig(t, m, "one")
	everything := tlsConfig(t, m)
	first := leaf(t, server, "one.example")

	made{hosts: []string{"one.example"}}.files(t, dir, "one")
	bad := two
	bad.KeyFile = one.KeyFile
	err := m.Reload(t.Context(), []Spec{one, bad})
	if !fault.Is(err, fault.Invalid) && (err == nil || !strings.Contains(err.Error(), "does not match")) {
		t.Errorf("reload with a bad pair: %v", err)
	}
	if got := leaf(t, server, "one.example"); !got.Equal(first) {
		t.Error("half of a failed reload is in force")
	}

	if err := m.Reload(t.Context(), []Spec{two}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "needs a restart") {
		t.Errorf("taking away a name in use: %v", err)
	}

	c, err := m.Prepare(t.Context(), []Spec{one, two})
	if err != nil {
		t.Fatal(err)
	}
	if got := leaf(t, server, "one.example"); !got.Equal(first) {
		t.Error("a prepared reload is in force")
	}
	c.Discard()
	if c, err = m.Prepare(t.Context(), []Spec{one, two}); err != nil {
		t.Fatal(err)
	}
	c.Commit()
	if got := leaf(t, server, "one.example"); got.Equal(first) {
		t.Error("a committed reload is not in force")
	}
	if got := leaf(t, everything, "two.example"); got.DNSNames[0] != "two.example" {
		t.Errorf("a listener of all certificates gives %v", got.DNSNames)
	}
	if names := len(m.Status()); names != 2 {
		t.Errorf("%d certificates", names)
	}
	m.Close()
	if err := m.Reload(t.Context(), []Spec{one}); !fault.Is(err, fault.Canceled) {
		t.Errorf("reload after Close: %v", err)
	}
	leaf(t, server, "one.example")
}

// TestHandshakesDuringReload is for the race detector.
func TestHandshakesDuringReload(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	spec := made{hosts: []string{"mx.example"}}.files(t, dir, "mail")
	m := open(t, Options{DataDir: dir}, spec, Spec{Name: "self", Source: SourceSelfSigned, Hosts: []string{"localhost"}})
	server := tlsConfig(t, m, "mail", "self")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			if err := m.Reload(context.Background(), []Spec{spec, {Name: "self", Source: SourceSelfSigned, Hosts: []string{"localhost"}}}); err != nil {
				t.Error(err)
			}
			m.table.Load().order[0].poll()
			m.Status()
		}
	}()
	for range 20 {
		leaf(t, server, "localhost")
	}
	<-done
}

func TestCollector(t *testing.T) {
	now := time.Now()
	m := open(t, Options{Now: func() time.Time { return now }},
		made{hosts: []string{"a.example", "b.example"}, life: time.Hour}.files(t, t.TempDir(), "mail"))
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m.Collector())
	values := func() map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]float64)
		for _, f := range families {
			for _, metric := range f.Metric {
				got[f.GetName()] = metric.GetGauge().GetValue()
				if s := metric.String(); !strings.Contains(s, "a.example,b.example") || !strings.Contains(s, "mail") {
					t.Errorf("labels %s", s)
				}
			}
		}
		return got
	}
	got := values()
	if got["countersign_cert_not_after_seconds"] != float64(m.Status()[0].NotAfter.Unix()) || got["countersign_cert_healthy"] != 1 {
		t.Errorf("%v", got)
	}
	now = now.Add(2 * time.Hour)
	if got := values(); got["countersign_cert_healthy"] != 0 {
		t.Errorf("after the end: %v", got)
	}
}
