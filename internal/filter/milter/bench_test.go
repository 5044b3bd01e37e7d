package milter

import (
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/testkit/testmilter"
)

// BenchmarkAsk is a whole conversation with a filter that says nothing, over a connection of its own;
// BenchmarkProbe what making and negotiating that costs.
func BenchmarkAsk(b *testing.B) {
	for network, where := range map[string]string{"tcp": "127.0.0.1:0", "unix": ""} {
		if network == "unix" {
			where = filepath.Join(b.TempDir(), "s")
		}
		s := testmilter.Start(b, network, where, testmilter.Behaviour{})
		p, m := at(b, s.Addr), message(b, strings.Repeat("0123456789abcd\r\n", 256))
		b.Run(network, func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Ask(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkProbe is the part of BenchmarkAsk that a connection of its own costs.
func BenchmarkProbe(b *testing.B) {
	s := testmilter.Start(b, "unix", filepath.Join(b.TempDir(), "s"), testmilter.Behaviour{})
	p := at(b, s.Addr)
	for b.Loop() {
		if err := p.Probe(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
