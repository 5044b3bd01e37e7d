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

// Help is table [help].
type Help struct {
	// Where clients find the help pages, which [web] serves at /help/: refusals then end in a
	// link to the page that explains them, with the id of the session in it. It begins with
	// https://, or on loopback with http://; port 0 stands there for the one that [web] has got. Where it is
	// not set, refusals end in the id alone.
	URL string `toml:"url" derived:"none" since:"0.1" reload:"yes" example:"https://mail.example.net/help"`
	// The name of the operator on the pages.
	Name string `toml:"name" derived:"hostname" since:"0.1" reload:"yes" example:"Example Hosting"`
	// The mail address of the helpdesk, which the pages name. It should be one whose mail
	// does not leave by this gate.
	Contact string `toml:"contact" derived:"none" since:"0.1" reload:"yes" example:"support@example.com"`
	// The telephone of the helpdesk.
	Phone string `toml:"phone" derived:"none" since:"0.1" reload:"yes" example:"+49 30 1234567"`
	// A page about the helpdesk.
	Page string `toml:"page" derived:"none" since:"0.1" reload:"yes" example:"https://www.example.net/support"`
	// A folder with pages of your own: the file REASON.html, a part of a page in HTML, takes the
	// place of the text about the refusal of that name, and index.html that of the index.
	Pages string `toml:"pages" derived:"none" since:"0.1" reload:"yes" path:"yes" alternative:"yes" example:"/etc/countersign/help"`
}
