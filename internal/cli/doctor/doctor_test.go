package doctor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
	"countersign/internal/testkit"
)

// readOnly is a store with a domain that takes no changes.
type readOnly struct{ call.Store }

func (readOnly) Domain(_ context.Context, name mail.Domain) (account.Domain, error) {
	return account.Domain{Name: name, State: account.Active, Keys: []account.Key{{Selector: "a", Public: "v=DKIM1; k=rsa; p=AAAA", Stage: account.Signing}}}, nil
}

func (readOnly) LookAt(_ context.Context, name mail.Domain) (rounds.Look, error) {
	return rounds.Look{Domain: name}, nil
}

func (readOnly) TakeLooks(context.Context, []mail.Domain, rounds.Turn) ([]rounds.Look, error) {
	return nil, fault.New("rounds.take", fault.Full, "its disk is full")
}

func (readOnly) Close() error { return nil }

// TestWhatCannotBeKept: a store that takes no changes is a warning beside the verdict, which the exit status goes by.
func TestWhatCannotBeKept(t *testing.T) {
	dns := testkit.NewDNS(t)
	dns.Add(`passes.example. IN TXT "v=spf1 ip4:192.0.2.10 -all"`)
	dir := t.TempDir()
	path := filepath.Join(dir, "countersign.toml")
	text := fmt.Sprintf("hostname = \"gate.example.net\"\ndata_dir = %q\n[dns]\nservers = [%q]\n[alignment]\naddresses = [\"192.0.2.10\"]\n", dir, dns.Addr())
	for file, content := range map[string]string{path: text, filepath.Join(dir, "countersign.db"): ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for domain, passes := range map[mail.Domain]bool{"passes.example": true, "fails.example": false} {
		var out, said bytes.Buffer
		c := &call.Call{Ctx: t.Context(), Config: path, Stdout: &out, Stderr: &said, Env: call.Env{
			OpenStore: func(context.Context, *config.Config) (call.Store, io.Closer, error) {
				return readOnly{}, readOnly{}, nil
			},
			Actor: "cli:tester", Now: time.Now,
		}}
		err := (&Command{Domain: argument.Domain{Domain: domain}}).Run(c)
		if passes && err != nil || !passes && !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v\n%s", domain, err, &out)
		}
		if !strings.Contains(said.String(), "warning: what was found could not be kept") || !strings.Contains(said.String(), "its disk is full") {
			t.Errorf("%s: said is %q", domain, &said)
		}
	}
}
