package rekeying

import (
	"encoding/base64"
	"time"

	"countersign/internal/app/outgoing"
	"countersign/internal/config"
	"countersign/internal/dnsupdate"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/turnover"
)

// recordTTL is how long others may keep the record of a key in a zone of the operator's:
// short beside rekey.settle.
const recordTTL = 10 * time.Minute

// updateTimeout bounds a dynamic update.
const updateTimeout = 10 * time.Second

// Configured is what the configuration says, but for who does it: Store, Asker, Maker.Sealer
// and Logger. The error is that of the secret of updates.
func Configured(c *config.Config, now func() time.Time) (opt Options, err error) {
	r := &c.Rekey
	opt = Options{
		Every: r.CheckEvery.Std(), Now: now,
		Timing:   turnover.Timing{Settle: r.Settle.Std(), Keep: r.Keep.Std()},
		Delegate: mail.Domain(r.Delegate), Renew: r.Renew.Std(),
		Maker: turnover.Maker{Delegated: r.Delegate != ""},
	}
	if r.Updates() {
		opt.Zone, err = zone(r, now)
	}
	return opt, err
}

// Asker is who is asked for the records of keys. The error is that of the name servers.
func Asker(c *config.Config) (mx.Asker, error) { return mx.NewClient(outgoing.Resolver(c)) }

// zone is the one that records are published in.
func zone(r *config.Rekey, now func() time.Time) (*dnsupdate.Zone, error) {
	const op = "app.rekeying"
	text, err := r.Secret()
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	secret, err := base64.StdEncoding.DecodeString(text.Reveal())
	if err != nil {
		return nil, fault.New(op, fault.Invalid, "rekey.key_file: %s is not in base64", r.KeyFile)
	}
	return &dnsupdate.Zone{
		Name: mail.Domain(r.Zone), Server: r.Server.AddrPort, Key: r.KeyName, Secret: secret,
		TTL: recordTTL, Timeout: updateTimeout, Now: now,
	}, nil
}
