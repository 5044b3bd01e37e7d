package dovecot

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// Info is what Dovecot is told of the client, all of which may be missing.
type Info struct {
	// Client is where the client is; its port 0 where nobody knows.
	Client netip.AddrPort
	// Local is the listener's end of the connection.
	Local netip.AddrPort
	// Session is the session's id, for Dovecot's log.
	Session string
}

// maxSession bounds a session's id in octets.
const maxSession = 128

// Exchange is an authentication exchange that passes through, with the method of
// sasl.Exchange. It is used by one goroutine. Whoever begins one calls Cancel in the
// end, whatever became of it.
type Exchange struct {
	dovecot   *Dovecot
	mechanism string
	info      Info
	// user is whom the gate has found the client to be, for EXTERNAL alone.
	user string

	link    *link
	request *request
	timer   *time.Timer // ends it where nobody else does
	over    bool
	settled bool // Dovecot has said its last word
	// account is known after OK. It counts only after the last step, which is still
	// to come where OK had data for the client.
	account *directory.Answer
	proved  bool
}

// Begin starts an exchange in a mechanism that Dovecot offers. It connects where
// there is no connection, and has asked nothing yet. Errors: fault.Invalid for a
// mechanism that is not offered, fault.Unavailable, fault.Canceled.
func (d *Dovecot) Begin(ctx context.Context, mechanism string, info Info) (*Exchange, error) {
	if mechanism == external { // the name of the user is the gate's word, and no client's
		return nil, d.lacks(mechanism)
	}
	return d.begin(ctx, mechanism, info)
}

// begin is Begin for any mechanism.
func (d *Dovecot) begin(ctx context.Context, mechanism string, info Info) (*Exchange, error) {
	l, err := d.connect(ctx)
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	if !l.greeted.offers(mechanism) {
		return nil, d.lacks(mechanism)
	}
	return &Exchange{dovecot: d, mechanism: mechanism, info: info}, nil
}

// lacks says that Dovecot does not offer a mechanism.
func (d *Dovecot) lacks(mechanism string) error {
	return fault.New("dovecot.begin", fault.Invalid, "directory %s does not offer %.20q", d.opt.Name, mechanism)
}

// Next takes the client's response, decoded from base64, and returns the next
// challenge, or done. The first call gives nil where the client sent no initial
// response, and an empty slice where it sent "=". After done or an error the
// exchange is over. Errors: fault.Unauthenticated where Dovecot says no, which wraps
// ErrDisabled, ErrExpired, ErrElsewhere or ErrAuthorization where it says why; fault.Invalid for a
// response that is too long or out of turn; fault.Busy where too many exchanges are
// under way; fault.Corrupt for an account that makes no sense; fault.Unavailable and
// fault.Canceled.
func (x *Exchange) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if x.over {
		return nil, false, fault.New("dovecot.next", fault.Invalid, "the exchange is over")
	}
	challenge, done, err = x.step(ctx, response)
	if done || err != nil {
		x.Cancel()
	}
	x.proved = done && err == nil
	return challenge, done, err
}

func (x *Exchange) step(ctx context.Context, response []byte) ([]byte, bool, error) {
	if x.account != nil { // the client takes note of what OK had for it
		if len(response) > 0 {
			return nil, false, fault.New("dovecot.next", fault.Invalid, "")
		}
		return nil, true, nil
	}
	answer, err := x.send(ctx, response)
	if err != nil {
		return nil, false, x.failed(ctx, err)
	}
	x.settled = answer.verb != goesOn
	switch answer.verb {
	case goesOn:
		return answer.data, false, nil
	case isOver:
		return nil, false, refusal(answer.fields)
	}
	if x.account, err = x.dovecot.accountOf(answer.fields); err != nil {
		return nil, false, err
	}
	// RFC 4954 has no room for data beside the success, so they go before it (RFC
	// 4422 section 3.3). Dovecot mostly sees to that itself.
	if len(answer.data) > 0 {
		return answer.data, false, nil
	}
	return nil, true, nil
}

// failed gives an error its kind.
func (x *Exchange) failed(ctx context.Context, err error) error {
	if errors.As(err, new(*fault.Error)) {
		return err
	}
	return x.dovecot.failed(ctx, err)
}

// send sends a response and waits for the reply. The first one is sent once more
// where the connection breaks: it may have broken long ago.
func (x *Exchange) send(ctx context.Context, response []byte) (reply, error) {
	if x.request != nil {
		line, err := x.continued(response)
		if err != nil {
			return reply{}, err
		}
		return x.link.ask(ctx, x.request, line)
	}
	if response != nil && (x.mechanism == "CRAM-MD5" || x.mechanism == "DIGEST-MD5") {
		// RFC 4954 section 4: the server speaks first.
		return reply{}, fault.Refuse("dovecot.next", fault.Invalid, "auth-initial-response")
	}
	answer, err := x.first(ctx, response)
	if !errors.Is(err, errLost) {
		return answer, err
	}
	x.Cancel()
	x.over = false
	return x.first(ctx, response)
}

// first sends the first response, and begins the request by that.
func (x *Exchange) first(ctx context.Context, response []byte) (reply, error) {
	l, err := x.dovecot.connect(ctx)
	if err != nil {
		return reply{}, err
	}
	if !l.greeted.offers(x.mechanism) { // a Dovecot with another configuration by now
		return reply{}, fault.New("dovecot.next", fault.Unavailable, "directory %s no longer offers %s", x.dovecot.opt.Name, x.mechanism)
	}
	if err := x.dovecot.take(); err != nil {
		return reply{}, err
	}
	r, err := l.add(x.dovecot.release)
	if err != nil {
		x.dovecot.release()
		return reply{}, err
	}
	x.link, x.request = l, r
	x.timer = time.AfterFunc(x.dovecot.lifetime, func() { l.cancel(r) })
	line, err := x.begun(response)
	if err != nil {
		return reply{}, err
	}
	return l.ask(ctx, r, line)
}

// begun writes the line that begins the exchange.
func (x *Exchange) begun(response []byte) ([]byte, error) {
	var b strings.Builder
	b.WriteString("\t" + x.mechanism)
	// AUTH does not exist before TLS here. The gate asks no master about the
	// login ("nologin").
	b.WriteString("\tservice=smtp\tsecured=tls\tnologin")
	if !x.dovecot.opt.Penalty {
		b.WriteString("\tno-penalty")
	}
	writePlace(&b, "l", x.info.Local)
	writePlace(&b, "r", x.info.Client)
	if x.info.Session != "" && len(x.info.Session) <= maxSession {
		b.WriteString("\tsession=" + escape(x.info.Session))
	}
	if x.mechanism == external {
		b.WriteString("\tvalid-client-cert\tcert_username=" + escape(x.user))
	}
	if response != nil {
		b.WriteString("\tresp=") // the last one, always
		if len(response) == 0 {
			b.WriteString("=") // as in RFC 4954 section 4
		}
	}
	return x.line("AUTH", b.String(), response)
}

// writePlace writes an end of the client's connection.
func writePlace(b *strings.Builder, which string, at netip.AddrPort) {
	if !at.Addr().IsValid() {
		return
	}
	b.WriteString("\t" + which + "ip=" + at.Addr().Unmap().WithZone("").String())
	if at.Port() != 0 {
		b.WriteString("\t" + which + "port=" + decimal(uint32(at.Port())))
	}
}

// continued writes the line of a later response.
func (x *Exchange) continued(response []byte) ([]byte, error) {
	return x.line("CONT", "\t", response)
}

// line writes a line that ends in a response.
func (x *Exchange) line(command, middle string, response []byte) ([]byte, error) {
	start := command + "\t" + decimal(x.request.id) + middle
	if len(start)+base64.StdEncoding.EncodedLen(len(response))+1 > MaxLine {
		return nil, fault.New("dovecot.next", fault.Invalid, "")
	}
	return append(base64.StdEncoding.AppendEncode([]byte(start), response), '\n'), nil
}

// Cancel ends the exchange, where it is not over, and tells Dovecot so.
func (x *Exchange) Cancel() {
	x.over = true
	if x.request == nil {
		return
	}
	x.timer.Stop()
	if x.settled {
		x.link.drop(x.request)
	} else {
		x.link.cancel(x.request)
	}
	x.request = nil
}

// Said returns whose account it is as soon as Dovecot has said so, nil before and where it
// says no. Where there is a last challenge it has yet to go to the client: who is not to be
// let in all the same must not see it, as it tells that the password was right.
func (x *Exchange) Said() *directory.Answer { return x.account }

// Account returns whose account it is, nil before the exchange is done. Its Login is
// the user's name as Dovecot has it, and Verified is true.
func (x *Exchange) Account() *directory.Answer {
	if !x.proved {
		return nil
	}
	return x.account
}
