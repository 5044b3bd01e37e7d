package config

// Web is table [web].
type Web struct {
	// The addresses, each an IP address with a port, that serve the gate's pages over
	// HTTP; none where it is empty. An empty host stands for every address of the
	// machine, IPv4 and IPv6.
	Listen []string `toml:"listen" derived:"none" since:"0.1" reload:"no" example:"127.0.0.1:8080,:8443"`
	// Which of these addresses speak TLS: with "auto" all but those on loopback, where a
	// proxy of the same machine may be in front; with "on" those too.
	TLS string `toml:"tls" default:"auto" oneof:"auto,on" since:"0.1" reload:"no"`
	// The certificates to choose from, by their names.
	Certificates []string `toml:"certificates" derived:"all" since:"0.1" reload:"no" example:"main"`
	// The most connections at the same time. A quarter of them may come from one client
	// network (IPv4 /32, IPv6 /64), half from a wide one (IPv4 /24, IPv6 /48).
	MaxConnections int `toml:"max_connections" default:"256" min:"8" max:"10000" unit:"connections" since:"0.1" reload:"no"`
}
