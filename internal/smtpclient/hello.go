package smtpclient

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
)

// command sends one command line and reads its answer.
func (c *Client) command(stage Stage, line string) (rawReply, *Error) {
	c.out.WriteString(line) // a buffered writer repeats its error at Flush
	c.out.WriteString("\r\n")
	return c.read(stage, c.opt.Timeouts.Command)
}

// hello says EHLO, or HELO to a server that does not know it (RFC 5321 section
// 3.2), and remembers the extensions.
func (c *Client) hello() *Error {
	reply, err := c.command(StageHello, "EHLO "+c.opt.Hello)
	if err != nil {
		return err
	}
	if reply.code/100 == 2 {
		c.extensions = parseExtensions(reply.lines)
		return nil
	}
	refusal := c.refused(StageHello, reply)
	if reply.code/100 != 5 || c.broken {
		return refusal
	}
	reply, err = c.command(StageHello, "HELO "+c.opt.Hello)
	if err != nil || reply.code/100 != 2 {
		return refusal // what it said to EHLO says more
	}
	c.extensions = nil
	return nil
}

// parseExtensions reads the lines of an EHLO answer after the first (RFC 5321
// section 4.1.1.1).
func parseExtensions(lines []string) map[string]string {
	extensions := make(map[string]string, len(lines))
	for _, line := range lines[1:] {
		keyword, parameters, _ := strings.Cut(line, " ")
		// "AUTH=PLAIN" is an old form that some servers send beside the right one.
		if keyword = strings.ToUpper(keyword); keyword != "" {
			extensions[keyword] = parameters
		}
	}
	return extensions
}

// startTLS upgrades the connection where the mode and the peer want it (RFC
// 3207).
func (c *Client) startTLS() *Error {
	required := c.opt.TLS == TLSRequired
	if c.opt.TLS == TLSNone {
		return nil
	}
	if !c.Offers("STARTTLS") {
		if required {
			return &Error{Stage: StageTLS, Problem: NoTLS, Err: errors.New("STARTTLS is not offered")}
		}
		return nil
	}
	reply, err := c.command(StageTLS, "STARTTLS")
	if err != nil {
		return err
	}
	if reply.code != 220 {
		refusal := c.refused(StageTLS, reply)
		if required && refusal.Problem == Refused {
			refusal.Err, refusal.Problem = errors.New(refusal.Reply.String()), NoTLS
			refusal.Reply = Reply{}
		}
		if required || c.broken {
			return refusal
		}
		c.tlsRefused = true
		return nil
	}
	if c.in.Buffered() > 0 {
		// Plain text behind the answer would be taken for part of the encrypted
		// session (RFC 3207 section 6).
		c.broken = true
		return &Error{Stage: StageTLS, Problem: NoTLS, Err: errors.New("plain text behind the answer to STARTTLS")}
	}
	if err := c.handshake(); err != nil {
		return err
	}
	return c.hello() // RFC 3207 section 4.2: what was offered before is forgotten
}

// handshake makes TLS on the connection.
func (c *Client) handshake() *Error {
	config := &tls.Config{}
	if c.opt.TLSConfig != nil {
		config = c.opt.TLSConfig.Clone()
	}
	config.ServerName = strings.TrimSuffix(c.opt.Host, ".")
	if c.opt.TLS != TLSRequired {
		config.InsecureSkipVerify = true // RFC 7435 section 3: any TLS is better than none
		if _, err := netip.ParseAddr(config.ServerName); err == nil {
			config.ServerName = "" // RFC 6066 section 3: SNI holds no addresses
		}
	}
	if err := c.arm(c.opt.Timeouts.Handshake); err != nil {
		return c.failed(StageTLS, err)
	}
	conn := tls.Client(c.conn, config)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		e := c.failed(StageTLS, err)
		if e.Problem != Canceled {
			e.Problem = NoTLS
		}
		return e
	}
	state := conn.ConnectionState()
	c.tls = &state
	c.use(conn)
	return nil
}

// authenticate logs in where the options say so. The password crosses TLS
// only (RFC 4954 section 4, RFC 4616 section 6).
func (c *Client) authenticate() *Error {
	if c.opt.Username == "" {
		return nil
	}
	if c.tls == nil {
		return &Error{Stage: StageAuth, Problem: NoTLS, Err: errors.New("a password is not sent in plain text")}
	}
	offered := strings.Fields(strings.ToUpper(c.extensions["AUTH"]))
	for _, mechanism := range offered {
		if mechanism == "PLAIN" {
			secret := "\x00" + c.opt.Username + "\x00" + c.opt.Password
			return c.login("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte(secret)))
		}
	}
	for _, mechanism := range offered {
		if mechanism == "LOGIN" {
			return c.login("AUTH LOGIN", c.opt.Username, c.opt.Password)
		}
	}
	return &Error{Stage: StageAuth, Problem: Refused, Reply: Reply{
		Code: 504, Enhanced: "5.5.4", Text: "The server offers neither AUTH PLAIN nor AUTH LOGIN.",
	}}
}

// login runs an AUTH command: each answer 334 takes the next response.
func (c *Client) login(line string, responses ...string) *Error {
	for {
		reply, err := c.command(StageAuth, line)
		if err != nil {
			return err
		}
		if reply.code == 235 {
			return nil
		}
		if reply.code != 334 || len(responses) == 0 {
			return c.refused(StageAuth, reply)
		}
		line = base64.StdEncoding.EncodeToString([]byte(responses[0]))
		responses = responses[1:]
	}
}
