package limit

import (
	"encoding/binary"

	"countersign/internal/fault"
)

// The form in which a store keeps a Counter: an octet for the form, and for each window
// the number of cells, then of each its distance from the one before (of the first, its
// index), an octet with a bit for each measure, and the amounts that are not 0. All
// numbers are varints of package encoding/binary.
const form = 1

// maxCells bounds the cells of a window that are read: more do not fit into one.
const maxCells = 256

// AppendBinary appends the stored form.
func (c *Counter) AppendBinary(b []byte) []byte {
	b = append(b, form)
	for _, s := range c.series {
		b = binary.AppendUvarint(b, uint64(len(s.cells)))
		before := int64(0)
		for _, k := range s.cells {
			b = binary.AppendVarint(b, k.index-before)
			before = k.index
			at := len(b)
			b = append(b, 0)
			for m, n := range k.amounts {
				if n != 0 {
					b[at] |= 1 << m
					b = binary.AppendUvarint(b, uint64(n))
				}
			}
		}
	}
	return b
}

// Decode reads what AppendBinary has written; nothing is a counter that has counted
// nothing. Errors are fault.Corrupt.
func Decode(b []byte) (*Counter, error) {
	c := &Counter{}
	if len(b) == 0 {
		return c, nil
	}
	r := reader{rest: b[1:], ok: b[0] == form}
	for w := range windows {
		n := r.uvarint()
		if n > maxCells {
			r.ok = false
		}
		before := int64(0)
		for i := uint64(0); i < n && r.ok; i++ {
			k := r.cell(before)
			if i > 0 && k.index <= before {
				r.ok = false
			}
			before = k.index
			c.series[w].add(k)
		}
	}
	if !r.ok || len(r.rest) > 0 {
		return nil, fault.New("limit.decode", fault.Corrupt, "what was counted cannot be read (%d octets)", len(b))
	}
	return c, nil
}

// reader takes numbers off the front of a text, until something is wrong.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) cell(before int64) (k cell) {
	distance, n := binary.Varint(r.rest)
	r.skip(n)
	k.index = before + distance
	var mask byte
	if r.ok && len(r.rest) > 0 {
		mask = r.rest[0]
		r.rest = r.rest[1:]
	} else {
		r.ok = false
	}
	for m := range k.amounts {
		if mask&(1<<m) == 0 {
			continue
		}
		k.amounts[m] = int64(r.uvarint())
		if k.amounts[m] <= 0 {
			r.ok = false
		}
	}
	if mask>>measures != 0 {
		r.ok = false
	}
	return k
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

// skip takes off what a number took, which is 0 or less where there was none.
func (r *reader) skip(n int) {
	if n <= 0 || !r.ok {
		r.ok = false
		return
	}
	r.rest = r.rest[n:]
}
