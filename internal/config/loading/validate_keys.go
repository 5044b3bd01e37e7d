package loading

import (
	"encoding/base64"
	"strings"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/value"
)

// rekey checks [rekey], and fills in what follows from other options.
func (v *validator) rekey() {
	const section = "rekey."
	t := &v.c.Rekey
	if t.Keep == 0 {
		t.Keep = v.c.Queue.Lifetime + value.Duration(3*24*time.Hour)
	}
	if t.Keep < v.c.Queue.Lifetime {
		v.Fail(v.newest(section+"keep", "queue.lifetime"), "", "keys that sign no more stay for %s (rekey.keep), and a message may wait for %s (queue.lifetime): its signature could not be verified then", t.Keep, v.c.Queue.Lifetime)
	}
	t.Delegate = v.domain(section+"delegate", t.Delegate)
	if t.Delegate == "" {
		for key, set := range map[string]bool{"renew": t.Renew > 0, "server": t.Updates(), "zone": t.Zone != "", "key_name": t.KeyName != "", "key_file": t.KeyFile != ""} {
			if set {
				v.Fail(section+key, "set rekey.delegate, or remove it", "is for domains that point their selectors to one of yours")
			}
		}
		return
	}
	if t.Zone = v.domain(section+"zone", t.Zone); t.Zone == "" {
		t.Zone = t.Delegate
	}
	if t.Delegate != t.Zone && !strings.HasSuffix(t.Delegate, "."+t.Zone) {
		v.Fail(section+"zone", "", "%s does not have rekey.delegate (%s) in it", t.Zone, t.Delegate)
	}
	v.updates(t)
}

// updates checks how records are published, where the gate does it.
func (v *validator) updates(t *config.Rekey) {
	const section = "rekey."
	if !t.Updates() {
		for key, set := range map[string]bool{"zone": t.Zone != t.Delegate, "key_name": t.KeyName != "", "key_file": t.KeyFile != ""} {
			if set {
				v.Fail(section+key, "set rekey.server, or remove it", "is for a gate that publishes records itself")
			}
		}
		return
	}
	if t.KeyName == "" {
		v.Fail(section+"server", "set rekey.key_name", "takes signed updates alone")
	}
	if t.KeyFile == "" {
		v.Fail(section+"server", "set rekey.key_file", "takes signed updates alone")
		return
	}
	secret, err := t.Secret()
	if err != nil {
		v.Fail(section+"key_file", "", "%s", strings.TrimPrefix(err.Error(), section+"key_file: "))
		return
	}
	if raw, err := base64.StdEncoding.DecodeString(secret.Reveal()); err != nil || len(raw) < 16 {
		v.Fail(section+"key_file", "take the secret that tsig-keygen prints", "%s does not have 16 octets or more in base64", t.KeyFile)
		return
	}
	v.secretFileMode(section+"key_file", t.KeyFile)
}
