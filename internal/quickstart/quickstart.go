package quickstart

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"countersign/internal/account/admin"
	"countersign/internal/account/generated"
	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/config/loading"
	"countersign/internal/dkim"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/policy/turnover"
	"countersign/internal/sink"
)

// Options say where the demo lives. Ports may be 0: any free one.
type Options struct {
	// Data is the folder of everything.
	Data string
	// Submission, Submissions, Metrics and Web are loopback addresses.
	Submission, Submissions, Metrics, Web string
	// Once ends it after the trace.
	Once bool
	// Arrival bounds how long the demo message may take; 0 is 30 s.
	Arrival time.Duration
	// Stdout gets what a person reads; Stderr the log.
	Stdout, Stderr io.Writer
	// Version is the program's.
	Version string
	// Trace prints the story of an id from the record.
	Trace func(ctx context.Context, w io.Writer, store audit.Store, id string) error
}

// defaultArrival is the Arrival of Options that give none.
const defaultArrival = 30 * time.Second

// demo is a running quickstart.
type demo struct {
	opt   Options
	rcpt  *recipient
	app   *app.App
	facts Facts
	// last is the id of the tour's message.
	last mail.ID
}

// Run starts the demo gate, sends a message through it, and stays until ctx
// ends, or not, as Once says. It returns nil only if the message arrived and
// both signatures verify.
func Run(ctx context.Context, o Options) (err error) {
	o.Data, err = filepath.Abs(o.Data)
	if err != nil {
		return err
	}
	if err := checkLoopback(o); err != nil {
		return err
	}
	if o.Arrival == 0 {
		o.Arrival = defaultArrival
	}
	d := &demo{opt: o, rcpt: &recipient{dir: filepath.Join(o.Data, "mail"), waiting: map[string]chan string{}}}
	if err := os.MkdirAll(d.rcpt.dir, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be made, choose another with --data: %w", err)
	}
	out, err := sink.Listen("127.0.0.1:0", d.rcpt.receive)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := d.start(ctx, out.Addr()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.tour(ctx); err != nil {
		return err
	}
	if o.Once {
		return nil
	}
	d.invite()
	<-ctx.Done()
	fmt.Fprintf(o.Stdout, "\nStopped; the data stays in %s\n", o.Data)
	return nil
}

// start writes the configuration, starts the gate and makes the demo account.
// The configuration takes its name only when the gate holds the data folder:
// another demo that runs there keeps its own.
func (d *demo) start(ctx context.Context, sinkAddr string) error {
	path, err := writeConfig(d.opt, sinkAddr)
	if err != nil {
		return err
	}
	defer os.Remove(path) // in vain once it has its name
	cfg, _, err := loading.Load(path)
	if err != nil {
		return err
	}
	d.app, err = app.New(cfg, app.Options{Version: d.opt.Version, Stderr: d.opt.Stderr})
	if err != nil {
		return err
	}
	if err := d.app.Start(ctx); err != nil {
		return fmt.Errorf("%w\nOther ports are chosen with --submission, --submissions, --metrics and --web, another folder with --data:\n    bin/countersign quickstart --submission 127.0.0.1:0 --submissions 127.0.0.1:0 --metrics 127.0.0.1:0 --web 127.0.0.1:0 --data ./var/second", err)
	}
	err = os.Rename(path, filepath.Join(d.opt.Data, configFile))
	if err == nil {
		err = d.settle(ctx)
	}
	if err != nil {
		return errors.Join(err, d.stop())
	}
	return nil
}

func (d *demo) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return d.app.Stop(ctx)
}

// settle makes what the demo needs, keeps what is there, and writes the facts.
func (d *demo) settle(ctx context.Context) error {
	old, err := readFacts(d.opt.Data)
	if err != nil {
		return err
	}
	by := d.app.Admin("quickstart")
	err = ensure(ctx, func(ctx context.Context) error {
		return by.AddCustomer(ctx, demoCustomer, "")
	})
	if err != nil {
		return err
	}
	err = ensure(ctx, func(ctx context.Context) error {
		keys, err := turnover.Maker{Sealer: d.app.Sealer()}.Make(demoDomain, nil, time.Now())
		if err != nil {
			return err
		}
		return by.AddDomain(ctx, demoDomain, demoCustomer, keys)
	})
	if err != nil {
		return err
	}
	password, err := d.login(ctx, by, old.Password)
	if err != nil {
		return err
	}
	where := d.app.Addresses()
	d.facts = Facts{
		Submission: where["submission"], Submissions: where["submissions"], Metrics: where["metrics"], Web: where["web"],
		Login: demoLogin, Password: password,
		CAFile: filepath.Join(d.opt.Data, "demo.crt"), MailDir: d.rcpt.dir,
	}
	return nil
}

// login makes the demo account with a random password. An account of an
// earlier start keeps the password that its facts hold; where they are lost it
// gets a new one.
func (d *demo) login(ctx context.Context, by *admin.Admin, known string) (string, error) {
	address, err := mail.ParseAddress(demoLogin)
	if err != nil {
		return "", err
	}
	_, err = d.app.Store().Account(ctx, demoLogin)
	if err == nil && known != "" {
		return known, nil
	}
	password, genErr := generated.Password(rand.Reader)
	if genErr != nil {
		return "", genErr
	}
	if err == nil {
		return password, by.SetPassword(ctx, address, password, true)
	}
	return password, by.AddAccount(ctx, admin.NewAccount{Address: address, Password: password})
}

// tour sends the demo message, waits for it, prints its trace and checks its
// signatures.
func (d *demo) tour(ctx context.Context) error {
	out := d.opt.Stdout
	fmt.Fprintf(out, "The gate is up. Sending one message through its front door, over TLS and with AUTH …\n\n")
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(d.facts.CAFile)
	if err != nil {
		return err
	}
	pool.AppendCertsFromPEM(pem)
	subject := "Hello through the gate " + string(new(mail.IDSource).New())
	arrived := d.rcpt.expect(subject)
	id, err := loadgen.SendOne(ctx, loadgen.Options{
		Address: d.facts.Submission, TLS: &tls.Config{RootCAs: pool, ServerName: "localhost"},
		Login: d.facts.Login, Password: d.facts.Password, From: demoLogin, To: []string{demoTo},
	}, demoMessage(subject))
	if err != nil {
		return fmt.Errorf("the gate did not take the demo message: %w", err)
	}
	d.last = id
	var file string
	select {
	case file = <-arrived:
	case <-time.After(d.opt.Arrival):
		return fmt.Errorf("the demo message %s was accepted but has not arrived after %v", id, d.opt.Arrival)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := d.app.Settle(ctx, id); err != nil {
		return err
	}
	if err := d.opt.Trace(ctx, out, d.app.Store(), string(id)); err != nil {
		return err
	}
	if err := d.verify(ctx, file); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nIt arrived as %s\n", file)
	// Written last: who finds it finds a gate that works.
	return d.facts.write(d.opt.Data)
}

// verify checks the signatures of a message that arrived, by the records that
// the domain would publish.
func (d *demo) verify(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	keys, err := d.app.Store().SigningKeys(ctx, demoDomain)
	if err != nil {
		return err
	}
	results, err := dkim.Verify(f, func(name string) ([]string, error) {
		for _, k := range keys {
			if name == k.Selector+"._domainkey."+demoDomain {
				return []string{k.Public}, nil
			}
		}
		return nil, fmt.Errorf("no record %s", name)
	})
	if err != nil {
		return err
	}
	if len(results) != len(keys) {
		return fmt.Errorf("the message arrived with %d signatures, %d were due", len(results), len(keys))
	}
	for _, r := range results {
		if r.Err != nil {
			return fmt.Errorf("a signature of the message that arrived does not verify: %w", r.Err)
		}
		fmt.Fprintf(d.opt.Stdout, "signature %s of %s verifies\n", r.Selector, r.Domain)
	}
	return nil
}

// demoMessage is what the tour sends.
func demoMessage(subject string) []byte {
	return []byte("From: Demo <" + demoLogin + ">\r\nTo: <" + demoTo + ">\r\nSubject: " + subject + "\r\n\r\n" +
		"This message came in over TLS, with a password, and left with two signatures.\r\n")
}

// invite prints lines to copy.
func (d *demo) invite() {
	f := d.facts
	fmt.Fprintf(d.opt.Stdout, `
Try it yourself:

  printf 'From: <%[1]s>\r\nSubject: curl\r\n\r\nHi\r\n' | curl --silent --show-error --ssl-reqd \
    --url smtp://localhost:%[2]s --cacert %[3]s --user '%[1]s:%[4]s' \
    --mail-from %[1]s --mail-rcpt %[5]s --upload-file -

  swaks --server localhost --port %[6]s --tls-on-connect --tls-verify --tls-ca-path %[3]s \
    --auth PLAIN --auth-user %[1]s --auth-password '%[4]s' --from %[1]s --to %[5]s

  bin/countersign account list --config %[7]s/countersign.toml
  bin/countersign queue list --config %[7]s/countersign.toml
  bin/countersign trace %[10]s --config %[7]s/countersign.toml
  curl http://%[8]s/metrics
  curl http://%[11]s/help/sender-not-owned      # what a refusal leads to; all pages: http://%[11]s/help/

What arrives is kept in %[9]s. Ctrl-C ends it; the data stays.
`, f.Login, port(f.Submission), f.CAFile, f.Password, demoTo, port(f.Submissions), d.opt.Data, f.Metrics, f.MailDir, d.last, f.Web)
}
