package config

import (
	"countersign/internal/config/value"
)

// The types of options, under the names that the rest of the program uses.
type (
	// Duration is a length of time, in the file "5m" or "5d".
	Duration = value.Duration
	// Size is a number of octets, in the file "64KiB" or "50MB".
	Size = value.Size
	// Secret is text that is masked wherever it is printed.
	Secret = value.Secret
	// Prefix is a network or a single address.
	Prefix = value.Prefix
	// Resolver is the address of a name server.
	Resolver = value.Resolver
	// NextHop is where a route leads.
	NextHop = value.NextHop
)

// Config is the whole configuration. It is not changed after Load, so it may
// be read concurrently.
type Config struct {
	// The name of this gate in the greeting, in Received fields and, unless
	// delivery.hello says otherwise, in its own EHLO. A full domain name that
	// resolves to this machine.
	Hostname string `toml:"hostname" since:"0.1" reload:"no" required:"yes" example:"mail.example.net"`
	// The folder that holds the database, large message bodies, keys and
	// certificates that the gate makes itself.
	DataDir string `toml:"data_dir" default:"/var/lib/countersign" since:"0.1" reload:"no" path:"yes"`

	// Where accepted messages, accounts and the record are kept.
	Store Store `toml:"store"`
	// The log on standard error.
	Log Log `toml:"log"`
	// The listener for monitoring, apart from mail.
	Metrics Metrics `toml:"metrics"`
	// The addresses at which clients submit mail, one table for each kind of
	// listener.
	Listeners []Listener `toml:"listener" required:"yes" reload:"no"`
	// The certificates that listeners present. The one that matches the name
	// asked for (SNI) is chosen, else the first.
	Certificates []Certificate `toml:"certificate" required:"yes" reload:"yes"`
	// Limits for each session, and for all together. Open sessions follow a
	// change from their next command on; the numbers of connections hold for
	// new ones.
	Session Session `toml:"session"`
	// Verification of passwords.
	Auth Auth `toml:"auth"`
	// What is taken as a message.
	Message Message `toml:"message"`
	// DKIM signatures.
	DKIM DKIM `toml:"dkim"`
	// When a delivery is tried again, and when given up.
	Queue Queue `toml:"queue"`
	// How messages leave.
	Delivery Delivery `toml:"delivery"`
	// How a recipient domain is reached, where its MX is not to decide. The table for the
	// domain itself wins over the one for "*".
	Routes []Route `toml:"route" reload:"yes"`
	// The resolvers to ask.
	DNS DNS `toml:"dns"`
}

// Store is table [store].
type Store struct {
	// The engine and its place. This version knows "sqlite:" followed by the
	// path of the database file.
	URL string `toml:"url" derived:"sqlite: with countersign.db in data_dir" since:"0.1" reload:"no" example:"sqlite:/var/lib/countersign/countersign.db"`
}

// Log is table [log].
type Log struct {
	// The least severe records that are written.
	Level string `toml:"level" default:"info" oneof:"debug,info,warn,error" since:"0.1" reload:"yes"`
	// The form of a record: key=value pairs, or one JSON object in a line.
	Format string `toml:"format" default:"text" oneof:"text,json" since:"0.1" reload:"no"`
}

// Metrics is table [metrics].
type Metrics struct {
	// The address that serves /metrics, /healthz and /readyz over plain HTTP;
	// "" for none. It asks for no password: keep it off public networks.
	Listen string `toml:"listen" default:"127.0.0.1:9587" since:"0.1" reload:"no"`
}

// Listener is one table [[listener]].
type Listener struct {
	// The name of the listener in log and record.
	Name string `toml:"name" since:"0.1" reload:"no" required:"yes" example:"submission|submissions"`
	// "submission" speaks plain text until STARTTLS (port 587), "submissions"
	// speaks TLS from the first octet (port 465).
	Kind string `toml:"kind" oneof:"submission,submissions" since:"0.1" reload:"no" required:"yes" example:"submission|submissions"`
	// The addresses to listen on, each an IP address with a port. An empty host
	// stands for every address of the machine, IPv4 and IPv6.
	Address []string `toml:"address" since:"0.1" reload:"no" required:"yes" example:":587|:465"`
	// The names of the certificates to present.
	Certificates []string `toml:"certificates" derived:"all" since:"0.1" reload:"no" example:"main"`
	// The lowest TLS version that is spoken. Versions below 1.2 are never spoken.
	MinTLS string `toml:"min_tls" default:"1.2" oneof:"1.2,1.3" since:"0.1" reload:"no"`
	// The proxies, as addresses or networks, whose PROXY protocol header
	// (version 1 or 2) is believed, and required. Any other peer that sends one is refused.
	Proxies []Prefix `toml:"proxies" derived:"none" since:"0.1" reload:"no" example:"192.0.2.7,2001:db8:7::/64"`
}

// Certificate is one table [[certificate]].
type Certificate struct {
	// The name by which listeners refer to it.
	Name string `toml:"name" since:"0.1" reload:"yes" required:"yes" example:"main"`
	// "files" reads cert_file and key_file, and again when they change; "acme" obtains and renews
	// one; "self-signed" makes one at first
	// start, NAME.crt and NAME.key in data_dir, for trials.
	Source string `toml:"source" oneof:"files,acme,self-signed" since:"0.1" reload:"yes" required:"yes" example:"acme"`
	// The names in the certificate.
	Hosts []string `toml:"hosts" when:"source=acme|self-signed" derived:"hostname" since:"0.1" reload:"yes" example:"mail.example.net"`
	// The certificate chain in PEM, the server's own first.
	CertFile string `toml:"cert_file" when:"source=files" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/tls/mail.crt"`
	// The private key of that certificate in PEM.
	KeyFile string `toml:"key_file" when:"source=files" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/tls/mail.key"`
	// The URL of the ACME directory.
	Directory string `toml:"directory" when:"source=acme" default:"https://acme-v02.api.letsencrypt.org/directory" since:"0.1" reload:"yes"`
	// The address that the certificate authority may write to.
	Email string `toml:"email" when:"source=acme" derived:"none" since:"0.1" reload:"yes" example:"postmaster@example.net"`
	// How control of the names is proved to the authority (RFC 8737; RFC 8555
	// section 8.3).
	Challenge string `toml:"challenge" when:"source=acme" default:"tls-alpn-01" oneof:"tls-alpn-01,http-01" since:"0.1" reload:"yes"`
	// Where challenge http-01 is answered; the authority connects to port 80.
	HTTPListen string `toml:"http_listen" when:"source=acme" default:":80" since:"0.1" reload:"yes"`
	// Where challenge tls-alpn-01 is answered; the authority connects to port
	// 443.
	TLSListen string `toml:"tls_listen" when:"source=acme" default:":443" since:"0.1" reload:"yes"`
	// Roots in PEM that the ACME server itself is verified with, instead of the
	// system's.
	CAFile string `toml:"ca_file" when:"source=acme" derived:"the system's" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/acme-root.pem"`
	// Set to true when you agree to the terms of the certificate authority.
	// Source "acme" needs it.
	TermsAgreed bool `toml:"terms_agreed" when:"source=acme" default:"false" since:"0.1" reload:"yes" example:"true"`
}

// Session is table [session].
type Session struct {
	// How long a client may take to send its first command.
	GreetingTimeout Duration `toml:"greeting_timeout" default:"1m" min:"1s" since:"0.1" reload:"yes"`
	// How long a client may take for each further command.
	CommandTimeout Duration `toml:"command_timeout" default:"5m" min:"1s" since:"0.1" reload:"yes"`
	// How long a TLS handshake may take.
	HandshakeTimeout Duration `toml:"handshake_timeout" default:"30s" min:"1s" since:"0.1" reload:"yes"`
	// How long a message body may stand still.
	DataProgressTimeout Duration `toml:"data_progress_timeout" default:"3m" min:"1s" since:"0.1" reload:"yes"`
	// How long a whole message body may take.
	DataTimeout Duration `toml:"data_timeout" default:"30m" min:"1s" since:"0.1" reload:"yes"`
	// Commands that are not understood before the session is ended.
	MaxSyntaxErrors int `toml:"max_syntax_errors" default:"10" min:"1" unit:"errors per session" since:"0.1" reload:"yes"`
	// Refused AUTH exchanges before the session is ended.
	MaxAuthFailures int `toml:"max_auth_failures" default:"3" min:"1" unit:"failures per session" since:"0.1" reload:"yes"`
	// Refused recipients before the session is ended.
	MaxRefusedRecipients int `toml:"max_refused_recipients" default:"20" min:"1" unit:"recipients per session" since:"0.1" reload:"yes"`
	// Sessions open at the same time, on all listeners together.
	MaxConnections int `toml:"max_connections" default:"5000" min:"1" unit:"sessions" since:"0.1" reload:"yes"`
	// Sessions open at the same time from one client network.
	MaxConnectionsPerPrefix int `toml:"max_connections_per_prefix" default:"50" min:"1" unit:"sessions" since:"0.1" reload:"yes"`
	// The length of the prefix that makes a client network in IPv4; 32 is a
	// single address.
	PrefixIPv4 int `toml:"prefix_ipv4" default:"32" min:"8" max:"32" unit:"bits" since:"0.1" reload:"yes"`
	// The length of the prefix that makes a client network in IPv6; 64 is one
	// customer's network.
	PrefixIPv6 int `toml:"prefix_ipv6" default:"64" min:"16" max:"128" unit:"bits" since:"0.1" reload:"yes"`
	// Recipients of one message.
	MaxRecipients int `toml:"max_recipients" default:"100" min:"1" unit:"recipients" since:"0.1" reload:"yes"`
	// The largest message, as offered in SIZE.
	MaxMessageSize Size `toml:"max_message_size" default:"50MB" min:"64KiB" max:"2GiB" since:"0.1" reload:"yes"`
	// Messages in one session.
	MaxMessages int `toml:"max_messages" default:"1000" min:"1" unit:"messages" since:"0.1" reload:"yes"`
	// Lines of a body over 998 octets: "refuse" the message, as RFC 5322
	// section 2.1.1 forbids them, or "allow" them to pass.
	LongLines string `toml:"long_lines" default:"refuse" oneof:"refuse,allow" since:"0.1" reload:"yes"`
	// How long a stop waits for messages that are being sent.
	ShutdownGrace Duration `toml:"shutdown_grace" default:"30s" since:"0.1" reload:"yes"`
}

// Auth is table [auth].
type Auth struct {
	// Memory that one argon2id hash of a new password takes.
	HashMemory Size `toml:"hash_memory" default:"19MiB" min:"7MiB" max:"256MiB" since:"0.1" reload:"no"`
	// Passes of argon2id over that memory.
	HashIterations int `toml:"hash_iterations" default:"2" min:"1" max:"16" unit:"passes" since:"0.1" reload:"no"`
	// Lanes of argon2id: its degree of parallelism.
	HashParallelism int `toml:"hash_parallelism" default:"1" min:"1" max:"8" unit:"lanes" since:"0.1" reload:"no"`
	// Passwords that are verified at the same time; 0 means one for each core.
	// Each needs auth.hash_memory.
	HashWorkers int `toml:"hash_workers" default:"0" min:"0" max:"1024" unit:"hashes" since:"0.1" reload:"no"`
	// Verifications that may wait for a worker. A client beyond that is told to
	// come again (454).
	HashQueue int `toml:"hash_queue" default:"256" min:"1" max:"100000" unit:"hashes" since:"0.1" reload:"no"`
	// How long a verified password is remembered, in memory and as a keyed hash
	// only, so that the next session with it is cheap; "0s" for never. A
	// changed or revoked password is forgotten at once.
	Remember Duration `toml:"remember" default:"60s" max:"1h" since:"0.1" reload:"no"`
}

// Message is table [message].
type Message struct {
	// Raw 8-bit text in a header without SMTPUTF8: "encode" it (RFC 2047), or
	// "refuse" the message.
	EightBitHeaders string `toml:"eight_bit_headers" default:"encode" oneof:"encode,refuse" since:"0.1" reload:"yes"`
	// Addresses that a display name or comment of From, Sender or Resent-From
	// shows: "allow" any, as contact forms write the visitor's there, or
	// "check" that they belong to the account like the real ones.
	AddressesInNames string `toml:"addresses_in_names" default:"allow" oneof:"allow,check" since:"0.1" reload:"yes"`
	// The largest header that is taken.
	MaxHeaderSize Size `toml:"max_header_size" default:"128KiB" min:"16KiB" max:"4MiB" since:"0.1" reload:"yes"`
	// Received fields that a message may bring; with more it is taken to run in
	// a circle (RFC 5321 section 6.3).
	MaxReceived int `toml:"max_received" default:"50" min:"10" max:"1000" unit:"fields" since:"0.1" reload:"yes"`
}

// DKIM is table [dkim].
type DKIM struct {
	// The file with the key that seals secrets in the store: signing keys, and
	// what ACME obtained. It is made at first start: keep a copy apart from the
	// database.
	KeyFile string `toml:"key_file" derived:"seal.key in data_dir" since:"0.1" reload:"no" path:"yes" example:"/var/lib/countersign/seal.key"`
	// Whether messages are signed. False only where a later hop signs, or to
	// measure.
	Sign bool `toml:"sign" default:"true" since:"0.1" reload:"yes"`
}

// DNS is table [dns].
type DNS struct {
	// The resolvers, tried in this order, each an IP address with a port (53
	// where left out).
	Servers []Resolver `toml:"servers" derived:"those of /etc/resolv.conf" since:"0.1" reload:"no" example:"127.0.0.1:53,[::1]:53"`
	// How long one query may take.
	Timeout Duration `toml:"timeout" default:"5s" min:"100ms" max:"1m" since:"0.1" reload:"no"`
}
