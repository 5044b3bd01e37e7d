package million

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// The goals.
const (
	maxStart   = 5 * time.Second
	maxPeakMiB = 300
	// minShare is what is left of the speed with an empty queue.
	minShare = 0.8
)

// nodeID is that of each gate, which has a database of its own.
const nodeID = "gate"

// rounds is how often both queues are measured in turns; odd.
const rounds = 7

// loadFor is how long the gate is under load while it delivers.
const loadFor = 60 * time.Second

// store is what is measured of an engine by itself.
type store interface {
	queue.Store
	Close() error
}

// site is a gate with its database.
type site struct {
	*harness.Gate
	// open opens its store while it is stopped.
	open func(b *testing.B) store
}

// BenchmarkSQLite measures the embedded engine.
func BenchmarkSQLite(b *testing.B) {
	m := newMeasurement(b)
	serve := func() site {
		s := site{Gate: harness.Serve(b, m.hop.Addr(), "[session]\nmax_messages = 1000000\n")}
		s.open = func(b *testing.B) store {
			return opened(b)(sqlite.Open(b.Context(), sqlite.Options{Path: sqlitePath(s.Gate), Server: true}))
		}
		return s
	}
	m.empty, m.full = serve(), serve()
	m.run(func() { fillSQLite(b, m.full.Gate) })
}

// BenchmarkPostgres measures the engine that several gates can share, on a server
// of its own with the durability that is the default.
func BenchmarkPostgres(b *testing.B) {
	m := newMeasurement(b)
	c := pgcluster.Start(b, pgcluster.Options{Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	serve := func() (site, string) {
		url := c.Database(b)
		extra := fmt.Sprintf("[session]\nmax_messages = 1000000\n[store]\nurl = %q\n[node]\nid = %q\n", url, nodeID)
		open := func(b *testing.B) store {
			return opened(b)(postgres.Open(b.Context(), postgres.Options{URL: url, Server: true, Node: nodeID}))
		}
		return site{harness.Serve(b, m.hop.Addr(), extra), open}, url
	}
	m.empty, _ = serve()
	full, url := serve()
	m.full = full
	m.run(func() { fillPostgres(b, url) })
}

// opened fails where a store cannot be opened.
func opened(b *testing.B) func(store, error) store {
	return func(s store, err error) store {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
}

// measurement is one run with an empty and a full queue.
type measurement struct {
	b           *testing.B
	empty, full site
	hop         *sink.Server
	arrived     atomic.Int64
}

func newMeasurement(b *testing.B) *measurement {
	b.Helper()
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	info, err := buildinfo.ReadFile(harness.Binary(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			b.Fatal("the binary has the race detector in it: run scripts/million.sh")
		}
	}
	m := &measurement{b: b}
	m.hop, err = sink.Listen("127.0.0.1:0", func(sink.Message) error { m.arrived.Add(1); return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.hop.Close() })
	return m
}

// run fills the queue of one gate and measures.
func (m *measurement) run(fill func()) {
	b := m.b
	for _, s := range []site{m.empty, m.full} {
		s.Kill(syscall.SIGTERM)
	}
	began := time.Now()
	fill()
	m.say("a million deliveries were filled in within %.0f s", time.Since(began).Seconds())

	m.stores()
	m.configure(false)
	m.startUp("the gate, delivery off")
	m.empty.Start()
	m.gates()
	m.empty.Kill(syscall.SIGTERM)
	m.full.Kill(syscall.SIGTERM)
	m.configure(true)
	m.startUp("the gate, delivering")
	m.underLoad()
	b.ReportMetric(0, "ns/op") // means nothing here
}

func (m *measurement) say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// verdict prints a figure beside its goal and reports it as a metric.
func (m *measurement) verdict(what, unit string, value float64, met bool, goal string) {
	word := "met"
	if !met {
		word = "MISSED"
	}
	m.say("%-52s %9.2f %-10s goal %s: %s", what, value, unit, goal, word)
	m.b.ReportMetric(value, strings.ReplaceAll(what, " ", "-")+"_"+unit)
}

// share prints what is left of a speed beside the million: the median over the
// rounds, each of which measured both one after the other.
func (m *measurement) share(what string, empty, full []float64) {
	var shares []float64
	for i := range empty {
		shares = append(shares, full[i]/empty[i])
	}
	for _, list := range [][]float64{empty, full, shares} {
		slices.Sort(list)
	}
	middle, last := len(empty)/2, len(empty)-1
	m.say("%s: %.0f/s (%.0f–%.0f) with an empty queue, %.0f/s (%.0f–%.0f) beside a million", what,
		empty[middle], empty[0], empty[last], full[middle], full[0], full[last])
	m.verdict(what, "share", shares[middle], shares[middle] >= minShare, fmt.Sprintf(">= %.2f", minShare))
}

// stores measures the stores by themselves, in turns.
func (m *measurement) stores() {
	e, f := m.empty.open(m.b), m.full.open(m.b)
	var ids mail.IDSource
	var accepts, news, olds [2][]float64
	began := queue.Position{Next: time.Now()}
	for range rounds {
		for i, s := range []store{e, f} {
			accepts[i] = append(accepts[i], m.accept(s, &ids, 3000))
		}
	}
	for range rounds {
		for i, s := range []store{e, f} {
			news[i] = append(news[i], m.due(s, began, 30))
			olds[i] = append(olds[i], m.due(s, queue.Position{}, 30))
		}
	}
	for _, s := range []store{e, f} {
		if err := s.Close(); err != nil {
			m.b.Fatal(err)
		}
	}
	m.share("store: accept", accepts[0], accepts[1])
	m.share("store: due, new messages, pages of 256", news[0], news[1])
	m.share("store: due, old ones among a million, pages of 256", olds[0], olds[1])
}

// accept stores n messages of 4 KB from 64 callers, and returns how many in a
// second.
func (m *measurement) accept(s store, ids *mail.IDSource, n int64) float64 {
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var next atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for range 64 {
		callers.Go(func() {
			for next.Add(1) <= n {
				if err := s.Accept(context.Background(), letter(ids.New(), body)); err != nil {
					m.b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// letter is a message with one recipient, which is due.
func letter(id mail.ID, body []byte) *queue.Acceptance {
	now := time.Now()
	return &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Session: id, Login: harness.Login, Domain: "example.org", Customer: "acme", At: now, Expires: now.Add(120 * time.Hour),
			Envelope: mail.Envelope{From: mail.Address{Local: "a", Domain: "example.org"}, Body: mail.Body8Bit}, Size: 4200,
		},
		Deliveries: []queue.Delivery{{
			Submission: id, N: 1, State: queue.Queued, Next: now, Recipient: mail.Recipient{To: mail.Address{Local: "b", Domain: "example.com"}},
		}},
		Content: queue.Content{Head: []byte("Subject: x\r\n\r\n"), Body: body},
		Events: []audit.Event{{
			At: now, Kind: audit.Accepted, Session: id, Submission: id, Login: harness.Login, Client: "192.0.2.1", Code: 250, Enhanced: "2.0.0",
			Data: map[string]string{"size": "4200", "recipients": "1"},
		}},
	}
}

// due reads pages of what is due behind from, as a scan does, and returns how many
// in a second.
func (m *measurement) due(s store, from queue.Position, pages int) float64 {
	const size = 256
	began := time.Now()
	for range pages {
		items, err := s.Due(context.Background(), began, from, size)
		if err != nil || len(items) != size {
			m.b.Fatalf("a page has %d deliveries, %v", len(items), err)
		}
		last := items[size-1].Delivery
		from = queue.Position{Next: last.Next, Submission: last.Submission, N: last.N}
	}
	return float64(pages) / time.Since(began).Seconds()
}

// configure writes the gates' configurations: delivery on or off; the route for
// example.com alone.
func (m *measurement) configure(deliver bool) {
	for _, s := range []site{m.empty, m.full} {
		text, err := os.ReadFile(s.Config)
		if err != nil {
			m.b.Fatal(err)
		}
		config, _, _ := strings.Cut(strings.Replace(string(text), `domain = "*"`, `domain = "example.com"`, 1), "\n[delivery]")
		config += fmt.Sprintf("\n[delivery]\nenabled = %v\nper_destination = 24\nmax_messages_per_connection = 10000\n", deliver)
		config = strings.Replace(config, `level = "info"`, `level = "error"`, 1)
		if err := os.WriteFile(s.Config, []byte(config), 0o600); err != nil {
			m.b.Fatal(err)
		}
	}
}

// startUp starts the full gate and measures until it is ready and has taken a
// message.
func (m *measurement) startUp(what string) {
	began := time.Now()
	m.full.Start()
	harness.WaitFor(m.b, "the gate to be ready", func() bool {
		resp, err := http.Get("http://" + m.full.Metrics + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	ready := time.Since(began)
	result, err := loadgen.Run(m.b.Context(), m.full.Load(1, 1))
	if err != nil || result.Accepted != 1 {
		m.b.Fatalf("the first message: %+v, %v", result, err)
	}
	accepted := time.Since(began)
	m.verdict(what+": until ready", "s", ready.Seconds(), ready < maxStart, "< 5")
	m.verdict(what+": until a message is taken", "s", accepted.Seconds(), accepted < maxStart, "< 5")
	m.memory(what + ", started")
}

// memory prints what the full gate takes.
func (m *measurement) memory(what string) {
	u, err := loadgen.ReadUsage(m.full.Process())
	if err != nil {
		m.b.Fatal(err)
	}
	mib := func(kib int64) float64 { return float64(kib) / 1024 }
	m.verdict(what+": memory", "MiB", mib(u.ResidentKiB), mib(u.ResidentKiB) < maxPeakMiB, "< 300")
	m.verdict(what+": peak memory", "MiB", mib(u.PeakKiB), mib(u.PeakKiB) < maxPeakMiB, "< 300")
}

// gates measures how fast both gates take messages, in turns; neither delivers.
func (m *measurement) gates() {
	var rates [2][]float64
	for range rounds {
		for i, s := range []site{m.empty, m.full} {
			result := m.load(s, 2*time.Second)
			rates[i] = append(rates[i], result.PerSecond)
		}
	}
	m.share("gate: accept", rates[0], rates[1])
}

// load sends to a gate over 32 connections, for so long.
func (m *measurement) load(s site, length time.Duration) loadgen.Result {
	ctx, cancel := context.WithTimeout(m.b.Context(), length)
	defer cancel()
	result, err := loadgen.Run(ctx, s.Load(10_000_000, 32))
	if err != nil || result.Accepted == 0 || result.Failed > 0 {
		m.b.Fatalf("%+v, %v", result, err)
	}
	return result
}

// underLoad sends to the full gate for a while, which delivers meanwhile what it can.
func (m *measurement) underLoad() {
	before := m.arrived.Load()
	result := m.load(m.full, loadFor)
	m.say("under load for %.0f s: %.0f/s taken (p50 %.1f ms, p99 %.1f ms), %.0f/s delivered", result.Seconds, result.PerSecond, result.Latency.P50, result.Latency.P99,
		float64(m.arrived.Load()-before)/result.Seconds)
	m.memory("the gate, after the load")
}
