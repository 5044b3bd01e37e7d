package config

import (
	"slices"
	"strings"
)

// Filter is one table [[filter]].
type Filter struct {
	// The name by which record, metrics and health call it.
	Name string `toml:"name" since:"0.1" reload:"no" required:"yes" example:"rspamd"`
	// Where it is: "unix:" and the path of a socket, or "tcp:" with host and port. What passes
	// is not encrypted, so a host should be this machine.
	Address string `toml:"address" since:"0.1" reload:"no" required:"yes" example:"tcp:127.0.0.1:11332"`
	// The listeners whose messages it is shown.
	Listeners []string `toml:"listeners" derived:"all" since:"0.1" reload:"no" example:"submissions"`
	// What is done about messages while it cannot be asked: "closed" refuses them for the time
	// being (451), "hold" accepts and holds them, "open" accepts them as if there were no filter.
	WhenAway string `toml:"when_away" default:"closed" oneof:"closed,hold,open" since:"0.1" reload:"no"`
	// What it may change of messages: "headers", "body", "recipients" and "sender" (MAIL FROM, to
	// an address that the account may use). Where it wants anything else, nothing is changed and
	// the message is held.
	May []string `toml:"may" default:"headers" since:"0.1" reload:"no" example:"headers,body"`
	// Whether it is asked, and nothing follows from what it says but a record of what would have.
	Shadow bool `toml:"shadow" default:"false" since:"0.1" reload:"no" alternative:"yes"`
	// How long making a connection may take.
	ConnectTimeout Duration `toml:"connect_timeout" default:"5s" min:"100ms" max:"1m" since:"0.1" reload:"no"`
	// How long it may take for one command, until all of its answer is there or it says that
	// it goes on.
	Timeout Duration `toml:"timeout" default:"30s" min:"100ms" max:"5m" since:"0.1" reload:"no"`
	// How long it may have one message, from when that is there to be shown; the client waits
	// for as long, and gives up after ten minutes.
	TotalTimeout Duration `toml:"total_timeout" default:"1m" min:"100ms" max:"5m" since:"0.1" reload:"no"`
	// The most messages that it is shown at once, each over a connection of its own. Others wait.
	// Of 4 and more a quarter is out of reach for any one customer, and for any one login.
	Connections int `toml:"connections" default:"20" min:"1" max:"1000" unit:"messages" since:"0.1" reload:"no"`
	// The largest body that it may put in place of a message's. It is kept in memory.
	MaxBody Size `toml:"max_body" default:"16MiB" max:"256MiB" since:"0.1" reload:"no"`
	// After so many messages in a row without an answer it is left alone for a while: messages
	// of different accounts, unless it was not reached at all.
	Failures int `toml:"failures" default:"5" min:"1" max:"1000" unit:"messages" since:"0.1" reload:"no"`
	// How long it is left alone then.
	Pause Duration `toml:"pause" default:"10s" min:"1s" max:"10m" since:"0.1" reload:"no"`
}

// FilterParts are the values of Filter.May.
func FilterParts() []string { return []string{"headers", "body", "recipients", "sender"} }

// Place returns network ("unix" or "tcp") and address of the filter, "" for both where the
// option has another form.
func (f *Filter) Place() (network, address string) {
	network, address, found := strings.Cut(f.Address, ":")
	if !found || address == "" || !slices.Contains([]string{"unix", "tcp"}, network) {
		return "", ""
	}
	return network, address
}

// Serves reports whether it is shown the messages of a listener.
func (f *Filter) Serves(listener string) bool {
	return len(f.Listeners) == 0 || slices.Contains(f.Listeners, listener)
}
