package app

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/dkim"
	"countersign/internal/loadgen"
	"countersign/internal/policy/turnover"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

const (
	testLogin    = testkit.Login
	testPassword = testkit.Password
)

// world is an App on free ports with one account and a next hop.
type world struct {
	t    testing.TB
	app  *App
	dir  string
	path string // the configuration file
	hop  *sink.Server
}

// newWorld starts it; extra is appended to the configuration.
func newWorld(t testing.TB, extra string, received func(sink.Message) error) *world {
	t.Helper()
	return newWorldAt(t, time.Now, extra, received)
}

// newWorldAt is newWorld with a clock.
func newWorldAt(t testing.TB, now func() time.Time, extra string, received func(sink.Message) error) *world {
	t.Helper()
	w := startWorld(t, now, extra, received)
	w.seed()
	return w
}

// emptyWorld is one without an account or a domain.
func emptyWorld(t testing.TB) *world {
	t.Helper()
	return startWorld(t, time.Now, "", func(sink.Message) error { return nil })
}

// startWorldTo is one without an account or a domain whose log goes to w.
func startWorldTo(t testing.TB, w io.Writer, extra string) *world {
	t.Helper()
	return startWorldWith(t, Options{Version: "test", Stderr: w, Now: time.Now}, extra, func(sink.Message) error { return nil })
}

func startWorld(t testing.TB, now func() time.Time, extra string, received func(sink.Message) error) *world {
	t.Helper()
	return startWorldWith(t, Options{Version: "test", Stderr: io.Discard, Now: now}, extra, received)
}

func startWorldWith(t testing.TB, o Options, extra string, received func(sink.Message) error) *world {
	t.Helper()
	dir := t.TempDir()
	hop, err := sink.Listen("127.0.0.1:0", received)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	w := &world{t: t, dir: dir, path: filepath.Join(dir, "countersign.toml"), hop: hop}
	w.app, err = New(w.configure(extra), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.app.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.app.Stop(context.Background()) })
	return w
}

// configure writes the file and loads it.
func (w *world) configure(extra string) *config.Config {
	w.t.Helper()
	text := testkit.GateConfig{NextHop: w.hop.Addr(), Extra: extra}.String()
	if err := os.WriteFile(w.path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cfg, _, err := loading.Load(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg
}

func (w *world) seed() {
	w.t.Helper()
	keys, err := turnover.Maker{Sealer: w.app.Sealer()}.Make(testkit.Domain, nil, time.Now())
	if err == nil {
		err = testkit.AddAccount(context.Background(), w.app.Admin("test"), keys)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// load describes a load on this gate.
func (w *world) load(messages, connections int) loadgen.Options {
	w.t.Helper()
	return loadgen.Options{
		Address: w.app.Addresses()["submissions"], ImplicitTLS: true,
		TLS:   &tls.Config{RootCAs: testkit.Roots(w.t, filepath.Join(w.dir, "data", testkit.CAFile)), ServerName: "localhost"},
		Login: testLogin, Password: testPassword, From: testLogin, To: []string{"b@example.com"},
		Connections: connections, Messages: messages, Size: 4096,
	}
}

func TestStartServesAndStopReleasesEverything(t *testing.T) {
	arrived := make(chan struct{}, 10)
	w := newWorld(t, "", func(sink.Message) error { arrived <- struct{}{}; return nil })
	res, err := loadgen.Run(t.Context(), w.load(3, 1))
	if err != nil || res.Accepted != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	for range 3 {
		<-arrived
	}
	metrics := "http://" + w.app.Addresses()["metrics"]
	for path, want := range map[string]string{
		"/metrics": "countersign_submission_accepted_total 3", "/healthz": "", "/readyz": "",
	} {
		if body := get(t, metrics+path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	where := w.app.Addresses()["submissions"]
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", where)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	l.Close()
	again, err := New(w.configure(""), Options{Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(t.Context()); err != nil {
		t.Fatalf("the data folder is still locked: %v", err)
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s (%v)", url, resp.Status, err)
	}
	return string(body)
}

func TestReloadTakesLimitsAndNamesWhatNeedsARestart(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	restart, err := w.app.Reload(t.Context(), w.configure("[session]\nmax_recipients = 1\n[auth]\nremember = \"5s\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(restart) != 1 || restart[0] != "auth.remember" {
		t.Errorf("needs a restart: %v", restart)
	}
	o := w.load(1, 1)
	o.To = []string{"b@example.com", "c@example.com"}
	res, err := loadgen.Run(t.Context(), o)
	if err != nil || res.Rejections["452"] == 0 {
		t.Errorf("the limit is not in force: %+v, %v", res, err)
	}
}

func TestFailedReloadChangesNothing(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	cfg := w.configure("[session]\nmax_recipients = 1\n")
	cfg.Certificates[0].Name = "other" // the listener uses what is gone
	cfg.Listeners[0].Certificates = nil
	cfg.Certificates[0].Source = "files"
	if _, err := w.app.Reload(t.Context(), cfg); err == nil {
		t.Fatal("a certificate without files was taken")
	}
	o := w.load(1, 1)
	o.To = []string{"b@example.com", "c@example.com"}
	if res, err := loadgen.Run(t.Context(), o); err != nil || res.Accepted != 1 {
		t.Errorf("limits changed although the reload failed: %+v, %v", res, err)
	}
}

// BenchmarkAccept measures the way in, generator included, without signatures
// and delivery.
func BenchmarkAccept(b *testing.B) { benchAccept(b, "") }

// benchAccept is BenchmarkAccept with more in the configuration.
func benchAccept(b *testing.B, extra string) {
	b.Helper()
	const accepting = "[dkim]\nsign = false\n[delivery]\nenabled = false\n[session]\nmax_messages = 1000000000\n"
	w := newWorld(b, accepting+extra, func(sink.Message) error { return nil })
	o := w.load(b.N, 32)
	b.ResetTimer()
	res, err := loadgen.Run(context.Background(), o)
	if err != nil || res.Accepted != b.N {
		b.Fatalf("%+v, %v", res, err)
	}
	b.ReportMetric(res.PerSecond, "messages/s")
	b.ReportMetric(res.Latency.P50, "p50-ms")
	b.ReportMetric(res.Latency.P99, "p99-ms")
}

// TestBouncesOfOurOwnDomainAreSigned: where the host name is a domain with
// keys, what we send ourselves carries both signatures like everything else.
func TestBouncesOfOurOwnDomainAreSigned(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	ctx := t.Context()
	keys, err := turnover.Maker{Sealer: w.app.Sealer()}.Make("gate.example.org", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.app.Admin("test").AddDomain(ctx, "gate.example.org", "acme", keys); err != nil {
		t.Fatal(err)
	}
	head, body := []byte("From: <MAILER-DAEMON@gate.example.org>\r\n\r\n"), []byte("x\r\n")
	fields, err := w.app.signReport(head, body)
	if err != nil || strings.Count(string(fields), "DKIM-Signature:") != 2 {
		t.Fatalf("%q, %v", fields, err)
	}
	records := map[string]string{}
	for _, k := range keys {
		records[k.Selector+"._domainkey.gate.example.org"] = k.Public
	}
	results, err := dkim.Verify(strings.NewReader(string(fields)+string(head)+string(body)), func(name string) ([]string, error) {
		return []string{records[name]}, nil
	})
	if err != nil || len(results) != 2 || results[0].Err != nil || results[1].Err != nil {
		t.Errorf("%+v, %v", results, err)
	}
}

// TestReloadedHostnameLeavesCertificatesAlone: the new name is in force after
// a restart only, and until then clients connect to the old one.
func TestReloadedHostnameLeavesCertificatesAlone(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	cfg := w.configure("")
	cfg.Hostname = "new.example.org"
	cfg.Certificates[0].Hosts = []string{"new.example.org"} // as derived from it
	w.app.started.Hostname = "localhost"
	restart, err := w.app.Reload(t.Context(), cfg)
	if err != nil || !slices.Contains(restart, "hostname") {
		t.Fatalf("needs a restart: %v (%v)", restart, err)
	}
	if res, err := loadgen.Run(t.Context(), w.load(1, 1)); err != nil || res.Accepted != 1 {
		t.Errorf("a client that verifies the old name: %+v, %v", res, err)
	}
}
