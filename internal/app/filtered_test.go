package app

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/sink"
	"countersign/internal/testkit/testmilter"
)

// TestFilterOfTheConfiguration sends through a gate with a content filter at a socket: what
// that says is followed, what it changes arrives, and that it is away is in the answer, in
// health, figures and the record.
func TestFilterOfTheConfiguration(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "filter.sock")
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	arrived := make(chan string, 10)
	w := newWorldAt(t, now, "[[filter]]\nname = \"looker\"\naddress = \"unix:"+socket+"\"\nlisteners = [\"submissions\"]\nfailures = 1\npause = \"1m\"\n",
		func(m sink.Message) error { arrived <- string(m.Data); return nil })
	metrics := "http://" + w.app.Addresses()["metrics"]
	send := func() loadgen.Result {
		t.Helper()
		res, err := loadgen.Run(t.Context(), w.load(1, 1))
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	wantReady := func(status int, text string) {
		t.Helper()
		if got, body := answerOf(t, metrics+"/readyz"); got != status || !strings.Contains(body, `"filter looker": "`+text) {
			t.Errorf("ready: %d %s, want %d and %q", got, body, status, text)
		}
	}

	wantReady(http.StatusServiceUnavailable, "it cannot be reached")
	if res := send(); res.Accepted != 0 || !strings.HasPrefix(res.FirstError, "451 4.7.1") && !strings.Contains(res.FirstError, "451 4.7.1") {
		t.Errorf("while it is away: %+v", res)
	}
	filtered := testmilter.Start(t, "unix", socket, testmilter.Behaviour{End: func(m milter.Modifier, _ *testmilter.Seen) (*milter.Response, error) {
		return milter.RespAccept, m.AddHeader("X-Looked-At", "yes")
	}})
	wantReady(http.StatusServiceUnavailable, "left alone")
	if res := send(); res.Accepted != 0 || len(filtered.Seen()) != 0 {
		t.Errorf("while it is left alone: %+v", res)
	}
	later.Store(int64(time.Minute))
	if res := send(); res.Accepted != 1 {
		t.Fatalf("when it is back: %+v", res)
	}
	if got := <-arrived; !strings.Contains(got, "X-Looked-At: yes\r\n") {
		t.Errorf("arrived\n%s", got)
	}
	wantReady(http.StatusOK, "ok")
	filtered.Behave(testmilter.Behaviour{At: func(stage string) *milter.Response {
		if stage == "mail" {
			return milter.RespReject
		}
		return nil
	}})
	if res := send(); res.Accepted != 0 || !strings.Contains(res.FirstError, "550 5.7.1 The message's content is refused here") {
		t.Errorf("what it refuses: %+v", res)
	}
	body := get(t, metrics+"/metrics")
	for _, want := range []string{
		`countersign_filter_messages_total{filter="looker",outcome="changed"} 1`, `countersign_filter_messages_total{filter="looker",outcome="refused"} 1`,
		`countersign_filter_messages_total{filter="looker",outcome="unanswered"} 2`, `countersign_filter_away{filter="looker"} 0`, `countersign_filter_messages_now{filter="looker"} 0`,
		`countersign_filter_seconds_count{filter="looker"} 3`, `countersign_submission_refusals_total{code="550",reason="filter-refused"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no figure %s", want)
		}
	}
	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[audit.Kind]int{audit.FilterAway: 2, audit.FilterChanged: 1, audit.FilterRefused: 1} {
		events, err := w.app.Store().Search(t.Context(), audit.Query{Kind: kind})
		if err != nil || len(events) != want {
			t.Errorf("%s: %d events, %v; want %d", kind, len(events), err, want)
		}
	}
}

// TestFilterOfAnotherListener is neither asked nor missed.
func TestFilterOfAnotherListener(t *testing.T) {
	w := newWorld(t, "[[filter]]\nname = \"looker\"\naddress = \"tcp:127.0.0.1:1\"\nlisteners = [\"submission\"]\nwhen_away = \"open\"\n", func(sink.Message) error { return nil })
	o := w.load(1, 1)
	res, err := loadgen.Run(t.Context(), o)
	if err != nil || res.Accepted != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	events, err := w.app.Store().Search(t.Context(), audit.Query{Kind: audit.Accepted})
	if err != nil || len(events) != 1 || events[0].Data["filters"] != "" {
		t.Errorf("%+v, %v", events, err)
	}
	if status, body := answerOf(t, "http://"+w.app.Addresses()["metrics"]+"/readyz"); status != http.StatusOK || !strings.Contains(body, `"filter looker": "warning: it cannot be reached`) {
		t.Errorf("ready: %d %s, want a warning", status, body)
	}
}

// TestFilteredLargeBodies: a large body is shown whole, and one that takes its place arrives
// whole, whichever engine stores it.
func TestFilteredLargeBodies(t *testing.T) {
	line := strings.Repeat("0123456789abcdef", 4) + "\r\n"
	large := strings.Repeat(line, 5000)
	for name, store := range map[string]func(t *testing.T) string{
		"sqlite": func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string {
			return fmt.Sprintf("[store]\nurl = %q\n", shared.Cluster(t).Database(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{})
			arrived := make(chan string, 10)
			w := newWorld(t, store(t)+"[[filter]]\nname = \"f\"\naddress = \"tcp:"+s.Addr.String()+"\"\nmay = [\"body\"]\n",
				func(m sink.Message) error { arrived <- string(m.Data); return nil })
			send := func() string {
				o := w.load(1, 1)
				o.Size = 200 << 10
				if res, err := loadgen.Run(t.Context(), o); err != nil || res.Accepted != 1 {
					t.Fatalf("%+v, %v", res, err)
				}
				return <-arrived
			}
			if _, body, _ := strings.Cut(send(), "\r\n\r\n"); body != string(s.Seen()[0].Body) || len(body) < 190<<10 {
				t.Errorf("shown %d octets of %d", len(s.Seen()[0].Body), len(body))
			}
			for _, put := range []string{large, "small\r\n"} {
				s.Behave(testmilter.Behaviour{End: func(m milter.Modifier, _ *testmilter.Seen) (*milter.Response, error) {
					return milter.RespAccept, m.ReplaceBody(strings.NewReader(put))
				}})
				if _, body, _ := strings.Cut(send(), "\r\n\r\n"); body != put {
					t.Errorf("%d octets arrived, want %d", len(body), len(put))
				}
			}
		})
	}
}
