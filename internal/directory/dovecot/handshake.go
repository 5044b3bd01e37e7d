package dovecot

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mechanism is one that Dovecot offers.
type Mechanism struct {
	// Name is the registered name in upper case.
	Name string
	// ClearSecret says that the client sends the secret itself, a password or a
	// token.
	ClearSecret bool
}

const (
	// ourMajor is the version of the protocol that both sides must have;
	// ourMinor says what we know of it.
	ourMajor, ourMinor = "1", "2"
	// maxHandshake is how many lines a handshake may have, maxMechanisms how many
	// mechanisms it may offer.
	maxHandshake, maxMechanisms = 256, 64
	// maxName is the longest name of a mechanism (RFC 4422 section 3.1).
	maxName = 20
)

// greeting is what Dovecot's side of the handshake offers.
type greeting struct {
	// offered are the mechanisms that may pass.
	offered []Mechanism
	// external says that EXTERNAL is offered, which never passes: what it takes for proved
	// is the gate's word.
	external bool
}

// offers reports whether a mechanism may be asked by.
func (g *greeting) offers(name string) bool {
	return name == external && g.external ||
		slices.ContainsFunc(g.offered, func(m Mechanism) bool { return m.Name == name })
}

// readHandshake reads Dovecot's side of the handshake, up to DONE.
func readHandshake(r *bufio.Reader) (*greeting, error) {
	offered := &greeting{}
	for n := range maxHandshake {
		line, err := readLine(r)
		if err != nil {
			return nil, fmt.Errorf("the handshake breaks off; the socket must be one for clients, such as auth-client, not auth-master or auth-userdb: %w", err)
		}
		fields, err := fieldsOf(line)
		if err != nil {
			return nil, err
		}
		switch name := fields[0]; {
		case n == 0 && (name != "VERSION" || len(fields) < 3):
			return nil, errors.New("no Dovecot answers there")
		case n == 0 && fields[1] != ourMajor:
			return nil, fmt.Errorf("it speaks version %.10q of the protocol", fields[1])
		case name == "MECH" && len(fields) > 1:
			offered.add(fields[1], fields[2:])
		case name == "DONE":
			return offered, nil
		}
	}
	return nil, errors.New("its handshake has no end")
}

// add adds a mechanism to those that are offered, where it is one to pass on.
func (g *greeting) add(name string, properties []string) {
	m := Mechanism{Name: name, ClearSecret: slices.Contains(properties, "plaintext")}
	switch {
	case len(g.offered) == maxMechanisms, !isName(name):
		return
	case slices.Contains(properties, "anonymous"), slices.Contains(properties, "private"):
		return
	case name == external:
		g.external = true
		return
	case strings.HasSuffix(name, "-PLUS"):
		return
	case name == oauthBearer, name == xoauth2: // some Dovecots call a token no plain text
		m.ClearSecret = true
	}
	g.offered = append(g.offered, m)
}

// isName reports whether a text may be a mechanism's name (RFC 4422 section 3.1).
func isName(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
