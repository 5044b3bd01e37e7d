package badinput

import (
	"net"
	"strings"
	"testing"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// hop is a next hop on an address of the test's choice, so that it can come up
// where the gate has been told to find it.
type hop struct {
	mx       *testkit.MX
	listener net.Listener
}

// listen starts a next hop, until the test ends. refuse gives the reply to a
// recipient, "" to take it; nil takes all.
func listen(t *testing.T, address string, refuse func(to string) string) *hop {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	h := &hop{listener: l, mx: &testkit.MX{Extensions: []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"}}}
	if refuse != nil {
		h.mx.Script = func(s testkit.Step) testkit.Action {
			if s.At != "RCPT" {
				return testkit.Action{}
			}
			return testkit.Action{Say: refuse(inBrackets(s.Line))}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.mx.Serve(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		h.mx.Close()
	})
	return h
}

func (h *hop) addr() string { return h.listener.Addr().String() }

// nullSender is how MAIL begins for a report of the gate's own.
const nullSender = "FROM:<>"

// named returns the recipients that were named so far, taken or not.
func (h *hop) named() []string {
	var all []string
	for _, line := range h.mx.Commands() {
		if strings.HasPrefix(line, "RCPT ") {
			all = append(all, inBrackets(line))
		}
	}
	return all
}

// find returns the messages with that subject, not those that report on one.
func (h *hop) find(subject string) []testkit.Received {
	var found []testkit.Received
	for _, m := range h.mx.Received() {
		if strings.Contains(m.Data, "\r\nSubject: "+subject+"\r\n") && !strings.HasPrefix(m.Mail, nullSender) {
			found = append(found, m)
		}
	}
	return found
}

// waitFor waits until a message with that subject has arrived.
func (h *hop) waitFor(t *testing.T, subject string) testkit.Received {
	t.Helper()
	harness.WaitFor(t, "the arrival of "+subject, func() bool { return len(h.find(subject)) > 0 })
	return h.find(subject)[0]
}

// inBrackets takes the path of MAIL or RCPT.
func inBrackets(line string) string {
	_, after, _ := strings.Cut(line, "<")
	path, _, _ := strings.Cut(after, ">")
	return path
}
