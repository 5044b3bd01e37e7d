package smtpserver

import (
	"strings"
	"testing"
	"time"

	"countersign/internal/smtpserver/bounds"
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
	l := bounds.Limits{}.Complete()
	d := bounds.Default()
	if l.Timeouts != d.Timeouts || l.PrefixV4 != 32 || l.PrefixV6 != 64 || l.MaxLine != 998 {
		t.Errorf("completed to %+v", l)
	}
	if l.MaxConnections != 0 || l.MaxMessageBytes != 0 {
		t.Errorf("a count of 0 is no longer unlimited: %+v", l)
	}
	own := bounds.Limits{Timeouts: bounds.Timeouts{Command: time.Second}, PrefixV4: 24}.Complete()
	if own.Timeouts.Command != time.Second || own.PrefixV4 != 24 {
		t.Errorf("completed to %+v", own)
	}
}

// TestUnlimited runs a session in which every count is 0.
func TestUnlimited(t *testing.T) {
	t.Parallel()
	d := &double{mail: mailByName, rcpt: rcptByName}
	c := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) {
		times := l.Timeouts
		*l = bounds.Limits{Timeouts: times}
	}).ready()
	c.play("> EHLO c.test\n< 250\n<* SIZE 0\n<! LIMITS" + strings.Repeat("\n> FOO\n< 500", 50) + `
		> MAIL FROM:<user@c.test> SIZE=99999999999
		< 250` + strings.Repeat("\n> RCPT TO:<refused@b.test>\n< 550", 50) + strings.Repeat("\n> RCPT TO:<a@b.test>\n< 250", 200) + `
		>> "BDAT 4\r\nhi\r\n"
		< 250
		> BDAT 0 LAST
		< 250`)
}

// TestEveryVerbMalformed sends each verb of the table without what it needs,
// with what it cannot have, too long and where it is not legal. Each is
// refused, and the session goes on, but for a BDAT, as how much follows one that
// cannot be read nobody knows, and a line that no command can have.
func TestEveryVerbMalformed(t *testing.T) {
	t.Parallel()
	toTLS, _, _ := strings.Cut(toReady, "> AUTH")
	toMail := toReady + "> MAIL FROM:<user@c.test>\n< 250\n"
	for _, v := range verbTable() {
		legal := toReady
		switch {
		case v.name == "AUTH":
			legal = toTLS
		case v.name == "STARTTLS":
			legal = "< 220\n> EHLO c.test\n< 250\n"
		case v.legal&stateReady == 0 && v.legal&stateMail != 0:
			legal = toMail
		case v.legal&stateReady == 0:
			legal = toReady + toChunks
		}
		type form struct{ name, before, line, want string }
		forms := []form{{"too long", legal, v.name + " " + strings.Repeat("x", v.maxLine-len(v.name)-len(" \r\n")+1), "500 5.5.2"}}
		switch v.args {
		case argNeeded:
			forms = append(forms, form{"bare", legal, v.name, "501 5.5.2"}, form{"blank", legal, v.name + "  ", "501 5.5.2"})
		case argNone:
			forms = append(forms, form{"with more", legal, v.name + " now", "501 5.5.2"})
		}
		if !v.plain {
			forms = append(forms, form{"before TLS", "< 220\n> EHLO c.test\n< 250\n", v.name + " x", "5"})
		}
		if v.needsAuth {
			forms = append(forms, form{"before AUTH", toTLS, v.name + " x", "530 5.7.0"})
		}
		if v.legal != anyState {
			before := toReady + toChunks
			if v.legal&stateRcpt != 0 {
				before = toReady
			}
			forms = append(forms, form{"out of order", before, v.name + " x", "503 5.5.1"})
		}
		for _, f := range forms {
			t.Run(v.name+" "+f.name, func(t *testing.T) {
				t.Parallel()
				c := newRig(t, &double{}, Submission, nil).dial()
				c.play(f.before + "> " + f.line + "\n< " + f.want)
				if v.name == "BDAT" || len(f.line)+len("\r\n") > lineLongest {
					c.play("< EOF")
					return
				}
				c.play("> NOOP\n< 250\n> QUIT\n< 221\n< EOF")
			})
		}
	}
}
