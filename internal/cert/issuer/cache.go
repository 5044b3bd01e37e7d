package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"golang.org/x/crypto/acme/autocert"

	"countersign/internal/fault"
)

// Cache keeps what ACME obtained: account keys, certificates with their keys,
// challenges while they last. All of it is secret. A store engine is one; with
// an engine that several nodes share, any node answers any challenge. Keys are
// at most 400 octets of printable ASCII, data at most 64 KiB. Methods are
// called concurrently.
type Cache interface {
	// GetCertificate returns what was last put under key; NotFound if nothing.
	GetCertificate(ctx context.Context, key string) ([]byte, error)
	// PutCertificate stores or replaces; it is durable when it returns nil.
	PutCertificate(ctx context.Context, key string, data []byte) error
	// DeleteCertificate forgets key; nil too where there is nothing.
	DeleteCertificate(ctx context.Context, key string) error
}

// maxKey bounds the keys of autocert, in octets; the longest real ones are a
// host name and a suffix. With the prefix they stay below 400.
const maxKey = 350

// authorityCache gives autocert its own part of a Cache. Keys begin with the
// authority, so that a certificate from a test authority is not taken for one
// of the authority that is configured later.
type authorityCache struct {
	cache  Cache
	prefix string
	failed func(key string, err error)
}

func newAuthorityCache(c Cache, directory string, failed func(string, error)) *authorityCache {
	sum := sha256.Sum256([]byte(directory))
	return &authorityCache{cache: c, prefix: "acme/" + hex.EncodeToString(sum[:8]) + "/", failed: failed}
}

// Get implements autocert.Cache. Only NotFound becomes a miss: with a store
// that is away, nothing new must be ordered.
func (c *authorityCache) Get(ctx context.Context, key string) ([]byte, error) {
	if !plain(key) {
		return nil, autocert.ErrCacheMiss
	}
	data, err := c.cache.GetCertificate(ctx, c.prefix+key)
	if fault.Is(err, fault.NotFound) {
		return nil, autocert.ErrCacheMiss
	}
	return data, err
}

// Put implements autocert.Cache. autocert ignores some failures, so they are
// told from here: the certificate is lost with the process.
func (c *authorityCache) Put(ctx context.Context, key string, data []byte) error {
	err := c.cache.PutCertificate(ctx, c.prefix+key, data)
	if err != nil {
		c.failed(key, err)
	}
	return err
}

// plain tells whether a key keeps to what Cache promises. Part of it can come
// from the path of an HTTP-01 request, so from anybody.
func plain(key string) bool {
	if len(key) > maxKey {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// Delete implements autocert.Cache.
func (c *authorityCache) Delete(ctx context.Context, key string) error {
	err := c.cache.DeleteCertificate(ctx, c.prefix+key)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}
