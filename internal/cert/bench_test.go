package cert

import (
	"crypto/tls"
	"testing"
)

// BenchmarkHandshake measures full handshakes of TLS 1.3 with either kind of
// certificate, and resumed ones: client, server and loopback connection together.
// What an SMTP session costs besides is not in it.
func BenchmarkHandshake(b *testing.B) {
	for name, c := range map[string]struct {
		kind    string
		resumed bool
	}{"ecdsa": {"ecdsa", false}, "rsa-2048": {"rsa", false}, "resumed": {"ecdsa", true}} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			m, err := Open(b.Context(), []Spec{made{kind: c.kind, hosts: []string{"mx.example"}}.files(b, dir, "mail")}, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			server, err := m.TLSConfig(nil, 0)
			if err != nil {
				b.Fatal(err)
			}
			client := &tls.Config{ServerName: "mx.example", InsecureSkipVerify: true}
			if c.resumed {
				client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				if _, err := handshake(b, server, client); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				st, err := handshake(b, server, client)
				if err != nil || st.DidResume != c.resumed {
					b.Fatalf("resumed: %v, %v", st.DidResume, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}
