package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/seal"
	"countersign/internal/seal/rotation"
	"countersign/internal/store/sqlite"
)

// world is a store with secrets of ACME, and what the commands say.
type world struct {
	*testing.T
	site     Site
	cfg      *config.Config
	store    *meddler
	out, err bytes.Buffer
	now      time.Time
}

// meddler is a store beside which others work.
type meddler struct {
	*sqlite.Store
	// each is called at each reading of what ACME obtained; nil for nothing.
	each func()
}

func (m *meddler) Sealed(ctx context.Context, p seal.Purpose, after string, limit int) ([]rotation.Piece, string, error) {
	if m.each != nil && p == seal.ACME && after == "" {
		m.each()
	}
	return m.Store.Sealed(ctx, p, after, limit)
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{T: t, cfg: &config.Config{DataDir: dir}, now: time.Now()}
	w.cfg.DKIM.KeyFile = filepath.Join(dir, "seal.key")
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "c.db")})
	w.must(err)
	t.Cleanup(func() { store.Close() })
	w.store = &meddler{Store: store}
	w.site = Site{Stdout: &w.out, Stderr: &w.err, Now: func() time.Time { return w.now }, With: func(work Work) error {
		return work(w.cfg, w.store, func(k audit.Kind, text string) audit.Event {
			return audit.Event{At: w.now, Kind: k, Actor: "cli:root", Text: text}
		})
	}}
	for _, name := range []string{"acme/a", "acme/b", "acme/c"} {
		w.put(name, w.sealer())
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) sealer() *seal.Sealer {
	w.Helper()
	s, err := app.NewSealer(w.cfg)
	w.must(err)
	return s
}

func (w *world) put(name string, by *seal.Sealer) {
	w.Helper()
	sealed, err := by.Seal(seal.ACME, name, []byte("secret"))
	w.must(err)
	w.must(w.store.PutCertificate(w.Context(), name, sealed))
}

// lead puts a new key in front, as a run that is interrupted then.
func (w *world) lead() string {
	w.Helper()
	f, err := seal.Hold(w.cfg.DKIM.KeyFile, rand.Reader)
	w.must(err)
	id, err := f.Add(true)
	w.must(err)
	w.must(f.Close())
	return id
}

// wantSaid runs a command that must succeed and say a text.
func (w *world) wantSaid(text string, run func(*Site) error) {
	w.Helper()
	w.out.Reset()
	w.must(run(&w.site))
	if !strings.Contains(w.out.String(), text) {
		w.Errorf("it said %q, want %q", w.out.String(), text)
	}
}

// wantRefused runs a command that must fail so.
func (w *world) wantRefused(kind fault.Kind, text string, run func(*Site) error) {
	w.Helper()
	err := run(&w.site)
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		w.Errorf("got %v, want %q", err, text)
	}
}

func TestRotateGoesOn(t *testing.T) {
	w := newWorld(t)
	old, next := w.sealer().ID(), w.lead()
	w.put("acme/b", w.sealer())
	w.wantSaid("2 secrets of ACME, 0 keys of passwords sealed anew with key "+next, new(Rotate).Run)
	if !strings.Contains(w.out.String(), "going on with key "+next) || !slices.Equal(w.sealer().IDs(), []string{next, old}) {
		t.Errorf("it said %q, and the file has %v", w.out.String(), w.sealer().IDs())
	}
	w.wantSaid("seals from now on", new(Rotate).Run) // nothing was left, so a new one
	if ids := w.sealer().IDs(); len(ids) != 3 || ids[0] == next {
		t.Errorf("the file has %v", ids)
	}
	events, err := w.store.Search(t.Context(), audit.Query{Limit: 10})
	w.must(err)
	if len(events) != 3 || events[0].Object != "sealing key "+next || events[0].Actor != "cli:root" {
		t.Errorf("the record has %+v", events)
	}
}

// TestRotateBesideItself holds the file as another run does.
func TestRotateBesideItself(t *testing.T) {
	w := newWorld(t)
	f, err := seal.Hold(w.cfg.DKIM.KeyFile, rand.Reader)
	w.must(err)
	before := w.sealer().IDs()
	for _, run := range []func(*Site) error{new(Rotate).Run, new(Add).Run, (&Drop{Keys: before}).Run} {
		w.wantRefused(fault.Conflict, "another command", run)
	}
	w.must(f.Close())
	if ids := w.sealer().IDs(); !slices.Equal(ids, before) {
		t.Errorf("the file has %v", ids)
	}
}

// TestRotateMeetsOthers seals with the earlier key behind the run's back, once, and
// then always.
func TestRotateMeetsOthers(t *testing.T) {
	w := newWorld(t)
	stale := w.stale()
	times := 0
	w.store.each = func() {
		if times++; times == 3 { // a count, and a pass, came before
			w.put("acme/late", stale)
		}
	}
	w.wantSaid("4 secrets of ACME", new(Rotate).Run)
	w.store.each = func() { w.put("acme/late", stale) }
	w.wantRefused(fault.Busy, "not all is sealed anew; run it again", new(Rotate).Run)
}

// stale is a sealer that does not follow the file.
func (w *world) stale() *seal.Sealer {
	w.Helper()
	path := filepath.Join(w.TempDir(), "stale.key")
	text, err := os.ReadFile(w.cfg.DKIM.KeyFile)
	w.must(err)
	w.must(os.WriteFile(path, text, 0o600))
	s, err := seal.LoadOrCreate(path, rand.Reader)
	w.must(err)
	return s
}

func TestRotateTellsWhatStays(t *testing.T) {
	w := newWorld(t)
	foreign, err := seal.New(make([]byte, 32), rand.Reader)
	w.must(err)
	w.put("acme/b", foreign)
	w.wantRefused(fault.Corrupt, "1 sealed secret cannot be opened", new(Rotate).Run)
	if !strings.Contains(w.err.String(), "acme acme/b: ") || !strings.Contains(w.err.String(), foreign.ID()) {
		t.Errorf("it told %q", w.err.String())
	}
	w.wantSaid(foreign.ID()+"  missing", new(Status).Run)
}

func TestDrop(t *testing.T) {
	w := newWorld(t)
	old, stale := w.sealer().ID(), w.stale()
	w.wantRefused(fault.Conflict, "still seals 3 secrets", (&Drop{Keys: []string{old}}).Run)
	w.wantSaid("seals from now on", new(Rotate).Run)
	next := w.sealer().ID()
	drop := (&Drop{Keys: []string{old}}).Run
	w.wantRefused(fault.Conflict, "wait 1m0s", drop)
	w.now = w.now.Add(2 * time.Minute)

	// Something turns up between the look and the removal.
	times := 0
	w.store.each = func() {
		if times++; times == 2 {
			w.put("acme/late", stale)
		}
	}
	w.wantRefused(fault.Conflict, "still seals 1 secret", drop)
	if ids := w.sealer().IDs(); !slices.Equal(ids, []string{next, old}) {
		t.Errorf("the file has %v", ids)
	}
	w.store.each = nil
	w.wantSaid("going on", new(Rotate).Run)
	w.wantRefused(fault.Conflict, "wait 1m0s", drop)
	w.now = w.now.Add(2 * time.Minute)
	w.wantSaid(old+" removed", drop)
	w.wantRefused(fault.NotFound, "has no key", drop)
	w.must(w.store.DeleteCertificate(t.Context(), "acme/a"))
	for _, name := range []string{"acme/b", "acme/c", "acme/late"} {
		w.must(w.store.DeleteCertificate(t.Context(), name))
	}
	w.now = w.now.Add(2 * time.Minute)
	w.wantRefused(fault.Conflict, "is the one that seals", (&Drop{Keys: []string{next}}).Run)
}

func TestAddThenRotateTo(t *testing.T) {
	w := newWorld(t)
	old := w.sealer().ID()
	w.wantSaid("opens; copy the file to all gates", new(Add).Run)
	ids := w.sealer().IDs()
	if len(ids) != 2 || ids[0] != old {
		t.Fatalf("the file has %v", ids)
	}
	w.wantSaid("3 secrets of ACME", (&Rotate{To: ids[1]}).Run)
	w.wantSaid("in front already", (&Rotate{To: ids[1]}).Run)
	w.wantRefused(fault.NotFound, "has no key x", (&Rotate{To: "x"}).Run)
	if err := os.Remove(w.cfg.DKIM.KeyFile); err != nil {
		t.Fatal(err)
	}
	if err := new(Rotate).Run(&w.site); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}
