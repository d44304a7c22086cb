// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

// keyLog notes what it is given.
type keyLog struct{ got []string }

func (k *keyLog) Key(b []byte) { k.got = append(k.got, string(b)) }
func (k *keyLog) Null()        { k.got = append(k.got, "NULL") }
func (k *keyLog) Unreadable()  { k.got = append(k.got, "?") }

func (k *keyLog) take() string {
	s := strings.Join(k.got, " ")
	k.got = nil
	return s
}

// rowOf is a DataRow message; nil is NULL.
func rowOf(fields ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{'D', 0, 0, 0, 0}, uint16(len(fields)))
	for _, f := range fields {
		if f == nil {
			b = binary.BigEndian.AppendUint32(b, 1<<32-1)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	return b
}

const (
	keyInt2, keyInt4, keyInt8, keyText, keyBpchar, keyVarchar, keyNumeric, keyUUID, keyDate, keyTextArray = 21, 23, 20, 25, 1042, 1043, 1700, 2950, 1082, 1009
)

// TestCanonicalKeys: one patient has one key, whatever type and format it comes in.
func TestCanonicalKeys(t *testing.T) {
	t.Parallel()
	uuid := []byte{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0}
	for _, c := range []struct {
		oid    uint32
		binary bool
		value  string
		want   string
	}{
		{keyInt2, false, "7", "7"},
		{keyInt2, true, "\x00\x07", "7"},
		{keyInt4, false, "7", "7"},
		{keyInt4, true, "\x00\x00\x00\x07", "7"},
		{keyInt8, false, "-7", "-7"},
		{keyInt8, true, "\xff\xff\xff\xff\xff\xff\xff\xf9", "-7"},
		{keyInt4, true, "\x07", "?"},
		{keyInt4, false, "x", "?"},
		{keyText, false, "7", "7"},
		{keyText, true, "7", "7"},
		{keyText, false, " a ", " a "},
		{keyText, false, "", ""},
		{keyVarchar, false, "MRN-1", "MRN-1"},
		{keyBpchar, false, "7   ", "7"},
		{keyBpchar, true, "MRN-1 ", "MRN-1"},
		{keyNumeric, false, "7.00", "7"},
		{keyNumeric, false, "7", "7"},
		{keyNumeric, false, "70", "70"},
		{keyNumeric, false, "0.50", "0.5"},
		{keyNumeric, false, "0.00", "0"},
		{keyNumeric, false, "NaN", "?"},
		{keyNumeric, false, "", "?"},
		{keyNumeric, true, "\x00\x01\x00\x00\x00\x00\x00\x02\x00\x07", "7"},
		{keyNumeric, true, "\x00\x01\x00\x01\x00\x00\x00\x00\x00\x07", "70000"},
		{keyNumeric, true, "\x00\x00\x00\x00\xc0\x00\x00\x00", "?"},
		{keyNumeric, true, "\x00\x00\x00\x00\x00\x00\x00\x02", "0"},
		{keyUUID, true, string(uuid), "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		{keyUUID, false, "0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		{keyUUID, false, "0f1e", "?"},
		{keyDate, false, "2001-02-03", "?"},
		{keyTextArray, false, "{7}", "?"},
		{keyText, false, strings.Repeat("k", 5000), strings.Repeat("k", 5000)},
	} {
		log := &keyLog{}
		p := mask.NewPGPlan([]mask.PGColumn{{TypeOID: 25}, {TypeOID: c.oid, Binary: c.binary, Key: true}, {TypeOID: 25}}, "p")
		p.SetKeys(log)
		run := rowOf([]byte("x"), []byte(c.value), nil)
		if _, err := p.Pass(mask.FromUpstream(run)); err != nil {
			t.Fatal(err)
		}
		if got := log.take(); got != c.want {
			t.Errorf("type %d, %q: %q", c.oid, c.value, got)
		}
	}
}

// TestKeysOfRows: keys are taken from masked columns and from plans that mask others,
// each row once, and by a fork only for whom it is told to.
func TestKeysOfRows(t *testing.T) {
	t.Parallel()
	cols := []mask.PGColumn{{TypeOID: keyText, Mask: true, Key: true}, {TypeOID: keyInt4}, {TypeOID: keyInt4, Key: true}}
	run := append(rowOf([]byte("a"), []byte("1"), []byte("2")), rowOf(nil, []byte("1"), []byte("3"))...)
	p, log := mask.NewPGPlan(cols, "p"), &keyLog{}
	p.SetKeys(log)
	var b mask.Buffer
	if err := b.Rows(p, mask.FromUpstream(run)); err != nil {
		t.Fatal(err)
	}
	if got := log.take(); got != "a 2 NULL 3" {
		t.Error(got)
	}
	if out := b.Take().AppendTo(nil); bytes.Contains(out, []byte("a\x00")) || !bytes.Contains(out, []byte("[unclassified]")) {
		t.Errorf("the key was not masked: %q", out)
	}
	if err := b.Rows(p.Fork(), mask.FromUpstream(run)); err != nil || log.take() != "" {
		t.Error("a fork gives keys to somebody else", err)
	}
	short := rowOf([]byte("a"), []byte("1"), []byte("2"))
	short[len(short)-2] = 200
	if err := b.Rows(p, mask.FromUpstream(short)); err == nil {
		t.Error("a row that is cut passed")
	}
}

// TestKeysOfCopies has the keys read from each format of COPY, in pieces of every
// size.
func TestKeysOfCopies(t *testing.T) {
	t.Parallel()
	u32 := func(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
	file := "PGCOPY\n\xff\r\n\x00" + u32(0) + u32(0) +
		"\x00\x03" + u32(1) + "n" + u32(4) + u32(7) + u32(2) + "k\t" +
		"\x00\x03" + u32(1) + "n" + u32(-1) + u32(-1) + "\xff\xff"
	for _, c := range []struct {
		name   string
		format mask.CopyFormat
		data   string
	}{
		{"text", mask.CopyFormat{Kind: mask.CopyText}, "n\t7\tk\\t\nn\t\\N\t\\N\n"},
		{"csv", mask.CopyFormat{Kind: mask.CopyCSV, Header: true}, "name,pid,key\nn,7,\"k\t\"\nn,,\n"},
		{"binary", mask.CopyFormat{Kind: mask.CopyBinary}, file},
	} {
		for _, masked := range []bool{false, true} {
			for size := 1; size <= len(c.data); size++ {
				cols := []mask.PGColumn{{TypeOID: keyText, Mask: masked}, {TypeOID: keyInt4, Key: true}, {TypeOID: keyText, Key: true, Mask: masked}}
				p, err := mask.NewPGCopy(cols, c.format, "p")
				if err != nil {
					t.Fatal(err)
				}
				log := &keyLog{}
				p.SetKeys(log)
				var b mask.Buffer
				var out []byte
				for at := 0; at < len(c.data); at += size {
					if err := b.Copy(p, mask.FromUpstream([]byte(c.data[at:min(at+size, len(c.data))]))); err != nil {
						t.Fatalf("%s: %v", c.name, err)
					}
				}
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				for run := b.Take().AppendTo(nil); len(run) > 0; {
					n := int(binary.BigEndian.Uint32(run[1:])) + 1
					out, run = append(out, run[5:n]...), run[n:]
				}
				if got := log.take(); got != "7 k\t NULL NULL" {
					t.Errorf("%s in pieces of %d: %q", c.name, size, got)
				}
				if !masked && string(out) != c.data {
					t.Errorf("%s in pieces of %d became %q", c.name, size, out)
				}
			}
		}
	}
}

// TestKeysOfLargeCopies: a row that is too large to be held counts as one without a
// readable key.
func TestKeysOfLargeCopies(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 5<<20)
	u32 := func(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
	for _, c := range []struct {
		format mask.CopyFormat
		data   string
	}{
		{mask.CopyFormat{Kind: mask.CopyText}, "7\t" + large + "\n8\ty\n"},
		{mask.CopyFormat{Kind: mask.CopyBinary}, "PGCOPY\n\xff\r\n\x00" + u32(0) + u32(0) +
			"\x00\x02" + u32(4) + u32(7) + u32(len(large)) + large + "\x00\x02" + u32(4) + u32(8) + u32(1) + "y" + "\xff\xff"},
	} {
		p, err := mask.NewPGCopy([]mask.PGColumn{{TypeOID: keyInt4, Key: true}, {TypeOID: keyText}}, c.format, "p")
		if err != nil {
			t.Fatal(err)
		}
		log := &keyLog{}
		p.SetKeys(log)
		var b mask.Buffer
		for piece := range slices.Chunk([]byte(c.data), 60_000) {
			if err := b.Copy(p, mask.FromUpstream(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if got := log.take(); got != "? 8" {
			t.Error(got)
		}
	}
}

// countKeys counts keys and keeps nothing.
type countKeys struct{ n int }

func (k *countKeys) Key([]byte)  { k.n++ }
func (k *countKeys) Null()       {}
func (k *countKeys) Unreadable() {}

// TestKeysAllocateNothing: what a row's key costs is no memory.
func TestKeysAllocateNothing(t *testing.T) { // not parallel: it counts allocations
	p := mask.NewPGPlan([]mask.PGColumn{{TypeOID: keyInt4, Binary: true, Key: true}, {TypeOID: keyUUID, Key: true}}, "p")
	p.SetKeys(&countKeys{})
	run := rowOf([]byte{0, 0, 0, 7}, []byte("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Pass(mask.FromUpstream(run)); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}

// BenchmarkPassKeys is BenchmarkPass with a key among the columns.
func BenchmarkPassKeys(b *testing.B) {
	run := bytes.Repeat(rowOf([]byte{0, 0, 0, 7}, []byte("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"), bytes.Repeat([]byte("x"), 200)), 1000)
	for name, key := range map[string]bool{"without": false, "with": true} {
		b.Run(name, func(b *testing.B) {
			p := mask.NewPGPlan([]mask.PGColumn{{TypeOID: keyInt4, Binary: true, Key: key}, {TypeOID: keyText}, {TypeOID: keyText}}, "p")
			p.SetKeys(&countKeys{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Pass(mask.FromUpstream(run)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
}

// FuzzKeys: whatever a target sends as keys, in rows or in a copy, the answer is what
// it is without somebody who takes them, and each row of a copy gives one of each.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("7\t0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\t7.00\n"), uint8(0), uint32(keyInt4), false)
	f.Add([]byte("7,,\"a\"\n8,b,\n"), uint8(1), uint32(keyNumeric), false)
	f.Add([]byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"), uint8(2), uint32(keyUUID), true)
	f.Add(rowOf([]byte("\x00\x01\x00\x00\x00\x00\x00\x02\x00\x07"), []byte("x"), nil)[5:], uint8(0), uint32(keyNumeric), true)
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, oid uint32, binary bool) {
		cols := []mask.PGColumn{{TypeOID: oid, Binary: binary, Key: true}, {TypeOID: keyText, Mask: true}, {TypeOID: oid, Binary: binary, Key: true}}
		format := mask.CopyFormat{Kind: mask.CopyKind(kind % 3)}
		copied := func(k mask.Keys) ([]byte, uint64, error) {
			c, err := mask.NewPGCopy(cols, format, "p")
			if err != nil {
				t.Fatal(err)
			}
			if k != nil {
				c.SetKeys(k)
			}
			var b mask.Buffer
			err = b.Copy(c, mask.FromUpstream(data))
			return b.Take().AppendTo(nil), c.Rows(), err
		}
		log := &keyLog{}
		want, rows, err1 := copied(nil)
		got, _, err2 := copied(log)
		if !bytes.Equal(want, got) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("with keys %q %v, without %q %v", got, err2, want, err1)
		}
		if err1 == nil && uint64(len(log.got)) != 2*rows {
			t.Fatalf("%d keys of %d rows", len(log.got), rows)
		}
		p, plain := mask.NewPGPlan(cols, "p"), mask.NewPGPlan(cols, "p")
		p.SetKeys(log)
		var a, b mask.Buffer
		err1, err2 = a.Row(plain, mask.FromUpstream(data)), b.Row(p, mask.FromUpstream(data))
		if (err1 == nil) != (err2 == nil) || !bytes.Equal(a.Take().AppendTo(nil), b.Take().AppendTo(nil)) {
			t.Fatalf("a row with keys: %v, without: %v", err2, err1)
		}
	})
}
