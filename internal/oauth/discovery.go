package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"countersign/internal/oauth/document"
	"countersign/internal/oauth/fetch"
)

// discoveryKept is for how long what discovery said is believed, if nothing fails.
const discoveryKept = time.Hour

// discovery finds out where an issuer has what (OpenID Connect Discovery 1.0). It is
// safe for concurrent use.
type discovery struct {
	client *fetch.Client
	// issuer is the issuer's URL to the letter, base the same one read.
	issuer string
	base   *url.URL
	now    func() time.Time

	// turn has one place: whoever is in it may ask, and use what follows.
	turn chan struct{}
	// found is what was said, read when; zero when nothing was.
	found places
	read  time.Time
}

// places are the addresses of an issuer as it names them, "" where it does not. The
// client judges them before it asks there.
type places struct {
	keys, introspection string
}

func newDiscovery(client *fetch.Client, issuer string, base *url.URL, now func() time.Time) *discovery {
	return &discovery{client: client, issuer: issuer, base: base, now: now, turn: make(chan struct{}, 1)}
}

// address returns where an issuer's configuration is. Section 4.1: a slash at the
// issuer's end is left out.
func (d *discovery) address() string {
	return strings.TrimSuffix(d.issuer, "/") + "/.well-known/openid-configuration"
}

// ask returns what the issuer says; fresh asks even if it is known.
func (d *discovery) ask(ctx context.Context, fresh bool) (places, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return places{}, ctx.Err()
	}
	age := d.now().Sub(d.read)
	if !fresh && !d.read.IsZero() && age >= 0 && age < discoveryKept {
		return d.found, nil
	}
	text, err := d.client.Get(ctx, d.address())
	if err != nil {
		return places{}, err
	}
	found, err := d.parse(text)
	if err != nil {
		return places{}, fmt.Errorf("the configuration of %s: %w", d.base.Host, err)
	}
	d.found, d.read = found, d.now()
	return found, nil
}

// parse reads the issuer's configuration.
func (d *discovery) parse(text []byte) (places, error) {
	said, err := document.Read(text)
	if err != nil {
		return places{}, err
	}
	// Section 4.3: it must be exactly the issuer that was asked.
	if name, _ := said.Text("issuer"); name != d.issuer {
		return places{}, errors.New("it is that of another issuer; a slash at the end makes a difference")
	}
	var p places
	p.keys, _ = said.Text("jwks_uri")
	p.introspection, _ = said.Text("introspection_endpoint")
	return p, nil
}

// keys gets the key set from where discovery says that it is.
func (d *discovery) keys(ctx context.Context) ([]byte, error) {
	p, err := d.ask(ctx, false)
	if err != nil {
		return nil, err
	}
	text, err := d.get(ctx, p)
	if err == nil {
		return text, nil
	}
	// It may have moved.
	moved, again := d.ask(ctx, true)
	if again != nil || moved.keys == p.keys {
		return nil, err
	}
	return d.get(ctx, moved)
}

func (d *discovery) get(ctx context.Context, p places) ([]byte, error) {
	if p.keys == "" {
		return nil, errors.New("the configuration of " + d.base.Host + " has no jwks_uri")
	}
	return d.client.Get(ctx, p.keys)
}

// introspection returns where tokens are asked about.
func (d *discovery) introspection(ctx context.Context) (string, error) {
	p, err := d.ask(ctx, false)
	if err != nil {
		return "", err
	}
	u, err := fetch.CheckURL(p.introspection, d.base)
	if err != nil {
		return "", fmt.Errorf("introspection_endpoint of %s: %w", d.base.Host, err)
	}
	// Tokens and the client's secret go there, so discovery may not lead them elsewhere.
	if !fetch.SameHost(u, d.base) {
		return "", fmt.Errorf("introspection_endpoint of %s is at another host, %s; if that is right, configure it", d.base.Host, u.Host)
	}
	return p.introspection, nil
}
