package quickstart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"text/template"

	"countersign/internal/fault"
)

// The demo's names.
const (
	demoCustomer = "demo"
	demoDomain   = "example.org"
	demoLogin    = "demo@example.org"
	demoTo       = "friend@example.com"
)

// Facts are what quickstart.json holds, for scripts that drive the gate.
type Facts struct {
	Submission  string `json:"submission"`
	Submissions string `json:"submissions"`
	Metrics     string `json:"metrics"`
	Web         string `json:"web"`
	Login       string `json:"login"`
	Password    string `json:"password"`
	CAFile      string `json:"ca_file"`
	MailDir     string `json:"mail_dir"`
}

// factsFile is the name of the file of Facts in the data folder.
const factsFile = "quickstart.json"

// readFacts reads what an earlier start left; zero Facts where there was none.
func readFacts(dir string) (Facts, error) {
	var f Facts
	text, err := os.ReadFile(filepath.Join(dir, factsFile))
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

// write keeps the facts, complete or not at all; the file holds a password.
func (f Facts) write(dir string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, factsFile)
	if err := os.WriteFile(path+".part", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// configText is the configuration of the demo gate.
var configText = template.Must(template.New("config").Parse(`# Written by "countersign quickstart" at each start. Every admin command works
# on this gate: countersign account list --config {{.Data}}/countersign.toml
hostname = "localhost"
data_dir = {{printf "%q" .Data}}

[log]
level = "warn"

[metrics]
listen = {{printf "%q" .Metrics}}

[web]
listen = [{{printf "%q" .Web}}]

[help]
url = "http://{{.Web}}/help"
name = "Demo"

[[listener]]
name = "submission"
kind = "submission"
address = [{{printf "%q" .Submission}}]

[[listener]]
name = "submissions"
kind = "submissions"
address = [{{printf "%q" .Submissions}}]

[[certificate]]
name = "demo"
source = "self-signed"
hosts = ["localhost", "127.0.0.1"]

# Nobody is asked: everything has a route.
[dns]
servers = ["127.0.0.1:53"]

[alignment]
check_every = "0s"

# Everything goes to the recipient that quickstart runs itself.
[[route]]
domain = "*"
next_hop = "smtp://{{.Sink}}"
tls = "none"
`))

// configFile is the name of the configuration in the data folder.
const configFile = "countersign.toml"

// writeConfig writes the configuration beside the one that a running gate may
// have, and returns its path.
func writeConfig(o Options, sinkAddr string) (string, error) {
	f, err := os.CreateTemp(o.Data, configFile+".*")
	if err != nil {
		return "", err
	}
	err = configText.Execute(f, struct {
		Options
		Sink string
	}{o, sinkAddr})
	return f.Name(), errors.Join(err, f.Close())
}

// checkLoopback refuses addresses that others than this machine could reach:
// the password of the demo lies in a file, and its recipient takes everything.
func checkLoopback(o Options) error {
	for _, a := range []struct{ flag, address string }{
		{"--submission", o.Submission}, {"--submissions", o.Submissions}, {"--metrics", o.Metrics}, {"--web", o.Web},
	} {
		at, err := netip.ParseAddrPort(a.address)
		if err != nil || !at.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("%s: %q is not a loopback address with a port; the demo is for this machine alone, so choose one such as 127.0.0.1:2587 or [::1]:2587",
				a.flag, a.address)
		}
	}
	return nil
}

// ensure makes an object unless it is there already.
func ensure(ctx context.Context, add func(context.Context) error) error {
	err := add(ctx)
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// port returns the port of host:port.
func port(address string) string {
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return p
}
