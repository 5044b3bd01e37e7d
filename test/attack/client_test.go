package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"
)

// patience bounds one connection.
const patience = 60 * time.Second

// session is one connection to the gate, behind its EHLO.
type session struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial connects from an address of loopback, with a full TLS handshake.
func dial(gate, from string, conf *tls.Config) (*session, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", gate)
	if err != nil {
		return nil, err
	}
	s := &session{conn: tls.Client(conn, conf)}
	s.in = bufio.NewReader(s.conn)
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err = s.reply(); err == nil {
		_, err = s.say("EHLO attack.invalid")
	}
	if err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

// say sends a line and returns the code of the reply.
func (s *session) say(line string) (code string, err error) {
	if _, err := s.conn.Write([]byte(line + "\r\n")); err != nil {
		return "", err
	}
	return s.reply()
}

// reply reads a reply and returns its code.
func (s *session) reply() (code string, err error) {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) < 4 {
			return "", fmt.Errorf("reply %q", strings.TrimSpace(line))
		}
		if line[3] == ' ' {
			return line[:3], nil
		}
	}
}

// login says AUTH PLAIN and returns the code of the answer.
func (s *session) login(login, password string) (code string, err error) {
	return s.say("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password)))
}
