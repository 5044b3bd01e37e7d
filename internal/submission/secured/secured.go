// Package secured says in words what is recorded of a client's TLS connection.
//
// What a client has asked for in its handshake is not believed to be a name.
package secured

import (
	"crypto/tls"

	"countersign/internal/mail"
)

// Data describes a TLS connection by the names of crypto/tls.
func Data(state *tls.ConnectionState) map[string]string {
	if state == nil {
		return nil
	}
	return map[string]string{
		"version": Version(state),
		"cipher":  tls.CipherSuiteName(state.CipherSuite),
		"name":    serverName(state.ServerName),
	}
}

// Version names the version of TLS, "TLS 1.3"; "" for no connection.
func Version(state *tls.ConnectionState) string {
	if state == nil {
		return ""
	}
	return tls.VersionName(state.Version)
}

// maxServerName is how much is recorded of a server name that is none, in octets.
const maxServerName = 64

// serverName returns what is recorded of the name that a client asked for in
// its handshake. RFC 6066 section 3 makes it a host name, but crypto/tls takes
// any 64 KiB that end in no dot: what is no domain is cut to its beginning, and
// "?" stands for each octet that is no printable ASCII.
func serverName(asked string) string {
	if domain, err := mail.ParseDomain(asked); err == nil {
		return string(domain)
	}
	printable := []byte(asked[:min(len(asked), maxServerName)])
	for i, c := range printable {
		if c < ' ' || c > '~' {
			printable[i] = '?'
		}
	}
	return string(printable)
}
