package interop

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/dnsupdate"
	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/test/harness"
)

// bindConfig is that of a primary whose zone takes the updates of one key, which may write TXT
// records alone.
const bindConfig = `
key "gate" { algorithm hmac-sha256; secret "%s"; };
options {
  directory "%s"; pid-file none; session-keyfile none; recursion no; notify no; dnssec-validation no;
  listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
};
controls {};
zone "dkim.example.net" {
  type primary; file "zone.db";
  update-policy { grant gate subdomain dkim.example.net TXT; };
};
`

const bindZone = `$TTL 300
@ IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 60
@ IN NS ns.example.net.
taken IN A 192.0.2.1
`

// startBIND starts a name server on loopback and returns where it is.
func startBIND(t *testing.T, secret []byte) netip.AddrPort {
	t.Helper()
	dir := t.TempDir()
	at := netip.MustParseAddrPort(harness.FreePort(t))
	for name, text := range map[string]string{
		"named.conf": fmt.Sprintf(bindConfig, base64.StdEncoding.EncodeToString(secret), dir, at.Port()),
		"zone.db":    bindZone,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "/usr/sbin/named", "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	log := new(strings.Builder)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the name server says\n%s", log)
		}
	})
	harness.WaitFor(t, "the name server to answer", func() bool {
		c, err := net.DialTimeout("tcp", at.String(), time.Second)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return at
}

// TestBIND writes records into the zone of a real name server, and finds them there.
func TestBIND(t *testing.T) {
	secret := []byte("thirty-two octets, or a few more")
	at := startBIND(t, secret)
	z := &dnsupdate.Zone{
		Name: "dkim.example.net", Server: at, Key: "gate", Secret: secret,
		TTL: 10 * time.Minute, Timeout: 10 * time.Second, Now: time.Now,
	}
	ctx := t.Context()
	const name = "cs-rsa-a.example.org.dkim.example.net"
	found := func() string {
		asker, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{at}, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := asker.Ask(ctx, name, mx.TXT)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		return strings.Join(answer.Texts, "|")
	}
	long := "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 392)
	for _, text := range []string{"v=DKIM1; k=ed25519; p=AAAA", long, long} {
		if err := z.Set(ctx, name, text); err != nil {
			t.Fatal(err)
		}
		if got := found(); got != text {
			t.Errorf("found %q, want %q", got, text)
		}
	}
	if err := z.Remove(ctx, name, "v=DKIM1; k=ed25519; p=AAAA"); err != nil || found() != long {
		t.Errorf("found %q after the removal of what was there before: %v", found(), err)
	}
	for range 2 {
		if err := z.Remove(ctx, name, long); err != nil || found() != "" {
			t.Errorf("found %q after the removal: %v", found(), err)
		}
	}
	other := *z
	other.Secret = []byte("another of thirty-two octets....")
	if err := other.Set(ctx, name, "x"); !fault.Is(err, fault.Denied) || found() != "" {
		t.Errorf("with another secret: %v", err)
	}
	other = *z
	other.Key = "nobody"
	if err := other.Set(ctx, name, "x"); !fault.Is(err, fault.Denied) || found() != "" {
		t.Errorf("with an unknown key: %v", err)
	}
}
