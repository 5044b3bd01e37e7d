package gates

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/loadgen"
	"countersign/test/harness"
)

// The goals: what all gates together may cost for a message, and what they leave of the speed.
const (
	onSQLiteGoal   = 100.0 // µs
	onPostgresGoal = 200.0
	shareGoal      = 0.85
)

const (
	// logins is how often it is measured how fast sessions are opened; odd.
	logins = 5
	// perConnection is how many messages an account sends before the next one comes.
	perConnection = 10
	// active is how many of the accounts send, each with the same as the others.
	active = 2_000
	// sessions are opened at a time where it is measured how fast that is.
	sessions = 1_200
)

// plan is how often each gate is measured, odd, and for how long. One round says little: they differ
// by a tenth and more.
type plan struct {
	rounds int
	length time.Duration
}

// The plans: what all gates together cost is held against the goals, each alone only tells where that goes.
var (
	ofAll  = plan{21, 3 * time.Second}
	ofEach = plan{5, 5 * time.Second}
)

// once refuses what would mean nothing.
func once(b *testing.B) {
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
			b.Fatal("the binary has the race detector in it: run scripts/gates.sh")
		}
	}
}

// figures are what was measured of one gate, one for each round.
type figures struct {
	// gate and server are microseconds of processor time for a message, or a session.
	gate, server, rate []float64
}

// used is the processor time of a gate and of its database server in microseconds.
func (s site) used(b *testing.B) (gate, server float64) {
	b.Helper()
	u, err := loadgen.ReadUsage(s.Process())
	if err != nil {
		b.Fatal(err)
	}
	if s.server != 0 {
		server = withChildren(b, s.server)
	}
	return u.CPUSeconds * 1e6, server
}

// note adds what n of something took since a moment.
func (f *figures) note(b *testing.B, s site, n int, took time.Duration, gate, server float64) {
	b.Helper()
	g, v := s.used(b)
	f.gate = append(f.gate, (g-gate)/float64(n))
	f.server = append(f.server, (v-server)/float64(n))
	f.rate = append(f.rate, float64(n)/took.Seconds())
}

// number is that of the n-th account that sends: they are spread over all.
func number(n int) int { return n%active*7919%accounts + 1 }

// sender is the login of the n-th account that sends.
func sender(n int) string { return fmt.Sprintf("u%d@d%d.example", number(n), number(n)%domains) }

// load is as whom messages come in: each connection is another account's, at another address. A
// round goes on where the one before may have ended.
func (s site) load(round int, password string) loadgen.Options {
	o := s.Load(10_000_000, 32)
	o.PerConnection = perConnection
	granted := slices.ContainsFunc(s.copies, func(c copies) bool { return c.table == "account_grant" })
	o.Change = func(n int, o *loadgen.Options) {
		n += round * active / 6
		i := number(n)
		o.Login, o.Password = sender(n), password
		o.From = o.Login
		if granted && i%10 == 0 {
			o.From = fmt.Sprintf("team@d%d.example", i%domains)
		}
		o.Client = netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)})
	}
	return o
}

// send measures a gate for a while.
func (s site) send(b *testing.B, round int, length time.Duration, password string, f *figures) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), length)
	defer cancel()
	gate, server := s.used(b)
	began := time.Now()
	result, err := loadgen.Run(ctx, s.load(round, password))
	if err != nil || result.Accepted == 0 || result.Failed > 0 {
		b.Fatalf("%s: %+v, %v", s.name, result, err)
	}
	f.note(b, s, result.Accepted, time.Since(began), gate, server)
}

// connect measures how fast sessions are opened.
func (s site) connect(b *testing.B, round int, password string, f *figures) {
	b.Helper()
	gate, server := s.used(b)
	began := time.Now()
	var took time.Duration
	if err := loadgen.Idle(b.Context(), s.load(round, password), sessions, func() { took = time.Since(began) }); err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	f.note(b, s, sessions, took, gate, server)
}

// measure measures gates in turns, nothing first, and prints what each costs.
func measure(b *testing.B, p plan, list []site, password string) {
	sending, connecting := make([]figures, len(list)), make([]figures, len(list))
	for round := range p.rounds + 1 {
		for n := range list {
			i := n
			if round%2 == 0 { // nobody always comes behind the same one
				i = len(list) - 1 - n
			}
			s := list[i]
			if s.name == doors {
				continue // it does nothing about messages
			}
			if round == 0 { // nothing is in memory yet
				s.send(b, p.rounds, 2*time.Second, password, &figures{})
				continue
			}
			s.send(b, round-1, p.length, password, &sending[i])
		}
	}
	for _, known := range []bool{false, true} { // the accounts of those that have sent are in memory
		for round := range logins {
			for i, s := range list {
				switch {
				case s.name != nothing && s.name != doors:
				case known:
					s.connect(b, p.rounds+1+round, password, &connecting[i])
				default:
					s.connect(b, p.rounds+1+round, password, &figures{})
				}
			}
		}
	}
	print := newTable(b, p, list[0].server != 0)
	for i, s := range list {
		if s.name != doors {
			print.line(s.name, "message", sending[0], sending[i])
		}
	}
	for i, s := range list {
		if s.name == nothing || s.name == doors {
			print.line("a login, "+s.name, "session", connecting[0], connecting[i])
		}
	}
	for i, s := range list {
		switch s.name {
		case everything:
			print.memory(s)
			print.verdict(sending[0], sending[i])
		case nothing:
			print.memory(s)
		}
	}
	b.ReportMetric(0, "ns/op") // means nothing here
}

// table prints.
type table struct {
	b      *testing.B
	server bool
}

func newTable(b *testing.B, p plan, server bool) *table {
	t := &table{b, server}
	fmt.Printf("%-36s %10s %10s %10s %8s", "medians of "+strconv.Itoa(p.rounds)+" rounds", "µs of gate", "µs more", "in a s", "share")
	if server {
		fmt.Printf(" %12s %10s", "µs of server", "µs more")
	}
	fmt.Println()
	return t
}

// line prints what one gate costs, beside the one with nothing.
func (t *table) line(name, what string, without, with figures) {
	fmt.Printf("%-36s %10.0f %10.0f %10.0f %8.2f", name, median(with.gate), more(without.gate, with.gate), median(with.rate), share(without.rate, with.rate))
	if t.server {
		fmt.Printf(" %12.0f %10.0f", median(with.server), more(without.server, with.server))
	}
	fmt.Println()
	t.b.ReportMetric(more(without.gate, with.gate), strings.ReplaceAll(name, " ", "-")+"_µs/"+what)
}

// memory prints what a gate takes.
func (t *table) memory(s site) {
	u, err := loadgen.ReadUsage(s.Process())
	if err != nil {
		t.b.Fatal(err)
	}
	fmt.Printf("memory of the gate, %s: %d MiB, at most %d MiB\n", s.name, u.ResidentKiB/1024, u.PeakKiB/1024)
}

// verdict holds all gates together against the goals.
func (t *table) verdict(without, with figures) {
	goal := onSQLiteGoal
	if t.server {
		goal = onPostgresGoal
	}
	cost, left := more(without.gate, with.gate), share(without.rate, with.rate)
	word := func(met bool) string {
		if met {
			return "met"
		}
		return "MISSED"
	}
	fmt.Printf("all gates: %.0f µs for a message, goal under %.0f: %s\n", cost, goal, word(cost < goal))
	fmt.Printf("all gates: %.2f of the speed without, goal %.2f: %s\n", left, shareGoal, word(left >= shareGoal))
	shares := each(without.rate, with.rate, func(a, b float64) float64 { return b / a })
	fmt.Printf("half of the rounds are between %.2f and %.2f\n", shares[len(shares)/4], shares[len(shares)*3/4])
}

// more is the median of how much more one costs than the other in the same round.
func more(without, with []float64) float64 {
	return middle(each(without, with, func(a, b float64) float64 { return b - a }))
}

// share is the median of what is left of a speed in the same round.
func share(without, with []float64) float64 {
	return middle(each(without, with, func(a, b float64) float64 { return b / a }))
}

// each returns what of makes of the rounds of two, in order.
func each(without, with []float64, of func(without, with float64) float64) []float64 {
	list := make([]float64, len(with))
	for i := range with {
		list[i] = of(without[i], with[i])
	}
	slices.Sort(list)
	return list
}

func median(list []float64) float64 { return middle(slices.Sorted(slices.Values(list))) }

// middle is the median of what is in order.
func middle(list []float64) float64 { return list[len(list)/2] }

// serverOf returns the id of the first process of a database server.
func serverOf(b *testing.B, url string) int {
	b.Helper()
	c, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	var pid int
	if err := c.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		b.Fatal(err)
	}
	return int(numbers(b, pid)[parent])
}

// The places of what /proc/PID/stat has behind the name of the process.
const (
	parent = 1
	times  = 11 // user and system time, then those of children that have ended; in hundredths of a second
)

// withChildren returns the microseconds of processor time that a process and its children have
// used.
func withChildren(b *testing.B, pid int) float64 {
	b.Helper()
	var ticks float64
	for _, n := range numbers(b, pid)[times : times+4] {
		ticks += n
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, folder := range all {
		child, _ := strconv.Atoi(filepath.Base(folder))
		if stat := numbers(b, child); stat != nil && int(stat[parent]) == pid {
			ticks += stat[times] + stat[times+1]
		}
	}
	return ticks * 1e4
}

// numbers reads /proc/PID/stat behind the name; nil where there is no such process any more.
func numbers(b *testing.B, pid int) (list []float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	for _, word := range strings.Fields(rest) {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			n = 0 // the state, a letter
		}
		list = append(list, n)
	}
	return list
}
