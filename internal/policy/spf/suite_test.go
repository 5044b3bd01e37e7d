package spf

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
	"countersign/internal/testkit"
)

// scenario is one document of the published suite (testdata, with its licence): a zone,
// and what a receiver makes of senders in it.
type scenario struct {
	Description string
	Tests       map[string]trial
	ZoneData    map[string][]yaml.Node `yaml:"zonedata"`
}

// trial is one test of the suite.
type trial struct {
	Helo, Host, MailFrom string
	Result               list
}

// list is a text, or several.
type list []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *list) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = list{n.Value}
		return nil
	}
	var several []string
	err := n.Decode(&several)
	*l = several
	return err
}

// TestPublishedSuite wants every result of the suite. Its explanations are not compared with
// anything, which it leaves to those who implement exp=: what a domain says to those whom a receiver
// turns away is not fetched (RFC 7208 section 6.2, docs/decisions/0003-dependencies.md).
func TestPublishedSuite(t *testing.T) {
	file, err := os.Open("testdata/rfc7208-tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder, trials := yaml.NewDecoder(file), 0
	for {
		var s scenario
		err := decoder.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		client := s.serve(t)
		for name, tt := range s.Tests {
			trials++
			t.Run(s.Description+"/"+name, func(t *testing.T) {
				out := Evaluate(t.Context(), inquiry.New(client), Query{netip.MustParseAddr(tt.Host), tt.Helo, tt.MailFrom})
				if !slices.Contains(tt.Result, string(out.Result)) {
					t.Errorf("result %s (%s), want one of %v", out.Result, out.Reason, tt.Result)
				}
			})
		}
	}
	if trials != 203 {
		t.Errorf("the suite has %d tests, want 203", trials)
	}
}

// serve starts a name server that has the zone of the scenario, and returns a client
// of it.
func (s scenario) serve(t *testing.T) *mx.Client {
	t.Helper()
	d := testkit.NewDNS(t)
	for name, records := range s.ZoneData {
		s.add(t, d, name, records)
	}
	c, err := mx.NewClient(mx.ClientOptions{
		Servers: []netip.AddrPort{d.Addr()}, Timeout: 250 * time.Millisecond, Rounds: 1, CacheSize: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// add puts the records of one name into the zone. As the suite wants it, what it has of
// the obsolete type SPF stands for TXT where the name has no TXT record of its own, unless "NONE"
// stands in its place.
func (s scenario) add(t *testing.T, d *testkit.DNS, name string, records []yaml.Node) {
	t.Helper()
	own := strings.ReplaceAll(name, " ", `\ `) + ". 60 IN "
	type record struct {
		kind  string
		value list
	}
	var all []record
	hasTXT, forbidden := false, false
	for _, n := range records {
		var pair map[string]list
		if err := n.Decode(&pair); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for kind, value := range pair {
			all = append(all, record{kind, value})
			hasTXT = hasTXT || kind == "TXT" && value[0] != "NONE"
			forbidden = forbidden || kind == "TXT" && value[0] == "NONE"
		}
	}
	for _, r := range all {
		switch r.kind {
		case "A", "AAAA":
			d.Add(own + r.kind + " " + r.value[0])
		case "CNAME", "PTR":
			d.Add(own + r.kind + " " + strings.TrimSuffix(r.value[0], ".") + ".")
		case "MX":
			d.Add(own + "MX " + r.value[0] + " " + strings.TrimSuffix(r.value[1], ".") + ".")
		case "TXT", "SPF":
			if r.kind == "TXT" || !forbidden && !hasTXT {
				d.Add(own + "TXT " + quoted(r.value))
			}
		case "TIMEOUT": // of the types that the name has no record of
			if !hasTXT {
				d.Break(strings.ToLower(name)+".", testkit.Silence)
			}
		case "CNAMELOOP":
			d.Add(own + "CNAME " + name + ".")
		default:
			t.Fatalf("%s: unknown type %q", name, r.kind)
		}
	}
}

// quoted writes strings as a zone file has them.
func quoted(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(` "`)
		for i := range len(text) {
			if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
				fmt.Fprintf(&b, `\%03d`, c)
			} else {
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}
