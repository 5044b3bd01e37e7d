package pgcluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"countersign/internal/testkit"
)

// startOwn starts a cluster that the test may break, with a database.
func startOwn(t *testing.T, options Options) (*Cluster, string) {
	t.Helper()
	t.Parallel()
	options.Prepare = prepareNotes
	c := Start(t, options)
	return c, c.Database(t)
}

// TestCommittedRowsSurvive stops a server with its real settings in every way.
func TestCommittedRowsSurvive(t *testing.T) {
	c, url := startOwn(t, Options{})
	wantSettings(t, c, "on on on")
	note(t, url, "a")
	c.Restart(t, Fast)
	note(t, url, "b")
	c.Restart(t, Immediate)
	note(t, url, "c")
	c.Kill(t)
	if ids, err := c.folder.processes(); err != nil || len(ids) > 0 {
		t.Errorf("after Kill there are the processes %v; error %v", ids, err)
	}
	if err := tryConnect(t.Context(), url); err == nil {
		t.Error("a killed server accepts connections")
	}
	must(t, tryConnect(t.Context(), shared.Cluster(t).Admin())) // another is not touched
	c.Start(t)
	wantNotes(t, url, "a b c")
	if !strings.Contains(c.Log(), "database system was interrupted") {
		t.Errorf("the log tells of no recovery:\n%s", c.Log())
	}
}

func tryConnect(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func TestAPausedServerAnswersNothing(t *testing.T) {
	c, url := startOwn(t, Options{NoSync: true})
	conn := connect(t, url)
	c.Pause(t)
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "INSERT INTO note VALUES ('late')")
		answered <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := tryConnect(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a new connection got %v, want no answer", err)
	}
	select {
	case err := <-answered:
		t.Errorf("a paused server answered: %v", err)
	default:
	}
	c.Continue(t)
	must(t, <-answered)
	wantNotes(t, url, "late")

	c.Pause(t) // the end of the test ends a server that is paused
}

func TestReadOnly(t *testing.T) {
	c, url := startOwn(t, Options{NoSync: true})
	session := connect(t, url)
	c.SetReadOnly(t, true)
	_, err := session.Exec(t.Context(), "INSERT INTO note VALUES ('no')")
	wantCode(t, err, "25006") // read_only_sql_transaction
	wantCode(t, tryNote(t, url, "no"), "25006")
	t.Run("a database is still made and dropped", func(t *testing.T) { c.Database(t) })
	c.SetReadOnly(t, false)
	note(t, url, "yes")
	wantNotes(t, url, "yes")
}

func TestAPromotedStandbyHasEveryCommit(t *testing.T) {
	c, url := startOwn(t, Options{NoSync: true})
	note(t, url, "a")
	s := c.Standby(t)
	note(t, url, "b")
	wantNotes(t, s.On(url), "a b") // applied before the commit came back
	wantCode(t, tryNote(t, s.On(url), "no"), "25006")

	s.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := connect(t, url).Exec(ctx, "INSERT INTO note VALUES ('c')"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a commit came back with %v while the standby was paused", err)
	}
	s.Continue(t)
	note(t, url, "d")

	c.Kill(t)
	s.Promote(t)
	note(t, s.On(url), "e")
	wantNotes(t, s.On(url), "a b c d e")
	note(t, s.Database(t), "of its own")
	s.Restart(t, Immediate)
	wantNotes(t, s.On(url), "a b c d e")
}

func TestTLSAndPassword(t *testing.T) {
	authority := testkit.NewAuthority(t)
	c, url := startOwn(t, Options{
		NoSync: true, Authority: authority, Password: "it's a secret",
		Settings: map[string]string{"synchronous_commit": "local"},
	})
	wantSettings(t, c, "off off local")
	over := c.OverTLS(url)
	note(t, url, "socket")
	note(t, over, "tls")
	wantNotes(t, over, "socket tls")

	wrong := strings.Replace(over, "secret", "guess", 1)
	wantCode(t, tryConnect(t.Context(), wrong), "28P01")                                              // invalid_password
	wantCode(t, tryConnect(t.Context(), strings.Replace(over, "verify-full", "disable", 1)), "28000") // no pg_hba.conf entry
	wantCode(t, tryConnect(t.Context(), strings.Replace(over, "://"+Role, "://"+systemUser, 1)), "28000")
	config, err := pgconn.ParseConfig(over)
	must(t, err)
	config.TLSConfig.RootCAs = testkit.NewAuthority(t).Pool()
	_, err = pgconn.ConnectConfig(t.Context(), config)
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("under the certificate of another authority: %v", err)
	}
	c.Restart(t, Fast)
	wantNotes(t, over, "socket tls")
}

// fillUp inserts rows until the server cannot.
func fillUp(t *testing.T, url string) error {
	t.Helper()
	conn := connect(t, url)
	for range 10000 {
		_, err := conn.Exec(t.Context(), "INSERT INTO note VALUES (repeat('x', 2000))")
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAFullTablespace(t *testing.T) {
	c, elsewhere := startOwn(t, Options{NoSync: true})
	url, disk := c.DatabaseOnDisk(t, 16<<20)
	note(t, url, "before")
	disk.Fill(t)
	wantCode(t, fillUp(t, url), "53100") // disk_full
	wantCode(t, fillUp(t, url), "53100") // the server is still there
	note(t, elsewhere, "meanwhile")
	disk.Free(t)
	note(t, url, "after")
}

func TestAFullDiskEndsTheServer(t *testing.T) {
	c, url := startOwn(t, Options{DiskBytes: 96 << 20})
	note(t, url, "before")
	c.Disk().Fill(t)
	if err := fillUp(t, url); err == nil {
		t.Error("a server with a full disk goes on writing")
	}
	c.Disk().Free(t)
	c.Kill(t)
	c.Start(t)
	if got := notes(t, url); !strings.Contains(got, "before") {
		t.Error("what was committed before the disk was full is lost")
	}
	note(t, url, "after")
}
