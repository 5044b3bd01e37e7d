package submission

import (
	"slices"

	"countersign/internal/cert/client"
)

// Listener is what the clients of one listener are offered, of what the policy allows.
// The zero value offers every mechanism but EXTERNAL, and knows no networks.
type Listener struct {
	// Mechanisms are those that may be offered, by name; empty for all of the policy.
	Mechanisms []string
	// Networks says that a client in a network that is a credential need not log in.
	Networks bool
	// Certificates judges what clients have presented; nil where they are not asked.
	Certificates *client.Verifier
}

// offers reports whether a mechanism may be offered.
func (l *Listener) offers(mechanism string) bool {
	return len(l.Mechanisms) == 0 || slices.Contains(l.Mechanisms, mechanism)
}

// judge looks at the certificate that the client has presented, as TLS begins, and adds
// to data what is recorded of it.
func (s *session) judge(data map[string]string) {
	if s.listener.Certificates == nil || s.tls == nil {
		return
	}
	presented := s.tls.PeerCertificates
	id, err := s.listener.Certificates.Judge(presented)
	s.identity = id
	if err != nil {
		data["certificate_refused"] = client.Cause(err)
	}
	if len(presented) > 0 {
		data["certificate"], data["fingerprint"] = client.Describe(presented)
	}
}

// subjects returns what the certificate says of its owner, if it still holds: a list of
// revocations may have come since TLS began.
func (s *session) subjects() ([]string, error) {
	if err := s.recheck(); err != nil {
		return nil, err
	}
	return s.identity.Subjects, nil
}

// recheck returns nil while the certificate that held when TLS began still does.
func (s *session) recheck() error { return s.listener.Certificates.Recheck(s.identity) }
