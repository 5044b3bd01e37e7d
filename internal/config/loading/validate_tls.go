package loading

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/config"
	"countersign/internal/config/option"
	"countersign/internal/config/source"
	"countersign/internal/config/value"
	"countersign/internal/mail"
)

// listeners checks names and the certificates that listeners refer to.
func (v *validator) listeners() {
	first := map[string]int{}
	for i := range v.c.Listeners {
		l, path := &v.c.Listeners[i], option.Element("listener", i)
		v.unique(first, path+".name", l.Name)
		for j, name := range l.Certificates {
			v.certificateNamed(option.Element(path+".certificates", j), name)
		}
		v.offers(l, path)
		v.clients(l, path)
	}
}

// unique reports a name that was used before.
func (v *validator) unique(first map[string]int, path, name string) {
	if name == "" {
		return
	}
	if earlier, exists := first[name]; exists {
		v.Fail(path, "", "%q is the name of another in line %d", name, earlier)
		return
	}
	first[name] = v.Line(path)
}

// certificateNamed reports a certificate that does not exist.
func (v *validator) certificateNamed(path, name string) {
	names := make([]string, len(v.c.Certificates))
	for i, cert := range v.c.Certificates {
		names[i] = cert.Name
	}
	if slices.Contains(names, name) || len(names) == 0 {
		return
	}
	v.Fail(path, option.Choice(name, names), "there is no certificate %q", name)
}

func (v *validator) certificates() {
	first := map[string]int{}
	for i := range v.c.Certificates {
		cert, path := &v.c.Certificates[i], option.Element("certificate", i)
		v.unique(first, path+".name", cert.Name)
		for j, host := range cert.Hosts {
			cert.Hosts[j] = v.host(option.Element(path+".hosts", j), host, cert.Source)
		}
		switch cert.Source {
		case "files":
			v.keyPair(cert, path)
		case "acme":
			v.acme(cert, path)
		}
	}
}

// host returns the normal form of a name that a certificate is made for. Only a
// self-signed one may name an address: no authority issues those here.
func (v *validator) host(path, text, source string) string {
	if _, err := netip.ParseAddr(text); err == nil && source == "self-signed" {
		return text
	}
	if strings.HasPrefix(text, "*.") && source == "acme" {
		// RFC 8737 section 3 and RFC 8555 section 8.3: neither challenge proves a wildcard.
		v.Fail(path, "name each host", "%q: a wildcard cannot be obtained by these challenges", text)
		return text
	}
	return v.domain(path, text)
}

// keyPair reads certificate and key and says which of them is wrong.
func (v *validator) keyPair(cert *config.Certificate, path string) {
	certPEM := v.namedFile(path+".cert_file", cert.CertFile)
	keyPEM := v.namedFile(path+".key_file", cert.KeyFile)
	if certPEM == nil || keyPEM == nil {
		return
	}
	v.secretFileMode(path+".key_file", cert.KeyFile)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		v.badKeyPair(cert, path, certPEM, err)
		return
	}
	if leaf := pair.Leaf; leaf != nil && v.now.After(leaf.NotAfter) {
		v.Warn(path+".cert_file", "renew it", "%s expired on %s", cert.CertFile, leaf.NotAfter.UTC().Format("2006-01-02"))
	} else if leaf != nil && v.now.Before(leaf.NotBefore) {
		v.Warn(path+".cert_file", "", "%s is valid from %s only", cert.CertFile, leaf.NotBefore.UTC().Format("2006-01-02"))
	}
}

// badKeyPair words why tls.X509KeyPair refused the files: the certificate, the
// key, or that they do not belong together.
func (v *validator) badKeyPair(cert *config.Certificate, path string, certPEM []byte, err error) {
	reason := strings.TrimPrefix(err.Error(), "tls: ")
	switch {
	case !x509.NewCertPool().AppendCertsFromPEM(certPEM):
		v.Fail(path+".cert_file", "", "%s has no readable certificate in PEM", cert.CertFile)
	case strings.Contains(reason, "does not match"):
		v.Fail(path+".key_file", "", "%s is not the key of the certificate in %s: %s", cert.KeyFile, cert.CertFile, reason)
	default:
		v.Fail(path+".key_file", "", "%s has no usable private key in PEM: %s", cert.KeyFile, reason)
	}
}

// namedFile reads a file that must be named and readable, nil after reporting.
func (v *validator) namedFile(path, file string) []byte {
	if file == "" {
		v.Fail(path, "", `is needed for source "files"`)
		return nil
	}
	data, err := value.ReadFile(file)
	if err != nil {
		v.Fail(path, "", "%s cannot be read: %s", file, value.Plain(err))
		return nil
	}
	return data
}

// rootFile checks a file of root certificates.
func (v *validator) rootFile(path, file string) {
	data, err := value.ReadFile(file)
	switch {
	case err != nil:
		v.Fail(path, "", "%s cannot be read: %s", file, value.Plain(err))
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		v.Fail(path, "", "%s has no readable certificate in PEM", file)
	}
}

func (v *validator) acme(cert *config.Certificate, path string) {
	if !cert.TermsAgreed {
		v.Fail(path+".terms_agreed", "read the terms of the authority and set terms_agreed = true", `must be true for source "acme"`)
	}
	// RFC 8555 section 6.1: ACME is spoken over HTTPS only.
	if u, err := url.Parse(cert.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		v.Fail(path+".directory", "", "%q is not an https:// URL", cert.Directory)
	}
	if cert.Email != "" {
		if _, err := mail.ParseAddress(cert.Email); err != nil {
			v.Fail(path+".email", "", "%q is not a mail address", cert.Email)
		}
	}
	if cert.Challenge == "http-01" && cert.HTTPListen == "" {
		v.Fail(path+".http_listen", `set http_listen = ":80"`, "challenge http-01 needs an address")
	}
	if cert.Challenge == "tls-alpn-01" && cert.TLSListen == "" {
		v.Fail(path+".tls_listen", `set tls_listen = ":443"`, "challenge tls-alpn-01 needs an address")
	}
	if cert.CAFile != "" {
		v.rootFile(path+".ca_file", cert.CAFile)
	}
}

// bound is an address that the gate will listen on. host is invalid where all
// addresses of the machine are meant.
type bound struct {
	path string
	host netip.Addr
	port uint16
}

// addresses checks every address to listen on, and that no two exclude each other.
func (v *validator) addresses() {
	var taken []bound
	for i, l := range v.c.Listeners {
		for j, address := range l.Address {
			taken = v.claim(taken, option.Element(option.Element("listener", i)+".address", j), address)
		}
	}
	if v.c.Metrics.Listen != "" {
		taken = v.claim(taken, "metrics.listen", v.c.Metrics.Listen)
	}
	for i, address := range v.c.Web.Listen {
		taken = v.claim(taken, option.Element("web.listen", i), address)
	}
	// Certificates share one listener for each address.
	shared := map[string]bool{}
	for i, cert := range v.c.Certificates {
		key, address := ".tls_listen", cert.TLSListen
		if cert.Challenge == "http-01" {
			key, address = ".http_listen", cert.HTTPListen
		}
		if cert.Source != "acme" || address == "" || shared[key+address] {
			continue
		}
		shared[key+address] = true
		taken = v.claim(taken, option.Element("certificate", i)+key, address)
	}
}

// claim adds an address to those taken, or reports why it cannot.
func (v *validator) claim(taken []bound, path, text string) []bound {
	next, ok := v.bound(path, text)
	if !ok {
		return taken
	}
	for _, other := range taken {
		if next.excludes(other) {
			v.Fail(path, "", "%q is taken already by %s in line %d", text, source.KeyOf(other.path), v.Line(other.path))
			return taken
		}
	}
	return append(taken, next)
}

// bound reads an address to listen on.
func (v *validator) bound(path, text string) (bound, bool) {
	const form = `write as "0.0.0.0:587", "[::1]:587" or ":587"`
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		v.Fail(path, form, "%q is not an address with a port", text)
		return bound{}, false
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		v.Fail(path, form, "port %q is not between 0 and 65535", portText)
		return bound{}, false
	}
	b := bound{path: path, port: uint16(port)}
	if host == "" {
		return b, true
	}
	b.host, err = netip.ParseAddr(host)
	if err != nil {
		v.Fail(path, form, "host %q is not an IP address", host)
		return bound{}, false
	}
	b.host = b.host.Unmap()
	return b, true
}

// excludes reports whether b and other cannot be listened on together. Port 0
// stands for any free port. IPv4 and IPv6 are apart unless no host is named.
func (b bound) excludes(other bound) bool {
	if b.port != other.port || b.port == 0 {
		return false
	}
	if !b.host.IsValid() || !other.host.IsValid() {
		return true
	}
	if b.host.Is4() != other.host.Is4() {
		return false
	}
	return b.host == other.host || b.host.IsUnspecified() || other.host.IsUnspecified()
}
