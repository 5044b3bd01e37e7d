package config

// Access is table [access].
type Access struct {
	// A file in the MaxMind DB format that says in which countries networks are
	// (country.iso_code), for entries of access lists such as DE. It is read whole, at the
	// start and at a reload; a damaged one changes nothing.
	Countries string `toml:"countries" derived:"none" since:"0.1" reload:"yes" path:"yes" example:"/var/lib/GeoIP/GeoLite2-Country.mmdb"`
	// Likewise one that says in which autonomous systems they are
	// (autonomous_system_number), for entries such as AS64500. It may be the same file.
	Networks string `toml:"networks" derived:"none" since:"0.1" reload:"yes" path:"yes" example:"/var/lib/GeoIP/GeoLite2-ASN.mmdb"`
	// What is done with clients whose score by the lists of [[dnsbl]] is dnsbl_score or
	// more, and with those that cannot be judged as a list with when_away = "closed" is away:
	// "shadow" records what would be done; "refuse" refuses them.
	DNSBLAction string `toml:"dnsbl_action" default:"shadow" oneof:"shadow,refuse" since:"0.1" reload:"yes"`
	// When these lists are asked: "mail" when somebody who has logged in begins a message;
	// "login" before a login is verified, which keeps out who guesses, and customers whose
	// networks are listed.
	DNSBLAt string `toml:"dnsbl_at" default:"mail" oneof:"mail,login" since:"0.1" reload:"yes"`
	// From which sum of scores on a client is refused.
	DNSBLScore int `toml:"dnsbl_score" default:"1" min:"1" max:"100000" unit:"points" since:"0.1" reload:"yes"`
	// Whom the lists are not asked about: "allowed" for clients that an access list lets in by
	// an entry ("access allow", with or without --exception); "nobody". At a login only
	// entries for everybody and for listeners are known yet.
	DNSBLPass string `toml:"dnsbl_pass" default:"allowed" oneof:"allowed,nobody" since:"0.1" reload:"yes"`
}

// DNSBL is one table [[dnsbl]].
type DNSBL struct {
	// The zone that is asked, as in zen.example.net; with the key of a subscriber where the list has
	// that.
	Zone string `toml:"zone" required:"yes" since:"0.1" reload:"yes" example:"bl.example.net"`
	// How the list is called in records, metrics, and in what clients are told. Set it where
	// the zone has a key in it.
	Name string `toml:"name" derived:"zone" since:"0.1" reload:"yes" example:"Example BL"`
	// What an answer counts for that is not among codes.
	Score int `toml:"score" default:"1" min:"-1000" max:"1000" unit:"points" since:"0.1" reload:"yes"`
	// What single answers count for, the first that fits. Of several answers about a client
	// the highest counts; one that counts for less than 0 makes up for others. 127.0.0.1 is an answer
	// that no list may give, unless it has a code of its own here.
	Codes []string `toml:"codes" derived:"none" since:"0.1" reload:"yes" example:"127.0.0.2=5,127.0.0.10-127.0.0.11=0"`
	// How long an answer is waited for. Lists are asked at once, so the longest of these is
	// how long a client may wait.
	Timeout Duration `toml:"timeout" default:"2s" min:"100ms" max:"10s" since:"0.1" reload:"yes"`
	// What a client is while the list gives no answer, refuses to, or answers what no list
	// may: "open", as if it were not on it; "closed", not to be judged now, which is refused for the time
	// being unless other lists are enough. There is no default: it is yours to say.
	WhenAway string `toml:"when_away" required:"yes" oneof:"open,closed" since:"0.1" reload:"yes" example:"open"`
	// Whether it is asked now and then for 127.0.0.2, which every list has, and 127.0.0.1,
	// which none may have (RFC 5782), and is away where that is not so. "off" is for lists
	// of your own that have no such entries.
	Test string `toml:"test" default:"on" oneof:"on,off" since:"0.1" reload:"yes"`
}

// Label is how the list is called.
func (d *DNSBL) Label() string {
	if d.Name != "" {
		return d.Name
	}
	return d.Zone
}
