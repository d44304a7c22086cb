// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// fuzzOIDs are the types that have masks, some of their arrays, and one that
// nobody knows.
func fuzzOIDs() []uint32 {
	return []uint32{
		16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 650, 700, 701, 705, 774, 790, 829, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1186,
		1266, 1700, 2950, 3802, 143, 199, 651, 1000, 1001, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1041, 1115, 1182,
		1185, 1231, 2951, 3807, 99999,
	}
}

// FuzzRowOperators gives any bytes, as a value of any type, to any operator or to
// a scan. The row keeps its form, no text comes out that is none, and what comes
// out decodes as what it is said to be.
func FuzzRowOperators(f *testing.F) {
	ops := allOperators(f)
	names := append(slices.Sorted(maps.Keys(ops)), "scan")
	oids := fuzzOIDs()
	index := func(oid uint32) uint8 { return uint8(slices.Index(oids, oid)) }
	for i := range names {
		f.Add([]byte("1974-12-25"), index(1082), false, uint8(i), int32(-1))
		f.Add([]byte(`{"a b",NULL,{x}}`), index(1009), false, uint8(i), int32(-1))
		f.Add([]byte("\x00\x02\x00\x01\x40\x00\x00\x02\x00\x07\x04\xd2"), index(1700), true, uint8(i), int32(10<<16|2+4))
		f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x5c"), index(1007), true, uint8(i), int32(-1))
		f.Add([]byte("987-65-4320 \u00e9"), index(1043), true, uint8(i), int32(9))
		f.Add([]byte("\x01\"a\\u0041\""), index(3802), true, uint8(i), int32(-1))
		f.Add([]byte("2001:db8::1/64"), index(869), false, uint8(i), int32(-1))
	}
	f.Fuzz(func(t *testing.T, cell []byte, typ uint8, isBinary bool, which uint8, typmod int32) {
		name := names[int(which)%len(names)]
		c := mask.PGColumn{TypeOID: oids[int(typ)%len(oids)], Typmod: typmod, Binary: isBinary, Mask: true, Operator: ops[name]}
		if name == "scan" {
			c.Text = testMasker(t)
		}
		key := mask.PGColumn{TypeOID: c.TypeOID, Typmod: typmod, Binary: isBinary, Patient: true, Known: scan.Name}
		plan := mask.NewPGPlan([]mask.PGColumn{clear(), c, key}, "test")
		got := maskCells(t, plan, dataRow("before", string(cell), string(cell)))[0]
		if len(got) != 3 || got[0] != "before" || got[2] != string(cell) {
			t.Fatalf("the row became %q", got)
		}
		if got[1] == null || name == operator.Keep.String() {
			return
		}
		if c.TypeOID == oidText && !utf8.ValidString(got[1]) {
			t.Fatalf("%q is no text", got[1])
		}
		again := plan.Fork()
		maskCells(t, again, dataRow("before", got[1], got[1]))
		if counts := again.TakeCounts(); counts[0].Undecodable > 0 {
			t.Fatalf("%q became %q, which does not decode as type %d", cell, got[1], c.TypeOID)
		}
	})
}

// FuzzCopyOperators cuts any stream in two and masks it with operators and scans:
// the bytes are those of the stream in one piece, and have its form.
func FuzzCopyOperators(f *testing.F) {
	for _, s := range copyStreams() {
		f.Add([]byte(s.in), uint8(s.format.Kind), uint16(len(s.in)/2))
	}
	f.Add([]byte("1974-12-25\t987\\t-65\\\\\t7\n\\N\t\\N\t\\N\n"), uint8(mask.CopyText), uint16(7))
	f.Add([]byte("1974-12-25,\"987-65-4320 \"\"x\"\"\",7\n,,\n"), uint8(mask.CopyCSV), uint16(17))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, cut uint16) {
		format := mask.CopyFormat{Kind: mask.CopyKind(kind % 3)}
		year := opColumn(1082, -1, 0, compiled(t, operator.Spec{Kind: operator.DateYear}))
		name := clear()
		name.Known = scan.Name
		cols := []mask.PGColumn{year, scanned(t), name}
		whole, counts, err := copyChunks(t, cols, format, data)
		at := min(int(cut), len(data))
		got, cutCounts, cutErr := copyChunks(t, cols, format, data[:at], data[at:])
		if (err == nil) != (cutErr == nil) {
			t.Fatalf("whole: %v, cut: %v", err, cutErr)
		}
		if err != nil {
			wantIntegrity(t, err)
			return
		}
		if !bytes.Equal(got, whole) || !cmp.Equal(counts, cutCounts) {
			t.Fatalf("whole: %q %v, cut: %q %v", whole, counts, got, cutCounts)
		}
		// The rows and columns of the result are those of the stream.
		plain := []mask.PGColumn{clear(), clear(), clear()}
		if _, _, err := copyChunks(t, plain, format, whole); err != nil {
			t.Fatalf("the masked copy %q is none: %v", whole, err)
		}
		again, _, err := copyChunks(t, cols, format, whole)
		if err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("masked twice: %q, %v, once %q", again, err, whole)
		}
	})
}

// FuzzArrayBinary gives the parser of binary arrays a well-formed header and
// anything behind it.
func FuzzArrayBinary(f *testing.F) {
	f.Add(uint8(1), uint16(2), []byte("\x00\x00\x00\x04\x00\x00\x00\x5c\xff\xff\xff\xff"))
	f.Add(uint8(2), uint16(1), []byte("\x00\x00\x00\x04\x00\x00\x00\x5c"))
	f.Fuzz(func(t *testing.T, dims uint8, length uint16, elements []byte) {
		be := binary.BigEndian
		cell := be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, uint32(dims%8)), 0), oidInt4)
		for range dims % 8 {
			cell = be.AppendUint32(be.AppendUint32(cell, uint32(length)), 1)
		}
		cell = append(cell, elements...)
		c := opColumn(1007, -1, 1, compiled(t, operator.Spec{Kind: operator.Age90}))
		plan := mask.NewPGPlan([]mask.PGColumn{c}, "test")
		once := maskCells(t, plan, dataRow(string(cell)))[0][0]
		if again := maskCells(t, plan, dataRow(once))[0][0]; again != once {
			t.Fatalf("masked twice: %q, once %q", again, once)
		}
	})
}
