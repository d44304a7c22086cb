// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/jsonl"
)

// batch makes events whose text is their index, so that it can be found again.
func batch(from, to uint64) ship.Batch {
	b := ship.Batch{Origin: "x"}
	for i := from; i <= to; i++ {
		e := ocsf.Event{Ref: ocsf.Ref{Index: i}, JSON: fmt.Appendf(nil, `{"index":%d}`, i)}
		b.Events = append(b.Events, e)
		b.Bytes += len(e.JSON)
	}
	return b
}

func send(t *testing.T, s *jsonl.Sink, from, to uint64) {
	t.Helper()
	if err := s.Send(t.Context(), batch(from, to)); err != nil {
		t.Fatal(err)
	}
}

// files returns the names in a directory, in order, and everything in them.
func files(t *testing.T, dir string) ([]string, string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var all strings.Builder
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name())
		all.Write(b)
	}
	return names, all.String()
}

func lines(from, to uint64) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "{\"index\":%d}\n", i)
	}
	return b.String()
}

func TestFilesSortAndRotate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "events")
	s := jsonl.New(dir, 100)
	for i := uint64(0); i < 100; i += 5 {
		send(t, s, i, i+4)
	}
	names, all := files(t, dir)
	if len(names) < 10 || !slices.IsSorted(names) || names[0] != "sallyport-00000000000000000000-0000.jsonl" {
		t.Errorf("files: %v", names)
	}
	if all != lines(0, 99) {
		t.Errorf("the files hold\n%s", all)
	}
	// A batch that is larger than a file is not split.
	send(t, s, 100, 150)
	if _, all = files(t, dir); all != lines(0, 150) {
		t.Errorf("the files hold\n%s", all)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(filepath.Join(dir, names[0])); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", st.Mode(), err)
	}
}

// Whatever a crash leaves of the last write, there is never half a line, and
// nothing that was whole is lost.
func TestTornLineIsRepaired(t *testing.T) {
	t.Parallel()
	full := lines(0, 9)
	for cut := range len(full) + 1 {
		dir := t.TempDir()
		name := filepath.Join(dir, "sallyport-00000000000000000000-0000.jsonl")
		if err := os.WriteFile(name, []byte(full[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		s := jsonl.New(dir, 1<<20)
		send(t, s, 5, 12)
		whole := full[:strings.LastIndexByte(full[:cut], '\n')+1]
		if _, all := files(t, dir); all != whole+lines(5, 12) {
			t.Fatalf("cut at %d the files hold\n%s", cut, all)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A very long torn line is found as well.
func TestLongTornLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "sallyport-00000000000000000000-0000.jsonl")
	if err := os.WriteFile(name, []byte("{}\n"+strings.Repeat("x", 200_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := jsonl.New(dir, 1<<20)
	send(t, s, 1, 1)
	if _, all := files(t, dir); all != "{}\n{\"index\":1}\n" {
		t.Errorf("%d bytes are left", len(all))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Events that are sent again from the begin do not replace a file.
func TestSentAgainFromTheBegin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		s := jsonl.New(dir, 20)
		send(t, s, 0, 4)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	names, all := files(t, dir)
	if len(names) != 3 || all != lines(0, 4)+lines(0, 4)+lines(0, 4) {
		t.Errorf("%v hold\n%s", names, all)
	}
}

func TestUnwritableDirectoryIsUnavailable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in its place
		t.Fatal(err)
	}
	s := jsonl.New(dir, 1<<20)
	if err := s.Send(t.Context(), batch(0, 1)); err == nil {
		t.Fatal("sent into nothing")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	send(t, s, 0, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
