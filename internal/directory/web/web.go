package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// Options say where a callback is and what it is told.
type Options struct {
	// Name is what the configuration calls the directory.
	Name string
	// URL is the callback: https, or http to an address of loopback.
	URL string
	// Key signs the requests, MinKey octets at least. ReadKey reads it from a file.
	Key []byte
	// SendPassword says that the callback is sent the password and may verify it.
	// Without it only hashes are believed.
	SendPassword bool
	// Authority is a file with the certificates to trust, in PEM; "" for those of
	// the system.
	Authority string
	// Connections is how many may be open at once, at least 1.
	Connections int
	// Now is the clock that requests are signed by, time.Now where nil.
	Now func() time.Time
}

const (
	// MinKey is the shortest key in octets: as long as the hash (RFC 2104 section 3).
	MinKey = 32
	// MaxAnswer is the longest answer in octets.
	MaxAnswer = 64 << 10
	// maxHeader bounds the header of an answer in octets.
	maxHeader = 16 << 10
	// idle is how long a connection is kept for the next question.
	idle = 30 * time.Second
)

// Web is a directory.Source. It is safe for concurrent use, and bounds no time of
// its own: directory.Guard does.
type Web struct {
	opt       Options
	transport *http.Transport
}

var _ directory.Witness = (*Web)(nil)

// New returns a Web that has not connected yet. Errors: fault.Invalid for options
// that will not do, fault.Unavailable for a file that cannot be read.
func New(opt Options) (*Web, error) {
	const op = "web.new"
	if err := check(opt).First(); err != nil {
		return nil, fault.New(op, fault.Invalid, "directory %s: %v", opt.Name, err)
	}
	if opt.Connections < 1 {
		return nil, fault.New(op, fault.Invalid, "directory %s: it needs one connection at least", opt.Name)
	}
	roots, err := authority(opt.Authority)
	if err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Web{opt: opt, transport: &http.Transport{
		Proxy:                  nil, // the environment has no say in where passwords go
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // so that what is read has the length that is bounded
		MaxConnsPerHost:        opt.Connections,
		MaxIdleConnsPerHost:    opt.Connections,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: maxHeader,
	}}, nil
}

// Check says what is wrong with the options, all at once, where the key is in a file.
func Check(opt Options, keyFile string) directory.OptionErrors {
	var unread error
	if opt.Key, unread = ReadKey(keyFile); unread != nil {
		opt.Key = make([]byte, MinKey) // so that no more is said of it
	}
	all := check(opt)
	all.Add("key_file", unreadable(keyFile, unread))
	if _, err := authority(opt.Authority); err != nil {
		all.Add("ca_file", unreadable(opt.Authority, err))
	}
	return all
}

// check is Check of what is no file.
func check(opt Options) (all directory.OptionErrors) {
	all.Add("url", checkURL(opt.URL))
	if n := len(opt.Key); n < MinKey {
		all.Add("key_file", fmt.Errorf("its key has %d octets, and at least %d are needed; \"openssl rand -hex 32\" makes one", n, MinKey))
	}
	return all
}

// Name implements directory.Source.
func (w *Web) Name() string { return w.opt.Name }

// Close implements directory.Source.
func (w *Web) Close() error {
	w.transport.CloseIdleConnections()
	return nil
}

// Ask implements directory.Source.
func (w *Web) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	const op = "web.ask"
	if !w.opt.SendPassword {
		q.Password = ""
	}
	a, err := w.ask(ctx, op, newRequest(q))
	if a != nil {
		a.Here = true // it was told where the client is
	}
	return a, err
}

// Witnesses implements directory.Witness: every callback is asked.
func (w *Web) Witnesses() bool { return true }

// Standing implements directory.Witness. The question says that this is what it is about,
// and has no password.
func (w *Web) Standing(ctx context.Context, q directory.Question) (directory.Standing, error) {
	q.Password = ""
	r := newRequest(q)
	r.Standing = true
	a, err := w.ask(ctx, "web.standing", r)
	if err != nil {
		return directory.Standing{}, err
	}
	return directory.Standing{Login: a.Login, Disabled: a.Disabled, Networks: a.Networks}, nil
}

// Check implements directory.Checker: it asks how an account stands that nobody has, and
// wants to hear that it is unknown.
func (w *Web) Check(ctx context.Context) error {
	_, err := w.Standing(ctx, directory.Question{Login: directory.ProbeLogin})
	switch {
	case err == nil:
		return fault.New("web.check", fault.Invalid, "directory %s: the callback knows an account %s, which nobody has", w.opt.Name, directory.ProbeLogin)
	case fault.Is(err, fault.NotFound):
		return nil
	case fault.Is(err, fault.Unauthenticated):
		return fault.New("web.check", fault.Invalid, `directory %s: the callback answers "refused" where it is asked how an account stands; "unknown" is wanted for one that is not there`, w.opt.Name)
	}
	return err
}

// ask sends a question and reads the answer. Errors are those of Ask.
func (w *Web) ask(ctx context.Context, op string, q request) (*directory.Answer, error) {
	body, err := w.post(ctx, q)
	if err != nil {
		return nil, directory.Failed(ctx, op, fmt.Errorf("the directory %s: %w", w.opt.Name, err))
	}
	a, err := read(body)
	if err == nil && a.Verified && q.Password == "" {
		err = errors.New("it has verified a password that it was not given")
	}
	if err != nil {
		return nil, fault.New(op, fault.Corrupt, "the answer of directory %s makes no sense: %v", w.opt.Name, err)
	}
	switch a.Result {
	case resultUnknown:
		return nil, fault.New(op, fault.NotFound, "")
	case resultRefused:
		return nil, fault.New(op, fault.Unauthenticated, "")
	}
	return &a.Answer, nil
}

// post sends a question and returns the body of the answer.
func (w *Web) post(ctx context.Context, q request) ([]byte, error) {
	body, err := encode(q)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.opt.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", mediaType)
	r.Header.Set("Accept", mediaType)
	r.Header.Set("User-Agent", "countersign")
	r.Header.Set(SignatureHeader, Sign(w.opt.Key, w.opt.Now(), body))
	// The transport alone: it follows no redirect and keeps no cookie.
	response, err := w.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers with status %d", response.StatusCode)
	}
	if got, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || got != mediaType {
		return nil, errors.New("its answer is not of type " + mediaType)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	if err == nil && len(text) > MaxAnswer {
		err = fmt.Errorf("its answer has more than %d octets", MaxAnswer)
	}
	return text, err
}
