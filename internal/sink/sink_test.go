package sink

import (
	"errors"
	"fmt"
	"net/smtp"
	"slices"
	"strings"
	"testing"
)

// TestReceives submits with the standard library's client.
func TestReceives(t *testing.T) {
	got := make(chan Message, 1)
	s, err := Listen("127.0.0.1:0", func(m Message) error {
		m.Data = slices.Clone(m.Data)
		m.To = slices.Clone(m.To)
		got <- m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := "Subject: x\r\n\r\n.dot\r\n" + strings.Repeat("line\r\n", 5000)
	if err := smtp.SendMail(s.Addr(), nil, "a@example.org", []string{"b@example.com", "c@example.com"}, []byte(body)); err != nil {
		t.Fatal(err)
	}
	m := <-got
	if m.From != "a@example.org" || fmt.Sprint(m.To) != "[b@example.com c@example.com]" || string(m.Data) != body {
		t.Errorf("from %q to %v, %d octets of %d", m.From, m.To, len(m.Data), len(body))
	}
}

func TestHandlerErrorIsTemporary(t *testing.T) {
	s, err := Listen("127.0.0.1:0", func(Message) error { return errors.New("no") })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = smtp.SendMail(s.Addr(), nil, "a@example.org", []string{"b@example.com"}, []byte("x\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "451") {
		t.Errorf("got %v", err)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	if s, err := Listen("0.0.0.0:0", nil); err == nil {
		s.Close()
		t.Error("it listens on every address")
	}
}

func TestOutOfOrder(t *testing.T) {
	s, err := Listen("127.0.0.1:0", func(Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := smtp.Dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Rcpt("b@example.com"); err == nil {
		t.Error("RCPT before MAIL is taken")
	}
	if _, err := c.Data(); err == nil {
		t.Error("DATA before RCPT is taken")
	}
}
