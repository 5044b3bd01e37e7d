// Package place knows in which country and in which autonomous system an address is, by files
// in the MaxMind DB format, version 2, which several vendors make.
//
// A file is read whole and verified before it is used, so that a damaged one changes nothing
// and a new one may be put in its place at any time. Nobody is asked over the network.
//
// Main types: Finder.
package place

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"countersign/internal/access"
	"countersign/internal/access/list"
	"countersign/internal/fault"
)

// maxFile is how long a file may be, in octets: it is in memory. Those of countries have
// some 10 MB, those of cities, which say countries too, some 100.
const maxFile = 1 << 30

// Files names the files; "" for none. Both may be the same one.
type Files struct {
	// Countries has country.iso_code of networks, or registered_country.iso_code.
	Countries string
	// Networks has autonomous_system_number.
	Networks string
}

// Finder finds places. The zero value knows none. It is safe for concurrent use, and
// questions wait for no file.
type Finder struct {
	now     atomic.Pointer[databases]
	changes atomic.Uint64
}

// databases are the files of one moment, which are never changed.
type databases struct {
	files               Files
	countries, networks *database
	lately              lately
	// version tells them apart.
	version uint64
}

// database is one file.
type database struct {
	reader *maxminddb.Reader
	built  time.Time
	// six says that it knows IPv6 addresses, too.
	six bool
}

// Change is what Prepare has read.
type Change struct {
	finder *Finder
	next   *databases
}

// Commit puts it into force.
func (c *Change) Commit() {
	c.next.version = 1 + c.finder.changes.Add(1)
	c.finder.now.Store(c.next)
}

// Prepare reads and verifies files, and changes nothing yet. Errors: fault.Invalid, naming
// the file, where one cannot be read, is damaged, or does not say what it is for.
func (f *Finder) Prepare(files Files) (*Change, error) {
	next := &databases{files: files}
	var err error
	if next.countries, err = open(files.Countries, "countries", countryOf); err != nil {
		return nil, err
	}
	if next.networks, err = open(files.Networks, "autonomous systems", systemOf); err != nil {
		return nil, err
	}
	return &Change{f, next}, nil
}

// open reads a file, nil for none, and wants something of that to be in it.
func open[V comparable](path, what string, value func(maxminddb.Result) (V, error)) (*database, error) {
	const op = "place.open"
	if path == "" {
		return nil, nil
	}
	data, err := read(path)
	if err != nil {
		return nil, fault.New(op, fault.Invalid, "the file of %s cannot be read: %v", what, err)
	}
	reader, err := maxminddb.OpenBytes(data)
	if err == nil {
		err = reader.Verify()
	}
	if err != nil {
		return nil, fault.New(op, fault.Invalid, "%s is no sound file in the MaxMind DB format: %v", path, err)
	}
	some, err := inspect(reader, value)
	if err != nil {
		return nil, fault.New(op, fault.Invalid, "%s cannot be read at %v", path, err)
	}
	if !some {
		return nil, fault.New(op, fault.Invalid, "%s (%.100q) says nothing of %s", path, reader.Metadata.DatabaseType, what)
	}
	return &database{reader, reader.Metadata.BuildTime().UTC(), reader.Metadata.IPVersion == 6}, nil
}

// inspect reads what a file says of each network, and reports whether that is anything. What
// could not be read would else be no country, which lets in whom an entry denies. A tree of so many
// nodes has one network more; one whose parts stand for several networks can have more than
// anybody could go through, so that it is looked at some times that many.
func inspect[V comparable](reader *maxminddb.Reader, value func(maxminddb.Result) (V, error)) (some bool, err error) {
	var none V
	read, left := map[uintptr]bool{}, shared*(reader.Metadata.NodeCount+1)
	for result := range reader.Networks() {
		if left--; left == 0 {
			break
		}
		if at := result.Offset(); !read[at] {
			read[at] = true
			v, err := value(result)
			if err != nil {
				return false, fmt.Errorf("%s: %w", result.Prefix(), err)
			}
			some = some || v != none
		}
	}
	return some, nil
}

// shared is for how many networks a part of a tree stands on the average, at most.
const shared = 8

// read returns a file, unless it is too long, or is being written.
func read(path string) ([]byte, error) {
	before, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !before.Mode().IsRegular(): // which might never end, or never begin
		return nil, fmt.Errorf("%s is no file", path)
	case before.Size() > maxFile:
		return nil, fmt.Errorf("%s has more than %d octets", path, maxFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && (after.Size() != int64(len(data)) || !after.ModTime().Equal(before.ModTime())) {
		err = fmt.Errorf("%s is being written: put a new file in its place instead", path)
	}
	return data, err
}

// countryOf returns the country of an entry, "" for none: where the network is, or else where
// it is registered.
func countryOf(r maxminddb.Result) (string, error) {
	for _, field := range []string{"country", "registered_country"} {
		var code string
		if err := r.DecodePath(&code, field, "iso_code"); err != nil {
			return "", err
		}
		if code = strings.ToUpper(code); list.IsCountry(code) {
			return code, nil
		}
	}
	return "", nil
}

// systemOf returns the autonomous system of an entry, 0 for none.
func systemOf(r maxminddb.Result) (number uint32, err error) {
	err = r.DecodePath(&number, "autonomous_system_number")
	return number, err
}

// Place says where a client is. What is in no file, or what a file says nothing of, is in no
// country and in no autonomous system.
func (f *Finder) Place(client netip.Addr) list.Place {
	p := list.Place{Client: access.Plain(client)}
	d := f.now.Load()
	if d == nil || !p.Client.IsValid() {
		return p
	}
	if known, found := d.lately.find(p.Client); found {
		return known
	}
	// What cannot be read was found out by Verify; a place that is not known is none.
	if d.countries != nil {
		p.Country, _ = countryOf(d.countries.reader.Lookup(p.Client))
	}
	if d.networks != nil {
		p.AS, _ = systemOf(d.networks.reader.Lookup(p.Client))
	}
	d.lately.keep(p)
	return p
}

// Version is another one for all that Place says by other files; it is never 0.
func (f *Finder) Version() uint64 {
	if d := f.now.Load(); d != nil {
		return d.version
	}
	return 1
}

// Knows reports whether there is a file that says where such things are: one of countries,
// or of autonomous systems. Networks need none.
func (f *Finder) Knows(w list.What) bool {
	d := f.now.Load()
	switch {
	case w.Country != "":
		return d != nil && d.countries != nil
	case w.AS != 0:
		return d != nil && d.networks != nil
	}
	return true
}

// Halved reports whether the file that says where such things are knows IPv4 addresses alone: then
// no IPv6 address is in any of them.
func (f *Finder) Halved(w list.What) bool {
	d := f.now.Load()
	switch {
	case d == nil:
		return false
	case w.Country != "":
		return d.countries != nil && !d.countries.six
	case w.AS != 0:
		return d.networks != nil && !d.networks.six
	}
	return false
}

// Built returns when the files were made, zero for what there is not.
func (f *Finder) Built() (countries, networks time.Time) {
	d := f.now.Load()
	if d == nil {
		return countries, networks
	}
	if d.countries != nil {
		countries = d.countries.built
	}
	if d.networks != nil {
		networks = d.networks.built
	}
	return countries, networks
}
