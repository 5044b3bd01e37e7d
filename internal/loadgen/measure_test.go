package loadgen

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/app"
	"countersign/internal/config/loading"
	"countersign/internal/policy/turnover"
	"countersign/internal/testkit"
)

// startGate starts a gate that delivers to sink and returns it with a load on
// its port for TLS.
func startGate(t *testing.T, sink, session string) (*app.App, Options) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "countersign.toml")
	if err := os.WriteFile(path, []byte(testkit.GateConfig{NextHop: sink, Extra: "[session]\n" + session}.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := loading.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(cfg, app.Options{Version: "test", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Stop(context.Background()) })
	keys, err := turnover.Maker{Sealer: a.Sealer()}.Make(testkit.Domain, nil, time.Now())
	if err == nil {
		err = testkit.AddAccount(t.Context(), a.Admin("test"), keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	pool := testkit.Roots(t, filepath.Join(dir, "data", testkit.CAFile))
	return a, Options{
		Address: a.Addresses()["submissions"], ImplicitTLS: true, TLS: &tls.Config{RootCAs: pool, ServerName: "localhost"},
		Login: testkit.Login, Password: testkit.Password, From: testkit.Login, To: []string{"b@example.com"},
		Connections: 2, Messages: 7, Size: 1000,
	}
}

func TestMeasureCountsWhatArrives(t *testing.T) {
	sink := testkit.FreeAddress(t)
	_, load := startGate(t, sink, "")
	load.To = []string{"b@example.com", "c@example.com", "d@example.net"}
	load.Messages, load.PerConnection = 60, 2
	rep, err := Measure(t.Context(), Plan{Load: load, Sink: sink, Wait: 30 * time.Second, PID: os.Getpid()})
	if err != nil {
		t.Fatalf("%+v, %v", rep, err)
	}
	if rep.Load.Accepted != 60 || rep.Load.Failed != 0 || len(rep.Load.Rejections) != 0 {
		t.Errorf("load %+v", rep.Load)
	}
	if l := rep.Load.Latency; l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max || rep.Load.PerSecond <= 0 {
		t.Errorf("latency %+v, %v a second", l, rep.Load.PerSecond)
	}
	// All recipients go the same way and share one copy.
	if rep.Delivered != 60 || rep.DeliveredPerSecond <= 0 {
		t.Errorf("delivered %d, %v a second", rep.Delivered, rep.DeliveredPerSecond)
	}
	if rep.Server == nil || rep.Server.ResidentKiB <= 0 || rep.CPUPer1000 <= 0 {
		t.Errorf("server %+v, %v s for 1000", rep.Server, rep.CPUPer1000)
	}
	keys(t, rep, "load delivered delivered_per_second cpu_seconds_per_1000 server",
		"accepted failed seconds accepted_per_second latency_ms rejections")
}

// keys compares the names in the JSON of a report and of its load, which
// scripts read.
func keys(t *testing.T, rep Report, outer, inner string) {
	t.Helper()
	text, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	var whole, load map[string]json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(whole["load"], &load); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		have map[string]json.RawMessage
		want string
	}{{whole, outer}, {load, inner}} {
		want := strings.Fields(c.want)
		for _, k := range want {
			if _, ok := c.have[k]; !ok {
				t.Errorf("%s lacks %s", text, k)
			}
		}
		for k := range c.have {
			if !slices.Contains(want, k) {
				t.Errorf("%s has %s, which is not expected", text, k)
			}
		}
	}
}

func TestMeasureWithoutSinkAndProcess(t *testing.T) {
	_, load := startGate(t, testkit.FreeAddress(t), "")
	load.Messages = 2
	rep, err := Measure(t.Context(), Plan{Load: load})
	if err != nil || rep.Load.Accepted != 2 || rep.Delivered != 0 || rep.Server != nil {
		t.Errorf("%+v, %v", rep, err)
	}
	keys(t, rep, "load", "accepted failed seconds accepted_per_second latency_ms rejections")
}

// TestMeasureSaysWhatIsMissing: deliveries that go elsewhere are waited for no
// longer than asked, and are an error.
func TestMeasureSaysWhatIsMissing(t *testing.T) {
	_, load := startGate(t, testkit.FreeAddress(t), "")
	load.Messages = 2
	rep, err := Measure(t.Context(), Plan{Load: load, Sink: "127.0.0.1:0", Wait: 50 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "0 of 2 recipients arrived") || rep.Load.Accepted != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestRefusalsAreCountedByCode(t *testing.T) {
	_, load := startGate(t, testkit.FreeAddress(t), "max_recipients = 1")
	load.Connections, load.Messages = 1, 3
	load.To = []string{"b@example.com", "c@example.com"}
	res, err := Run(t.Context(), load)
	if err != nil || res.Accepted != 3 || res.Rejections["452"] != 3 || !strings.HasPrefix(res.FirstError, "452 ") {
		t.Errorf("%+v, %v", res, err)
	}
	load.Password = "wrong"
	if res, err = Run(t.Context(), load); err != nil || res.Accepted != 0 || res.Rejections["535"] == 0 {
		t.Errorf("with a wrong password %+v, %v", res, err)
	}
}

func TestSendOneReturnsTheID(t *testing.T) {
	a, load := startGate(t, testkit.FreeAddress(t), "")
	load.Address, load.ImplicitTLS = a.Addresses()["submission"], false
	id, err := SendOne(t.Context(), load, []byte("From: <"+testkit.Login+">\r\n\r\nx\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Store().Content(t.Context(), id); err != nil {
		t.Errorf("%s is not in the store: %v", id, err)
	}
}

func TestIdleHoldsSessionsOpen(t *testing.T) {
	_, load := startGate(t, testkit.FreeAddress(t), "max_connections = 3")
	measured := false
	err := Idle(t.Context(), load, 3, func() {
		measured = true
		// All three are there: one more finds no room.
		if c, err := dial(t.Context(), load); err == nil {
			c.quit()
			t.Error("a fourth session was opened beside three")
		}
	})
	if err != nil || !measured {
		t.Errorf("measured %v, %v", measured, err)
	}
}

func TestIdleMeasuresNothingWithoutItsSessions(t *testing.T) {
	_, load := startGate(t, testkit.FreeAddress(t), "")
	load.Password = "wrong"
	err := Idle(t.Context(), load, 2, func() { t.Error("measured without sessions") })
	if err == nil || !strings.Contains(err.Error(), "535") {
		t.Errorf("with a wrong password: %v", err)
	}
}
