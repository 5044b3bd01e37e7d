package server

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// The arrays that statements take, by what is in them: a batch of messages is written as a few
// arrays with all columns of all rows. The driver encodes each element as a value of any type and
// lets the buffer grow as it goes, which takes longer than all else that a batch costs it.
var arrays = map[uint32]uint32{
	pgtype.TextArrayOID:  pgtype.TextOID,
	pgtype.Int8ArrayOID:  pgtype.Int8OID,
	pgtype.ByteaArrayOID: pgtype.ByteaOID,
}

// encodeArrays has a connection encode the arrays of which there are many by the code below.
func encodeArrays(_ context.Context, c *pgx.Conn) error {
	registerArrays(c.TypeMap())
	return nil
}

func registerArrays(m *pgtype.Map) {
	for oid, element := range arrays {
		if t, found := m.TypeForOID(oid); found {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: arrayCodec{t.Codec, element}})
		}
	}
}

// arrayCodec is the driver's codec of an array, but for arrays of a type below.
type arrayCodec struct {
	pgtype.Codec
	element uint32
}

// PlanEncode implements pgtype.Codec.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case []string:
			if c.element == pgtype.TextOID {
				return textPlan{}
			}
		case []int64:
			if c.element == pgtype.Int8OID {
				return integerPlan{}
			}
		case [][]byte:
			if c.element == pgtype.ByteaOID {
				return octetPlan{}
			}
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

// array appends what an array of one dimension begins with, with room for so many octets of
// elements beside their lengths; and for as much again, as arrays seldom come alone.
func array(buf []byte, n int, null bool, element uint32, octets int) []byte {
	const header, length, least = 20, 4, 2 << 10
	if need := header + n*length + octets; cap(buf)-len(buf) < need {
		buf = slices.Grow(buf, need+max(cap(buf), least))
	}
	buf = binary.BigEndian.AppendUint32(buf, 1) // dimension
	buf = binary.BigEndian.AppendUint32(buf, 0)
	if null {
		buf[len(buf)-1] = 1
	}
	buf = binary.BigEndian.AppendUint32(buf, element)
	buf = binary.BigEndian.AppendUint32(buf, uint32(n))
	return binary.BigEndian.AppendUint32(buf, 1) // the index of the first
}

// textPlan encodes a []string, nil as NULL.
type textPlan struct{}

// Encode implements pgtype.EncodePlan.
func (textPlan) Encode(value any, buf []byte) ([]byte, error) {
	list := value.([]string)
	if list == nil {
		return nil, nil
	}
	octets := 0
	for _, s := range list {
		octets += len(s)
	}
	buf = array(buf, len(list), false, pgtype.TextOID, octets)
	for _, s := range list {
		buf = append(binary.BigEndian.AppendUint32(buf, uint32(len(s))), s...)
	}
	return buf, nil
}

// integerPlan encodes a []int64, nil as NULL.
type integerPlan struct{}

// Encode implements pgtype.EncodePlan.
func (integerPlan) Encode(value any, buf []byte) ([]byte, error) {
	const size = 8
	list := value.([]int64)
	if list == nil {
		return nil, nil
	}
	buf = array(buf, len(list), false, pgtype.Int8OID, size*len(list))
	for _, n := range list {
		buf = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(buf, size), uint64(n))
	}
	return buf, nil
}

// octetPlan encodes a [][]byte, nil as NULL, and elements that are nil, too.
type octetPlan struct{}

// Encode implements pgtype.EncodePlan.
func (octetPlan) Encode(value any, buf []byte) ([]byte, error) {
	const null = 1<<32 - 1
	list := value.([][]byte)
	if list == nil {
		return nil, nil
	}
	octets, some := 0, false
	for _, b := range list {
		octets, some = octets+len(b), some || b == nil
	}
	buf = array(buf, len(list), some, pgtype.ByteaOID, octets)
	for _, b := range list {
		if b == nil {
			buf = binary.BigEndian.AppendUint32(buf, null)
			continue
		}
		buf = append(binary.BigEndian.AppendUint32(buf, uint32(len(b))), b...)
	}
	return buf, nil
}
