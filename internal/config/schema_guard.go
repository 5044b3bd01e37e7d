package config

// Guard is table [guard].
type Guard struct {
	// Whether those who guess are stopped: "on"; "shadow" to record what would be done
	// and do nothing; "off" to count nothing.
	Mode string `toml:"mode" default:"on" oneof:"on,shadow,off" since:"0.1" reload:"yes"`
	// The networks of which nothing is counted, beside the machine's own addresses: those of web mail, of
	// monitoring, of other servers that log in for many people. They are not banned, but
	// whoever guesses from there is not stopped either.
	Allow []Prefix `toml:"allow" derived:"none" since:"0.1" reload:"yes" example:"192.0.2.7,2001:db8:7::/64"`
	// For how long a failed login counts.
	Window Duration `toml:"window" default:"24h" min:"1h" max:"7d" since:"0.1" reload:"yes"`
	// How many different wrong passwords for one login ban that login from the network
	// (IPv4 /32, IPv6 /64; of a /48 twice as many) where they were tried. The same one counts once.
	Secrets int `toml:"secrets" default:"10" min:"4" max:"30" unit:"passwords" since:"0.1" reload:"yes"`
	// How many different logins that fail ban their network, or close it to strangers
	// where others log in from there; up to a quarter fewer, by lot. One that does not exist counts twice
	// when five to nine others have failed after it; as many more may fail as have logged in from there.
	Names int `toml:"names" default:"20" min:"5" max:"1000" unit:"logins" since:"0.1" reload:"yes"`
	// How many wrong passwords for one login, from login_networks at least, close it to
	// networks from which it has not come before.
	LoginSecrets int `toml:"login_secrets" default:"20" min:"5" max:"1000" unit:"passwords" since:"0.1" reload:"yes"`
	// From how many networks a login has to be guessed at to be closed.
	LoginNetworks int `toml:"login_networks" default:"5" min:"2" max:"200" unit:"networks" since:"0.1" reload:"yes"`
	// For how long a login or network is closed, counted from the last attempt that was
	// refused for it.
	CloseFor Duration `toml:"close_for" default:"1h" min:"1m" max:"7d" since:"0.1" reload:"yes"`
	// After how many different wrong passwords for a login from a network answers begin to wait.
	FreeSecrets int `toml:"free_secrets" default:"3" min:"1" max:"30" unit:"passwords" since:"0.1" reload:"yes"`
	// How long the first answer waits that does. The next one waits twice as long.
	Delay Duration `toml:"delay" default:"1s" min:"100ms" max:"30s" since:"0.1" reload:"yes"`
	// The longest that an answer waits. Mail programs give up after a minute or so.
	MaxDelay Duration `toml:"max_delay" default:"20s" min:"100ms" max:"1m" since:"0.1" reload:"yes"`
	// For how long the first ban of a network, or of a login from there, holds. Each further
	// one within 30 days is twice as long.
	BanFor Duration `toml:"ban_for" default:"1h" min:"1m" max:"30d" since:"0.1" reload:"yes"`
	// The longest that such a ban holds.
	MaxBan Duration `toml:"max_ban" default:"7d" min:"1m" max:"365d" since:"0.1" reload:"yes"`
	// For how long a network from which a login has come in is known to be its own.
	KnownFor Duration `toml:"known_for" default:"30d" min:"1d" max:"365d" since:"0.1" reload:"yes"`
	// How many logins from networks are kept in memory that have failed; some 800 octets each. The store
	// keeps twice as many.
	MaxFailures int `toml:"max_failures" default:"100000" min:"1000" max:"10000000" unit:"logins from networks" since:"0.1" reload:"no"`
	// How many networks from which logins have come in are kept in memory; some 100 octets each.
	MaxKnown int `toml:"max_known" default:"500000" min:"1000" max:"50000000" unit:"logins from networks" since:"0.1" reload:"no"`
}
