package book

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/mail"
)

// crowd is so many bans of logins from everywhere.
func crowd(n int) []access.Ban {
	list := make([]access.Ban, n)
	for i := range list {
		list[i] = access.Ban{ID: mail.ID(fmt.Sprintf("01K%023d", i)), Prefix: netip.MustParsePrefix("0.0.0.0/0"), Login: fmt.Sprintf("u%d@example.org", i)}
	}
	return list
}

// spent is how many octets are allocated in a call.
func spent(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Bans of many logins from one network cost as much each as those of few: nothing is copied
// for each of them.
func TestManyLoginsOfOneNetwork(t *testing.T) {
	const n, each = 16_000, 1500 // octets
	list := crowd(n)
	b := New(nil)
	if octets := spent(func() { b.Replace(list) }); octets > n*each || b.Len() != n {
		t.Errorf("%d bans are read with %d octets for each", b.Len(), octets/n)
	}
	for i := range list {
		list[i].End = time.Unix(1, 0)
	}
	if octets := spent(func() { b.Apply(list[:n/2]) }); octets > n*each || b.Len() != n/2 {
		t.Errorf("%d bans are left, %d octets for each that is lifted", b.Len(), octets/n)
	}
	for i := range list {
		list[i].End = time.Time{}
	}
	if octets := spent(func() { b.Apply(list) }); octets > n*each || b.Len() != n {
		t.Errorf("%d bans hold, %d octets for each that is set", b.Len(), octets/n)
	}
	now := time.Now()
	b.real.now = func() time.Time { return now }
	for i := range list {
		list[i].End = now.Add(time.Minute)
	}
	b.Apply(list)
	now = now.Add(time.Hour)
	if octets := spent(b.Sweep); octets > n*each || b.Len() != 0 {
		t.Errorf("%d bans are left, %d octets for each that has ended", b.Len(), octets/n)
	}
}

// Whoever looks at the pages of before sees no change.
func TestPagesOfBeforeStay(t *testing.T) {
	b := New(nil)
	list := crowd(3)
	list[2].Prefix = netip.MustParsePrefix("192.0.2.9/24") // not masked
	b.Replace(list)
	before := b.real.pages.Load()
	gone := list[0]
	gone.End = time.Unix(1, 0)
	last := list[2]
	last.End = time.Unix(1, 0)
	b.Apply([]access.Ban{gone, last, {ID: "new", Prefix: list[1].Prefix, Login: "new@example.org"}})
	of, _ := before.logins.Get(list[0].Prefix)
	if len(of) != 2 || of["new@example.org"] != nil || before.pairs != 3 || before.logins.Size() != 2 {
		t.Errorf("the pages of before have %v, %d pairs", of, before.pairs)
	}
	after := b.real.pages.Load()
	of, _ = after.logins.Get(list[0].Prefix)
	if len(of) != 2 || of["new@example.org"] == nil || after.pairs != 2 || after.logins.Size() != 1 {
		t.Errorf("the pages of now have %v, %d pairs", of, after.pairs)
	}
}

// BenchmarkReplace is what reading the bans of many logins from one network costs.
func BenchmarkReplace(b *testing.B) {
	for _, n := range []int{1000, 16_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := crowd(n)
			book := New(nil)
			for b.Loop() {
				book.Replace(list)
			}
		})
	}
}
