package config

import (
	"fmt"

	"countersign/internal/config/value"
)

// Rekey is table [rekey]: how domains come to new keys.
type Rekey struct {
	// How often it is looked whether new keys are found in DNS; "0s" for never, where another
	// gate of the same store does it.
	CheckEvery Duration `toml:"check_every" default:"10m" max:"24h" since:"0.1" reload:"no"`
	// How long the new keys of a domain have to be found until they sign: other servers may
	// remember from before that there were none.
	Settle Duration `toml:"settle" default:"1h" max:"30d" since:"0.1" reload:"no"`
	// How long keys that sign no more stay, and their records are needed: not less than
	// queue.lifetime, as waiting messages are not signed anew.
	Keep Duration `toml:"keep" derived:"queue.lifetime and 3 days" min:"1h" max:"365d" since:"0.1" reload:"no" example:"8d"`
	// The domain of yours that others point their selectors to, each by four CNAME records,
	// once: new domains get keys whose records you publish, and their keys can be renewed without their
	// owners. It has the records of "countersign domain zone".
	Delegate string `toml:"delegate" derived:"none" since:"0.1" reload:"no" example:"dkim.example.net"`
	// The age at which keys of such domains are renewed; "0s" for never.
	Renew Duration `toml:"renew" default:"0s" max:"3650d" since:"0.1" reload:"no"`
	// The server that takes the records below delegate by dynamic updates (RFC 2136), over
	// TCP; without it you publish them.
	Server Resolver `toml:"server" derived:"none" since:"0.1" reload:"no" example:"192.0.2.53"`
	// The zone that it has; delegate lies within.
	Zone string `toml:"zone" derived:"delegate" since:"0.1" reload:"no" example:"example.net"`
	// The name of the key that updates are signed with (TSIG, hmac-sha256).
	KeyName string `toml:"key_name" derived:"none" since:"0.1" reload:"no" example:"countersign"`
	// The file with its secret, in base64 as tsig-keygen prints it, on one line.
	KeyFile string `toml:"key_file" derived:"none" since:"0.1" reload:"no" path:"yes" example:"/etc/countersign/dns.key"`
}

// Updates reports whether records are published by the gate.
func (r *Rekey) Updates() bool { return r.Server.IsValid() }

// Secret reads the secret of updates. The error says nothing of it.
func (r *Rekey) Secret() (Secret, error) {
	secret, err := value.ReadSecret(r.KeyFile)
	if err != nil {
		return "", fmt.Errorf("rekey.key_file: %s %w", r.KeyFile, err)
	}
	return secret, nil
}
