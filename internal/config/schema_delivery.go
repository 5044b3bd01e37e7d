package config

import "net/netip"

// Queue is table [queue].
type Queue struct {
	// The waits between the attempts of a delivery; the last one repeats.
	Retry []Duration `toml:"retry" default:"5m,15m,30m,1h,2h,4h" min:"1s" max:"7d" since:"0.1" reload:"yes"`
	// The age at which a delivery is given up and its sender told.
	Lifetime Duration `toml:"lifetime" default:"5d" min:"1m" max:"60d" since:"0.1" reload:"yes"`
}

// Delivery is table [delivery].
type Delivery struct {
	// Whether messages leave. While it is false, accepted messages wait in the
	// queue and no attempt is counted: for maintenance.
	Enabled bool `toml:"enabled" default:"true" since:"0.1" reload:"no"`
	// The name in our own EHLO: a domain name or an address literal.
	Hello string `toml:"hello" derived:"hostname" since:"0.1" reload:"no" example:"mail.example.net"`
	// The most transactions with other servers at the same time. One customer
	// gets at most half of them, one account at most a quarter, so that
	// destinations that hang hold up nobody else.
	Workers int `toml:"workers" default:"256" min:"1" max:"10000" unit:"transactions" since:"0.1" reload:"no"`
	// The most of them with one destination.
	PerDestination int `toml:"per_destination" default:"8" min:"1" max:"1000" unit:"transactions" since:"0.1" reload:"no"`
	// The most connections to one address in use at the same time, whichever
	// destinations they are for; never less than delivery.per_destination.
	PerAddress int `toml:"per_address" default:"32" min:"1" max:"1000" unit:"connections" since:"0.1" reload:"no"`
	// How long an attempt may take in all, over all servers of a destination;
	// what is not done then is tried again later. A third of it is for finding
	// a server that can be talked to.
	AttemptTimeout Duration `toml:"attempt_timeout" default:"30m" min:"10s" max:"6h" since:"0.1" reload:"no"`
	// How long making a connection may take, and then negotiating TLS.
	ConnectTimeout Duration `toml:"connect_timeout" default:"30s" min:"1s" max:"10m" since:"0.1" reload:"no"`
	// How long another server may take to answer a command.
	CommandTimeout Duration `toml:"command_timeout" default:"5m" min:"1s" max:"1h" since:"0.1" reload:"no"`
	// How long another server may take to answer the end of a message.
	DataTimeout Duration `toml:"data_timeout" default:"10m" min:"1s" max:"1h" since:"0.1" reload:"no"`
	// How long a connection is kept for the next message to the same
	// destination; "0s" closes it at once.
	IdleTimeout Duration `toml:"idle_timeout" default:"10s" max:"5m" since:"0.1" reload:"no"`
	// After so many messages, a connection to another server is closed.
	MaxMessagesPerConnection int `toml:"max_messages_per_connection" default:"100" min:"1" max:"100000" unit:"messages" since:"0.1" reload:"no"`
	// The address of this machine that connections over IPv4 come from.
	SourceIPv4 netip.Addr `toml:"source_ipv4" derived:"the system chooses" since:"0.1" reload:"no" example:"192.0.2.10"`
	// The address of this machine that connections over IPv6 come from.
	SourceIPv6 netip.Addr `toml:"source_ipv6" derived:"the system chooses" since:"0.1" reload:"no" example:"2001:db8::10"`
	// Whether other servers are reached over IPv6.
	IPv6 bool `toml:"ipv6" default:"true" since:"0.1" reload:"no"`
}

// Route is one table [[route]].
type Route struct {
	// The recipient domain, or "*" for every one without a table of its own.
	Domain string `toml:"domain" since:"0.1" reload:"yes" required:"yes" example:"example.org"`
	// The server to hand messages to: "smtp://host:port" (port 25 where left
	// out), "smtps://host:port" for TLS from the first octet (port 465), or "mx"
	// for the domain's own. Unlike an MX, it may be in a private network.
	NextHop NextHop `toml:"next_hop" default:"mx" since:"0.1" reload:"yes" example:"smtps://relay.example.net:465"`
	// TLS towards it: "opportunistic" uses it where it is offered, "required"
	// insists on it and on a certificate that verifies, "none" does without.
	TLS string `toml:"tls" derived:"required with a username or smtps, else opportunistic" oneof:"opportunistic,required,none" since:"0.1" reload:"yes" example:"required"`
	// The login at the next hop.
	Username string `toml:"username" derived:"none" since:"0.1" reload:"yes" example:"gate"`
	// The password at the next hop.
	Password Secret `toml:"password" derived:"none" since:"0.1" reload:"yes" example:"change me"`
	// The file whose only line is that password, in place of password.
	PasswordFile string `toml:"password_file" derived:"none" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/relay.password"`
	// The root certificates, in PEM, that the next hop must be certified by, in
	// place of the system's.
	CAFile string `toml:"ca_file" derived:"the system's" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/relay-root.pem"`
}
