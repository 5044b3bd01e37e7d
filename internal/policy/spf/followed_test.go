package spf

import (
	"testing"

	"countersign/internal/policy/inquiry"
	"countersign/internal/testkit"
)

// TestClientName has the client of a receiver named in macros: by which of its names, and
// that no name of a stranger's reverse zone becomes more than a name.
func TestClientName(t *testing.T) {
	const reverse = "1.2.0.192.in-addr.arpa. 60 IN PTR "
	record := `our.example. 60 IN TXT "v=spf1 exists:%{p}.by.example -all"`
	for name, tt := range map[string]struct {
		records []string
		broken  bool
		want    Result
		unsure  bool
	}{
		"itself before others": {records: []string{record, reverse + "gate.net.", reverse + "x.our.example.", reverse + "our.example.",
			"gate.net. 60 IN A 192.0.2.1", "x.our.example. 60 IN A 192.0.2.1", "our.example. 60 IN A 192.0.2.1", "our.example.by.example. 60 IN A 127.0.0.2"}, want: Pass},
		"one below before others": {records: []string{record, reverse + "gate.net.", reverse + "x.our.example.",
			"gate.net. 60 IN A 192.0.2.1", "x.our.example. 60 IN A 192.0.2.1", "x.our.example.by.example. 60 IN A 127.0.0.2"}, want: Pass},
		"any": {records: []string{record, reverse + "gate.net.", "gate.net. 60 IN A 192.0.2.1", "gate.net.by.example. 60 IN A 127.0.0.2"}, want: Pass},
		"one that does not lead back": {records: []string{record, reverse + "gate.net.", "gate.net. 60 IN A 192.0.2.9",
			"gate.net.by.example. 60 IN A 127.0.0.2"}, want: Fail},
		"none": {records: []string{record, "unknown.by.example. 60 IN A 127.0.0.2"}, want: Pass},
		"turned round and cut": {records: []string{`our.example. 60 IN TXT "v=spf1 a:%{p2r}.by.example -all"`, reverse + "a.b.gate.net.",
			"a.b.gate.net. 60 IN A 192.0.2.1", "b.a.by.example. 60 IN A 192.0.2.1"}, want: Pass},
		"a hostile one":       {records: []string{record, reverse + `x\032+all\032.net.`, `x\032+all\032.net. 60 IN A 192.0.2.1`}, want: Fail},
		"one with a macro":    {records: []string{record, reverse + `%{l}.net.`, `%{l}.net. 60 IN A 192.0.2.1`, "a.net.by.example. 60 IN A 127.0.0.2"}, want: Fail},
		"not to be known now": {records: []string{record, reverse + "gate.net."}, broken: true, want: Fail, unsure: true},
	} {
		t.Run(name, func(t *testing.T) {
			d, c := resolve(t, tt.records...)
			if tt.broken {
				d.Break("1.2.0.192.in-addr.arpa.", testkit.ServFail)
			}
			out := Evaluate(t.Context(), inquiry.New(c), Query{Client: ours, Hello: "gate.example", Sender: "a@our.example"})
			if out.Result != tt.want || out.Unsure != tt.unsure {
				t.Errorf("%+v, want %s, unsure %v", out, tt.want, tt.unsure)
			}
		})
	}
}
