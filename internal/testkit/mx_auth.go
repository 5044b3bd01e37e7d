package testkit

import (
	"encoding/base64"
	"strings"
)

// auth serves AUTH PLAIN with its initial response, and AUTH LOGIN.
func (s *mxSession) auth(line, args string) (end bool) {
	mechanism, initial, _ := strings.Cut(args, " ")
	var login, password string
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		parts := strings.Split(decode(initial), "\x00")
		if len(parts) == 3 {
			login, password = parts[1], parts[2]
		}
	case "LOGIN":
		var ok bool
		if login, ok = s.challenge("VXNlcm5hbWU6"); !ok {
			return true
		}
		if password, ok = s.challenge("UGFzc3dvcmQ6"); !ok {
			return true
		}
	}
	usual := "535 5.7.8 no"
	if s.onTLS && s.mx.Login != "" && login == s.mx.Login && password == s.mx.Password {
		usual = "235 2.7.0 yes"
	}
	ok, end := s.step("AUTH", line, usual)
	if ok {
		s.login = login
	}
	return end
}

// challenge sends a challenge and reads the response.
func (s *mxSession) challenge(text string) (string, bool) {
	s.out.WriteString("334 " + text + "\r\n")
	if s.out.Flush() != nil {
		return "", false
	}
	line, err := s.in.ReadLine(16 << 10)
	return decode(string(line)), err == nil
}

// decode undoes base64; what is not base64 is nothing.
func decode(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(b)
}
