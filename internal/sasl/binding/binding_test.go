package binding

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

// key makes keys once, as RSA takes its time.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// signed makes a certificate whose signature is of an algorithm.
func signed(t *testing.T, algorithm x509.SignatureAlgorithm, names ...string) tls.Certificate {
	t.Helper()
	var signer crypto.Signer = key()
	switch algorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer = k
	case x509.PureEd25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer = k
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: names,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), SignatureAlgorithm: algorithm,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}
}

// shelf is a tls.ClientSessionCache of one ticket.
type shelf struct{ session *tls.ClientSessionState }

func (s *shelf) Get(string) (*tls.ClientSessionState, bool) { return s.session, s.session != nil }

func (s *shelf) Put(_ string, session *tls.ClientSessionState) { s.session = session }

// connect makes a connection over a socket of loopback, through Watch, and returns both ends' view.
func connect(t *testing.T, server, client *tls.Config) (*Channel, tls.ConnectionState, error) {
	t.Helper()
	watched, seen := Watch(server)
	ours, theirs, err := dial(t, watched, client)
	if err != nil {
		return nil, theirs, err
	}
	return seen.Channel(ours), theirs, nil
}

// dial makes a connection and returns the states of the server's and the client's end.
func dial(t *testing.T, server, client *tls.Config) (ours, theirs tls.ConnectionState, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() { ended <- accept(l, server, &ours) }()
	client = client.Clone()
	client.InsecureSkipVerify = true
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", l.Addr().String(), client)
	if err != nil {
		err = errors.Join(err, <-ended)
		return ours, theirs, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	_, err = conn.Read(make([]byte, 1))
	err = errors.Join(err, <-ended)
	return ours, conn.ConnectionState(), err
}

// patience is how long a connection may take.
const patience = 20 * time.Second

// accept serves one connection: a handshake and an octet, which brings the client its ticket.
func accept(l net.Listener, config *tls.Config, state *tls.ConnectionState) error {
	raw, err := l.Accept()
	if err != nil {
		return err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	conn := tls.Server(raw, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	*state = conn.ConnectionState()
	_, err = conn.Write([]byte("x"))
	return err
}

// clientOf is a client of one version that keeps its ticket.
func clientOf(version uint16, kept *shelf) *tls.Config {
	return &tls.Config{ServerName: "mx.test", MinVersion: version, MaxVersion: version, ClientSessionCache: kept}
}

// data is what a channel has of a type, nil for none.
func data(c *Channel, kind string) []byte {
	got, ok := c.Data(kind)
	if ok != (got != nil) {
		panic("an answer that contradicts itself")
	}
	return got
}

// judge compares all that both ends know of a connection. shown is the certificate of the first handshake.
func judge(t *testing.T, c *Channel, client tls.ConnectionState, shown tls.Certificate) {
	t.Helper()
	exporter, err := client.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	if err != nil || !bytes.Equal(data(c, Exporter), exporter) {
		t.Errorf("tls-exporter %x, the client has %x, %v", data(c, Exporter), exporter, err)
	}
	theirs, err := scram.NewTLSExporterBinding(&client) // as others have it, of whom some give TLS 1.2 no context
	if err != nil || bytes.Equal(theirs.Data, exporter) != (client.Version == tls.VersionTLS13) {
		t.Errorf("tls-exporter %x, others have %x, %v", exporter, theirs.Data, err)
	}
	point, err := scram.NewTLSServerEndpointBinding(&client)
	want := sha256.Sum256(shown.Certificate[0])
	if err != nil || !bytes.Equal(data(c, EndPoint), point.Data) || !bytes.Equal(want[:], point.Data) {
		t.Errorf("tls-server-end-point %x, the client has %x, %v", data(c, EndPoint), point.Data, err)
	}
	if unique := data(c, Unique); !bytes.Equal(unique, client.TLSUnique) || (unique == nil) != (client.Version == tls.VersionTLS13) {
		t.Errorf("tls-unique %x, the client has %x", unique, client.TLSUnique)
	}
	for _, kind := range []string{"", "tls-exporters", "TLS-EXPORTER"} {
		if data(c, kind) != nil {
			t.Errorf("there is data of %q", kind)
		}
	}
}

// Both ends know the same of each connection, resumed ones too, after the certificate was replaced;
// and no two connections know the same.
func TestBothEndsAgree(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			first, second := signed(t, x509.ECDSAWithSHA256, "mx.test"), signed(t, x509.ECDSAWithSHA256, "mx.test")
			current := &first
			server := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current, nil }}
			kept := new(shelf)
			var seen [][]byte
			for i := range 4 {
				c, state, err := connect(t, server, clientOf(version, kept))
				if err != nil {
					t.Fatal(err)
				}
				if state.DidResume != (i > 0) {
					t.Fatalf("connection %d: resumed %v", i, state.DidResume)
				}
				judge(t, c, state, first)
				for _, old := range seen {
					if bytes.Equal(old, data(c, Exporter)) || bytes.Equal(old, data(c, Unique)) {
						t.Errorf("connection %d has the binding of another", i)
					}
				}
				seen = append(seen, data(c, Exporter))
				if unique := data(c, Unique); unique != nil {
					seen = append(seen, unique)
				}
				current = &second // what is resumed still binds to the first
			}
			kept.session = nil
			c, state, err := connect(t, server, clientOf(version, kept))
			if err != nil || state.DidResume {
				t.Fatal(err, state.DidResume)
			}
			judge(t, c, state, second)
		})
	}
}

// The configuration's own ways to choose stay in force: by name, by what the client can verify, by
// GetConfigForClient, with its own tickets.
func TestWatchChoosesAsBefore(t *testing.T) {
	ec, other := signed(t, x509.ECDSAWithSHA256, "mx.test"), signed(t, x509.SHA256WithRSA, "other.test")
	byName := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch hello.ServerName {
		case "other.test":
			return &other, nil
		case "bad.test":
			return nil, errors.New("no such name")
		}
		return nil, nil
	}
	wrapped := 0
	inner := &tls.Config{Certificates: []tls.Certificate{other}}
	inner.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		wrapped++
		return inner.EncryptTicket(cs, ss)
	}
	inner.UnwrapSession = inner.DecryptTicket
	tests := []struct {
		name   string
		config *tls.Config
		server string
		want   *tls.Certificate
	}{
		{"list", &tls.Config{Certificates: []tls.Certificate{ec, other}}, "mx.test", &ec},
		{"first of list", &tls.Config{Certificates: []tls.Certificate{other, ec}}, "third.test", &other},
		{"by name in list", &tls.Config{Certificates: []tls.Certificate{other, ec}}, "mx.test", &ec},
		{"by function", &tls.Config{Certificates: []tls.Certificate{ec}, GetCertificate: byName}, "other.test", &other},
		{"function knows none", &tls.Config{Certificates: []tls.Certificate{ec}, GetCertificate: byName}, "mx.test", &ec},
		{"function fails", &tls.Config{Certificates: []tls.Certificate{ec}, GetCertificate: byName}, "bad.test", nil},
		{"none", &tls.Config{}, "mx.test", nil},
		{"configuration for the client", &tls.Config{Certificates: []tls.Certificate{ec}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }}, "mx.test", &other},
		{"no configuration for the client", &tls.Config{Certificates: []tls.Certificate{ec}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }}, "mx.test", &ec},
		{"refused client", &tls.Config{Certificates: []tls.Certificate{ec}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("no") }}, "mx.test", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kept := new(shelf)
			for i := range 2 {
				client := clientOf(tls.VersionTLS13, kept)
				client.ServerName = tt.server
				c, state, err := connect(t, tt.config, client)
				if (err == nil) != (tt.want != nil) {
					t.Fatalf("error %v", err)
				}
				if err != nil {
					return
				}
				if state.DidResume != (i > 0) {
					t.Errorf("connection %d: resumed %v", i, state.DidResume)
				}
				judge(t, c, state, *tt.want)
			}
		})
	}
	if wrapped != 2 {
		t.Errorf("the configuration's own way to make tickets was used %d times", wrapped)
	}
}

// A configuration without tickets stays without, and its base is not changed by Watch.
func TestWatchChangesNothing(t *testing.T) {
	cert := signed(t, x509.ECDSAWithSHA256, "mx.test")
	server := &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true}
	kept := new(shelf)
	for range 2 {
		c, state, err := connect(t, server, clientOf(tls.VersionTLS12, kept))
		if err != nil || state.DidResume {
			t.Fatal(err, state.DidResume)
		}
		judge(t, c, state, cert)
	}
	if server.GetConfigForClient != nil || server.GetCertificate != nil || server.WrapSession != nil || len(server.Certificates) != 1 {
		t.Error("the configuration was changed")
	}
}

// A ticket that was made without Watch, and does not know the end point, is not taken.
func TestForeignTicketIsNotTaken(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cert := signed(t, x509.ECDSAWithSHA256, "mx.test")
		server := &tls.Config{Certificates: []tls.Certificate{cert}}
		plain := server.Clone()
		plain.WrapSession = server.EncryptTicket
		kept := new(shelf)
		if _, _, err := dial(t, plain, clientOf(version, kept)); err != nil || kept.session == nil {
			t.Fatal("no ticket", err)
		}
		c, state, err := connect(t, server, clientOf(version, kept))
		if err != nil || state.DidResume {
			t.Fatal(err, state.DidResume)
		}
		judge(t, c, state, cert)
	}
}

// A connection without a handshake has nothing.
func TestNothingWithoutAHandshake(t *testing.T) {
	for _, kind := range []string{Exporter, EndPoint, Unique} {
		if data(&Channel{}, kind) != nil {
			t.Errorf("there is %s", kind)
		}
	}
}

// RFC 5929 section 4.1.
func TestEndPointHashes(t *testing.T) {
	sum256 := func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	sum384 := func(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
	sum512 := func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
	none := func([]byte) []byte { return nil }
	for algorithm, want := range map[x509.SignatureAlgorithm]func([]byte) []byte{
		x509.SHA256WithRSA: sum256, x509.SHA384WithRSA: sum384, x509.SHA512WithRSA: sum512,
		x509.SHA256WithRSAPSS: sum256, x509.SHA384WithRSAPSS: sum384, x509.SHA512WithRSAPSS: sum512,
		x509.ECDSAWithSHA256: sum256, x509.ECDSAWithSHA384: sum384, x509.ECDSAWithSHA512: sum512,
		x509.PureEd25519: none,
	} {
		cert := signed(t, algorithm, "mx.test")
		if got := endPoint(&cert); !bytes.Equal(got, want(cert.Certificate[0])) {
			t.Errorf("%s: %x", algorithm, got)
		}
		var err error
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			t.Fatal(err)
		}
		if got := endPoint(&cert); !bytes.Equal(got, want(cert.Certificate[0])) {
			t.Errorf("%s, parsed: %x", algorithm, got)
		}
	}
	for _, algorithm := range []x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.MD5WithRSA, x509.ECDSAWithSHA1} {
		if signatureHash(algorithm) != crypto.SHA256 {
			t.Errorf("%s is not replaced by SHA-256", algorithm)
		}
	}
	if signatureHash(x509.UnknownSignatureAlgorithm) != 0 || endPoint(&tls.Certificate{}) != nil || endPoint(&tls.Certificate{Certificate: [][]byte{{1}}}) != nil {
		t.Error("a certificate that is none has an end point")
	}
}

// A connection with an Ed25519 certificate has no end point; its ticket says so.
func TestEd25519HasNoEndPoint(t *testing.T) {
	server := &tls.Config{Certificates: []tls.Certificate{signed(t, x509.PureEd25519, "mx.test")}}
	kept := new(shelf)
	for i := range 2 {
		c, state, err := connect(t, server, clientOf(tls.VersionTLS13, kept))
		if err != nil || state.DidResume != (i > 0) {
			t.Fatal(err, state.DidResume)
		}
		if data(c, EndPoint) != nil || data(c, Exporter) == nil {
			t.Errorf("connection %d has %x", i, data(c, EndPoint))
		}
	}
}

// What Data returns is the caller's own.
func TestDataIsACopy(t *testing.T) {
	c := &Channel{endPoint: []byte("abc"), state: tls.ConnectionState{TLSUnique: []byte("abc")}}
	for _, kind := range []string{EndPoint, Unique} {
		data(c, kind)[0] = 'x'
		if string(data(c, kind)) != "abc" {
			t.Errorf("%s can be changed from outside", kind)
		}
	}
}
