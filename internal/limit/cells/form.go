package cells

import (
	"encoding/binary"

	"countersign/internal/fault"
)

// The form in which a store keeps what is Counted: an octet for the form, and for each window
// the number of cells, then of each its distance from the one before (of the first, its
// index), an octet with a bit for each measure, and the amounts that are not 0; at the end,
// in the same way, an octet and the times until which nobody is told again. Behind that,
// where somebody holds something, of each holder the length of its name, the name, how much,
// and since when. All numbers are varints of package encoding/binary.
const form = 1

// maxCells bounds the cells of a window: twice what the past fills, as some lie ahead.
const maxCells = 256

// AppendBinary appends the stored form.
func (c *Counted) AppendBinary(b []byte) []byte {
	b = append(b, form)
	for _, r := range c.rows {
		b = binary.AppendUvarint(b, uint64(len(r.cells)))
		before := int64(0)
		for _, k := range r.cells {
			b = binary.AppendVarint(b, k.index-before)
			before = k.index
			b = appendAmounts(b, k.amounts)
		}
		b = appendAmounts(b, r.told)
	}
	for _, h := range c.holders {
		b = binary.AppendUvarint(b, uint64(len(h.name)))
		b = append(b, h.name...)
		b = binary.AppendUvarint(b, uint64(h.n))
		b = binary.AppendVarint(b, h.at)
	}
	return b
}

// appendAmounts appends which are not 0, and these.
func appendAmounts(b []byte, amounts Amounts) []byte {
	at := len(b)
	b = append(b, 0)
	for m, n := range amounts {
		if n != 0 {
			b[at] |= 1 << m
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

// Decode reads what AppendBinary has written into a Counted that has counted nothing, and
// leaves it so where there is nothing to read. Errors are fault.Corrupt.
func (c *Counted) Decode(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	r := reader{rest: b[1:], ok: b[0] == form}
	for w := range c.rows {
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
			c.rows[w].cells = append(c.rows[w].cells, k)
			c.rows[w].sum = c.rows[w].sum.Add(k.amounts)
		}
		c.rows[w].told = r.amounts()
	}
	for r.ok && len(r.rest) > 0 {
		c.holders = append(c.holders, r.holder())
		r.ok = r.ok && len(c.holders) <= maxHolders
	}
	if !r.ok {
		return fault.New("limit.decode", fault.Corrupt, "what was counted cannot be read (%d octets)", len(b))
	}
	return nil
}

// reader takes numbers off the front of a text, until something is wrong.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) cell(before int64) cell {
	distance, n := binary.Varint(r.rest)
	r.skip(n)
	return cell{before + distance, r.amounts()}
}

// holder reads one; a name has one octet at least, and holds one thing.
func (r *reader) holder() (h holder) {
	n := r.uvarint()
	if !r.ok || n == 0 || n > uint64(len(r.rest)) {
		r.ok = false
		return h
	}
	h.name = string(r.rest[:n])
	r.rest = r.rest[n:]
	held := r.uvarint()
	at, size := binary.Varint(r.rest)
	r.skip(size)
	h.n, h.at = int64(held), at
	if h.n <= 0 {
		r.ok = false
	}
	return h
}

func (r *reader) amounts() (amounts Amounts) {
	if !r.ok || len(r.rest) == 0 {
		r.ok = false
		return amounts
	}
	mask := r.rest[0]
	r.rest = r.rest[1:]
	for m := range amounts {
		if mask&(1<<m) == 0 {
			continue
		}
		amounts[m] = int64(r.uvarint())
		if amounts[m] <= 0 {
			r.ok = false
		}
	}
	if mask>>Measures != 0 {
		r.ok = false
	}
	return amounts
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
