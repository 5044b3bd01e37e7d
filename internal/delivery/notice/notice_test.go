package notice

import (
	"testing"
	"time"

	"countersign/internal/delivery/verdict"
	"countersign/internal/dsn"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

func TestTell(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	sender := mail.Address{Local: "a", Domain: "example.net"}
	tests := []struct {
		name   string
		state  queue.State
		notify mail.Notify
		from   mail.Address
		age    time.Duration
		told   bool // of a delay before
		dsn    bool
		want   dsn.Action // "" for nothing
	}{
		{name: "failure", state: queue.Failed, from: sender, want: dsn.Failed},
		{name: "failure, never", state: queue.Failed, from: sender, notify: mail.NotifyNever},
		{name: "failure of a report", state: queue.Failed},
		{name: "late", state: queue.Deferred, from: sender, notify: mail.NotifyDelay, age: time.Hour, want: dsn.Delayed},
		{name: "not late", state: queue.Deferred, from: sender, notify: mail.NotifyDelay, age: time.Hour - 1},
		{name: "late again", state: queue.Deferred, from: sender, notify: mail.NotifyDelay, age: time.Hour, told: true},
		{name: "relayed", state: queue.Delivered, from: sender, notify: mail.NotifySuccess, want: dsn.Relayed},
		{name: "passed on", state: queue.Delivered, from: sender, notify: mail.NotifySuccess, dsn: true},
	}
	for _, tt := range tests {
		s := &queue.Submission{At: at.Add(-tt.age), Expires: at.Add(time.Hour), Envelope: mail.Envelope{From: tt.from}}
		d := queue.Delivery{Recipient: mail.Recipient{Notify: tt.notify}, DelayReported: tt.told}
		a := verdict.Answer{State: tt.state, Code: 550, Enhanced: "5.1.1", Text: "who", Remote: true, Host: verdict.Host{Name: "mx", DSN: tt.dsn}}
		got, ok := Tell(s, d, a, queue.Outcome{State: tt.state, Result: queue.Result{At: at}}, time.Hour)
		if ok != (tt.want != "") || ok && (got.Action != tt.want || got.Diagnostic != "550 5.1.1 who" || got.RemoteMTA != "mx" || !got.LastAttempt.Equal(at)) {
			t.Errorf("%s: %v, %+v; want %q", tt.name, ok, got, tt.want)
		}
	}
}

func TestGatherer(t *testing.T) {
	var g Gatherer
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	first, second := &queue.Submission{ID: "1"}, &queue.Submission{ID: "2"}
	g.Add(first, make([]Notice, 1), at)
	g.Add(first, make([]Notice, 2), at.Add(GatherFor-1))
	g.Add(second, make([]Notice, 1), at.Add(1))
	if list := g.Old(at.Add(GatherFor - 1)); len(list) != 0 {
		t.Errorf("%d letters are old before their time", len(list))
	}
	list := g.Old(at.Add(GatherFor))
	if len(list) != 1 || list[0].Submission != first || len(list[0].List) != 3 || g.Take("1") != nil {
		t.Errorf("got %+v", list)
	}
	if l := g.Take("2"); l == nil || len(l.List) != 1 || g.Take("2") != nil {
		t.Errorf("got %+v", l)
	}
	g.Add(second, make([]Notice, 1), at)
	if list := g.Old(at.Add(-1)); len(list) != 1 { // the clock was set back
		t.Errorf("got %+v", list)
	}
}
