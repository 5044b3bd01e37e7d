package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"countersign/internal/cli/call"
	"countersign/internal/cli/password"
	"countersign/internal/fault"
)

func TestEveryKindHasAnEnding(t *testing.T) {
	rows := endings()
	for _, k := range fault.Kinds() {
		end, ok := rows[k]
		if !ok || end.status != statusFailed && end.status != statusUsage {
			t.Errorf("%v: status %d (row: %v)", k, end.status, ok)
		}
		if strings.ContainsAny(end.advice, "\n") {
			t.Errorf("%v: the advice is more than a line", k)
		}
	}
	if len(rows) != len(fault.Kinds()) {
		t.Errorf("%d rows for %d kinds", len(rows), len(fault.Kinds()))
	}
}

func TestReport(t *testing.T) {
	cases := []struct {
		err    error
		status int
		says   string
	}{
		{nil, 0, ""},
		{fault.New("x.y", fault.NotFound, "plan gold does not exist"), 1, "countersign: plan gold does not exist\n"},
		{errors.New("plain"), 1, "countersign: plain\n"},
		{fault.Wrap("x.y", fault.Canceled, password.ErrInterrupted), 130, ""},
		{call.Usage("say %s", "more"), 2, "countersign: say more\n"},
		{fault.Wrap("x.y", fault.Full, errors.New("disk")), 1, "countersign: no space left: disk\nMake room"},
		{fault.Wrap("a", fault.Unavailable, fault.New("b", fault.Internal, "the database is locked")), 1, "countersign: unavailable: the database is locked\nCheck the data folder"},
		{&fault.Error{Kind: fault.Unavailable, Detail: "the database is away", Err: errors.New("EOF")}, 1, "countersign: the database is away: EOF\n"},
		{fault.Wrap("a", fault.Internal, fault.New("b", fault.Full, "its disk is full")), 1, "countersign: no space left: its disk is full\n"},
		{&fault.Error{Kind: fault.Conflict}, 1, "countersign: conflict\n"},
		{fault.New("a", fault.Corrupt, "the key file is damaged: put it back from a copy"), 1, "countersign: the key file is damaged: put it back from a copy\n"},
		{errors.Join(fault.New("a", fault.Invalid, "first"), errors.New("second")), 1, "countersign: first\n"},
	}
	for _, c := range cases {
		var out bytes.Buffer
		status := report(&out, c.err)
		whole := !strings.HasSuffix(c.says, "\n") || out.String() == c.says
		if status != c.status || !whole || !strings.HasPrefix(out.String(), c.says) || strings.Count(out.String(), "copy") > 1 || c.says == "" && out.Len() > 0 {
			t.Errorf("%v: status %d, %q", c.err, status, out.String())
		}
	}
}

func TestActor(t *testing.T) {
	t.Setenv("SUDO_USER", "")
	plain := OSActor()
	if !strings.HasPrefix(plain, "cli:") || len(plain) < 5 {
		t.Errorf("actor %q", plain)
	}
	t.Setenv("SUDO_USER", "eve\nroot")
	got := OSActor()
	if strings.Contains(got, "\n") {
		t.Errorf("actor %q can forge a line", got)
	}
	if got != "cli:eve\ufffdroot" && got != plain { // believed of root alone
		t.Errorf("actor %q", got)
	}
}
