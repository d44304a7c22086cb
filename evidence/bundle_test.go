// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-dev/sallyport/evidence"
)

func sample(t testing.TB) (bundle []byte, vkey string) {
	t.Helper()
	bundle, err := os.ReadFile("testdata/bundle_v2.zip")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("testdata/bundle_v2.key")
	if err != nil {
		t.Fatal(err)
	}
	return bundle, strings.TrimSpace(string(key))
}

// TestOldBundlesVerify holds every later verifier to the bundles of the first
// format, and its words to those that were committed.
func TestOldBundlesVerify(t *testing.T) {
	t.Parallel()
	bundle, vkey := sample(t)
	r, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{vkey}})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if _, err := r.WriteTo(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/bundle_v2.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// FuzzVerify checks that no archive makes the verifier panic, and that only the
// sample itself verifies.
func FuzzVerify(f *testing.F) {
	bundle, vkey := sample(f)
	f.Add(bundle)
	f.Add(bundle[:len(bundle)/2])
	f.Add(bundle[len(bundle)/2:])
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{vkey}})
		if err != nil {
			t.Fatalf("a reader in memory cannot fail: %v", err)
		}
		if r.OK() && !bytes.Equal(b, bundle) {
			t.Fatal("another archive than the sample verifies")
		}
	})
}

func TestNamesThatLeaveTheDirectory(t *testing.T) {
	t.Parallel()
	w := evidence.NewWriter(&bytes.Buffer{})
	for _, name := range []string{"", "/etc/x", "../x", "a/../b", "a//b", "a/", "C:x", "a\\b", ".x", "a/.", "x\n", "é", "manifest.json", strings.Repeat("x", 300)} {
		if err := w.Add(name, nil); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	if err := w.Add("a/b.c", nil); err != nil {
		t.Error(err)
	}
	if err := w.Add("a/b.c", nil); err == nil {
		t.Error("the same name twice is accepted")
	}
}
