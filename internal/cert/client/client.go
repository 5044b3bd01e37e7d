package client

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/fault"
)

// Options are what a Verifier is made of. CAFile and Names are needed.
type Options struct {
	// CAFile has the certificates in PEM, at most 200 and 1 MiB, whose clients are
	// known. One that another of them has issued is not trusted for itself: it helps to
	// find the way, and can be revoked.
	CAFile string
	// CRLFile has lists of revocations in PEM, or one in DER, of at most 8 MiB, each of
	// an authority in CAFile; "" for none.
	CRLFile string
	// Names are what counts of what a certificate says of its owner.
	Names []Name
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets what becomes of the files; nil for none.
	Logger *slog.Logger
	// Revoked is called by Open and Poll once more certificates are revoked than were
	// before, by lists that are in force then; nil for nobody. It must not block.
	Revoked func()
	// PollEvery is how often Watch looks at the files; 0 means twice a second.
	PollEvery time.Duration
}

// defaultPoll makes a revocation felt within a second.
const defaultPoll = 500 * time.Millisecond

// Verifier judges certificates by files that may change. It is safe for concurrent use.
type Verifier struct {
	opt Options
	// trust is never nil.
	trust atomic.Pointer[trust]

	mu sync.Mutex // guards what follows
	// seen is the state of both files when they were last read, nil for no file.
	seen [2]os.FileInfo
	// failure is why what is on disk is not in force; nil if it is.
	failure error
	// told is the end of the list that was last logged as past.
	told time.Time
}

// Open reads the files. Errors: fault.Invalid, with all that is wrong with them. A list
// that is past its next update is none; Health tells of it.
func Open(opt Options) (*Verifier, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.PollEvery <= 0 {
		opt.PollEvery = defaultPoll
	}
	v := &Verifier{opt: opt}
	v.seen = v.stat()
	t, ca, crl := loadTrust(opt.CAFile, opt.CRLFile)
	if err := errors.Join(ca, crl); err != nil {
		return nil, fault.Wrap("client.open", fault.Invalid, err)
	}
	v.put(t)
	return v, nil
}

// Check says what is wrong with each of two files, as Open reads them, and until when
// the lists of the second are good: zero where there is none. crlFile is "" for none.
func Check(caFile, crlFile string) (until time.Time, ca, crl error) {
	t, ca, crl := loadTrust(caFile, crlFile)
	if ca != nil || crl != nil {
		return until, ca, crl
	}
	for _, list := range t.lists {
		if until.IsZero() || list.next.Before(until) {
			until = list.next
		}
	}
	return until, nil, nil
}

// Watch looks at the files every Options.PollEvery until ctx ends.
func (v *Verifier) Watch(ctx context.Context) {
	t := time.NewTicker(v.opt.PollEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			v.Poll()
		}
	}
}

// Poll reads the files again where they have changed. What cannot be used is logged, and
// what was in force stays; it is tried again each time.
func (v *Verifier) Poll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tellStale()
	seen := v.stat() // before reading, so that a write in between is seen the next time
	if v.failure == nil && same(seen[0], v.seen[0]) && same(seen[1], v.seen[1]) {
		return
	}
	t, ca, crl := loadTrust(v.opt.CAFile, v.opt.CRLFile)
	if err := errors.Join(ca, crl); err != nil {
		v.fail(err)
		return
	}
	v.seen, v.failure = seen, nil
	v.put(t)
	v.opt.Logger.Info("authorities of clients reloaded", "ca_file", v.opt.CAFile, "crl_file", v.opt.CRLFile)
}

// put brings what the files say into force.
func (v *Verifier) put(t *trust) {
	before := v.trust.Swap(t)
	if before == nil {
		before = new(trust)
	}
	if v.opt.Revoked != nil && t.revokesMore(before) {
		v.opt.Revoked()
	}
}

// fail notes why the files cannot be used, and logs it once.
func (v *Verifier) fail(err error) {
	if v.failure == nil || v.failure.Error() != err.Error() {
		v.opt.Logger.Error("authorities of clients on disk cannot be used; those in force stay", "err", err)
	}
	v.failure = err
}

// tellStale logs once that a list has come to its end.
func (v *Verifier) tellStale() {
	end, stale := v.trust.Load().stale(v.opt.Now())
	if stale && !end.Equal(v.told) {
		v.opt.Logger.Error("a list of revocations is past its next update; certificates of its authority are refused",
			"crl_file", v.opt.CRLFile, "next_update", end.UTC())
		v.told = end
	}
}

// stat looks at both files; one that cannot be looked at is nil.
func (v *Verifier) stat() (seen [2]os.FileInfo) {
	for i, file := range [...]string{v.opt.CAFile, v.opt.CRLFile} {
		if info, err := os.Stat(file); err == nil {
			seen[i] = info
		}
	}
	return seen
}

// same compares by identity, time and size: a replaced file has another identity even
// where its time is the same.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// Health returns nil when the files are in force and no list of revocations is past its
// next update; else fault.Unavailable. It does not block for long.
func (v *Verifier) Health() error {
	v.mu.Lock()
	failure := v.failure
	v.mu.Unlock()
	if failure != nil {
		return fault.Wrap("client.health", fault.Unavailable, failure)
	}
	if end, stale := v.trust.Load().stale(v.opt.Now()); stale {
		return fault.New("client.health", fault.Unavailable, "%s was to be renewed by %s; certificates of its authority are refused",
			v.opt.CRLFile, end.UTC().Format(time.RFC3339))
	}
	return nil
}

// authorities are who is named to clients.
func (v *Verifier) authorities() *x509.CertPool { return v.trust.Load().all }
