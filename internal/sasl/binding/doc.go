// Package binding is the server's side of channel binding (RFC 5056): what a
// TLS connection has that no other one has, so that whoever stands between two
// of them cannot pass a login from one on to the other.
//
// Types: "tls-exporter" (RFC 9266), "tls-server-end-point" (RFC 5929 section 4)
// and "tls-unique" (RFC 5929 section 3, TLS 1.2 alone). It does not know SASL; the
// mechanisms ask for data by type.
//
// crypto/tls does not tell a server which certificate it has shown, so Watch
// stands in for a configuration and notes it. A resumed session shows none: its
// client has kept the one of the first handshake, and so does the ticket.
package binding
