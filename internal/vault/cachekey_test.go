// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault_test

import (
	"bytes"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
)

// TestCacheKey holds that a key opens under its own name in its own vault, after a
// restart too, and nowhere else.
func TestCacheKey(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	key := bytes.Repeat([]byte{7}, 32)
	sealed, err := v.WrapCacheKey("a", key)
	if err != nil || bytes.Contains(sealed, key) {
		t.Fatalf("wrapped: %x, %v", sealed, err)
	}
	if got, err := open(t, o).UnwrapCacheKey("a", sealed); err != nil || !bytes.Equal(got, key) {
		t.Errorf("after a restart: %x, %v", got, err)
	}
	other, _ := options(t, t.TempDir())
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another name":  func() ([]byte, error) { return v.UnwrapCacheKey("b", sealed) },
		"another vault": func() ([]byte, error) { return open(t, other).UnwrapCacheKey("a", sealed) },
		"changed":       func() ([]byte, error) { return v.UnwrapCacheKey("a", changed) },
		"nothing":       func() ([]byte, error) { return v.UnwrapCacheKey("a", nil) },
	} {
		if got, err := open(); got != nil || sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}
