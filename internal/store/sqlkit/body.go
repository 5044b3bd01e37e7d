package sqlkit

import (
	"errors"
	"fmt"
	"io"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// CheckBody returns the error of a large body of which have octets are there in
// place of want: fault.Corrupt, with io.ErrUnexpectedEOF in its chain where some are
// missing. It is nil where none is.
func CheckBody(id mail.ID, have, want int64) error {
	if have == want {
		return nil
	}
	e := &fault.Error{
		Op: "body.read", Kind: fault.Corrupt, Err: ErrDamaged,
		Detail: fmt.Sprintf("the body %s has %d octets, not the %d that were stored", id, have, want),
	}
	if have < want {
		e.Err = errors.Join(ErrDamaged, io.ErrUnexpectedEOF)
	}
	return e
}

// Whole returns a reader of the body that r reads. It ends with the error of
// CheckBody where r ends before size octets or goes on behind them, so that nobody
// takes a part for the whole.
func Whole(id mail.ID, size int64, r io.ReadCloser) io.ReadCloser { return &whole{r, id, size, 0} }

type whole struct {
	io.ReadCloser
	id         mail.ID
	size, have int64
}

// Read implements io.Reader.
func (w *whole) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.have += int64(n)
	if w.have > w.size || errors.Is(err, io.EOF) {
		if wrong := CheckBody(w.id, w.have, w.size); wrong != nil {
			return 0, wrong
		}
	}
	return n, err
}
