package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/internal/fault"
)

// maxKeys bounds the keys of a file. Two or three are usual, while one follows
// another; each line has 45 octets.
const maxKeys = 16

// maxFile bounds what is read of a key file.
const maxFile = 4096

// LoadOrCreate reads the key file at path: one key or several, each 32 octets in
// base64 on a line of its own, of which the first seals and all open. It
// makes the file, with mode 0600 and one key, where there is none. A file that others may read is
// refused. Several processes may call it at once for the same path. Errors:
// Invalid for a file that cannot be used as it is, Corrupt for one that holds
// something other than keys, Unavailable where none can be made.
func LoadOrCreate(path string, random io.Reader) (*Sealer, error) {
	f, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = createKeyFile(path, random)
		if err != nil {
			return nil, err
		}
		f, err = load(path)
	}
	if err != nil {
		return nil, unusable(err)
	}
	s := &Sealer{random: random, path: path}
	s.ring.Store(&f.ring)
	return s, nil
}

// unusable makes an error of ours of one of the file system.
func unusable(err error) error {
	var said *fault.Error
	if err == nil || errors.As(err, &said) {
		return err
	}
	return fault.Wrap("seal.keyfile", fault.Invalid, err)
}

// Reload reads the key file again, if there is one. Errors are those of LoadOrCreate,
// and leave the sealer with the keys that it had.
func (s *Sealer) Reload() error {
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.read()
}

func (s *Sealer) read() error {
	if s.path == "" {
		return nil
	}
	f, err := load(s.path)
	if err != nil {
		return unusable(err)
	}
	s.ring.Store(&f.ring)
	return nil
}

// follow is Reload where the file is another one than that which was read, or
// looks as if it were. That costs one question to the file system.
func (s *Sealer) follow() error {
	if s.path == "" {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	now, err := os.Stat(s.path)
	if err != nil {
		return unusable(err)
	}
	seen := s.ring.Load().seen
	if os.SameFile(seen, now) && seen.Size() == now.Size() && seen.ModTime().Equal(now.ModTime()) {
		return nil
	}
	return s.read()
}

// content is what a key file holds.
type content struct {
	ring
	// secrets are the keys, in the order of the ring.
	secrets [][]byte
}

// load reads and understands a key file. Errors are those of LoadOrCreate, but plain
// ones where the file system refuses.
func load(path string) (*content, error) {
	text, info, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parse(path, text)
	if err == nil {
		c.seen = info
	}
	return c, err
}

// parse understands the text of the key file at path.
func parse(path string, text []byte) (*content, error) {
	c := new(content)
	for line := range bytes.Lines(bytes.TrimSpace(text)) {
		secret, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil || len(secret) != keySize {
			return nil, damaged(path)
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		if c.find(k.id) == nil {
			c.keys, c.secrets = append(c.keys, k), append(c.secrets, secret)
		}
	}
	if len(c.keys) == 0 {
		return nil, damaged(path)
	}
	if len(c.keys) > maxKeys {
		return nil, fault.New("seal.keyfile", fault.Invalid, "the key file %s holds %d keys; at most %d can be: \"countersign key drop\" removes what is of no use", path, len(c.keys), maxKeys)
	}
	return c, nil
}

// damaged does not quote the file: what is wrong with it may be most of a key.
func damaged(path string) error {
	return fault.New("seal.keyfile", fault.Corrupt, "the key file %s is damaged: each line must hold 32 octets in base64; put it back from a copy", path)
}

// readKeyFile reads the file if nobody else can.
func readKeyFile(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, nil, fault.New("seal.keyfile", fault.Invalid, "the key file %s may be read by others: its mode is %04o, make it 0600", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = damaged(path)
	}
	return text, info, err
}

// createKeyFile makes the file complete or not at all: written and synced
// under another name, then linked, which fails when another process was first;
// its key is then the one.
func createKeyFile(path string, random io.Reader) error {
	const op = "seal.keyfile"
	key := make([]byte, keySize)
	_, err := io.ReadFull(random, key)
	if err != nil {
		return fault.Wrap(op, fault.Internal, err)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // made with mode 0600
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	err = os.Link(f.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	return fault.Wrap(op, fault.Unavailable, syncDir(dir))
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
