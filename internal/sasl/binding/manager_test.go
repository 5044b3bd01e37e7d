package binding

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"countersign/internal/cert"
)

// With the configuration that listeners have: a resumed session binds to the certificate that it
// began with while that is replaced, and a day later, when it is over, to the one that is shown.
func TestWithTheManagersConfiguration(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			now, dir := time.Now(), t.TempDir()
			spec := cert.Spec{Name: "mail", Source: cert.SourceSelfSigned, Hosts: []string{"mx.test"}}
			m, err := cert.Open(t.Context(), []cert.Spec{spec}, cert.Options{DataDir: dir, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			server, err := m.TLSConfig(nil, tls.VersionTLS12)
			if err != nil {
				t.Fatal(err)
			}
			kept := new(shelf)
			shake := func(resumed bool) tls.Certificate {
				t.Helper()
				c, state, err := connect(t, server, clientOf(version, kept))
				if err != nil || state.DidResume != resumed {
					t.Fatalf("resumed %v, %v", state.DidResume, err)
				}
				shown := tls.Certificate{Certificate: [][]byte{state.PeerCertificates[0].Raw}}
				judge(t, c, state, shown)
				return shown
			}
			first := shake(false)
			if err := os.Remove(filepath.Join(dir, "mail.crt")); err != nil { // so that a new one is made
				t.Fatal(err)
			}
			if err := m.Reload(t.Context(), []cert.Spec{spec}); err != nil {
				t.Fatal(err)
			}
			if got := shake(true); string(got.Certificate[0]) != string(first.Certificate[0]) {
				t.Error("the client has another certificate in a session that it resumed")
			}
			now = now.Add(25 * time.Hour)
			if got := shake(false); string(got.Certificate[0]) == string(first.Certificate[0]) {
				t.Error("the certificate was not replaced")
			}
		})
	}
}
