// Package storetest is the one conformance suite that every storage engine
// passes: what the contracts of packages account, queue, node and audit promise, as
// tests. An engine calls Run from a test of its own, and that of each folder below this one.
//
// It does not test what is an engine's own affair: files, locks, schema,
// recovery after a crash.
//
// Main types: Store, Run.
package storetest

import (
	"context"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/node"
	"countersign/internal/queue"
)

// Store is all that an engine implements.
type Store interface {
	account.Store
	queue.Store
	queue.AdminStore
	queue.CertifiedStore
	audit.Store
	node.Store
	CertificateStore
	// Close ends the store; a second call does nothing.
	Close() error
}

// CertificateStore keeps what the certificate authority gave, sealed.
type CertificateStore interface {
	// GetCertificate returns what is stored under key, or fault.NotFound.
	GetCertificate(ctx context.Context, key string) ([]byte, error)
	// PutCertificate stores data under key in place of what was there.
	PutCertificate(ctx context.Context, key string, data []byte) error
	// DeleteCertificate removes what is stored under key, if anything.
	DeleteCertificate(ctx context.Context, key string) error
	// CountCertificates says how many keys something is stored under.
	CountCertificates(ctx context.Context) (int, error)
}

// Opener opens an empty store and has it closed when the test ends.
type Opener func(t *testing.T) Store

// Run runs the suite. Each case gets a store of its own.
func Run(t *testing.T, open Opener) {
	groups := map[string]map[string]func(*testing.T, Store){
		"account":     accountCases(),
		"sender":      senderCases(),
		"accept":      acceptCases(),
		"body":        bodyCases(),
		"due":         dueCases(),
		"report":      reportCases(),
		"admin":       adminCases(),
		"suspension":  suspensionCases(),
		"certified":   certifiedCases(),
		"reliance":    relianceCases(),
		"concurrency": concurrencyCases(),
	}
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			for name, run := range cases {
				t.Run(name, func(t *testing.T) { run(t, open(t)) })
			}
		})
	}
	t.Run("random operations agree with a model", func(t *testing.T) { randomOperations(t, open) })
}

// Start is the moment at which the stories of the cases begin; it has
// microseconds, which a store has to keep.
func Start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC) }
