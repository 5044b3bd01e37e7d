package authtest

import (
	"slices"
	"strings"

	"countersign/internal/app/examine"
	"countersign/internal/config"
	"countersign/internal/login/walk"
	"countersign/internal/sasl"
)

// entry is where a client can come in.
type entry struct {
	cfg *config.Config
	way examine.Way
	// doors are the listeners that count.
	doors []examine.Door
	// noTokens says that nobody verifies tokens now.
	noTokens bool
}

// names are those of the listeners that are open, or of those that are not.
func (e *entry) names(open bool) (list []string) {
	for _, d := range e.doors {
		if d.Open == open {
			list = append(list, d.Listener)
		}
	}
	return list
}

// subjects are what the certificate says of its owner at the first listener that is open.
func (e *entry) subjects() []string {
	if i := slices.IndexFunc(e.doors, func(d examine.Door) bool { return d.Open }); i >= 0 {
		return e.doors[i].Subjects
	}
	return nil
}

// steps says what the listeners say.
func (e *entry) steps() (steps []walk.Step) {
	for _, d := range e.doors {
		switch {
		case d.Cause != "":
			steps = append(steps, walk.Step{Name: "certificate", Text: "does not hold at listener " + d.Listener + ": " + d.Cause})
		case d.Subjects != nil:
			steps = append(steps, walk.Step{Name: "certificate", Good: true, Text: "holds at listener " + d.Listener + ", as " + strings.Join(d.Subjects, ", ")})
		}
	}
	name := "mechanism"
	if e.way.Mechanism == "" {
		name = "networks"
	}
	if why := e.withheld(); why != "" {
		return append(steps, walk.Step{Name: name, Text: why + ": a client would get " + e.answer() + "; what follows is as if it was"})
	}
	text := e.way.Mechanism + " is offered at " + listeners(e.names(true)) + ", once the connection is encrypted"
	if e.way.Mechanism == "" {
		text = "clients need not log in at " + listeners(e.names(true))
	}
	if e.asksCertificate() && e.way.Presented == nil {
		text += " and the client has shown a certificate that holds"
	}
	if closed := e.names(false); len(closed) > 0 {
		text += "; not at " + listeners(closed)
	}
	return append(steps, walk.Step{Name: name, Good: true, Text: text})
}

// answer is the code that a client gets where nothing is open.
func (e *entry) answer() string {
	if e.way.Mechanism == "" {
		return "530"
	}
	return "504"
}

// asksCertificate reports whether the mechanism is for clients with a certificate.
func (e *entry) asksCertificate() bool {
	m, _ := sasl.Lookup(e.way.Mechanism)
	return m.Certificate
}

// cause is the word for the record where nothing is open, "" where something is.
func (e *entry) cause() string {
	if e.withheld() == "" {
		return ""
	}
	for _, d := range e.doors {
		if d.Cause != "" {
			return "not-offered: " + d.Cause
		}
	}
	return "not-offered"
}

// withheld says why no listener lets a client try it, "" where one does.
func (e *entry) withheld() string {
	m, _ := sasl.Lookup(e.way.Mechanism)
	if len(e.names(true)) > 0 {
		if m.Token && e.noTokens {
			return m.Name + " is not offered, as there is no [[issuer]], and no Dovecot offers to verify tokens"
		}
		return ""
	}
	listed := slices.Contains(e.cfg.Auth.Mechanisms, m.Name)
	switch {
	case m.Name == "":
		return e.none(`has networks = "on"`, `does not have networks = "on"`)
	case !listed:
		return m.Name + " is not among auth.mechanisms"
	case m.Token && len(e.cfg.Issuers) == 0:
		return m.Name + " is not offered, as there is no [[issuer]], and no Dovecot that may verify tokens"
	case strings.HasPrefix(m.Name, "SCRAM-") && e.cfg.ScramIsVain():
		return m.Name + " is not offered, as a directory that cannot take part in it knows accounts of every domain"
	case m.Binds && slices.ContainsFunc(e.cfg.Directories, func(d config.Directory) bool { return d.KnowsKeys() }):
		return m.Name + " is not offered beside a Dovecot, which does not see the connection"
	case slices.ContainsFunc(e.doors, func(d examine.Door) bool { return d.Cause != "" }):
		return e.none("offers "+m.Name+" for this certificate", "does not offer "+m.Name+" for this certificate")
	case m.Certificate:
		return e.none("offers "+m.Name+", which needs client_ca_file there", "does not offer "+m.Name+", which needs client_ca_file there")
	}
	return e.none("offers "+m.Name, "does not offer "+m.Name)
}

// none makes a sentence of the listener, or of all, that does not do something.
func (e *entry) none(does, doesNot string) string {
	if e.way.Listener != "" {
		return "listener " + e.way.Listener + " " + doesNot
	}
	return "no listener " + does
}

// listeners names some.
func listeners(names []string) string {
	if len(names) == 1 {
		return "listener " + names[0]
	}
	return "listeners " + strings.Join(names, ", ")
}
