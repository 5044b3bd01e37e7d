package examine

import (
	"crypto/x509"
	"log/slog"
	"slices"
	"strings"
	"time"

	"countersign/internal/app"
	"countersign/internal/app/clients"
	"countersign/internal/cert/client"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/sasl"
)

// Way is how a client would come in.
type Way struct {
	// Mechanism is a mechanism of package sasl; "" for a client that does not log in.
	Mechanism string
	// Listener is the only one that counts; "" for each.
	Listener string
	// Presented is the certificate that the client would show, its own first, as
	// client.Verifier.Judge takes it; nil where it is not known.
	Presented []*x509.Certificate
}

// Door is a listener, as a client finds it that comes that way.
type Door struct {
	Listener string
	// Open says that the listener offers the mechanism, or knows networks where there is
	// none. Of a certificate that is not known it takes the best.
	Open bool
	// Cause is why the certificate does not hold there, as client.Cause has it; "" where it
	// does, and where none was looked at.
	Cause string
	// Subjects are what counts there of what the certificate says of its owner, as
	// login.Verifier.Certificate takes it; nil where it does not hold or was not looked at.
	Subjects []string
}

// Doors returns the listeners of a configuration, or the one that is asked for, in the order
// of the file. Errors: fault.NotFound where there is no such listener, and those of
// clients.Open. It reads the files that listeners name where there is a certificate.
func Doors(cfg *config.Config, w Way) ([]Door, error) {
	judges := &clients.Set{}
	if m, _ := sasl.Lookup(w.Mechanism); m.Certificate && w.Presented != nil {
		set, err := clients.Open(cfg, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		judges = set
	}
	offered := app.Offered(cfg)
	var doors []Door
	for i := range cfg.Listeners {
		if l := &cfg.Listeners[i]; w.Listener == "" || l.Name == w.Listener {
			doors = append(doors, door(l, offered, w, judges.Of(l.Name)))
		}
	}
	if len(doors) == 0 {
		names := make([]string, len(cfg.Listeners))
		for i, l := range cfg.Listeners {
			names[i] = l.Name
		}
		return nil, fault.New("examine.doors", fault.NotFound, "there is no listener %q; the configuration has %s", w.Listener, strings.Join(names, ", "))
	}
	return doors, nil
}

// door says how one listener stands; judge is nil where no certificate is looked at.
func door(l *config.Listener, offered []string, w Way, judge *client.Verifier) Door {
	d := Door{Listener: l.Name}
	if w.Mechanism == "" {
		d.Open = l.Networks == "on"
		return d
	}
	d.Open = slices.Contains(offered, w.Mechanism) && (len(l.Mechanisms) == 0 || slices.Contains(l.Mechanisms, w.Mechanism))
	m, _ := sasl.Lookup(w.Mechanism)
	switch {
	case !m.Certificate:
	case l.ClientCAFile == "":
		d.Open = false
	case judge != nil:
		id, err := judge.Judge(w.Presented)
		if err != nil {
			d.Open, d.Cause = false, client.Cause(err)
			break
		}
		d.Subjects = id.Subjects
	}
	return d
}
