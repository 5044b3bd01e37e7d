package client

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"slices"
	"testing"
	"time"

	"countersign/internal/testkit"
)

// handshake makes one over a real socket, sends an octet back so that the client has its
// tickets, and returns what the server saw.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	type outcome struct {
		state tls.ConnectionState
		err   error
	}
	seen := make(chan outcome, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			seen <- outcome{err: err}
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(10 * time.Second))
		conn := tls.Server(raw, server)
		err = conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte("x"))
		}
		seen <- outcome{conn.ConnectionState(), err}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		conn.Read(make([]byte, 1)) // what the server says counts
		conn.Close()
	}
	o := <-seen
	return o.state, o.err
}

// bases are configurations that Request is put upon.
func bases(t *testing.T) map[string]*tls.Config {
	plain := testkit.NewAuthority(t).Server("gate.example.org")
	choosing := testkit.NewAuthority(t).Server("gate.example.org")
	choosing.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		own := choosing.Clone()
		own.GetConfigForClient = nil
		own.WrapSession, own.UnwrapSession = choosing.EncryptTicket, choosing.DecryptTicket
		return own, nil
	}
	none := testkit.NewAuthority(t).Server("gate.example.org")
	none.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
	return map[string]*tls.Config{"plain": plain, "choosing": choosing, "choosing none": none}
}

func TestRequest(t *testing.T) {
	p := newPlace(t)
	ours, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	v := p.open(false)
	certificates := map[string]struct {
		c     *tls.Certificate
		cause string
	}{
		"ours":    {new(ours.Client("printer", nil)), ""},
		"none":    {nil, "absent"},
		"foreign": {new(other.Client("printer", nil)), "foreign"},
		"expired": {new(ours.Client("printer", func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Hour) })), "expired"},
	}
	for kind, base := range bases(t) {
		config := v.Request(base)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for name, tt := range certificates {
				t.Run(kind+" "+tls.VersionName(version)+" "+name, func(t *testing.T) {
					client := &tls.Config{
						InsecureSkipVerify: true, MaxVersion: version, ServerName: "gate.example.org", ClientSessionCache: tls.NewLRUClientSessionCache(1),
						GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
							if !slices.ContainsFunc(info.AcceptableCAs, func(n []byte) bool { return string(n) == string(ours.Certificate().RawSubject) }) {
								t.Error("the request does not name the authority")
							}
							if tt.c == nil {
								return new(tls.Certificate), nil
							}
							return tt.c, nil
						},
					}
					for _, resumed := range []bool{false, true} {
						state, err := handshake(t, config, client)
						if err != nil {
							t.Fatalf("the handshake failed: %v", err)
						}
						// A client whose certificate has run out has to show it again.
						if again := resumed && name != "expired"; state.DidResume != again || state.Version != version {
							t.Errorf("resumed: %v, want %v; %s", state.DidResume, again, tls.VersionName(state.Version))
						}
						want(t, v, state.PeerCertificates, tt.cause)
					}
				})
			}
		}
	}
}

// TestRequestNamesWhoIsInForce: not who was when the listener began.
func TestRequestNamesWhoIsInForce(t *testing.T) {
	p := newPlace(t)
	first, second := testkit.NewAuthority(t), testkit.NewAuthority(t).Below("second authority")
	testkit.WriteCertificates(t, p.ca, first)
	v := p.open(false)
	config := v.Request(testkit.NewAuthority(t).Server("gate.example.org"))
	testkit.WriteCertificates(t, p.ca, second)
	v.Poll()
	var named [][]byte
	_, err := handshake(t, config, &tls.Config{
		InsecureSkipVerify: true,
		GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			named = info.AcceptableCAs
			return new(tls.Certificate), nil
		},
	})
	if err != nil || len(named) != 1 || string(named[0]) != string(second.Certificate().RawSubject) {
		t.Errorf("named %q, %v", named, err)
	}
}

// TestHugeChainsEndTheConnection, as they would be kept as long as it lasts.
func TestHugeChainsEndTheConnection(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	config := p.open(false).Request(testkit.NewAuthority(t).Server("gate.example.org"))
	long := ours.Client("printer", nil)
	long.Certificate = slices.Repeat(long.Certificate, maxPresented+1)
	fits := ours.Client("printer", nil)
	fits.Certificate = slices.Repeat(fits.Certificate, maxPresented)
	filled := func(octets int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, octets)}}
		}
	}
	for name, tt := range map[string]struct {
		c    tls.Certificate
		fits bool
	}{
		"long": {long, false}, "large": {ours.Client("printer", filled(maxPresentedBytes)), false},
		"as long as can be": {fits, true}, "as large as can be": {ours.Client("printer", filled(maxPresentedBytes-1000)), true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			_, err := handshake(t, config, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: []tls.Certificate{tt.c}})
			if (err == nil) != tt.fits {
				t.Errorf("%s, %s: %v", name, tls.VersionName(version), err)
			}
		}
	}
}

// TestRequestOfSomebodyElsesKey: who does not have the key gets no further.
func TestRequestOfSomebodyElsesKey(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	config := p.open(false).Request(testkit.NewAuthority(t).Server("gate.example.org"))
	stolen := ours.Client("printer", nil)
	stolen.PrivateKey = ours.Client("printer", nil).PrivateKey
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if _, err := handshake(t, config, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: []tls.Certificate{stolen}}); err == nil {
			t.Errorf("%s: a certificate without its key passed", tls.VersionName(version))
		}
	}
}
