package smtpserver

import (
	"strings"
	"testing"
	"time"
)

func TestVerbTableIsComplete(t *testing.T) {
	plain := map[string]bool{"EHLO": true, "HELO": true, "STARTTLS": true, "NOOP": true, "RSET": true, "QUIT": true}
	seen := map[string]bool{}
	for _, v := range verbTable() {
		if seen[v.name] || v.name != strings.ToUpper(v.name) {
			t.Errorf("%s: twice, or not in upper case", v.name)
		}
		seen[v.name] = true
		if v.legal == 0 || v.run == nil || v.maxLine < lineDefault || v.maxLine > lineLongest {
			t.Errorf("%s: incomplete row", v.name)
		}
		if v.plain != plain[v.name] {
			t.Errorf("%s: answered before TLS: %v", v.name, v.plain)
		}
		if v.plain == (v.beforeTLS != "") {
			t.Errorf("%s: needs either to be plain or a refusal before TLS", v.name)
		}
		if v.plain && v.needsAuth {
			t.Errorf("%s: AUTH exists over TLS only", v.name)
		}
	}
	if len(seen) != 13 {
		t.Errorf("%d verbs", len(seen))
	}
	for _, name := range foreignVerbs {
		if seen[name] {
			t.Errorf("%s is both known and foreign", name)
		}
	}
}

func TestObservedNames(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range AllObserved() {
		if name := o.String(); name == "" || seen[name] {
			t.Errorf("observation %d is named %q", o, name)
		}
		seen[o.String()] = true
	}
	if observedCount.String() != "unknown" {
		t.Error("the count has a name")
	}
}

func TestLimitsZeroValueWorks(t *testing.T) {
	l := Limits{}.complete()
	d := DefaultLimits()
	if l.Timeouts != d.Timeouts || l.PrefixV4 != 32 || l.PrefixV6 != 64 || l.MaxLine != 998 {
		t.Errorf("completed to %+v", l)
	}
	if l.MaxConnections != 0 || l.MaxMessageBytes != 0 {
		t.Errorf("a count of 0 is no longer unlimited: %+v", l)
	}
	own := Limits{Timeouts: Timeouts{Command: time.Second}, PrefixV4: 24}.complete()
	if own.Timeouts.Command != time.Second || own.PrefixV4 != 24 {
		t.Errorf("completed to %+v", own)
	}
}

// TestUnlimited runs a session in which every count is 0.
func TestUnlimited(t *testing.T) {
	t.Parallel()
	d := &double{mail: mailByName, rcpt: rcptByName}
	c := newRig(t, d, Submission, func(l *Limits, _ *ListenerConfig) {
		times := l.Timeouts
		*l = Limits{Timeouts: times}
	}).ready()
	c.play("> EHLO c.test\n< 250\n<* SIZE 0\n<! LIMITS" + strings.Repeat("\n> FOO\n< 500", 50) + `
		> MAIL FROM:<user@c.test> SIZE=99999999999
		< 250` + strings.Repeat("\n> RCPT TO:<refused@b.test>\n< 550", 50) + strings.Repeat("\n> RCPT TO:<a@b.test>\n< 250", 200) + `
		>> "BDAT 4\r\nhi\r\n"
		< 250
		> BDAT 0 LAST
		< 250`)
}
