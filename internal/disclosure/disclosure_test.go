// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package disclosure_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/disclosure"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

var _ mask.Keys = (*disclosure.Collector)(nil)

func secret(n int) []byte { return []byte(fmt.Sprintf("privacy key %d, of a test and long enough", n)) }

func ring(t testing.TB, versions ...int) *disclosure.Keyring {
	t.Helper()
	var keys []disclosure.Key
	for _, v := range versions {
		keys = append(keys, disclosure.Key{Version: v, Secret: secret(v)})
	}
	r, err := disclosure.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// has reports whether a patient is in the leaves of statement s_1/1.
func has(t rapid.TB, leaves []evidence.Disclosure, k evidence.SearchKey) bool {
	t.Helper()
	for _, l := range leaves {
		if l.KeyID != k.ID {
			continue
		}
		for _, v := range k.Blinded {
			found, err := l.Has(evidence.NewSalt("s_1", 1).Of(v))
			if err != nil {
				t.Fatal(err)
			}
			if found {
				return true
			}
		}
	}
	return false
}

// TestNeverFalseNegative: every key that passed is found, under the version that was
// the newest then.
func TestNeverFalseNegative(t *testing.T) {
	keys := ring(t, 2, 1)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("abc12-é")), 0, 8, -1), 0, 300).Draw(t, "keys")
		c := keys.Collector("n")
		for _, k := range in {
			c.Key([]byte(k))
		}
		leaves := c.Leaves("s_1", 1, nil, nil, uint64(len(in)))
		distinct := slices.Compact(slices.Sorted(slices.Values(in)))
		if len(in) > 0 && leaves[0].Patients != uint64(len(distinct)) {
			t.Fatalf("%d patients of %d", leaves[0].Patients, len(distinct))
		}
		for _, k := range distinct {
			search := keys.Search("n", k)
			if has(t, leaves, search[0]) || !has(t, leaves, search[1]) {
				t.Fatalf("%q is not found under the newest key alone", k)
			}
		}
	})
}

func TestLeaves(t *testing.T) {
	keys := ring(t, 1)
	c := keys.Collector("n")
	if l := c.Leaves("s_1", 1, []string{"c/p"}, nil, 3); l != nil {
		t.Errorf("an answer without patients: %+v", l)
	}
	c.Null()
	c.Null()
	c.Unreadable()
	c.Key([]byte("7"))
	l := c.Leaves("s_1", 1, []string{"c/p"}, []evidence.UnknownPatients{{Reason: evidence.UnknownFunction, Rows: 4}}, 4)
	want := fmt.Sprint([]evidence.UnknownPatients{
		{Reason: evidence.UnknownFunction, Rows: 4},
		{Relations: []string{"c/p"}, Reason: evidence.UnknownNullKey, Rows: 2},
		{Relations: []string{"c/p"}, Reason: evidence.UnknownForm, Rows: 1},
	})
	if len(l) != 1 || l[0].Patients != 1 || fmt.Sprint(l[0].Unknown) != want || l[0].Key != 1 || l[0].Namespace != "n" || l[0].Rows != 4 || l[0].Parts != 0 {
		t.Errorf("%+v", l)
	}
	if c := keys.Collector("n"); len(c.Leaves("s_1", 1, nil, []evidence.UnknownPatients{{}}, 4)) != 1 {
		t.Error("an unknown patient alone is not on record")
	}
}

// TestTooMany: with more patients than are kept nobody is said to be known, and the
// memory is given back.
func TestTooMany(t *testing.T) {
	keys := ring(t, 1)
	var b [8]byte
	fill := func(c *disclosure.Collector, n int) {
		for i := range n {
			binary.BigEndian.PutUint64(b[:], uint64(i))
			c.Key(b[:])
		}
	}
	c := keys.Collector("n")
	fill(c, evidence.SetMost+1)
	l := c.Leaves("s_1", 1, []string{"c/p"}, nil, 9)
	if len(l) != 1 || l[0].Form != "" || len(l[0].Unknown) != 1 || l[0].Unknown[0].Reason != evidence.UnknownTooMany || l[0].Unknown[0].Rows != 9 {
		t.Errorf("%+v", l)
	}
	// All of the room, by collectors that are not done yet.
	var all []*disclosure.Collector
	const slots = 1 << 21
	for range disclosure.Room / slots {
		c := keys.Collector("n")
		fill(c, slots/4+1)
		all = append(all, c)
	}
	last := keys.Collector("n")
	last.Key([]byte("7"))
	if l := last.Leaves("s_1", 1, nil, nil, 1); l[0].Form != "" || l[0].Unknown[0].Reason != evidence.UnknownTooMany {
		t.Errorf("without room: %+v", l)
	}
	for _, c := range all {
		c.Release()
	}
	last = keys.Collector("n")
	last.Key([]byte("7"))
	if l := last.Leaves("s_1", 1, nil, nil, 1); l[0].Patients != 1 {
		t.Errorf("with room again: %+v", l)
	}
}

func TestKeyringRefuses(t *testing.T) {
	for name, keys := range map[string][]disclosure.Key{
		"none": nil, "version": {{0, secret(1)}}, "short": {{1, []byte("too short")}},
		"twice": {{1, secret(1)}, {1, secret(2)}}, "same": {{1, secret(1)}, {2, secret(1)}},
	} {
		_, err := disclosure.NewKeyring(keys...)
		if sallyport.KindOf(err) != sallyport.Invalid || err != nil && strings.Contains(err.Error(), "too short") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubject(t *testing.T) {
	v, a := ring(t, 1, 3).Subject("n", "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0")
	_, b := ring(t, 1, 3).Subject("n", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
	_, other := ring(t, 1).Subject("n", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
	if v != 3 || a != b || a == other || len(a) != 32 {
		t.Error(v, a, b, other)
	}
}

// BenchmarkKey is what a row costs whose patient is another than that of the row
// before, and BenchmarkSameKey one whose patient is the same.
func BenchmarkKey(b *testing.B) {
	c := ring(b, 1).Collector("n")
	key := []byte("MRN-000000")
	b.ReportAllocs()
	for b.Loop() {
		for i := 9; i > 4; i-- { // 100,000 patients
			if key[i]++; key[i] <= '9' {
				break
			}
			key[i] = '0'
		}
		c.Key(key)
	}
}

func BenchmarkSameKey(b *testing.B) {
	c := ring(b, 1).Collector("n")
	key := []byte("MRN-000000")
	b.ReportAllocs()
	for b.Loop() {
		c.Key(key)
	}
}
