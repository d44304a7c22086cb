// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

const privacyKey = "a privacy key for tests, 32 bytes or more"

// TestBlindSetHasAll: whatever was put into a set is found in it, and its parts
// count what was put in.
func TestBlindSetHasAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfNDistinct(rapid.Uint64(), 1, 400, func(v uint64) uint64 { return v }).Draw(t, "values")
		checkSets(t, values)
	})
}

// TestBlindSetParts does the same for sets that need several leaves, spread as
// blinded values are and as badly as can be.
func TestBlindSetParts(t *testing.T) {
	blind := evidence.NewBlinder([]byte(privacyKey), "n")
	var spread, clumped []uint64
	for i := range 60_000 {
		spread = append(spread, blind.Blind(fmt.Append(nil, i)))
		clumped = append(clumped, uint64(i)) // all become 0 but a few
	}
	for i := range uint64(200) {
		clumped = append(clumped, i<<56|1<<55)
	}
	for _, values := range [][]uint64{spread, clumped} {
		if n := len(checkSets(t, values)); n < 3 {
			t.Errorf("%d parts", n)
		}
	}
}

func checkSets(t rapid.TB, values []uint64) []evidence.BlindSet {
	t.Helper()
	sets := evidence.NewBlindSets(slices.Clone(values))
	hits, count := 0, 0
	for i, s := range sets {
		n, err := s.Hits(values)
		if err != nil {
			t.Fatal(err)
		}
		hits, count = hits+n, count+s.Count
		if s.Patients != uint64(len(values)) || (s.Form == evidence.FormList) != (len(values) <= evidence.ListMost) {
			t.Fatalf("part %d of %d values: %s of %d", i, len(values), s.Form, s.Patients)
		}
		leaf, err := evidence.Marshal(evidence.Leaf[evidence.Disclosure]{Type: evidence.TypeDisclosure, Body: evidence.Disclosure{BlindSet: s}})
		if err != nil || len(leaf) > evidence.MaxLeaf-8<<10 {
			t.Fatalf("a leaf of %d bytes leaves no room: %v", len(leaf), err)
		}
	}
	// Two values may become the same; then a part boundary between them finds each
	// of them twice.
	if hits < len(values) || count != len(values) {
		t.Fatalf("of %d values %d are found and %d written", len(values), hits, count)
	}
	return sets
}

func TestBlindSetEmpty(t *testing.T) {
	if sets := evidence.NewBlindSets(nil); sets != nil {
		t.Errorf("%+v", sets)
	}
	var s evidence.BlindSet
	if found, err := s.Has(0, 1); found || err != nil || s.FalseRate() != 0 {
		t.Error(found, err)
	}
}

// TestBlindSetRate: strangers are taken for members about as often as is stated.
func TestBlindSetRate(t *testing.T) {
	blind := evidence.NewBlinder([]byte(privacyKey), "n")
	var members, strangers []uint64
	for i := range 1000 {
		members = append(members, blind.Blind(fmt.Append(nil, i)))
	}
	const tries = 3 << 20
	for i := range tries {
		strangers = append(strangers, blind.Blind(fmt.Append(nil, "x", i)))
	}
	s := evidence.NewBlindSets(members)[0]
	n, err := s.Hits(strangers)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.FalseRate() * tries; want != 3 || n > 15 { // one in a million runs
		t.Errorf("%d false hits, %.1f are stated", n, want)
	}
	list := evidence.NewBlindSets(members[:10])[0]
	if r := list.FalseRate(); r != 10.0/(1<<32)/(1<<32) {
		t.Errorf("a list of 10 has the rate %g", r)
	}
}

// TestBlindSetForm pins the bytes that the documentation describes.
func TestBlindSetForm(t *testing.T) {
	s := evidence.BlindSet{Patients: 3, Form: evidence.FormCoded, Bits: 2, Count: 3, Data: []byte{0, 0, 0, 0, 0, 0, 0, 1, 0b10_01_0_11_0}}
	s.Data[8] = 0b1001_0110 // 5 = 1*4+1: "10" "01"; 3 = 0*4+3: "0" "11"; one bit of padding
	// The values are 1, 6 and 9 of 12.
	for v, want := range map[uint64]bool{0: false, 1: true, 2: false, 6: true, 9: true, 11: false} {
		lo, _ := bits.Div64(v, 0, 12) // the least value that becomes v
		if found, err := s.Has(lo + 1); err != nil || found != want {
			t.Errorf("%d: %v %v", v, found, err)
		}
	}
}

func TestBlindSetRefusesOthers(t *testing.T) {
	good := evidence.BlindSet{Patients: 3, Form: evidence.FormCoded, Bits: 2, Count: 3, Data: []byte{0, 0, 0, 0, 0, 0, 0, 1, 0b1001_0110}}
	list := evidence.BlindSet{Patients: 2, Form: evidence.FormList, Count: 2, Data: append(make([]byte, 15), 1)}
	if _, err := list.Has(1); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(s, l *evidence.BlindSet){
		"form":         func(s, _ *evidence.BlindSet) { s.Form = "bloom" },
		"padding":      func(s, _ *evidence.BlindSet) { s.Data[8] |= 1 },
		"longer":       func(s, _ *evidence.BlindSet) { s.Data = append(s.Data, 0) },
		"shorter":      func(s, _ *evidence.BlindSet) { s.Data = s.Data[:8] },
		"no data":      func(s, _ *evidence.BlindSet) { s.Data = nil },
		"too many":     func(s, _ *evidence.BlindSet) { s.Count = 4 },
		"none":         func(s, _ *evidence.BlindSet) { s.Count = 0 },
		"negative":     func(s, _ *evidence.BlindSet) { s.Count = -1 },
		"no bits":      func(s, _ *evidence.BlindSet) { s.Bits = 0 },
		"many bits":    func(s, _ *evidence.BlindSet) { s.Bits = 63 },
		"out of range": func(s, _ *evidence.BlindSet) { s.Data[7] = 11 },
		"overflow":     func(s, _ *evidence.BlindSet) { s.Data[0] = 0xff },
		"many":         func(s, _ *evidence.BlindSet) { s.Patients = 1 << 40 },
		"list bits":    func(_, l *evidence.BlindSet) { l.Bits = 3 },
		"list order":   func(_, l *evidence.BlindSet) { l.Data[15] = 0 },
		"list length":  func(_, l *evidence.BlindSet) { l.Data = l.Data[:15] },
		"list count":   func(_, l *evidence.BlindSet) { l.Patients = 3 },
	} {
		s, l := good, list
		s.Data, l.Data = slices.Clone(s.Data), slices.Clone(l.Data)
		change(&s, &l)
		_, err1 := s.Has(1)
		_, err2 := l.Has(1)
		if sallyport.KindOf(err1) != sallyport.Integrity && sallyport.KindOf(err2) != sallyport.Integrity {
			t.Errorf("%s: %v, %v", name, err1, err2)
		}
	}
}

// What another implementation of HMAC made of the construction.
const goldenBlinded, goldenSubject, goldenKeyID = "9ea7d08f04065921", "5057585cee43fa1ca4c1ddb61497fb5c", "92c0c7ed4811195b"

// TestBlinder pins the construction and tells what must differ.
func TestBlinder(t *testing.T) {
	b := evidence.NewBlinder([]byte(privacyKey), "hospital")
	if got := fmt.Sprintf("%016x", b.Blind([]byte("MRN-1"))); got != goldenBlinded {
		t.Errorf("blinded: %s", got)
	}
	if got := b.Subject([]byte("MRN-1")); got != goldenSubject {
		t.Errorf("subject: %s", got)
	}
	if got := evidence.PrivacyKeyID([]byte(privacyKey)); got != goldenKeyID {
		t.Errorf("key id: %s", got)
	}
	v := b.Blind([]byte("MRN-1"))
	if evidence.NewBlinder([]byte(privacyKey), "other").Blind([]byte("MRN-1")) == v || evidence.NewBlinder([]byte(privacyKey+"x"), "hospital").Blind([]byte("MRN-1")) == v {
		t.Error("another namespace or key has the same value")
	}
	if a, c := evidence.NewSalt("s_1", 1).Of(v), evidence.NewSalt("s_1", 2).Of(v); a == c || a == evidence.NewSalt("s_2", 1).Of(v) || a == v {
		t.Error("two statements have the same value")
	}
}

func TestPatientForms(t *testing.T) {
	for in, want := range map[string][]string{
		"7": {"7"}, " 7 ": {" 7 ", "7"},
		"{0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0}": {"{0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0}", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		"0f1e2d3c4b5a69788796a5b4c3d2e1f0":       {"0f1e2d3c4b5a69788796a5b4c3d2e1f0", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0":   {"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		"0f1e2d3c4b5a69788796a5b4c3d2e1fg":       {"0f1e2d3c4b5a69788796a5b4c3d2e1fg"},
		"{0f1e2d3c4b5a69788796a5b4c3d2e1f0":      {"{0f1e2d3c4b5a69788796a5b4c3d2e1f0"},
	} {
		if got := evidence.PatientForms(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// FuzzBlindSet: no bytes make the reader of sets fail otherwise than with an error,
// and what it takes is the only way to write those values.
func FuzzBlindSet(f *testing.F) {
	for _, n := range []int{1, 3, 64, 65, 300} {
		values := make([]uint64, n)
		for i := range values {
			values[i] = uint64(i) * 0x9e3779b97f4a7c15
		}
		s := evidence.NewBlindSets(values)[0]
		f.Add(s.Patients, s.Form == evidence.FormList, s.Bits, s.Count, s.Data, uint64(0x9e3779b97f4a7c15))
	}
	f.Fuzz(func(t *testing.T, patients uint64, list bool, width, count int, data []byte, v uint64) {
		s := evidence.BlindSet{Patients: patients, Form: evidence.FormCoded, Bits: width, Count: count, Data: data}
		if list {
			s.Form = evidence.FormList
		}
		one, err := s.Has(v)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Integrity || one {
				t.Fatalf("%v, %v", one, err)
			}
			return
		}
		if n, err := s.Hits([]uint64{v, v}); err != nil || one != (n == 2) || !one && n != 0 {
			t.Errorf("%v alone, %d twice: %v", one, n, err)
		}
		if r := s.FalseRate(); r < 0 || r > 0.5 {
			t.Errorf("the rate is %g", r)
		}
	})
}

func BenchmarkBlind(b *testing.B) {
	blind := evidence.NewBlinder([]byte(privacyKey), "hospital")
	key := []byte("MRN-000101")
	b.ReportAllocs()
	for b.Loop() {
		key[9]++
		blind.Blind(key)
	}
}

// BenchmarkHas is one test of a patient in a statement of 10,000.
func BenchmarkHas(b *testing.B) {
	values := make([]uint64, 10_000)
	for i := range values {
		values[i] = uint64(i) * 0x9e3779b97f4a7c15
	}
	s := evidence.NewBlindSets(values)[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Has(1); err != nil {
			b.Fatal(err)
		}
	}
}
