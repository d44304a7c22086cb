// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package blobtest is the conformance suite of blob stores: every
// implementation passes [Run].
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Blob is what the suite tests: content-addressed, immutable, verified bytes.
type Blob interface {
	Put(ctx context.Context, digest string, data []byte) error
	Get(ctx context.Context, digest string) ([]byte, error)
	Has(ctx context.Context, digest string) (bool, error)
	Delete(ctx context.Context, digest string) error
}

// Digest returns the name that a blob store keeps b under.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Run tests the store that open makes; open is called once per subtest and
// cleans up through t.
func Run(t *testing.T, open func(t *testing.T) Blob) {
	t.Run("round trip", func(t *testing.T) { roundTrip(t, open(t)) })
	t.Run("absent", func(t *testing.T) { absent(t, open(t)) })
	t.Run("wrong digest", func(t *testing.T) { wrongDigest(t, open(t)) })
	t.Run("names", func(t *testing.T) { names(t, open(t)) })
	t.Run("at once", func(t *testing.T) { atOnce(t, open(t)) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, open(t)) })
	t.Run("delete", func(t *testing.T) { remove(t, open(t)) })
}

// remove deletes one of two blobs, twice.
func remove(t *testing.T, s Blob) {
	keep, drop := []byte("kept"), []byte("dropped")
	for _, b := range [][]byte{keep, drop} {
		if err := s.Put(t.Context(), Digest(b), b); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Delete(t.Context(), Digest(drop)); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	if _, err := s.Get(t.Context(), Digest(drop)); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("Get of a deleted blob = %v, want not found", err)
	}
	if got := read(t, s, Digest(keep)); string(got) != "kept" {
		t.Errorf("the other blob is %q", got)
	}
	if err := s.Delete(t.Context(), "../"+Digest(keep)); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("Delete of no digest = %v, want invalid", err)
	}
}

func read(t *testing.T, s Blob, digest string) []byte {
	t.Helper()
	b, err := s.Get(t.Context(), digest)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return b
}

func roundTrip(t *testing.T, s Blob) {
	for _, n := range []int{0, 1, 4096, 300_000} {
		b := bytes.Repeat([]byte{byte(n), 7}, n)
		for range 2 { // the second time it is there already
			if err := s.Put(t.Context(), Digest(b), b); err != nil {
				t.Fatalf("Put %d bytes: %v", len(b), err)
			}
		}
		if got := read(t, s, Digest(b)); !bytes.Equal(got, b) {
			t.Errorf("%d bytes came back as %d others", len(b), len(got))
		}
		if ok, err := s.Has(t.Context(), Digest(b)); !ok || err != nil {
			t.Errorf("Has = %v, %v; want true", ok, err)
		}
	}
}

func absent(t *testing.T, s Blob) {
	d := Digest([]byte("never stored"))
	if _, err := s.Get(t.Context(), d); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("Get of an absent blob = %v, want not found", err)
	}
	if ok, err := s.Has(t.Context(), d); ok || err != nil {
		t.Errorf("Has = %v, %v; want false", ok, err)
	}
}

func wrongDigest(t *testing.T, s Blob) {
	d := Digest([]byte("one"))
	if err := s.Put(t.Context(), d, []byte("two")); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("Put under another's digest = %v, want integrity", err)
	}
	if ok, err := s.Has(t.Context(), d); ok || err != nil {
		t.Errorf("Has = %v, %v; nothing may be stored", ok, err)
	}
}

func names(t *testing.T, s Blob) {
	good := Digest([]byte("x"))
	for _, d := range []string{"", "..", "../../etc/passwd", strings.ToUpper(good), good[:63], good + "0", "/" + good[1:], "zz" + good[2:]} {
		if err := s.Put(t.Context(), d, []byte("x")); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("Put(%q) = %v, want invalid", d, err)
		}
		if _, err := s.Get(t.Context(), d); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("Get(%q) = %v, want invalid", d, err)
		}
		if _, err := s.Has(t.Context(), d); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("Has(%q) = %v, want invalid", d, err)
		}
	}
}

func atOnce(t *testing.T, s Blob) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			b := fmt.Appendf(nil, "blob %d", i%4) // four writers of each
			if err := s.Put(t.Context(), Digest(b), b); err != nil {
				t.Errorf("Put: %v", err)
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		b := fmt.Appendf(nil, "blob %d", i)
		if got := read(t, s, Digest(b)); !bytes.Equal(got, b) {
			t.Errorf("blob %d came back as %q", i, got)
		}
	}
}

func cancelled(t *testing.T, s Blob) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := []byte("late")
	if err := s.Put(ctx, Digest(b), b); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want cancelled", err)
	}
	if ok, err := s.Has(t.Context(), Digest(b)); ok || err != nil {
		t.Errorf("Has = %v, %v; nothing may be stored", ok, err)
	}
}
