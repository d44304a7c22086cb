// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// writer is what the writers of this package have in common.
type writer interface {
	io.Writer
	Flush() error
	Abort()
}

// newMasker makes a masker of the strictest profile that looks for names in the
// given way.
func newMasker(t testing.TB, names scan.NameMode) *text.Masker {
	t.Helper()
	lex, err := lexicon.Load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(scan.Options{Names: names, Lexicon: lex})
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Compile(profile.Spec{Name: profile.SafeHarbor}, nil, func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	return &text.Masker{Scanner: s, Profile: p}
}

// notes returns a text with all kinds of identifiers, several windows long.
func notes(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, w writer, pieces ...[]byte) {
	t.Helper()
	for _, p := range pieces {
		if n, err := w.Write(p); err != nil || n != len(p) {
			t.Fatalf("wrote %d of %d bytes: %v", n, len(p), err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// pieces cuts b at random places.
func pieces(r *rand.Rand, b []byte, most int) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		n := min(len(b), 1+r.IntN(most))
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

// checkChunks cuts whole in two at every place, in many random ways and into
// bytes, and wants the same each time.
func checkChunks(t *testing.T, whole, want []byte, newWriter func(sink io.Writer) writer) {
	t.Helper()
	check := func(what string, ps ...[]byte) {
		t.Helper()
		var got bytes.Buffer
		write(t, newWriter(&got), ps...)
		if !bytes.Equal(want, got.Bytes()) {
			t.Fatalf("%s: %s", what, cmp.Diff(string(want), got.String()))
		}
	}
	check("whole", whole)
	for i := range whole {
		check("in two", whole[:i], whole[i:])
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		check("random", pieces(r, whole, 300)...)
		check("small", pieces(r, whole, 5)...)
	}
	check("bytes", pieces(r, whole, 1)...)
}

// failing is a sink that takes some writes and no more.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestEnded holds every writer to its end: after Flush, after Abort and after an
// error of the sink nothing goes out.
func TestEnded(t *testing.T) {
	t.Parallel()
	for name, newWriter := range writers(t) {
		for what, end := range map[string]func(w writer, f *failing){
			"flush": func(w writer, _ *failing) { _ = w.Flush() },
			"abort": func(w writer, _ *failing) { w.Abort() },
			"sink": func(w writer, f *failing) {
				f.left = 0
				_, _ = w.Write(bytes.Repeat([]byte("word \n"), 20<<10))
			},
		} {
			f := &failing{left: 1000}
			w := newWriter(f)
			if _, err := w.Write([]byte("some words ")); err != nil {
				t.Fatal(err)
			}
			end(w, f)
			f.left = 0
			if _, err := w.Write([]byte("x\n")); err == nil {
				t.Errorf("%s takes bytes after %s", name, what)
			}
			if err := w.Flush(); err == nil {
				t.Errorf("%s flushes after %s", name, what)
			}
		}
	}
}

// TestAbortDrops writes what is held back and aborts.
func TestAbortDrops(t *testing.T) {
	t.Parallel()
	for name, newWriter := range writers(t) {
		var got bytes.Buffer
		w := newWriter(&got)
		if _, err := w.Write([]byte("MRN 900-12-3456 and more")); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		if got.Len() > 0 {
			t.Errorf("%s let %q out", name, got.String())
		}
	}
}

// TestSinkErrorIsTold writes more than any writer holds back to a sink that takes
// nothing.
func TestSinkErrorIsTold(t *testing.T) {
	t.Parallel()
	for name, newWriter := range writers(t) {
		_, err := newWriter(&failing{}).Write([]byte(strings.Repeat("word ", 10<<10) + "\n"))
		if err == nil {
			t.Errorf("%s hides an error of its sink", name)
		}
	}
}
