package alignment

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"countersign/internal/mail"
	"countersign/internal/policy/domainkey"
)

// BenchmarkLook is what a message of a known domain costs.
func BenchmarkLook(b *testing.B) {
	dns := &slow{ttl: time.Hour, good: true, record: "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 392)}
	c := New(Options{Judge: &Judge{Asker: dns, Sending: ours}, Wait: time.Minute})
	defer c.Close()
	q := Question{From: "example.org", MailFrom: "example.org", Keys: []domainkey.Key{
		{Domain: "example.org", Selector: "a", Record: dns.record}, {Domain: "example.org", Selector: "b", Record: dns.record},
	}}
	c.Look(b.Context(), q)
	b.ReportAllocs()
	for b.Loop() {
		if c.Look(b.Context(), q).Verdict == "" {
			b.Fatal("no verdict")
		}
	}
}

// TestMemoryIsBounded keeps as many assessments as there may be, of domains that publish
// as much nonsense as they can.
func TestMemoryIsBounded(t *testing.T) {
	const size, most = 10_000, 32 << 20
	c := New(Options{Judge: &Judge{Asker: flood{}, Sending: ours}, Wait: time.Minute})
	defer c.Close()
	key := keyOf(t, "example.org", "a")
	before := heap()
	for i := range 2 * size {
		d := mail.Domain(fmt.Sprintf("d%d.example", i))
		a := c.Look(t.Context(), Question{From: d, MailFrom: d, Keys: []domainkey.Key{key}})
		if a.Verdict == "" {
			t.Fatal("no verdict")
		}
	}
	grown := heap() - before
	t.Logf("%d assessments take %d MiB", len(c.entries), grown>>20)
	if grown > most || len(c.entries) > size {
		t.Errorf("%d assessments take %d MiB", len(c.entries), grown>>20)
	}
}

// heap is the octets in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
