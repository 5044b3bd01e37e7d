package loading

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/source"
	"countersign/internal/config/value"
)

// small is the least that a file must have.
const small = `hostname = "mail.example.net"

[[listener]]
name = "submission"
kind = "submission"
address = ["127.0.0.1:0"]

[[certificate]]
name = "main"
source = "self-signed"
`

// write puts text in a file that only its owner can read and returns its path.
func writeFile(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// loaded loads text, which must be in order, without a warning.
func loaded(t *testing.T, text string) *config.Config {
	t.Helper()
	c, warnings, err := Load(writeFile(t, t.TempDir(), "countersign.toml", text))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %v, errors:\n%v", warnings, err)
	}
	return c
}

// TestSmall checks defaults, and what follows from other options.
func TestSmall(t *testing.T) {
	c := loaded(t, small)
	got := fmt.Sprint(c.Store.URL, " ", c.DKIM.KeyFile, " ", c.Delivery.Hello, " ", c.Certificates[0].Hosts, " ", c.Listeners[0].MinTLS, " ",
		c.Session.CommandTimeout, " ", c.Session.MaxMessageSize, " ", c.Queue.Retry, " ", c.Queue.Lifetime, " ", c.StorePath())
	const want = "sqlite:/var/lib/countersign/countersign.db /var/lib/countersign/seal.key mail.example.net [mail.example.net] 1.2 " +
		"5m 50MB [5m 15m 30m 1h 2h 4h] 5d /var/lib/countersign/countersign.db"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.Session.CommandTimeout.Std() != 5*time.Minute || c.Session.MaxMessageSize.Bytes() != 50_000_000 || !c.DKIM.Sign || !c.Delivery.IPv6 {
		t.Errorf("got %v", c)
	}
}

// TestNormalForms checks that names come out in the form in which they are
// compared, and paths relative to the file.
func TestNormalForms(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder, "relay.password", "s3cret words\r\n")
	path := writeFile(t, folder, "countersign.toml", strings.Replace(small, "mail.example.net", "Mail.Bücher.example", 1)+`
[store]
url = "sqlite:db/x.db"

[[route]]
domain = "EXAMPLE.org"
next_hop = "smtp://Relay.Example:2525"
username = "gate"
password_file = "relay.password"

[[route]]
domain = "*"
next_hop = "smtp://127.0.0.1:2525"
username = "gate"
password = "x"
tls = "opportunistic"

[[route]]
domain = "example.com"
`)
	c, warnings, err := Load(path)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if c.Hostname != "mail.xn--bcher-kva.example" || c.StorePath() != filepath.Join(folder, "db/x.db") {
		t.Errorf("hostname %s, store %s", c.Hostname, c.StorePath())
	}
	first := c.Routes[0]
	if first.Domain != "example.org" || first.NextHop.Host != "relay.example" || first.TLS != "required" || first.Password.Reveal() != "s3cret words" {
		t.Errorf("got %+v", first)
	}
	if c.Routes[1].TLS != "opportunistic" || c.Routes[2].TLS != "opportunistic" || !c.Routes[2].NextHop.IsMX() {
		t.Errorf("got %+v", c.Routes)
	}
}

func TestUnreadable(t *testing.T) {
	folder := t.TempDir()
	big := writeFile(t, folder, "big.toml", strings.Repeat("#", value.MaxFile+1))
	cases := map[string]string{
		filepath.Join(folder, "nowhere.toml"): "no such file",
		folder:                                "is a directory",
		big:                                   "larger than 1 MiB",
	}
	for path, want := range cases {
		c, _, err := Load(path)
		if c != nil || err == nil || !strings.HasPrefix(err.Error(), path+": cannot be read: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", path, c, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	pair := "../../../test/badconfig/17-certificate-files/"
	folder := t.TempDir()
	for _, name := range []string{"mail.crt", "mail.key"} {
		data, err := os.ReadFile(pair + name)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, folder, name, string(data))
	}
	writeFile(t, folder, "seal.key", "x")
	writeFile(t, folder, "relay.password", "x")
	path := writeFile(t, folder, "countersign.toml", `hostname = "gate"
data_dir = "."

[[listener]]
name = "submission"
kind = "submission"
address = [":0"]

[[certificate]]
name = "main"
source = "files"
cert_file = "mail.crt"
key_file = "mail.key"

[dkim]
key_file = "seal.key"

[[route]]
domain = "*"
next_hop = "smtps://relay.example"
username = "gate"
password_file = "relay.password"

[[route]]
domain = "example.org"
next_hop = "smtps://relay.example"
username = "gate"
password = "hunter2"
`)
	cases := map[string]struct {
		open []string
		mode os.FileMode
		now  time.Time
		want []string
	}{
		"tight":      {want: []string{"1: hostname: "}},
		"group":      {open: []string{"mail.key", "seal.key", "relay.password", "countersign.toml"}, mode: 0o640, want: []string{"1: hostname: "}},
		"everything": {open: []string{"mail.key", "seal.key", "relay.password", "countersign.toml"}, mode: 0o644, want: []string{"1: hostname: ", "13: certificate.key_file: ", "16: dkim.key_file: ", "22: route.password_file: ", "28: route.password: "}},
		"expired":    {now: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), want: []string{"1: hostname: ", "12: certificate.cert_file: "}},
		"not yet":    {now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), want: []string{"1: hostname: ", "12: certificate.cert_file: "}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, file := range c.open {
				file = filepath.Join(folder, file)
				if err := os.Chmod(file, c.mode); err != nil {
					t.Fatal(err)
				}
				defer os.Chmod(file, 0o600)
			}
			if c.now.IsZero() {
				c.now = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
			}
			got, warnings, err := load(path, c.now)
			if err != nil || got == nil {
				t.Fatal(err)
			}
			if len(warnings) != len(c.want) {
				t.Fatalf("got %v", warnings)
			}
			for i, w := range warnings {
				if !strings.HasPrefix(w.String(), path+":"+c.want[i]) || strings.Contains(w.String(), "hunter2") {
					t.Errorf("got %s, want %s", w, c.want[i])
				}
			}
		})
	}
}

// allOn switches on every option of the example, but SCRAM, which is warned of beside its
// directory. Files that must be there are.
func allOn(t *testing.T, example string) string {
	t.Helper()
	for name, content := range map[string]string{
		"/etc/countersign/dns.key": strings.Repeat("QUJD", 8), "/etc/countersign/panel.token": "q7Zr0Vw3kP9sX2mJ8tLbYc5NhA1dGfEoUiRy4B6TzQe",
	} {
		file := writeFile(t, t.TempDir(), "secret", content+"\n")
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		example = strings.Replace(example, name, file, 1)
	}
	all := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(example, "$1")
	return regexp.MustCompile(`"SCRAM-[A-Z0-9-]+", `).ReplaceAllString(all, "")
}

// TestExample loads the example as it stands, which lacks only consent, and
// with every option switched on.
func TestExample(t *testing.T) {
	var b bytes.Buffer
	if err := config.WriteExample(&b); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	_, warnings, err := Load(writeFile(t, folder, "as-is.toml", b.String()))
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "certificate.terms_agreed") || len(warnings) > 0 {
		t.Errorf("as it stands: %v, %v", warnings, err)
	}
	c := loaded(t, allOn(t, b.String()))
	if len(c.Listeners) != 2 || c.Listeners[1].Kind != "submissions" || len(c.Routes) != 1 || c.Routes[0].Password.Reveal() != "change me" {
		t.Errorf("got %v", c)
	}
	one := &config.Config{
		Listeners: make([]config.Listener, 1), Certificates: make([]config.Certificate, 1), Routes: make([]config.Route, 1),
		Issuers: make([]config.Issuer, 1), Directories: make([]config.Directory, 1),
	}
	for _, p := range config.Schema().Places(one) {
		if !regexp.MustCompile(`(?m)^#? ?` + p.Key + ` = `).MatchString(b.String()) {
			t.Errorf("%s is not in the example", p.Path)
		}
	}
}

// TestPrintReadsBack prints configurations and loads what was printed.
func TestPrintReadsBack(t *testing.T) {
	var example bytes.Buffer
	if err := config.WriteExample(&example); err != nil {
		t.Fatal(err)
	}
	texts := []string{small, allOn(t, example.String())}
	for _, text := range texts {
		c := loaded(t, text)
		printed := c.String()
		if strings.Contains(printed, "change me") || strings.Contains(fmt.Sprintf("%v %+v", c, c.Routes), "change me") {
			t.Errorf("a secret is shown:\n%s", printed)
		}
		again := loaded(t, printed)
		for i := range c.Routes {
			again.Routes[i].Password = c.Routes[i].Password
		}
		reloadable, restart := config.Diff(c, again)
		if len(reloadable)+len(restart) > 0 {
			t.Errorf("%v and %v differ after:\n%s", reloadable, restart, printed)
		}
	}
}

func TestDiff(t *testing.T) {
	old := loaded(t, small)
	updated := loaded(t, strings.Replace(small, "127.0.0.1:0", "127.0.0.1:2587", 1)+`
[log]
level = "debug"
format = "json"

[session]
max_messages = 5

[queue]
retry = ["1m"]

[message]
max_received = 20

[[certificate]]
name = "other"
source = "self-signed"

[[route]]
domain = "*"
`)
	reloadable, restart := config.Diff(old, updated)
	if want := []string{"log.level", "certificate", "session.max_messages", "message.max_received", "queue.retry", "route"}; !slices.Equal(reloadable, want) {
		t.Errorf("reloadable %v", reloadable)
	}
	if want := []string{"log.format", "listener.address"}; !slices.Equal(restart, want) {
		t.Errorf("restart %v", restart)
	}
	updated = loaded(t, strings.Replace(small, "mail.example.net", "gate.example.net", 1))
	if _, restart := config.Diff(old, updated); !slices.Contains(restart, "hostname") {
		t.Errorf("restart %v", restart)
	}
}

// FuzzLoad looks for files that are not survived, or refused without a word.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("../../../test/badconfig/*/countersign.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := source.NewReport("f")
		root, whole := source.Parse(data, r)
		c := config.Default()
		config.Schema().Decode(root, c, r)
		for i := range c.Certificates { // no file is read here
			c.Certificates[i].CertFile, c.Certificates[i].KeyFile, c.Certificates[i].CAFile = "", "", ""
		}
		for i := range c.Routes {
			c.Routes[i].PasswordFile, c.Routes[i].CAFile = "", ""
		}
		c.DKIM.KeyFile = ""
		if whole {
			(&validator{Report: r, c: c, now: time.Unix(0, 0)}).all()
		}
		if _, err := r.Result(); err == nil {
			if !whole {
				t.Fatal("not whole and no problem")
			}
			c.Complete()
			_ = c.String()
		}
	})
}
