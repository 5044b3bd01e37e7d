package pgcluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"countersign/internal/testkit"
)

// Role owns the databases of tests. It may log in and nothing else: it is not a
// superuser and makes no databases.
const Role = "gate"

// Options say how a cluster differs from one as it is after installation.
type Options struct {
	// NoSync leaves out everything that survives a crash of the machine. It is for
	// suites that ask what is answered, not what lasts. A killed server loses
	// nothing all the same.
	NoSync bool
	// Settings are further settings of postgresql.conf, name to value.
	Settings map[string]string
	// Authority makes the server listen on a port of 127.0.0.1 too, with TLS
	// alone, under a certificate of this authority for 127.0.0.1 and localhost.
	Authority *testkit.Authority
	// Password is what Role must prove it knows, by scram-sha-256. Without one
	// Role is believed.
	Password string
	// Prepare fills the database that those of the tests are copies of. It is
	// called once, when a first database is wanted, with that database's URL,
	// and must have closed its connections when it returns.
	Prepare func(ctx context.Context, url string) error
	// DiskBytes puts the data on a disk of its own of this size, see Cluster.Disk.
	// It takes 64 MiB to be of use, and a test that is root.
	DiskBytes int64
}

// Cluster is a PostgreSQL server with its data. Its methods are safe for
// concurrent use, but a fault is felt by whoever uses the cluster.
type Cluster struct {
	options  Options
	programs programs
	folder   *folder
	disk     *Disk // nil without DiskBytes
	log      *journal
	port     int // of the socket and of TCP
	prepared func() error
	names    atomic.Int64 // counts databases and tablespaces

	mu       sync.Mutex // guards what follows
	run      *server    // nil while the server is down
	standbys []string   // names of the standbys that commits wait for
}

// Start starts a server that ends with the test. It fails the test, with the
// command that helps, when PostgreSQL is not installed.
func Start(t testing.TB, options Options) *Cluster {
	t.Helper()
	c, err := start(options)
	if err != nil {
		t.Fatal(err)
	}
	c.endWith(t)
	return c
}

// endWith removes the cluster at the end of the test, and shows the server's log
// where the test has failed.
func (c *Cluster) endWith(t testing.TB) {
	t.Cleanup(func() {
		c.logFailure(t)
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
}

func (c *Cluster) logFailure(t testing.TB) {
	if t.Failed() {
		t.Logf("the log of PostgreSQL in %s:\n%s", c.folder.path, c.Log())
	}
}

// start makes the data of a new cluster and starts its server.
func start(options Options) (*Cluster, error) {
	origin, err := template()
	if err != nil {
		return nil, err
	}
	c, err := newCluster(options, origin.programs)
	if err != nil {
		return nil, err
	}
	if err := c.create(origin); err != nil {
		_ = c.close()
		return nil, err
	}
	return c, nil
}

// newCluster makes a cluster without data.
func newCluster(options Options, p programs) (*Cluster, error) {
	folder, err := newFolder(p.owner)
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: options, programs: p, folder: folder, log: &journal{}, port: defaultPort}
	c.prepared = sync.OnceValue(c.prepare)
	if options.DiskBytes > 0 {
		c.disk, err = mount(filepath.Join(folder.path, "disk"), options.DiskBytes, p.owner)
	}
	if err == nil && options.Authority != nil {
		c.port, err = freePort()
	}
	if err != nil {
		_ = folder.remove()
		return nil, err
	}
	return c, nil
}

// create copies the data of a new cluster, configures it, and makes the role.
func (c *Cluster) create(origin origin) error {
	if err := finish(c.programs.inFolder(c.folder, "/bin/cp", "-Rp", origin.data, c.data())); err != nil {
		return err
	}
	if err := c.configure(); err != nil {
		return err
	}
	if err := c.up(); err != nil {
		return err
	}
	return c.admin("CREATE ROLE " + Role + " LOGIN PASSWORD " + quote(c.options.Password))
}

// data returns the folder of the server's data.
func (c *Cluster) data() string {
	if c.disk != nil {
		return filepath.Join(c.disk.path, "data")
	}
	return filepath.Join(c.folder.path, "data")
}

// up starts the server.
func (c *Cluster) up() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != nil {
		return fmt.Errorf("the server is up already")
	}
	args := []string{
		"-D", c.data(),
		"-c", "unix_socket_directories=" + c.folder.path,
		"-c", "port=" + strconv.Itoa(c.port),
		"-c", "cluster_name=" + c.name(),
	}
	run, err := launch(c.programs.command(c.folder, "postgres", args...), c.log)
	c.run = run
	return err
}

// down takes the running server, which ends by how.
func (c *Cluster) down(how func(*server) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		return fmt.Errorf("the server is down already")
	}
	err := how(c.run)
	c.run = nil
	return err
}

// close ends the server, whatever state it is in, and removes the folder.
func (c *Cluster) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.folder.remove()
	if c.run != nil && err == nil {
		err = c.run.ended()
	}
	c.run = nil
	return err
}

// name tells the cluster from others, in lists of processes and to its primary.
func (c *Cluster) name() string { return filepath.Base(c.folder.path) }

// Log returns the last 200 lines that the server wrote to its log.
func (c *Cluster) Log() string { return c.log.String() }
