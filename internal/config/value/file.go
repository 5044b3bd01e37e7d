package value

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
)

// MaxFile bounds the configuration file and the files it names, in octets.
const MaxFile = 1 << 20

// ReadFile reads a file of at most MaxFile octets.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, errors.New("larger than 1 MiB")
	}
	return data, nil
}

// Plain words err without the operation and path that the caller names
// already.
func Plain(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	var addr *net.AddrError
	if errors.As(err, &addr) {
		return addr.Err
	}
	return err.Error()
}

// ReadSecret returns the one line of a file with a secret. The error repeats neither its
// path nor what is in it.
func ReadSecret(path string) (Secret, error) {
	data, err := ReadFile(path)
	if err != nil {
		return "", errors.New("cannot be read: " + Plain(err))
	}
	line := bytes.TrimRight(data, "\r\n")
	switch {
	case len(line) == 0:
		return "", errors.New("is empty")
	case bytes.ContainsAny(line, "\r\n\x00"):
		return "", errors.New("has more than one line")
	}
	return Secret(line), nil
}
