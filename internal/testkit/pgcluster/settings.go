package pgcluster

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// defaultPort names the socket of a cluster that does not listen on TCP.
const defaultPort = 5432

// origin is the data of a cluster as initdb makes it.
type origin struct {
	programs programs
	folder   *folder // is removed when nothing refers to it any more
	data     string
}

// template runs initdb once for a test process: it takes most of the time of a
// start. The watchdog of its folder removes it when the process ends.
var template = sync.OnceValues(initialise)

func initialise() (origin, error) {
	p, err := installed()
	if err != nil {
		return origin{}, err
	}
	folder, err := newFolder(p.owner)
	if err != nil {
		return origin{}, err
	}
	data := filepath.Join(folder.path, "template")
	err = finish(p.command(folder, "initdb", "-D", data, "-U", systemUser,
		"--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync", "--no-instructions", "--wal-segsize=1"))
	return origin{programs: p, folder: folder, data: data}, err
}

// configure writes the settings, who may connect, and the certificates.
func (c *Cluster) configure() error {
	settings := map[string]string{
		"listen_addresses": "",
		"log_line_prefix":  "%m [%p] %q%u@%d ",
		// initdb derives these from the small segments that make it fast.
		"min_wal_size": "80MB",
		"max_wal_size": "1GB",
		// A standby may be away for a while.
		"wal_keep_size": "64MB",
		// Files among the data, which go with them; those of /dev/shm outlive a killed server.
		"dynamic_shared_memory_type": "mmap",
	}
	if c.options.NoSync {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
		settings["countersign.disposable"] = "on"
	}
	if c.options.Authority != nil {
		settings["listen_addresses"], settings["ssl"] = "127.0.0.1", "on"
		if err := c.writeCertificates(); err != nil {
			return err
		}
	}
	maps.Copy(settings, c.options.Settings)
	return errors.Join(
		c.write("postgresql.conf", conf(settings), os.O_APPEND),
		c.write("pg_hba.conf", c.access(), os.O_TRUNC),
	)
}

// conf prints settings as lines of postgresql.conf.
func conf(settings map[string]string) string {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&lines, "%s = %s\n", name, quote(settings[name]))
	}
	return lines.String()
}

// access says who may connect: the superuser through the socket, which only the
// user of the test and root reach, and everybody else as Options.Password says.
func (c *Cluster) access() string {
	method := "trust"
	if c.options.Password != "" {
		method = "scram-sha-256"
	}
	lines := []string{
		"local all " + systemUser + " trust",
		"local replication " + systemUser + " trust",
		"local all all " + method,
	}
	if c.options.Authority != nil {
		lines = append(lines, "host all "+systemUser+" all reject", "hostssl all all 127.0.0.1/32 "+method)
	}
	return strings.Join(lines, "\n") + "\n"
}

// write writes a file among the server's data.
func (c *Cluster) write(name, text string, flag int) error {
	path := filepath.Join(c.data(), name)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if owner := c.programs.owner; owner != nil && err == nil {
		err = os.Chown(path, int(owner.Uid), int(owner.Gid))
	}
	return errors.Join(err, file.Close())
}

// authorityFile is the certificate that a client trusts, among the server's data.
const authorityFile = "authority.crt"

// writeCertificates writes a certificate, its key and the authority's.
func (c *Cluster) writeCertificates() error {
	issued := c.options.Authority.Server("127.0.0.1", "localhost").Certificates[0]
	leaf, err := x509.ParseCertificate(issued.Certificate[0])
	if err != nil {
		return err
	}
	// The authority shows its own certificate in the chain alone.
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: c.options.Authority.Pool()})
	if err != nil {
		return err
	}
	root := chains[0][len(chains[0])-1]
	key, err := x509.MarshalPKCS8PrivateKey(issued.PrivateKey)
	if err != nil {
		return err
	}
	return errors.Join(
		c.write("server.crt", block("CERTIFICATE", leaf.Raw), os.O_TRUNC),
		c.write("server.key", block("PRIVATE KEY", key), os.O_TRUNC),
		c.write(authorityFile, block("CERTIFICATE", root.Raw), os.O_TRUNC),
	)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// freePort returns a port of 127.0.0.1 that nobody uses, outside the range
// that the system hands out: nobody gets it while the server restarts.
func freePort() (int, error) {
	const first, count, tries = 20000, 10000, 50
	for range tries {
		port := first + rand.IntN(count)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("found no free port of 127.0.0.1 from %d to %d in %d tries", first, first+count-1, tries)
}

// quote makes a string of SQL or of postgresql.conf.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
