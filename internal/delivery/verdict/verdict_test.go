package verdict

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/smtpclient"
)

// TestEveryProblemIsClassified wants a decision for each problem that
// smtpclient knows, at each stage.
func TestEveryProblemIsClassified(t *testing.T) {
	decided := map[smtpclient.Problem]struct {
		state    queue.State
		enhanced string
	}{
		smtpclient.Refused:  {queue.Failed, "5.0.0"},
		smtpclient.Broken:   {queue.Deferred, "4.4.2"},
		smtpclient.TimedOut: {queue.Deferred, "4.4.2"},
		smtpclient.Garbage:  {queue.Deferred, "4.5.0"},
		smtpclient.NoTLS:    {queue.Deferred, "4.7.5"},
		smtpclient.NoUTF8:   {queue.Failed, "5.6.7"},
		smtpclient.No8Bit:   {queue.Failed, "5.6.3"},
		smtpclient.TooBig:   {queue.Failed, "5.3.4"},
		smtpclient.Local:    {queue.Deferred, "4.3.0"},
		smtpclient.Canceled: {queue.Deferred, "4.4.2"},
	}
	h := Host{Name: "mx.example.org", Addr: netip.MustParseAddr("192.0.2.1")}
	for _, p := range smtpclient.Problems() {
		want, ok := decided[p]
		if !ok {
			t.Errorf("problem %q has no decision in this test", p)
		}
		for _, stage := range []smtpclient.Stage{smtpclient.StageMail, smtpclient.StageEnd} {
			e := &smtpclient.Error{Stage: stage, Problem: p}
			if p == smtpclient.Refused {
				e.Reply = smtpclient.Reply{Code: 550, Text: "no"}
			}
			a := Of(smtpclient.Result{Err: e}, h)
			if a.State != want.state || a.Enhanced != want.enhanced || a.Code == 0 || a.Text == "" {
				t.Errorf("%s at %s = %+v, want %v", p, stage, a, want)
			}
			if a.Next && a.Maybe {
				t.Errorf("%s at %s: what may be delivered goes to another host", p, stage)
			}
			if a.Maybe != e.MaybeDelivered() && a.State == queue.Deferred && p != smtpclient.Local {
				t.Errorf("%s at %s: maybe = %v", p, stage, a.Maybe)
			}
		}
	}
}

func TestConnectionsAreClassified(t *testing.T) {
	refuse := func(stage smtpclient.Stage, code int) *smtpclient.Error {
		return &smtpclient.Error{Stage: stage, Problem: smtpclient.Refused, Reply: smtpclient.Reply{Code: code}}
	}
	tests := []struct {
		err   *smtpclient.Error
		state queue.State
		next  bool
	}{
		{refuse(smtpclient.StageGreeting, 554), queue.Failed, true},
		{refuse(smtpclient.StageGreeting, 421), queue.Deferred, true},
		{refuse(smtpclient.StageHello, 550), queue.Failed, true},
		{refuse(smtpclient.StageAuth, 535), queue.Deferred, false},
		{refuse(smtpclient.StageAuth, 454), queue.Deferred, false},
		{&smtpclient.Error{Stage: smtpclient.StageTLS, Problem: smtpclient.NoTLS}, queue.Deferred, true},
		{&smtpclient.Error{Stage: smtpclient.StageGreeting, Problem: smtpclient.Canceled}, queue.Deferred, false},
	}
	for _, tt := range tests {
		if a := OfConnection(tt.err, Host{Name: "x"}); a.State != tt.state || a.Next != tt.next || !a.Site {
			t.Errorf("%v = %+v, want %s, next %v", tt.err, a, tt.state, tt.next)
		}
	}
}

// TestEveryLookupReasonIsClassified wants that no reason of package mx but the
// temporary one is taken for temporary.
func TestEveryLookupReasonIsClassified(t *testing.T) {
	want := map[string]string{
		mx.ReasonNoDomain: "5.1.2", mx.ReasonNullMX: "5.1.10", mx.ReasonNoHost: "5.4.4",
		mx.ReasonRefusedTarget: "5.4.4", mx.ReasonUnavailable: "4.4.3", "": "4.4.3",
	}
	for reason, enhanced := range want {
		a := OfLookup(&fault.Error{Reason: reason}, Host{Name: "example.org"})
		final := enhanced[0] == '5'
		if a.Enhanced != enhanced || (a.State == queue.Failed) != final || !strings.Contains(a.Text, "example.org") {
			t.Errorf("%q = %+v, want %s", reason, a, enhanced)
		}
	}
}

func TestWorst(t *testing.T) {
	failed, later := Answer{State: queue.Failed, Text: "failed"}, Answer{State: queue.Deferred, Text: "later"}
	tests := []struct {
		all  []Answer
		want Answer
	}{
		{[]Answer{failed}, failed},
		{[]Answer{failed, failed}, failed},
		{[]Answer{failed, later}, later},
		{[]Answer{later, failed}, later},
		{[]Answer{later, failed, failed}, later},
	}
	for _, tt := range tests {
		if got := Worst(tt.all); got != tt.want {
			t.Errorf("Worst(%v) = %v, want %v", tt.all, got, tt.want)
		}
	}
}

func TestHostString(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	got := []string{
		Host{Name: "mx", Addr: addr}.String(), Host{Name: "192.0.2.1", Addr: addr}.String(),
		Host{Addr: addr}.String(), Host{Name: "mx"}.String(), Host{}.String(),
	}
	if want := []string{"mx [192.0.2.1]", "[192.0.2.1]", "[192.0.2.1]", "mx", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
