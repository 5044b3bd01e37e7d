// Package placefile writes files of countries and autonomous systems for tests, in the format
// that vendors deliver them in.
//
// Main functions: Countries, Networks, Write.
package placefile

import (
	"net"
	"os"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Countries writes a file that says in which country networks are, by their codes.
func Countries(t testing.TB, path string, countries map[string]string) {
	t.Helper()
	Write(t, path, "Test-Country", byCode(countries))
}

// CountriesIPv4 is Countries of a file that knows IPv4 addresses alone.
func CountriesIPv4(t testing.TB, path string, countries map[string]string) {
	t.Helper()
	write(t, path, 4, "Test-Country", byCode(countries))
}

// byCode has what a file of countries says of networks.
func byCode(countries map[string]string) map[string]mmdbtype.DataType {
	values := map[string]mmdbtype.DataType{}
	for network, code := range countries {
		values[network] = mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
	}
	return values
}

// Networks writes a file that says in which autonomous systems networks are.
func Networks(t testing.TB, path string, systems map[string]uint32) {
	t.Helper()
	values := map[string]mmdbtype.DataType{}
	for network, number := range systems {
		values[network] = mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String("Test")}
	}
	Write(t, path, "Test-ASN", values)
}

// Write writes a file of that type, with something for each network. The file is replaced
// as a whole.
func Write(t testing.TB, path, kind string, values map[string]mmdbtype.DataType) {
	t.Helper()
	write(t, path, 6, kind, values)
}

// write is Write of a file that knows the addresses of a version of IP, and those before.
func write(t testing.TB, path string, version int, kind string, values map[string]mmdbtype.DataType) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kind, Description: map[string]string{"en": "of a test"}, RecordSize: 24, IPVersion: version,
		IncludeReservedNetworks: true, // those of documentation among them
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, value := range values {
		_, network, err := net.ParseCIDR(text)
		if err == nil {
			err = tree.Insert(network, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path + ".new")
	if err == nil {
		_, err = tree.WriteTo(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}
