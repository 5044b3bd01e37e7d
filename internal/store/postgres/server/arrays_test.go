package server

import (
	"bytes"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// encodings returns an array as connections encode it, and as the driver does by itself, each behind
// other arguments.
func encodings(t *testing.T, oid uint32, value any) (ours, drivers []byte) {
	t.Helper()
	own := pgtype.NewMap()
	registerArrays(own)
	for _, m := range []struct {
		types *pgtype.Map
		got   *[]byte
	}{{own, &ours}, {pgtype.NewMap(), &drivers}} {
		b, err := m.types.Encode(oid, pgtype.BinaryFormatCode, value, []byte("before"))
		if err != nil {
			t.Fatalf("%T %v: %v", value, value, err)
		}
		*m.got = b
	}
	return ours, drivers
}

// TestArraysAreEncodedAsByTheDriver: octet by octet.
func TestArraysAreEncodedAsByTheDriver(t *testing.T) {
	for n, c := range []struct {
		oid   uint32
		value any
	}{
		{pgtype.TextArrayOID, []string(nil)},
		{pgtype.TextArrayOID, []string{}},
		{pgtype.TextArrayOID, []string{"", "a", "größer", string(bytes.Repeat([]byte("x"), 3000)), "NULL", `{"`}},
		{pgtype.Int8ArrayOID, []int64(nil)},
		{pgtype.Int8ArrayOID, []int64{}},
		{pgtype.Int8ArrayOID, []int64{0, 1, -1, 1 << 62, -1 << 63}},
		{pgtype.ByteaArrayOID, [][]byte(nil)},
		{pgtype.ByteaArrayOID, [][]byte{}},
		{pgtype.ByteaArrayOID, [][]byte{{}, {0}, {1, 2, 255}, bytes.Repeat([]byte{7}, 100_000)}},
		{pgtype.ByteaArrayOID, [][]byte{{1}, nil, {2}}},
		{pgtype.TextArrayOID, []*string{nil}}, // what is not ours is the driver's
		{pgtype.Int8ArrayOID, []int32{7}},
	} {
		ours, drivers := encodings(t, c.oid, c.value)
		if !bytes.Equal(ours, drivers) || (ours == nil) != (drivers == nil) {
			t.Errorf("case %d, %T: encoded is %.60x, by the driver %.60x", n, c.value, ours, drivers)
		}
	}
}

// TestArraysAreReadByTheServer: what a connection sends is what the server has, and it is sent by the
// code that is tested here.
func TestArraysAreReadByTheServer(t *testing.T) {
	const question = `SELECT array_to_string($1::text[], '|') || ' ' || array_to_string($2::bigint[], '|') || ' ' || ($3::bytea[])[2]::text || ' ' || (($3::bytea[])[3] IS NULL)
        || ' ' || cardinality($4::text[]) || ' ' || ($5::bigint[] IS NULL)`
	db := openDB(t, shared.Cluster(t).Database(t))
	err := db.pool.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
		types := c.Conn().TypeMap()
		if _, own := types.PlanEncode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, [][]byte{}).(octetPlan); !own {
			t.Error("a connection encodes arrays by the driver's code")
		}
		var got string
		err := c.QueryRow(t.Context(), question, []string{"a", "", "\u00fc"}, []int64{1, -2}, [][]byte{{1}, {2, 3}, nil}, []string{}, []int64(nil)).Scan(&got)
		if want := "a||\u00fc 1|-2 \\x0203 true 0 true"; got != want {
			t.Errorf("the server has %q, want %q", got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkArrays encodes the contents of a batch.
func BenchmarkArrays(b *testing.B) {
	list := slices.Repeat([][]byte{bytes.Repeat([]byte{7}, 4096)}, 24)
	own := pgtype.NewMap()
	registerArrays(own)
	for name, m := range map[string]*pgtype.Map{"ours": own, "the driver's": pgtype.NewMap()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, list, make([]byte, 0, 256)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
