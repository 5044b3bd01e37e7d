package cert

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// fileSource is a pair of files that somebody else writes.
type fileSource struct {
	spec Spec
	o    Options
	// current is never nil.
	current atomic.Pointer[pair]

	// mu guards what follows.
	mu sync.Mutex
	// seen is the state of certificate and key file when they were last read.
	seen [2]os.FileInfo
	// failure is why what is on disk now is not in force, nil if it is.
	failure error
}

func newFileSource(s Spec, o Options) (*fileSource, error) {
	f := &fileSource{spec: s, o: o}
	seen, err := f.stat()
	if err != nil {
		return nil, s.wrap(err)
	}
	p, err := loadPair(s.CertFile, s.KeyFile, o.Now())
	if err != nil {
		return nil, s.wrap(err)
	}
	f.seen = seen
	f.current.Store(p)
	return f, nil
}

// stat looks at both files. It is done before they are read, so that a write
// in between is seen the next time.
func (f *fileSource) stat() (seen [2]os.FileInfo, err error) {
	for i, name := range [...]string{f.spec.CertFile, f.spec.KeyFile} {
		if seen[i], err = os.Stat(name); err != nil {
			return seen, pairError(f.spec.CertFile, f.spec.KeyFile, err)
		}
	}
	return seen, nil
}

// unchanged compares by identity, time and size: a replaced symbolic link or
// file has another identity even where its time is the same.
func unchanged(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (f *fileSource) pairs() []*pair { return []*pair{f.current.Load()} }

func (f *fileSource) status() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []Status{statusOf(f.spec, f.current.Load(), f.o.Now(), f.failure)}
}

// poll reads the files again where they have changed. After a failure it reads
// each time, since a changed permission changes neither time nor size.
func (f *fileSource) poll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen, err := f.stat()
	if err != nil {
		f.fail(err)
		return
	}
	if f.failure == nil && unchanged(seen[0], f.seen[0]) && unchanged(seen[1], f.seen[1]) {
		return
	}
	p, err := loadPair(f.spec.CertFile, f.spec.KeyFile, f.o.Now())
	if err != nil {
		f.fail(err)
		return
	}
	f.seen, f.failure = seen, nil
	f.current.Store(p)
	f.o.Logger.Info("certificate reloaded", logPair(f.spec, p))
}

// fail notes why the files cannot be used, and logs it once.
func (f *fileSource) fail(err error) {
	if f.failure != nil && f.failure.Error() == err.Error() {
		return
	}
	f.failure = err
	f.o.Logger.Error("certificate on disk cannot be used; the one in force stays",
		"certificate", f.spec.Name, "err", err)
}

func (f *fileSource) start() {}
func (f *fileSource) close() {}

// logPair gives the log what identifies a certificate.
func logPair(s Spec, p *pair) slog.Attr {
	return slog.Group("",
		slog.String("certificate", s.Name),
		slog.String("algorithm", p.algorithm),
		slog.String("serial", p.cert.Leaf.SerialNumber.Text(16)),
		slog.Time("not_after", p.cert.Leaf.NotAfter.UTC()))
}
