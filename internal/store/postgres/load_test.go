package postgres

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/testkit/pgcluster"
)

// load is workers that accept messages, and deliver every second one, until they
// are told to stop. Nothing may fail.
type load struct {
	t       *testing.T
	s       *Store
	stop    chan struct{}
	working sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []mail.ID
	done    int
}

func startLoad(t *testing.T, s *Store) *load {
	l := &load{t: t, s: s, stop: make(chan struct{})}
	var ids mail.IDSource
	for range 8 {
		l.working.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := l.one(ids.New(), n%2 == 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return l
}

// one accepts a message and may deliver it.
func (l *load) one(id mail.ID, final bool) error {
	err := l.s.Accept(context.Background(), benchMessage(id, "", []byte("x"), 1))
	if err == nil && final {
		err = l.s.Report(context.Background(), delivered(id))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if !final {
		l.waiting = append(l.waiting, id)
	}
	return nil
}

// progress waits until that many more messages are done.
func (l *load) progress(more int) {
	l.t.Helper()
	l.mu.Lock()
	least := l.done + more
	l.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); ; {
		l.mu.Lock()
		now := l.done
		l.mu.Unlock()
		if now >= least || l.t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			l.t.Errorf("%d of %d messages are done", now, least)
			return
		}
		if _, err := l.s.Generation(context.Background()); err != nil {
			l.t.Error(err)
		}
	}
}

// finish stops the workers and checks that all that was done is there, once.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.working.Wait()
	wantQueue(l.t, l.s, l.waiting...)
	if events, want := len(search(l.t, l.s, audit.Query{})), 2*l.done-len(l.waiting); events != want {
		l.t.Errorf("there are %d events, want %d", events, want)
	}
}

// openPatient opens a database for a test that makes its server go away.
func openPatient(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, Server: true, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestRestartsLoseAndDoubleNothing lets the server crash, and be stopped, again and
// again under load. One that is stopped tells of its end behind a commit that it
// has made.
func TestRestartsLoseAndDoubleNothing(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	l := startLoad(t, openPatient(t, c.Database(t)))
	for range 4 {
		l.progress(50)
		c.Restart(t, pgcluster.Immediate)
		l.progress(50)
		c.Restart(t, pgcluster.Fast)
	}
	l.progress(50)
	l.finish()
}

// withStandby starts a server with a synchronous standby, and returns the URL of a
// database that names both.
func withStandby(t *testing.T) (primary, standby *pgcluster.Cluster, database string) {
	t.Helper()
	primary = pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	first := primary.Database(t)
	standby = primary.Standby(t)
	one, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(standby.On(first))
	if err != nil {
		t.Fatal(err)
	}
	both := one.Query()
	both.Set("host", one.Query().Get("host")+","+other.Query().Get("host"))
	both.Set("port", one.Query().Get("port")+","+other.Query().Get("port"))
	both.Set("target_session_attrs", "read-write")
	one.RawQuery = both.Encode()
	return primary, standby, one.String()
}

// TestFailover kills the primary under load and makes its synchronous standby the
// new one.
func TestFailover(t *testing.T) {
	primary, standby, database := withStandby(t)
	l := startLoad(t, openPatient(t, database))
	l.progress(50)
	primary.Kill(t)
	standby.Promote(t)
	l.progress(50)
	l.finish()
}

// TestReadOnlyForAWhile makes the server refuse to write under load, as a primary
// does that became a standby.
func TestReadOnlyForAWhile(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	l := startLoad(t, openPatient(t, c.Database(t)))
	l.progress(50)
	c.SetReadOnly(t, true)
	c.SetReadOnly(t, false)
	l.progress(50)
	l.finish()
}

// TestServerThatDoesNotAnswer stops the server's processes where they are: callers
// get an answer, and all goes on by itself when the server does.
func TestServerThatDoesNotAnswer(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	s, err := Open(t.Context(), Options{URL: c.Database(t), Server: true, Patience: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var ids mail.IDSource
	doubtful := ids.New()
	c.Pause(t)
	if err := s.Accept(t.Context(), benchMessage(doubtful, "", nil, 1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("from a server that does not answer: %v", err)
	}
	c.Continue(t)
	var kept mail.ID
	for deadline := time.Now().Add(time.Minute); kept == ""; {
		id := ids.New()
		err := s.Accept(t.Context(), benchMessage(id, "", nil, 1))
		switch {
		case err == nil:
			kept = id
		case time.Now().After(deadline):
			t.Fatal(err)
		}
	}
	due, err := s.Due(t.Context(), time.Now(), queue.Position{}, 10)
	if err != nil || len(due) == 0 || due[len(due)-1].Submission.ID != kept {
		t.Errorf("%d are due, %v", len(due), err)
	}
}

// TestReaderMissesNoEvent reads the record behind the last event seen while two
// nodes append to it.
func TestReaderMissesNoEvent(t *testing.T) {
	const each, workers = 60, 4
	url := shared.Cluster(t).Database(t)
	first := openAt(t, url, true)
	second, err := Open(t.Context(), Options{URL: url, Server: true, Node: "2"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	})
	var appending sync.WaitGroup
	for w := range workers {
		s := []*Store{first, second}[w%2]
		appending.Go(func() {
			for range each {
				if err := s.Append(context.Background(), make([]audit.Event, 50)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		appending.Wait()
		close(done)
	}()
	var last int64
	seen := 0
	read := func() int {
		events := search(t, first, audit.Query{AfterSeq: last})
		for _, e := range events {
			last = e.Seq
		}
		seen += len(events)
		return len(events)
	}
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		read()
	}
	for read() > 0 {
	}
	if seen != workers*each*50 {
		t.Errorf("%d events were seen of %d", seen, workers*each*50)
	}
}
