package delivery

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/testkit"
)

// names is a resolver in memory; names it does not have do not exist.
type names struct {
	mu  sync.Mutex // guards what follows
	mx  map[string][]mx.Record
	ip  map[string][]netip.Addr
	err map[string]error
}

func (n *names) LookupMX(_ context.Context, domain string) ([]mx.Record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.err[domain]; err != nil {
		return nil, err
	}
	records, ok := n.mx[domain]
	if _, host := n.ip[domain]; !ok && !host {
		return nil, fault.New("names", fault.NotFound, "no %s", domain)
	}
	return records, nil
}

func (n *names) LookupIP(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.err[host]; err != nil {
		return nil, err
	}
	found, ok := n.ip[host]
	if !ok {
		return nil, fault.New("names", fault.NotFound, "no %s", host)
	}
	return found, nil
}

// bench is a Deliverer with doubles around it.
type bench struct {
	t       *testing.T
	store   *memory
	network *testkit.Network
	names   *names
	ids     *mail.IDSource
	opt     Options
	d       *Deliverer
	log     *lockedBuffer
	servers []*testkit.MX
}

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newBench(t *testing.T) *bench {
	b := &bench{
		t: t, store: newMemory(), network: testkit.NewNetwork(), ids: &mail.IDSource{},
		names: &names{mx: map[string][]mx.Record{}, ip: map[string][]netip.Addr{}, err: map[string]error{}},
		log:   &lockedBuffer{},
	}
	b.opt = Options{
		Store: b.store, Resolver: b.names, IDs: b.ids, Now: time.Now,
		Hostname: "gate.example", Dial: b.network.Dial,
		Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	return b
}

// server makes a domain's mail go to m at the given address, under the given preference.
func (b *bench) server(domain, address string, preference uint16, m *testkit.MX) {
	host := fmt.Sprintf("mx%d.%s", preference, domain)
	b.names.mx[domain] = append(b.names.mx[domain], mx.Record{Preference: preference, Host: host})
	b.names.ip[host] = []netip.Addr{netip.MustParseAddr(address)}
	if m != nil {
		b.network.Set(address+":25", m)
		b.servers = append(b.servers, m)
	}
}

// start starts the Deliverer; the function it returns stops everything.
func (b *bench) start() func() {
	b.t.Helper()
	d, err := New(b.opt)
	if err != nil {
		b.t.Fatal(err)
	}
	b.d = d
	d.Start()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			b.t.Errorf("Stop: %v", err)
		}
		for _, m := range b.servers {
			m.Close()
		}
	}
}

// letter makes a message from a@example.net.
func (b *bench) letter(to ...string) *queue.Acceptance {
	b.t.Helper()
	now := time.Now()
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: b.ids.New(), Session: b.ids.New(), Login: "a@example.net", At: now, Expires: now.Add(5 * 24 * time.Hour),
			Envelope: mail.Envelope{From: mail.Address{Local: "a", Domain: "example.net"}, Body: mail.Body7Bit},
		},
		Content: queue.Content{Head: []byte("Subject: x\r\nFrom: a@example.net\r\n\r\n"), Body: []byte("hello\r\n")},
	}
	a.Submission.Size = int64(len(a.Content.Head) + len(a.Content.Body))
	for i, s := range to {
		address, err := mail.ParseAddress(s)
		if err != nil {
			b.t.Fatal(err)
		}
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: a.Submission.ID, N: i + 1, State: queue.Queued, Next: now, Recipient: mail.Recipient{To: address},
		})
	}
	return a
}

// put stores a message and offers it, as submission does.
func (b *bench) put(a *queue.Acceptance) *queue.Acceptance {
	b.t.Helper()
	if err := b.store.Accept(context.Background(), a); err != nil {
		b.t.Fatal(err)
	}
	b.d.Offer(a)
	return a
}

// bounces returns the reports that the sender's server got.
func bounces(m *testkit.MX) []string {
	var all []string
	for _, r := range m.Received() {
		if strings.Contains(r.Data, "multipart/report") {
			all = append(all, r.Data)
		}
	}
	return all
}

// contextWithin is a context of its own that ends after d.
func contextWithin(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
