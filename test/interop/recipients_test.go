package interop

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"countersign/test/harness"
)

// TestManyRecipients: a client with three times as many recipients as one message may have is told 452 a
// thousand times, sends the rest in further messages (RFC 5321 section 4.5.3.1.10), and gets all of it
// through on one connection. One that goes on for thousands gets its message to those whom it was accepted for.
func TestManyRecipients(t *testing.T) {
	const perMessage, honest, endless = 500, 1500, 5600
	box, hop := newBox(t)
	g := harness.Serve(t, hop, fmt.Sprintf("[session]\nmax_recipients = %d\n", perMessage))
	run := func(subject string, recipients, most int) (sent string) {
		host, port, _ := net.SplitHostPort(g.Submission)
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", filepath.Join("testdata", "recipients.py"),
			host, port, g.CAFile, harness.Login, harness.Password, harness.Login, strconv.Itoa(recipients), strconv.Itoa(most))
		cmd.Stdin = strings.NewReader(letter{name: subject}.text())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", subject, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got, want := run("to all of them", honest, honest/perMessage+1), strconv.Itoa(honest/perMessage); got != want {
		t.Errorf("%d recipients: %q, want %s messages and no refusal", honest, got, want)
	}
	box.waitFor(t, "to all of them")
	if got := run("to far too many", endless, 1); got != "1" {
		t.Errorf("%d recipients at once: %q, want one message to those that were accepted", endless, got)
	}
	box.waitFor(t, "to far too many")
}
