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

// LoadOrCreate reads the key file at path, 32 octets in base64 on one line, and
// makes it, with mode 0600, where there is none. A file that others may read is
// refused. Several processes may call it at once for the same path. Errors:
// Invalid for a file that cannot be used as it is, Corrupt for one that holds
// no key, Unavailable where none can be made.
func LoadOrCreate(path string, random io.Reader) (*Sealer, error) {
	const op = "seal.keyfile"
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = createKeyFile(path, random)
		if err != nil {
			return nil, err
		}
		text, err = readKeyFile(path)
	}
	var said *fault.Error
	if errors.As(err, &said) {
		return nil, err
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != keySize {
		return nil, fault.New(op, fault.Corrupt, "the key file %s is damaged: it must hold 32 octets in base64; put it back from a copy", path)
	}
	return New(key, random)
}

// readKeyFile reads the file if nobody else can.
func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New("seal.keyfile", fault.Invalid, "the key file %s may be read by others: its mode is %04o, make it 0600", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, 4096))
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
