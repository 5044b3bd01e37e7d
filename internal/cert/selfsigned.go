package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// selfSignedLife is the longest that Apple's verifier takes from an
	// authority that the user added.
	selfSignedLife = 825 * 24 * time.Hour
	// selfSignedRenew is how long before the end a new one is made.
	selfSignedRenew = 30 * 24 * time.Hour
	// clockSlack is how far a client's clock may be behind ours.
	clockSlack = time.Hour
)

// selfSigned is a certificate made here, kept in the data directory. Its .crt
// file is also what clients verify it with.
type selfSigned struct {
	spec     Spec
	o        Options
	hosts    []string
	certFile string
	keyFile  string
	// current is never nil once made.
	current atomic.Pointer[pair]

	// mu guards failure and makes renewals follow one another.
	mu sync.Mutex
	// failure is why a renewal did not succeed, nil if none is due.
	failure error
}

func newSelfSigned(s Spec, o Options) (*selfSigned, error) {
	hosts, err := normalHosts(s.Hosts)
	if err != nil {
		return nil, s.wrap(err)
	}
	g := &selfSigned{
		spec: s, o: o, hosts: hosts,
		certFile: SelfSignedFile(o.DataDir, s.Name),
		keyFile:  filepath.Join(o.DataDir, s.Name+".key"),
	}
	if err := g.ensure(); err != nil {
		return nil, s.wrap(err)
	}
	return g, nil
}

// SelfSignedFile returns where the self-signed certificate of that name is
// kept under dataDir: the file that clients can verify it with.
func SelfSignedFile(dataDir, name string) string {
	return filepath.Join(dataDir, name+".crt")
}

// ensure takes the kept certificate if it will do, else makes one. A kept file
// that is damaged is an error: clients may trust what was in it.
func (g *selfSigned) ensure() error {
	p, err := readPair(g.certFile, g.keyFile)
	if err == nil && g.serves(p) {
		g.current.Store(p)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := g.key()
	if err != nil {
		return pairError(g.certFile, g.keyFile, err)
	}
	p, err = g.make(key)
	if err != nil {
		return err
	}
	g.current.Store(p)
	g.o.Logger.Info("self-signed certificate made", logPair(g.spec, p))
	return nil
}

// serves tells whether a kept certificate is for all hosts and for some time yet.
func (g *selfSigned) serves(p *pair) bool {
	if g.due(p) {
		return false
	}
	for _, h := range g.hosts {
		if _, ok := p.names[h]; ok {
			continue
		}
		if p.cert.Leaf.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

// setBack is by how much the clock may have been set back before a certificate
// that is not valid yet is replaced: whoever trusts it would have to trust another.
const setBack = 24 * time.Hour

// due tells whether a certificate is to be replaced because of its dates.
func (g *selfSigned) due(p *pair) bool {
	now := g.o.Now()
	return now.Add(setBack).Before(p.cert.Leaf.NotBefore) || now.After(p.cert.Leaf.NotAfter.Add(-selfSignedRenew))
}

// make signs and keeps a certificate for a key that is kept already.
func (g *selfSigned) make(key crypto.PrivateKey) (*pair, error) {
	der, err := signSelf(key, g.hosts, g.o.Now())
	if err != nil {
		return nil, pairError(g.certFile, g.keyFile, err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writeFile(g.certFile, text, 0o644); err != nil {
		return nil, pairError(g.certFile, g.keyFile, err)
	}
	return readPair(g.certFile, g.keyFile)
}

// key returns the kept key, or makes and keeps one. It is written before the
// certificate: a crash between the two leaves nothing that does not match.
func (g *selfSigned) key() (crypto.PrivateKey, error) {
	text, err := readPEM(g.keyFile, true)
	if err == nil {
		return parseKey(text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, writeFile(g.keyFile, text, 0o600)
}

// parseKey reads a key in the form that key writes.
func parseKey(text []byte) (crypto.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key file holds no PEM block")
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// signSelf makes the certificate. It is an authority for nothing but itself:
// whoever trusts it trusts this server, not what its key could sign
// (RFC 5280 section 4.2.1.9).
func signSelf(key crypto.PrivateKey, hosts []string, now time.Time) ([]byte, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Countersign self-signed"}, SerialNumber: serial.Text(16)},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(-clockSlack).Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
			continue
		}
		t.DNSNames = append(t.DNSNames, h)
	}
	return x509.CreateCertificate(rand.Reader, t, t, signer.Public(), signer)
}

// writeFile replaces a file so that a crash leaves the old or the new one.
func writeFile(name string, data []byte, mode fs.FileMode) (err error) {
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp) // the first error is the one to tell
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask is, or a left-over file's mode
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (g *selfSigned) pairs() []*pair { return []*pair{g.current.Load()} }

func (g *selfSigned) status() []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return []Status{statusOf(g.spec, g.current.Load(), g.o.Now(), g.failure)}
}

// poll renews when the end comes near. The key stays.
func (g *selfSigned) poll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.due(g.current.Load()) {
		return
	}
	p, err := g.make(g.current.Load().cert.PrivateKey)
	if err == nil {
		g.failure = nil
		g.current.Store(p)
		g.o.Logger.Info("self-signed certificate renewed", logPair(g.spec, p))
		return
	}
	if g.failure == nil || g.failure.Error() != err.Error() {
		g.o.Logger.Error("self-signed certificate cannot be renewed", "certificate", g.spec.Name, "err", err)
	}
	g.failure = err
}

func (g *selfSigned) start() {}
func (g *selfSigned) close() {}
