// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/tlog"
)

func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "")))
	return string(sum[:])
}

// TestSealSchedule computes seals a second way, from the description.
func TestSealSchedule(t *testing.T) {
	t.Parallel()
	key, err := evidence.ParseSealKey(strings.Repeat("0b", 32))
	if err != nil {
		t.Fatal(err)
	}
	k := strings.Repeat("\x0b", 32)
	if want := hex.EncodeToString([]byte(hash("sallyport seal id\n", k)))[:16]; key.ID() != want {
		t.Errorf("id %s, want %s", key.ID(), want)
	}
	root := tlog.RecordHash([]byte("leaf"))
	for n := range byte(3) {
		mac := hmac.New(sha256.New, []byte(hash("sallyport seal mac\n", k)))
		mac.Write([]byte{0, 0, 0, 0, 0, 0, 0, n})
		mac.Write([]byte("example/log\n1\n" + root.String() + "\n"))
		if s := key.Seal("example/log", 1, root); s.MAC != hex.EncodeToString(mac.Sum(nil)) || s.N != uint64(n) {
			t.Errorf("seal %d is %+v", n, s)
		}
		key.Next()
		k = hash("sallyport seal next\n", k)
	}
}

func TestSealCheck(t *testing.T) {
	t.Parallel()
	first := evidence.NewSealKey([32]byte{1})
	writer, root := first, tlog.RecordHash([]byte("leaf"))
	var seals []evidence.Seal
	for n := range uint64(4) {
		seals = append(seals, writer.Seal("example/log", n, root))
		writer.Next()
	}
	reader := first
	for i, want := range []struct{ n, missing uint64 }{{0, 0}, {1, 0}, {3, 1}} {
		if missing, err := reader.Check(seals[want.n], "example/log"); err != nil || missing != want.missing {
			t.Errorf("step %d: %d missing, %v", i, missing, err)
		}
	}
	for name, change := range map[string]func(s *evidence.Seal){
		"size":   func(s *evidence.Seal) { s.Size++ },
		"root":   func(s *evidence.Seal) { s.Root = tlog.RecordHash(nil).String() },
		"number": func(s *evidence.Seal) { s.N++ },
		"key":    func(s *evidence.Seal) { s.Key = "0000000000000000" },
		"mac":    func(s *evidence.Seal) { s.MAC = strings.Repeat("0", 64) },
		"noise":  func(s *evidence.Seal) { s.MAC, s.Root = "zz", "zz" },
	} {
		s, reader := seals[1], first
		change(&s)
		if _, err := reader.Check(s, "example/log"); err == nil {
			t.Errorf("a seal with another %s passes", name)
		}
	}
	reader = first
	if _, err := reader.Check(seals[1], "example/other"); err == nil {
		t.Error("a seal of another log passes")
	}
	if _, err := evidence.ParseSealKey("0b"); err == nil {
		t.Error("a short key passes")
	}
}
