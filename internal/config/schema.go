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
	// Which of several gates on one PostgreSQL database this one is.
	Node Node `toml:"node"`
	// The log on standard error.
	Log Log `toml:"log"`
	// Metrics and health, for monitoring.
	Metrics Metrics `toml:"metrics"`
	// What the gate serves over HTTP to people and programs outside.
	Web Web `toml:"web"`
	// Programs that may use the API, which is at /api/v1/ of [web]: control panels, billing
	// systems. See docs/ops/api.md.
	APIClients []APIClient `toml:"api_client" reload:"yes"`
	// Pages that explain refusals to those who met one.
	Help Help `toml:"help"`
	// Where clients submit mail: one table for each kind of port.
	Listeners []Listener `toml:"listener" required:"yes" reload:"no"`
	// The certificates that listeners present. The one that matches the name
	// asked for (SNI) is chosen, else the first.
	Certificates []Certificate `toml:"certificate" required:"yes" reload:"yes"`
	// Limits for each session, and for all together. When they change, open
	// sessions follow from their next command on; a lower number of connections
	// closes none that is open.
	Session Session `toml:"session"`
	// How clients prove who they are; how passwords are stored and verified.
	Auth Auth `toml:"auth"`
	// Who guesses passwords is slowed down, then banned.
	Guard Guard `toml:"guard"`
	// From where clients may come in. The access lists themselves are in the store
	// ("countersign access").
	Access Access `toml:"access" elsewhere:"access lists are set by \"countersign access allow\" and \"countersign access deny\""`
	// DNS lists of addresses that spam comes from, which are asked about clients.
	DNSBL []DNSBL `toml:"dnsbl" reload:"yes"`
	// Who issues the tokens that OAUTHBEARER and XOAUTH2 show.
	Issuers []Issuer `toml:"issuer" reload:"no"`
	// Where accounts are kept besides the store.
	Directories []Directory `toml:"directory" reload:"no"`
	// Which messages are taken, and how they are mended.
	Message Message `toml:"message"`
	// Programs that look at the content of messages before they are accepted, by the milter
	// protocol, in this order: rspamd, ClamAV and others.
	Filters []Filter `toml:"filter" reload:"no"`
	// Rules of your own, asked in their order: see docs/ops/rules.md.
	Rules []Rule `toml:"rule" reload:"yes"`
	// Limits of what may be sent.
	Limits Limits `toml:"limits" elsewhere:"what may be sent is limited by \"countersign limit set\""`
	// DKIM signatures.
	DKIM DKIM `toml:"dkim"`
	// How domains come to new signing keys.
	Rekey Rekey `toml:"rekey"`
	// When a delivery is tried again, and when given up.
	Queue Queue `toml:"queue"`
	// How messages leave.
	Delivery Delivery `toml:"delivery"`
	// How a recipient domain is reached, where its MX is not to decide. The table for the
	// domain itself wins over the one for "*".
	Routes []Route `toml:"route" reload:"yes"`
	// What is done about mail that its receivers would turn away, as the DNS of its
	// sender's domain does not show that it comes from there (SPF, DKIM, DMARC).
	Alignment Alignment `toml:"alignment"`
	// How names are looked up.
	DNS DNS `toml:"dns"`
}

// Store is table [store].
type Store struct {
	// Where the database is: "sqlite:" followed by the path of its file, or the
	// URL of a PostgreSQL database (15 or later) as libpq takes it, with several
	// hosts where there are standbys. It must not hold a password.
	URL string `toml:"url" derived:"sqlite: with countersign.db in data_dir" since:"0.1" reload:"no" example:"postgres://countersign@db1.example.net,db2.example.net/countersign?sslmode=verify-full&target_session_attrs=read-write"`
	// The file with the password for the PostgreSQL database, one line.
	PasswordFile string `toml:"password_file" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/store.password"`
	// The most connections to the PostgreSQL database for what mail and administration
	// ask. A server has two more: one whose lock says that it is this node, and one by
	// which it hears of changes. The database's max_connections must do for all gates
	// and their commands.
	Connections int `toml:"connections" derived:"8 with PostgreSQL" min:"2" max:"1000" unit:"connections" since:"0.1" reload:"no" example:"16"`
	// How long an operation waits for a PostgreSQL database that is away, as during a
	// restart or the change to a standby; then clients get 451. An operation that has
	// begun may take as long again.
	Patience Duration `toml:"patience" derived:"5s with PostgreSQL" min:"1s" max:"1m" since:"0.1" reload:"no" example:"10s"`
	// The space of the database's file system that new mail leaves untouched, so that
	// outcomes, bounces, the record and administration can still be stored:
	// while less is free, messages are refused for the time being (452), and those of
	// more than 64 KiB also while fewer than 1,000 files may be made. What is
	// free within the database counts for up to three quarters. "0" keeps none. With
	// PostgreSQL, whose disk the gate does not see, it is none.
	Reserve Size `toml:"reserve" default:"256MiB" since:"0.1" reload:"yes"`
}

// Node is table [node].
type Node struct {
	// The name of this gate among those that share the database. It stays the same
	// over restarts, and no other has it: letters, digits, "-", "_" and ".".
	ID string `toml:"id" derived:"the host name of the machine" since:"0.1" reload:"no" example:"gate-1"`
	// How long this node owns its deliveries without renewing its claim, which it
	// does five times as often. When it dies, the other nodes take its deliveries
	// over after that time; up to twice that where they had just come, or the
	// database was away. Without effect where the store is SQLite.
	Lease Duration `toml:"lease" default:"15s" min:"3s" max:"10m" since:"0.1" reload:"no"`
}

// Log is table [log].
type Log struct {
	// The least severe messages that are logged.
	Level string `toml:"level" default:"info" oneof:"debug,info,warn,error" since:"0.1" reload:"yes"`
	// The form of a log line: key=value pairs, or a JSON object.
	Format string `toml:"format" default:"text" oneof:"text,json" since:"0.1" reload:"no"`
}

// Metrics is table [metrics].
type Metrics struct {
	// The address, with port, that serves /metrics, /healthz and /readyz over
	// plain HTTP; "" for none. It asks for no password: keep it off public
	// networks.
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
	// The certificates to choose from, by their names.
	Certificates []string `toml:"certificates" derived:"all" since:"0.1" reload:"no" example:"main"`
	// The lowest TLS version that clients may use. Versions below 1.2 are never
	// offered.
	MinTLS string `toml:"min_tls" default:"1.2" oneof:"1.2,1.3" since:"0.1" reload:"no"`
	// The proxies, as addresses or networks, in front of this listener. From them
	// a PROXY protocol header (version 1 or 2) is required, and believed; from
	// anybody else it is refused.
	Proxies []Prefix `toml:"proxies" derived:"none" since:"0.1" reload:"no" example:"192.0.2.7,2001:db8:7::/64"`
	// The SASL mechanisms that are offered here, of those in auth.mechanisms.
	Mechanisms []string `toml:"mechanisms" derived:"all of auth.mechanisms" since:"0.1" reload:"no" example:"PLAIN,LOGIN"`
	// Whether a client in a network that is a credential of an account may send here
	// without logging in, TLS being needed all the same. Behind a proxy, list that in
	// proxies: else every client has its address.
	Networks string `toml:"networks" default:"off" oneof:"off,on" since:"0.1" reload:"no"`
	// The certificates, in PEM, of the authorities whose client certificates are taken:
	// clients are asked for one, and those that bring it may log in by EXTERNAL. Name an
	// intermediate authority here too where its certificates are to be revocable. The
	// file is read again when it changes.
	ClientCAFile string `toml:"client_ca_file" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/client-ca.pem"`
	// What those authorities have revoked: their lists in PEM, or one in DER. Every
	// authority that has issued any of a client's chain needs one here, and one that is
	// past its next update lets nobody in. The file is read again when it changes.
	ClientCRLFile string `toml:"client_crl_file" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/client-ca.crl"`
	// What of a certificate names its owner: "fingerprint" is its SHA-256, "email" each
	// mail address among its alternative names, "cn" its common name. With the last two
	// an authority can make certificates for anybody.
	ClientNames []string `toml:"client_names" default:"fingerprint,email" oneof:"fingerprint,email,cn" since:"0.1" reload:"no" alternative:"yes"`
}

// Certificate is one table [[certificate]].
type Certificate struct {
	// The name by which listeners refer to it.
	Name string `toml:"name" since:"0.1" reload:"yes" required:"yes" example:"main"`
	// Where it comes from. "files" reads cert_file and key_file, and reads them
	// again when they change; "acme" obtains one from a certificate authority and
	// renews it; "self-signed" makes one at the first start (NAME.crt and
	// NAME.key in data_dir), for trials only.
	Source string `toml:"source" oneof:"files,acme,self-signed" since:"0.1" reload:"yes" required:"yes" example:"acme"`
	// The host names that the certificate is for.
	Hosts []string `toml:"hosts" when:"source=acme|self-signed" derived:"hostname" since:"0.1" reload:"yes" example:"mail.example.net"`
	// The certificate chain in PEM, the server's own first.
	CertFile string `toml:"cert_file" when:"source=files" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/tls/mail.crt"`
	// The private key of that certificate in PEM.
	KeyFile string `toml:"key_file" when:"source=files" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/tls/mail.key"`
	// The URL of the ACME directory.
	Directory string `toml:"directory" when:"source=acme" default:"https://acme-v02.api.letsencrypt.org/directory" since:"0.1" reload:"yes"`
	// A mail address at which the certificate authority may reach you.
	Email string `toml:"email" when:"source=acme" derived:"none" since:"0.1" reload:"yes" example:"postmaster@example.net"`
	// How you prove to the authority that the names are yours: over TLS on port
	// 443 (RFC 8737), or over HTTP on port 80 (RFC 8555 section 8.3).
	Challenge string `toml:"challenge" when:"source=acme" default:"tls-alpn-01" oneof:"tls-alpn-01,http-01" since:"0.1" reload:"yes"`
	// The address to answer challenge http-01 at. The authority connects to port
	// 80 of each name.
	HTTPListen string `toml:"http_listen" when:"source=acme" default:":80" since:"0.1" reload:"yes"`
	// The address to answer challenge tls-alpn-01 at. The authority connects to
	// port 443 of each name.
	TLSListen string `toml:"tls_listen" when:"source=acme" default:":443" since:"0.1" reload:"yes"`
	// Whether each name gets a certificate with an RSA key beside the ECDSA one,
	// for mail programs that know no other.
	RSA bool `toml:"rsa" when:"source=acme" default:"false" since:"0.1" reload:"yes"`
	// The root certificates, in PEM, that the ACME server must be certified by,
	// in place of the system's.
	CAFile string `toml:"ca_file" when:"source=acme" derived:"the system's" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/acme-root.pem"`
	// Set it to true if you agree to the terms of the certificate authority; source
	// "acme" is refused without.
	TermsAgreed bool `toml:"terms_agreed" when:"source=acme" default:"false" since:"0.1" reload:"yes" example:"true"`
}

// Session is table [session].
type Session struct {
	// How long a client may take to send its first command.
	GreetingTimeout Duration `toml:"greeting_timeout" default:"1m" min:"1s" since:"0.1" reload:"yes"`
	// How long a client may take for each further command.
	CommandTimeout Duration `toml:"command_timeout" default:"5m" min:"1s" since:"0.1" reload:"yes"`
	// How long a client may take for everything until it has logged in, from
	// when it connected.
	LoginTimeout Duration `toml:"login_timeout" default:"3m" min:"10s" since:"0.1" reload:"yes"`
	// How long a TLS handshake may take.
	HandshakeTimeout Duration `toml:"handshake_timeout" default:"30s" min:"1s" since:"0.1" reload:"yes"`
	// How long a client may pause while it sends a message.
	DataProgressTimeout Duration `toml:"data_progress_timeout" default:"3m" min:"1s" since:"0.1" reload:"yes"`
	// How long a client may take to send a whole message.
	DataTimeout Duration `toml:"data_timeout" default:"30m" min:"1s" since:"0.1" reload:"yes"`
	// After so many commands that cannot be understood, the session is ended.
	MaxSyntaxErrors int `toml:"max_syntax_errors" default:"10" min:"1" unit:"errors per session" since:"0.1" reload:"yes"`
	// After so many failed logins, the session is ended.
	MaxAuthFailures int `toml:"max_auth_failures" default:"3" min:"1" unit:"failures per session" since:"0.1" reload:"yes"`
	// After so many recipients that were refused for good, the session is ended.
	MaxRefusedRecipients int `toml:"max_refused_recipients" default:"20" min:"1" unit:"recipients per session" since:"0.1" reload:"yes"`
	// The most sessions at the same time, on all listeners together. When there
	// are so many, a newcomer takes the place of the oldest session without a login
	// of that network (IPv4 /24, IPv6 /48) which has the most of them, unless its
	// own has as many.
	MaxConnections int `toml:"max_connections" default:"5000" min:"1" unit:"sessions" since:"0.1" reload:"yes"`
	// The most sessions at the same time from one client network, which
	// prefix_ipv4 and prefix_ipv6 define.
	MaxConnectionsPerPrefix int `toml:"max_connections_per_prefix" default:"50" min:"1" unit:"sessions" since:"0.1" reload:"yes"`
	// The most sessions at the same time from one wide network: IPv4 /24, IPv6
	// /48.
	MaxConnectionsPerWideNetwork int `toml:"max_connections_per_wide_network" derived:"a quarter of max_connections, or max_connections_per_prefix where that is more" min:"1" unit:"sessions" since:"0.1" reload:"yes" example:"1250"`
	// How many leading bits of an IPv4 address make its client network; with 32
	// each address is one.
	PrefixIPv4 int `toml:"prefix_ipv4" default:"32" min:"8" max:"32" unit:"bits" since:"0.1" reload:"yes"`
	// How many leading bits of an IPv6 address make its client network; 64 is
	// what one line usually has.
	PrefixIPv6 int `toml:"prefix_ipv6" default:"64" min:"16" max:"128" unit:"bits" since:"0.1" reload:"yes"`
	// The most recipients of one message. A plan may set fewer.
	MaxRecipients int `toml:"max_recipients" default:"100" min:"1" unit:"recipients" since:"0.1" reload:"yes"`
	// The largest message, which EHLO announces as SIZE. A plan may set less.
	MaxMessageSize Size `toml:"max_message_size" default:"50MB" min:"64KiB" max:"2GiB" since:"0.1" reload:"yes"`
	// The most messages in one session. A plan may set fewer.
	MaxMessages int `toml:"max_messages" default:"1000" min:"1" unit:"messages" since:"0.1" reload:"yes"`
	// What to do with a message that has lines of more than 998 octets, which
	// RFC 5322 section 2.1.1 forbids: "refuse" it, or "allow" it.
	LongLines string `toml:"long_lines" default:"refuse" oneof:"refuse,allow" since:"0.1" reload:"yes"`
	// When the server stops, how long it waits for messages under way.
	ShutdownGrace Duration `toml:"shutdown_grace" default:"30s" since:"0.1" reload:"yes"`
}

// Message is table [message].
type Message struct {
	// What to do with text beyond ASCII in the header of a message that was sent
	// without SMTPUTF8: "encode" it (RFC 2047), or "refuse" the message.
	EightBitHeaders string `toml:"eight_bit_headers" default:"encode" oneof:"encode,refuse" since:"0.1" reload:"yes"`
	// What to do where the display name or a comment in From, Sender,
	// Resent-From or Resent-Sender looks like an address, which many mail programs show in
	// place of the real one: "check" that it belongs to the account, as
	// the real address must, or "allow" any, as for contact
	// forms that put the visitor's there. Names that hide control characters or run backwards
	// are refused in any case.
	AddressesInNames string `toml:"addresses_in_names" default:"check" oneof:"check,allow" since:"0.1" reload:"yes"`
	// The largest header that a message may have.
	MaxHeaderSize Size `toml:"max_header_size" default:"128KiB" min:"16KiB" max:"4MiB" since:"0.1" reload:"yes"`
	// The most Received fields that a message may have; one with more is refused,
	// as it seems to be in a loop (RFC 5321 section 6.3).
	MaxReceived int `toml:"max_received" default:"50" min:"10" max:"1000" unit:"fields" since:"0.1" reload:"yes"`
}

// Limits is table [limits]: what holds for all limits, which are set in the store
// ("countersign limit set").
type Limits struct {
	// Of how many percent of a limit used it is recorded that somebody is near to it,
	// once in its window; 0 for never.
	WarnAt int `toml:"warn_at" default:"80" min:"0" max:"100" unit:"percent" since:"0.1" reload:"yes"`
	// Who gets a mail then, beside the account whose limit it is: at most 60 an hour from each
	// gate. Limits in shadow, those of a minute and those of recipients that fail are recorded alone.
	Notify string `toml:"notify" derived:"nobody" since:"0.1" reload:"yes" example:"ops@example.org"`
}

// DKIM is table [dkim].
type DKIM struct {
	// The file with the keys that secrets in the database are encrypted with:
	// signing keys, what ACME obtained, keys of passwords. The first seals, all open;
	// a changed file is taken while the gate runs. It is made when it is first needed.
	// Keep a copy of it, apart from the
	// database.
	KeyFile string `toml:"key_file" derived:"seal.key in data_dir" since:"0.1" reload:"no" path:"yes" example:"/var/lib/countersign/seal.key"`
	// Whether messages are signed. Set it to false only where the next server
	// signs.
	Sign bool `toml:"sign" default:"true" since:"0.1" reload:"yes"`
}

// DNS is table [dns].
type DNS struct {
	// The resolvers, which are asked in this order, each an IP address with or
	// without a port (53).
	Servers []Resolver `toml:"servers" derived:"those of /etc/resolv.conf" since:"0.1" reload:"no" example:"127.0.0.1:53,[::1]:53"`
	// How long one query may take.
	Timeout Duration `toml:"timeout" default:"5s" min:"100ms" max:"1m" since:"0.1" reload:"no"`
}
