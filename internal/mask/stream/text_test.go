// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestTextIsLocal has the writer cut at every place that it can, and compares
// with the masker that sees all.
func TestTextIsLocal(t *testing.T) {
	t.Parallel()
	whole := notes(t)
	for _, names := range []scan.NameMode{scan.NamesOff, scan.NamesListed, scan.NamesUnlisted} {
		m := newMasker(t, names)
		want := m.Append(nil, whole, &text.Work{})
		for _, step := range []int{1, 3, 64, 1024, 16 << 10} {
			var got bytes.Buffer
			w := stream.NewText(m, &text.Work{}, &got)
			w.SetStepForTest(step)
			write(t, w, whole)
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("names %d, a scan after every %d bytes: %s", names, step, diff)
			}
		}
	}
}

// TestTextOfScraps puts scraps of the notes together at random, so that findings
// stand where no sentence would have them.
func TestTextOfScraps(t *testing.T) {
	t.Parallel()
	src := notes(t)
	r := rand.New(rand.NewPCG(9, 10))
	for _, names := range []scan.NameMode{scan.NamesOff, scan.NamesListed, scan.NamesUnlisted} {
		m := newMasker(t, names)
		for range 60 {
			var whole []byte
			for len(whole) < 2500 {
				at := r.IntN(len(src) - 60)
				whole = append(whole, src[at:at+1+r.IntN(60)]...)
				if r.IntN(3) == 0 {
					whole = append(whole, ' ')
				}
			}
			want := m.Append(nil, whole, &text.Work{})
			var got bytes.Buffer
			w := stream.NewText(m, &text.Work{}, &got)
			w.SetStepForTest(1 + r.IntN(50))
			write(t, w, whole)
			if !bytes.Equal(want, got.Bytes()) {
				t.Fatalf("names %d: %q gives in pieces %s", names, whole, cmp.Diff(string(want), got.String()))
			}
		}
	}
}

func TestTextInPieces(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesListed)
	whole := notes(t)[:3000]
	want := m.Append(nil, whole, &text.Work{})
	checkChunks(t, whole, want, func(sink io.Writer) writer {
		w := stream.NewText(m, &text.Work{}, sink)
		w.SetStepForTest(700)
		return w
	})
}

// TestTextMasks is what the comparisons cannot show: that anything is masked.
func TestTextMasks(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	whole := bytes.Repeat([]byte("The number is 900-12-3456 here. "), 3000)
	var got bytes.Buffer
	w := &text.Work{Locus: "body"}
	write(t, stream.NewText(m, w, &got), whole)
	if want := strings.Repeat("The number is [SSN] here. ", 3000); got.String() != want {
		t.Error("not every number is masked")
	}
	counts := w.Tally.Take()
	if len(counts) != 1 || counts[0].N != 3000 || counts[0].Entity != scan.SSN || counts[0].Locus != "body" {
		t.Errorf("counted %+v", counts)
	}
}

func TestTextWithoutBoundary(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	whole := "before " + strings.Repeat("x", 200<<10) + " after 900-12-3456 " + strings.Repeat("y", 60<<10) + " end"
	want := "before " + stream.Oversized + " after [SSN] " + strings.Repeat("y", 60<<10) + " end"
	r := rand.New(rand.NewPCG(3, 4))
	for _, ps := range [][][]byte{{[]byte(whole)}, pieces(r, []byte(whole), 10<<10), pieces(r, []byte(whole), 3)} {
		var got bytes.Buffer
		w := stream.NewText(m, &text.Work{}, &got)
		write(t, w, ps...)
		if got.String() != want {
			t.Errorf("got %d bytes, want %d", got.Len(), len(want))
		}
	}
}

func TestTextHoldsLittle(t *testing.T) {
	t.Parallel()
	w := stream.NewText(newMasker(t, scan.NamesOff), &text.Work{}, io.Discard)
	for range 100 {
		if _, err := w.Write(bytes.Repeat([]byte("0123456789abcdef "), 10<<10)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("z"), 100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.HeldForTest(); n > 400<<10 {
		t.Errorf("holds %d bytes", n)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("Call (415) 555-0134 or write zed.quill@example.org, SSN 900-12-3456"), uint64(1), uint16(5))
	f.Add(notes(f)[:2000], uint64(2), uint16(100))
	m := newMasker(f, scan.NamesListed)
	f.Fuzz(func(t *testing.T, whole []byte, seed uint64, most uint16) {
		if len(whole) > 16<<10 {
			return
		}
		// Again and again, so that there is something behind what is held back.
		whole = bytes.Repeat(append(whole, ' '), 1+2000/(len(whole)+1))
		want := m.Append(nil, whole, &text.Work{})
		var got bytes.Buffer
		w := stream.NewText(m, &text.Work{}, &got)
		r := rand.New(rand.NewPCG(seed, 0))
		w.SetStepForTest(1 + r.IntN(2000))
		write(t, w, pieces(r, whole, 1+int(most))...)
		if !bytes.Equal(want, got.Bytes()) {
			t.Fatalf("%q in pieces gives %q, whole %q", whole, got.Bytes(), want)
		}
	})
}

// TestTextSaysWhere compares the places of findings in a stream with those in the
// whole, past tokens that were too long as well.
func TestTextSaysWhere(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	notes := notes(t)
	var want, got []string
	for _, s := range m.Scanner.Scan(nil, notes, nil) {
		want = append(want, string(notes[s.Start:s.End]))
	}
	long := []byte(strings.Repeat("x", 200_000) + " ")
	whole := append(append(append(bytes.Clone(notes), '\n'), long...), notes...)
	var w text.Work
	w.Spans = func(_ []byte, s scan.Span, _ operator.Kind) {
		got = append(got, string(whole[w.Base+int64(s.Start):w.Base+int64(s.End)]))
	}
	write(t, stream.NewText(m, &w, io.Discard), pieces(rand.New(rand.NewPCG(5, 6)), whole, 5000)...)
	if diff := cmp.Diff(append(want, want...), got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
