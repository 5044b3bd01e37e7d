package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// childPath makes the test binary work as the process that is killed.
const childPath = "COUNTERSIGN_TEST_CHILD_DATABASE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		fmt.Fprintln(os.Stderr, acceptUntilKilled(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// acceptUntilKilled accepts and delivers without end. It prints "accepted ID"
// after each acceptance, and around each final report "leaving ID" and
// "left ID".
func acceptUntilKilled(path string) error {
	s, err := Open(context.Background(), Options{Path: path, Server: true})
	if err != nil {
		return err
	}
	var ids mail.IDSource
	errs := make(chan error)
	for range 8 {
		go func() {
			for n := 0; ; n++ {
				if err := acceptOne(os.Stdout, s, ids.New(), n); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

// acceptOne accepts a message whose body is made of its id, every fifth a
// large one, and delivers every third. It says so on out.
func acceptOne(out io.Writer, s *Store, id mail.ID, n int) error {
	m := benchMessage(id, "", []byte(strings.Repeat(string(id)+"\n", 100)), n)
	if n%5 == 0 {
		body, err := s.NewBody(context.Background())
		if err != nil {
			return err
		}
		_, err = body.Write(bytes.Repeat(m.Content.Body, 30))
		if err := errors.Join(err, body.Seal()); err != nil {
			return err
		}
		m.Content.Body, m.Content.Large = nil, body
	}
	if err := s.Accept(context.Background(), m); err != nil {
		return err
	}
	fmt.Fprintf(out, "accepted %s\n", id)
	if n%3 != 0 {
		return nil
	}
	fmt.Fprintf(out, "leaving %s\n", id)
	if err := s.Report(context.Background(), delivered(id)); err != nil {
		return err
	}
	fmt.Fprintf(out, "left %s\n", id)
	return nil
}

// TestKillLosesNothing kills a process at work, several times over one
// database, and looks for every message that it had acknowledged.
func TestKillLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "test.db")
	said := map[mail.ID]string{} // the last word on each message
	for round := range 3 {
		runAndKill(t, path, 250+100*round, said)
		s := openAt(t, path, true)
		checkSurvivors(t, s, said)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill lets the child print a number of lines, kills it, and notes all
// that it said.
func runAndKill(t *testing.T, path string, lines int, said map[mail.ID]string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childPath+"="+path)
	var trouble strings.Builder
	child.Stderr = &trouble
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil {
			break // what has no line end was not said
		}
		word, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[mail.ID(id)] = word
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || trouble.Len() > 0 {
		t.Fatalf("the child ended with %v: %s", err, trouble.String())
	}
}

// checkSurvivors looks for each acknowledged message, once and whole.
func checkSurvivors(t *testing.T, s *Store, said map[mail.ID]string) {
	t.Helper()
	ctx := t.Context()
	items, err := s.List(ctx, queue.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	found := map[mail.ID]int{}
	for _, item := range items {
		found[item.Submission.ID]++
		checkBody(t, s, item.Submission.ID)
	}
	accepted := 0
	for id, word := range said {
		switch n := found[id]; {
		case word == "accepted" && n != 1:
			t.Errorf("message %s was acknowledged and is there %d times", id, n)
		case word == "left" && n != 0:
			t.Errorf("message %s had left and is back", id)
		}
		if word == "accepted" {
			accepted++
		}
		events, err := s.Search(ctx, audit.Query{Submission: id, Kind: audit.Accepted})
		if err != nil || len(events) != 1 {
			t.Errorf("message %s has %d events of its acceptance, %v", id, len(events), err)
		}
	}
	if accepted == 0 {
		t.Error("the child accepted nothing")
	}
	stats, err := s.Stats(ctx)
	if err != nil || stats.Queued != len(items) {
		t.Errorf("the total is %+v, %d wait (%v)", stats, len(items), err)
	}
}

func checkBody(t *testing.T, s *Store, id mail.ID) {
	t.Helper()
	content, err := s.Content(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	body := content.Body
	if content.Large != nil {
		r, err := content.Large.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err = io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if len(body) != 2700 && len(body) != 81000 || strings.Count(string(body), string(id)+"\n")*27 != len(body) {
		t.Errorf("the body of %s has changed, it has %d octets", id, len(body))
	}
}

func TestReopenKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path, true)
	var ids mail.IDSource
	for n := range 30 {
		if err := acceptOne(io.Discard, s, ids.New(), n); err != nil {
			t.Fatal(err)
		}
	}
	before, err := s.List(t.Context(), queue.Filter{})
	if err := errors.Join(err, s.PutCertificate(t.Context(), "key", []byte("data")), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path, true)
	after, err := s.List(t.Context(), queue.Filter{})
	if err != nil || fmt.Sprint(keys(before)) != fmt.Sprint(keys(after)) || len(after) != 20 {
		t.Errorf("before %v, after %v, %v", keys(before), keys(after), err)
	}
	for _, item := range after {
		checkBody(t, s, item.Submission.ID)
	}
	if data, err := s.GetCertificate(t.Context(), "key"); err != nil || string(data) != "data" {
		t.Errorf("got %q, %v", data, err)
	}
}

func keys(items []queue.Item) (all []mail.ID) {
	for _, item := range items {
		all = append(all, item.Submission.ID)
	}
	return all
}

func TestOrphanedBodiesGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path, true)
	var ids mail.IDSource
	kept := ids.New()
	if err := acceptOne(io.Discard, s, kept, 10); err != nil { // a large one that stays
		t.Fatal(err)
	}
	for range 3 {
		body, err := s.NewBody(t.Context())
		if err == nil {
			err = body.Seal()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	others := filepath.Join(filepath.Dir(path), BodiesName, "README")
	if err := os.WriteFile(others, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := bodyFiles(t, path); n != 5 {
		t.Fatalf("there are %d files", n)
	}
	command := openAt(t, path, false)
	if err := errors.Join(command.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := bodyFiles(t, path); n != 5 {
		t.Fatalf("a command left %d files", n)
	}
	s = openAt(t, path, true)
	if n := bodyFiles(t, path); n != 2 {
		t.Errorf("the server left %d files, want the used one and the one that is not ours", n)
	}
	checkBody(t, s, kept)
}

// bodyFiles counts the files in the folders below that of bodies, and those beside
// them but the one that names the database.
func bodyFiles(t *testing.T, path string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(filepath.Dir(path), BodiesName), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != ".database" {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestALostBodyIsReported(t *testing.T) {
	s := openNew(t)
	var ids mail.IDSource
	id := ids.New()
	if err := acceptOne(io.Discard, s, id, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.bodies.RemoveOthers(nil); err != nil {
		t.Fatal(err)
	}
	content, err := s.Content(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := content.Large.Open(); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.Report(t.Context(), delivered(id)); err != nil {
		t.Errorf("a message without its body cannot leave: %v", err)
	}
}

// TestFullDiskRecovers fills the database to its limit of pages under load,
// then makes room in both ways there are.
func TestFullDiskRecovers(t *testing.T) {
	s := openNew(t)
	limit := func(pages int) {
		t.Helper()
		err := s.change(t.Context(), "test", func(t *tx) error { return t.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages), nil) })
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(400)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	var mu sync.Mutex // guards accepted and refused
	var accepted []mail.ID
	refused := 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 40 {
				m := benchMessage(ids.New(), "", body, 1)
				err := s.Accept(t.Context(), m)
				mu.Lock()
				switch {
				case err == nil:
					accepted = append(accepted, m.Submission.ID)
				case fault.Is(err, fault.Full):
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(accepted) == 0 || refused == 0 {
		t.Fatalf("%d accepted, %d refused", len(accepted), refused)
	}
	items, err := s.List(t.Context(), queue.Filter{Limit: 10_000})
	if err != nil || len(items) != len(accepted) {
		t.Fatalf("%d were acknowledged, %d are there, %v", len(accepted), len(items), err)
	}
	// Deliveries go on, and what leaves makes room.
	for _, id := range accepted[:len(accepted)/2] {
		if err := s.Report(t.Context(), delivered(id)); err != nil {
			t.Fatalf("a delivery on a full disk: %v", err)
		}
	}
	for range len(accepted) / 4 {
		if err := s.Accept(t.Context(), benchMessage(ids.New(), "", body, 1)); err != nil {
			t.Fatalf("after room was made: %v", err)
		}
	}
	limit(100_000)
	for range 100 {
		if err := s.Accept(t.Context(), benchMessage(ids.New(), "", body, 1)); err != nil {
			t.Fatalf("after the disk grew: %v", err)
		}
	}
}

// TestCommandsWorkBesideTheServer changes an account in a second store, as a
// command does, and looks from the first.
func TestCommandsWorkBesideTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	server, command := openAt(t, path, true), openAt(t, path, false)
	before, err := server.Generation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := command.PutPlan(t.Context(), planOf("basic"), audit.Event{Object: "plan basic"}); err != nil {
		t.Fatal(err)
	}
	after, err := server.Generation(t.Context())
	if err != nil || after <= before {
		t.Errorf("the server sees generation %d after %d, %v", after, before, err)
	}
	if _, err := server.Plan(t.Context(), "basic"); err != nil {
		t.Error(err)
	}
	if err := server.Append(t.Context(), []audit.Event{{Text: "on"}}); err != nil {
		t.Error(err)
	}
	events, err := command.Search(t.Context(), audit.Query{})
	if err != nil || len(events) != 2 {
		t.Errorf("got %v, %v", events, err)
	}
}
