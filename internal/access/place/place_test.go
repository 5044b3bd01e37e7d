package place

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"

	"countersign/internal/access/list"
	"countersign/internal/fault"
	"countersign/internal/testkit/placefile"
)

// files writes one file of each kind.
func files(t *testing.T) Files {
	t.Helper()
	f := Files{filepath.Join(t.TempDir(), "countries.mmdb"), filepath.Join(t.TempDir(), "networks.mmdb")}
	placefile.Countries(t, f.Countries, map[string]string{"192.0.2.0/24": "DE", "2001:db8::/32": "FR", "198.51.100.0/25": "us"})
	placefile.Networks(t, f.Networks, map[string]uint32{"192.0.2.0/25": 64500, "2001:db8::/32": 4294967295})
	return f
}

// finder has those files.
func finder(t *testing.T, f Files) *Finder {
	t.Helper()
	found := new(Finder)
	change, err := found.Prepare(f)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	return found
}

// TestPlacesThatAreKept: where a client is, is kept, for no more of them than is meant to be, and
// not longer than the file that says so.
func TestPlacesThatAreKept(t *testing.T) {
	names := files(t)
	f := finder(t, names)
	client := netip.MustParseAddr("192.0.2.1")
	for range 2 {
		if got := f.Place(client); got.Country != "DE" {
			t.Errorf("it is in %+v", got)
		}
	}
	other := netip.MustParseAddr("2001:db8::")
	for range 2 * maxLately {
		other = other.Next()
		f.Place(other)
		if n := len(f.now.Load().lately.places); n > maxLately {
			t.Fatalf("%d are kept", n)
		}
	}
	placefile.Countries(t, names.Countries, map[string]string{"192.0.2.0/24": "NL"})
	change, err := f.Prepare(names)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Place(client); got.Country != "DE" {
		t.Errorf("before the new file is in force it is in %+v", got)
	}
	before := f.Version()
	change.Commit()
	if now := f.Version(); before == 0 || now == before || new(Finder).Version() == before {
		t.Errorf("the version is %d, and was %d", now, before)
	}
	if got := f.Place(client); got.Country != "NL" {
		t.Errorf("by the new file it is in %+v", got)
	}
}

func TestPlaces(t *testing.T) {
	f := finder(t, files(t))
	for text, want := range map[string]list.Place{
		"192.0.2.1":        {Country: "DE", AS: 64500},
		"::ffff:192.0.2.1": {Country: "DE", AS: 64500},
		"192.0.2.129":      {Country: "DE"},
		"198.51.100.1":     {Country: "US"},
		"198.51.100.129":   {},
		"203.0.113.1":      {},
		"2001:db8::1":      {Country: "FR", AS: 4294967295},
		"2001:db9::1":      {},
		"fe80::1%eth0":     {},
		"255.255.255.255":  {},
		"::":               {},
	} {
		want.Client = netip.MustParseAddr(text).Unmap().WithZone("")
		if got := f.Place(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is in %+v, want %+v", text, got, want)
		}
	}
	if got := f.Place(netip.Addr{}); got != (list.Place{}) {
		t.Errorf("no address is in %+v", got)
	}
}

func TestWithoutFiles(t *testing.T) {
	var f Finder
	client := netip.MustParseAddr("192.0.2.1")
	if got := f.Place(client); got != (list.Place{Client: client}) {
		t.Errorf("without files: %+v", got)
	}
	de, as, network := list.What{Country: "DE"}, list.What{AS: 1}, list.What{Prefix: netip.MustParsePrefix("192.0.2.0/24")}
	if f.Knows(de) || f.Knows(as) || !f.Knows(network) {
		t.Error("it knows of what it has no file")
	}
	both := files(t)
	only := finder(t, Files{Countries: both.Countries})
	if !only.Knows(de) || only.Knows(as) || only.Place(client).AS != 0 || only.Place(client).Country != "DE" {
		t.Errorf("with countries alone: %+v", only.Place(client))
	}
	if countries, networks := only.Built(); countries.IsZero() || !networks.IsZero() {
		t.Errorf("made at %v and %v", countries, networks)
	}
}

// TestRegistered: where the country of a network is left out, it is where it is registered.
func TestRegistered(t *testing.T) {
	f := Files{Countries: filepath.Join(t.TempDir(), "x")}
	iso := func(code string) mmdbtype.Map { return mmdbtype.Map{"iso_code": mmdbtype.String(code)} }
	placefile.Write(t, f.Countries, "City", map[string]mmdbtype.DataType{
		"192.0.2.0/24":    mmdbtype.Map{"registered_country": iso("IT"), "city": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(7)}},
		"198.51.100.0/24": mmdbtype.Map{"registered_country": iso("IT"), "country": iso("ES")},
		"203.0.113.0/24":  mmdbtype.Map{"country": iso("EU"), "registered_country": iso("A1")}, // no countries
	})
	found := finder(t, f)
	for text, want := range map[string]string{"192.0.2.1": "IT", "198.51.100.1": "ES", "203.0.113.1": ""} {
		if got := found.Place(netip.MustParseAddr(text)).Country; got != want {
			t.Errorf("%s is in %q, want %q", text, got, want)
		}
	}
}

// TestDamage: what cannot be used changes nothing, and says what is wrong with which file.
func TestDamage(t *testing.T) {
	good := files(t)
	f := finder(t, good)
	whole, err := os.ReadFile(good.Countries)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.mmdb")
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(bad, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what, says string, files Files) {
		t.Helper()
		_, err := f.Prepare(files)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) || f.Place(netip.MustParseAddr("192.0.2.1")).Country != "DE" {
			t.Errorf("%s: %v, want %q", what, err, says)
		}
	}
	refused("no file", "cannot be read", Files{Countries: bad})
	refused("a folder", "cannot be read", Files{Countries: t.TempDir()})
	write(nil)
	refused("an empty file", bad+" is no sound file", Files{Countries: bad})
	write([]byte("<html>you have reached your download limit</html>"))
	refused("something else", bad+" is no sound file", Files{Networks: bad})
	write(whole[:len(whole)-20])
	refused("cut off", "is no sound file", Files{Countries: bad})
	write(whole[100:])
	refused("without its beginning", "is no sound file", Files{Countries: bad})
	reader, err := maxminddb.OpenBytes(whole)
	if err != nil {
		t.Fatal(err)
	}
	joint := append([]byte(nil), whole...)
	joint[reader.Metadata.NodeCount*6+3] = 7 // between tree and data, where nothing but 0 may be
	write(joint)
	refused("where its parts meet", "is no sound file", Files{Countries: bad})
	refused("of something else", "says nothing of autonomous systems", Files{Networks: good.Countries})
	refused("the other way round", "says nothing of countries", Files{Countries: good.Networks})
	refused("one of two", "says nothing of countries", Files{Countries: good.Networks, Networks: good.Networks})
	placefile.Write(t, bad, "Odd", map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.String("AS64500")}})
	refused("a number that is text", "cannot be read at 192.0.2.0/24", Files{Networks: bad})
	placefile.Write(t, bad, "Odd", map[string]mmdbtype.DataType{
		"192.0.2.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)}, "198.51.100.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.String("AS64501")},
	})
	refused("a number that is text behind one that is not", "cannot be read at 198.51.100.0/24", Files{Networks: bad})
	broken := 0
	for i := 0; i < len(whole); i += 7 { // a bit in the tree, the data, the description
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x41
		write(damaged)
		change, err := f.Prepare(Files{Countries: bad})
		if err != nil {
			broken++
			continue
		}
		change.Commit() // what is not found out must at least do no harm
		for _, text := range []string{"192.0.2.1", "2001:db8::1", "255.255.255.255", "::"} {
			f.Place(netip.MustParseAddr(text))
		}
	}
	if broken == 0 {
		t.Error("no damage was found")
	}
}

// TestReplaced: a file that is replaced, or overwritten in its place, is as it was until it
// is read anew.
func TestReplaced(t *testing.T) {
	paths := files(t)
	f, client := finder(t, paths), netip.MustParseAddr("192.0.2.1")
	placefile.Countries(t, paths.Countries, map[string]string{"192.0.2.0/24": "PL"})
	if got := f.Place(client).Country; got != "DE" {
		t.Errorf("before: %q", got)
	}
	change, err := f.Prepare(paths)
	if err != nil || f.Place(client).Country != "DE" {
		t.Fatalf("prepared: %q, %v", f.Place(client).Country, err)
	}
	change.Commit()
	if got := f.Place(client).Country; got != "PL" {
		t.Errorf("afterwards: %q", got)
	}
	if err := os.WriteFile(paths.Countries, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.Place(client).Country; got != "PL" {
		t.Errorf("overwritten: %q", got)
	}
}

// TestNoFile: what is no file is not waited for.
func TestNoFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{pipe: pipe + " is no file", "/dev/zero": "/dev/zero is no file"} {
		if _, err := new(Finder).Prepare(Files{Countries: path}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestBeingWritten: a file that changes while it is read is refused.
func TestBeingWritten(t *testing.T) {
	path := files(t).Countries
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := int64(0); ctx.Err() == nil; n++ {
			if err := os.Chtimes(path, time.Unix(n, 0), time.Unix(n, 0)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	defer stop()
	for {
		_, err := read(path)
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "is being written") {
			t.Error(err)
		}
		return
	}
}

// TestTreeWithoutEnd: a file whose few nodes stand for more networks than anybody could count, and
// one that claims more nodes than it has, come to an end.
func TestTreeWithoutEnd(t *testing.T) {
	whole, err := os.ReadFile(files(t).Networks) // which says nothing of countries
	if err != nil {
		t.Fatal(err)
	}
	reader, err := maxminddb.OpenBytes(whole)
	if err != nil {
		t.Fatal(err)
	}
	nodes := int(reader.Metadata.NodeCount)
	chain := append([]byte(nil), whole...)
	data := []int{0, bytes.LastIndex(whole[:bytes.Index(whole, []byte("MaxMind.com"))], []byte{0xe2}) - nodes*6 - 16} // of both networks
	for n := range nodes {
		for side := range 2 {
			next := min(n+1, nodes-1)
			if n == 127 || n == nodes-1 {
				next = nodes + 16 + data[side]
			}
			at := n*6 + side*3
			chain[at], chain[at+1], chain[at+2] = byte(next>>16), byte(next>>8), byte(next)
		}
	}
	path := filepath.Join(t.TempDir(), "x")
	prepare := func(data []byte, says string) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := new(Finder).Prepare(Files{Countries: path}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	prepare(chain, "says nothing of countries")
	claim := bytes.Replace(whole, append([]byte("\x4anode_count"), whole[bytes.Index(whole, []byte("node_count"))+10:][:3]...), []byte("\x4anode_count\xc4\xff\xff\xff\xff"), 1)
	if bytes.Equal(claim, whole) {
		t.Fatal("the number of nodes is not where it was looked for")
	}
	prepare(claim, "is no sound file")
}

// TestIPv4Alone: a file that knows IPv4 alone says so.
func TestIPv4Alone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	placefile.CountriesIPv4(t, path, map[string]string{"192.0.2.0/24": "DE"})
	both := files(t)
	f := finder(t, Files{path, both.Networks})
	de, as, network := list.What{Country: "DE"}, list.What{AS: 1}, list.What{Prefix: netip.MustParsePrefix("192.0.2.0/24")}
	if !f.Halved(de) || f.Halved(as) || f.Halved(network) || finder(t, both).Halved(de) || new(Finder).Halved(de) {
		t.Error("it is not told which file knows IPv4 alone")
	}
	for text, want := range map[string]string{"192.0.2.1": "DE", "::ffff:192.0.2.1": "DE", "2001:db8::1": "", "::": ""} {
		if got := f.Place(netip.MustParseAddr(text)).Country; got != want {
			t.Errorf("%s is in %q, want %q", text, got, want)
		}
	}
}

// TestRandomDamage: no damage makes it panic, or not come to an end.
func TestRandomDamage(t *testing.T) {
	whole, err := os.ReadFile(files(t).Countries)
	if err != nil {
		t.Fatal(err)
	}
	path, random := filepath.Join(t.TempDir(), "x"), rand.New(rand.NewPCG(1, 2))
	for range 500 {
		data := append([]byte(nil), whole...)
		for range 1 + random.IntN(6) {
			data[random.IntN(len(data))] = byte(random.IntN(256))
		}
		if random.IntN(3) == 0 {
			data = data[:random.IntN(len(data))]
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f := new(Finder)
		if change, err := f.Prepare(Files{path, path}); err == nil {
			change.Commit()
			f.Place(netip.MustParseAddr("192.0.2.1"))
			f.Place(netip.MustParseAddr("2001:db8::1"))
		}
	}
}

func BenchmarkPlace(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x")
	placefile.Countries(b, path, map[string]string{"192.0.2.0/24": "DE", "2001:db8::/32": "FR"})
	f := new(Finder)
	change, err := f.Prepare(Files{Countries: path})
	if err != nil {
		b.Fatal(err)
	}
	change.Commit()
	client := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		f.Place(client)
	}
}
