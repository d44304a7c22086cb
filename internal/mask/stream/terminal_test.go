// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// writers are the writers of this package, for what all of them promise.
func writers(t testing.TB) map[string]func(sink io.Writer) writer {
	m := newMasker(t, scan.NamesOff)
	return map[string]func(sink io.Writer) writer{
		"Text":     func(sink io.Writer) writer { return stream.NewText(m, &text.Work{}, sink) },
		"Terminal": func(sink io.Writer) writer { return stream.NewTerminal(m, &text.Work{}, sink) },
		"Records": func(sink io.Writer) writer {
			return stream.NewRecords(plain{m}, &text.Work{}, sink, stream.RecordOptions{})
		},
	}
}

var terminalTests = []struct{ name, give, want string }{
	{"plain", "a 900-12-3456 b\n", "a [SSN] b\n"},
	{"no end of line", "a 900-12-3456", "a [SSN]"},
	{"CRLF", "900-12-3456\r\nx\r\n", "[SSN]\r\nx\r\n"},
	{"colours stay", "\x1b[1;31merror\x1b[0m: none\n", "\x1b[1;31merror\x1b[0m: none\n"},
	{"colour around", "\x1b[1m900-12-3456\x1b[0m\n", "\x1b[1m[SSN]\x1b[0m\n"},
	{"colour within", "900-\x1b[1m12\x1b[0m-3456.\n", "[SSN]\x1b[1m\x1b[0m.\n"},
	{"two-byte and charset", "900\x1b(B-12-\x1b=3456\n", "[SSN]\x1b(B\x1b=\n"},
	{"title within", "900-12\x1b]0;title\a-3456\n", "[SSN]\x1b]0;title\a\n"},
	{"title with ST", "\x1b]2;title\x1b\\900-12-3456\n", "\x1b]2;title\x1b\\[SSN]\n"},
	{"value in a title", "\x1b]0;900-12-3456\ax\n", "x\n"},
	{"value in a DCS", "\x1bP;900-12-3456\x1b\\x\n", "x\n"},
	{"backspace between", "9\b0\b0\b-\b1\b2\b-\b3\b4\b5\b6 \n", "[SSN] \n"},
	{"overstrike", "9\b90\b00\b0-\b-1\b12\b2-\b-3\b34\b45\b56\b6 \n", "[SSN] \n"},
	{"typed over", "900-12-345x\b6\n", "[SSN]\n"},
	{"end first", "\x1b[8G3456\r900-12-\n", "\x1b[8G[SSN]\n"},
	{"far end first", "\x1b[708G3456\x1b[701G900-12-\n", "\x1b[708G[SSN]\n"},
	{"carriage return", "-----------\r900-12-3456\n", "[SSN]\n"},
	{"put together by return", "       3456\r900-12-\n", "[SSN]\n"},
	{"erased after", "900-12-3456\r\x1b[Kdone\n", "[SSN]\r\x1b[Kdone\n"},
	{"cursor forward", "900-12-3456\x1b[3C1\n", "[SSN]\x1b[3C1\n"},
	{"cursor back", "900-12-9\x1b[D3456\n", "[SSN]\n"},
	{"elsewhere on the screen", "\x1b[2;1H900-12-3456\x1b[3;1H1 row\n", "\x1b[2;1H[SSN]\x1b[3;1H1 row\n"},
	{"bell between", "900-12\a-3456\n", "[SSN]\n"},
	{"NUL", "900\x00-12-34\x0056\x00\n", "[SSN]\n"},
	{"invalid UTF-8", "a\xffb \xe2\x82 c\n", "a\ufffdb \ufffd\ufffd c\n"},
	{"invalid at the end", "a\xe2\x82", "a\ufffd\ufffd"},
	{"dashes of another encoding", "a 900\x9612\x963456 b\n", "a [SSN] b\n"},
	{"dashes of another encoding, drawn", "a\xff \x1b[3G900\x9612\x96\x1b[1m3456\n", "a\ufffd[SSN]\x1b[1m\n"},
	{"dashes of another encoding, typed over", "900\x9612\x96345x\b6 \xff\n", "[SSN] \ufffd\n"},
	{"UTF-8", "grüße 😀 900-12-3456 é\n", "grüße 😀 [SSN] é\n"},
	{"eight-bit CSI", "900-\u009b1m12-3456\n", "[SSN]\x1b[1m\n"},
	{"unterminated CSI", "a\x1b[12", "a"},
	{"unterminated string", "a\x1b]0;title\nb\n", "a\nb\n"},
	{"control in CSI", "a\x1b[3\nb\n", "a\nb\n"},
	{"CAN", "a\x1b[3\x18mb\n", "amb\n"},
	{"escape in a string", "a\x1b]0;t\x1b[1mb\n", "a\x1b[1mb\n"},
	{"long string", "a\x1b]0;" + strings.Repeat("t", 5000) + "\ab\n", "ab\n"},
	{"long string with ST", "a\x1b]0;" + strings.Repeat("t", 5000) + "\x1b\\b\n", "ab\n"},
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	for _, tt := range terminalTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkChunks(t, []byte(tt.give), []byte(tt.want), func(sink io.Writer) writer {
				return stream.NewTerminal(m, &text.Work{}, sink)
			})
		})
	}
}

func TestTerminalTranscript(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesListed)
	whole := append(notes(t)[:1500], "\r\n\x1b]0;ward-7: ~\a\x1b[01;32mops@ward-7\x1b[00m:\x1b[01;34m~\x1b[00m$ cat visit\b\b\b\b\bpatient.txt\r\n"...)
	var want bytes.Buffer
	write(t, stream.NewTerminal(m, &text.Work{}, &want), whole)
	if strings.Contains(want.String(), "900-12-3456") || !strings.Contains(want.String(), "patient.txt") {
		t.Fatalf("got %s", want.String())
	}
	checkChunks(t, whole, want.Bytes(), func(sink io.Writer) writer { return stream.NewTerminal(m, &text.Work{}, sink) })
}

// TestTerminalLines wants a line as soon as it is complete, and nothing before.
func TestTerminalLines(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	w := stream.NewTerminal(newMasker(t, scan.NamesOff), &text.Work{}, &got)
	for _, s := range []struct{ give, want string }{
		{"one 900-12", ""},
		{"-3456\ntwo", "one [SSN]\n"},
		{"\n", "one [SSN]\ntwo\n"},
	} {
		if _, err := w.Write([]byte(s.give)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.want, got.String()); diff != "" {
			t.Errorf("after %q: %s", s.give, diff)
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	for _, tt := range []struct {
		give   string
		want   string // after Idle
		typing bool
	}{
		{give: "$ ", want: "$ "},
		{give: "ops@ward-7:~$ ", want: "ops@ward-7:~$ "},
		{give: "[ops@ward-7 ~]# ", want: "[ops@ward-7 ~]# "},
		{give: "\x1b[32mmysql> \x1b[0m", want: "\x1b[32mmysql> \x1b[0m"},
		{give: "Password: ", want: "Password: "},
		{give: "proceed (y/n) ", want: "proceed (y/n) "},
		{give: "proceed (y/n)", want: "proceed (y/n)"},
		{give: "login:", want: "login:"},
		{give: "45% done ", want: "45% done "},
		{give: "ssn 900-12-3456 of bed ", want: "ssn [SSN] of bed "},
		{give: "the number is 900-12", want: "the number is "},
		{give: "the number is 900-12-3456", want: "the number is "},
		{give: "call (415) 555", want: "call "},
		{give: "call (415) ", want: "call "},
		{give: "write to zed.quill@exam", want: "write to "},
		{give: "see https://example.org/x?", want: "see "},
		{give: "name is Zedora ", want: "name is "},
		{give: "name is Zedora Quill van de ", want: "name is "},
		{give: "name is Zedora; ", want: "name is Zedora; "},
		{give: "\x1b[1mname\x1b[0m is Ωmega", want: "\x1b[1mname\x1b[0m is "},
		{give: "ls", want: ""},
		{give: "ls", want: "ls", typing: true},
		{give: "ls -la", want: "ls -la", typing: true},
		{give: "ls x.y", want: "ls ", typing: true},
		{give: "seen at \x1b[3;4H900", want: "seen at \x1b[3;4H"},
		{give: "x\x1b[1", want: "x", typing: true},
	} {
		var got bytes.Buffer
		w := stream.NewTerminal(m, &text.Work{}, &got)
		w.Typing = tt.typing
		if _, err := w.Write([]byte(tt.give)); err != nil {
			t.Fatal(err)
		}
		if err := w.Idle(); err != nil {
			t.Fatal(err)
		}
		if got.String() != tt.want {
			t.Errorf("%q: Idle shows %q, want %q", tt.give, got.String(), tt.want)
		}
	}
}

// TestIdleThenMore pauses within values: the rest must not be shown when the
// beginning was.
func TestIdleThenMore(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	for _, value := range []string{"900-12-3456", "(415) 555-0134", "zed.quill@example.org", "https://example.org/zed"} {
		line := "it is " + value + " so\n"
		for cut := range len(line) {
			var got bytes.Buffer
			w := stream.NewTerminal(m, &text.Work{}, &got)
			for _, p := range []string{line[:cut], line[cut:]} {
				if _, err := w.Write([]byte(p)); err != nil {
					t.Fatal(err)
				}
				if err := w.Idle(); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(got.String(), value[len(value)-4:]) || !strings.HasSuffix(got.String(), " so\n") {
				t.Errorf("a pause after %q gives %q", line[:cut], got.String())
			}
		}
	}
}

func TestTerminalLongLine(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	words := strings.Repeat("a 900-12-3456 line \x1b[1mwithout\x1b[0m end ", 8<<10)
	for name, tt := range map[string]struct{ give, want string }{
		"words":         {words, strings.ReplaceAll(words, "900-12-3456", "[SSN]")},
		"no boundary":   {strings.Repeat("x", 100<<10) + " 900-12-3456\n", stream.Oversized + " [SSN]\n"},
		"only escapes":  {strings.Repeat("\x1b[1m", 40<<10) + "\n", strings.Repeat(stream.Oversized, 1) + "\n"},
		"long sequence": {strings.Repeat("x", 64<<10-10) + "\x1b]0;" + strings.Repeat("t", 4000) + "\a y\n", stream.Oversized + " y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(5, 6))
			for _, ps := range [][][]byte{{[]byte(tt.give)}, pieces(r, []byte(tt.give), 9000), pieces(r, []byte(tt.give), 7)} {
				var got bytes.Buffer
				w := stream.NewTerminal(m, &text.Work{}, &got)
				write(t, w, ps...)
				if got.String() != tt.want {
					t.Fatalf("got %d bytes, want %d", got.Len(), len(tt.want))
				}
			}
		})
	}
}

func TestTerminalHoldsLittle(t *testing.T) {
	t.Parallel()
	w := stream.NewTerminal(newMasker(t, scan.NamesOff), &text.Work{}, io.Discard)
	for range 20 {
		for _, s := range []string{strings.Repeat("z", 100<<10), "\x1b]0;", strings.Repeat("z", 100<<10), "\n\xe2", strings.Repeat("a b ", 50<<10)} {
			if _, err := w.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := w.HeldForTest(); n > 400<<10 {
		t.Errorf("holds %d bytes", n)
	}
}

func FuzzTerminal(f *testing.F) {
	for _, tt := range terminalTests {
		if len(tt.give) < 1000 {
			f.Add([]byte(tt.give), uint64(1), uint16(5))
		}
	}
	m := newMasker(f, scan.NamesListed)
	f.Fuzz(func(t *testing.T, whole []byte, seed uint64, most uint16) {
		var want, got, idle bytes.Buffer
		write(t, stream.NewTerminal(m, &text.Work{}, &want), whole)
		r := rand.New(rand.NewPCG(seed, 0))
		ps := pieces(r, whole, 1+int(most))
		write(t, stream.NewTerminal(m, &text.Work{}, &got), ps...)
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Fatalf("%q in pieces gives %q, whole %q", whole, got.Bytes(), want.Bytes())
		}
		if !utf8.Valid(got.Bytes()) || bytes.IndexByte(got.Bytes(), 0) >= 0 {
			t.Fatalf("%q gives %q", whole, got.Bytes())
		}
		w := stream.NewTerminal(m, &text.Work{}, &idle)
		for _, p := range ps {
			_, _ = w.Write(p)
			if err := w.Idle(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestBulk looks at plain lines together: nothing is held back, no canary passes, and
// where each line comes alone it is what comes out without.
func TestBulk(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	bulk := func(sink io.Writer) *stream.Terminal {
		w := stream.NewTerminal(m, &text.Work{}, sink)
		w.Bulk = true
		return w
	}
	const (
		plain  = "a 900-12-3456 b\n\tc\n\n"
		colour = "9\x1b[1m00-12-3456\x1b[0m\n"
		rest   = "ü 900-12-3456\r\nx 900-1"
	)
	give := []byte(strings.Repeat(plain+colour, 50) + strings.Repeat(plain, 2000) + rest)
	want := strings.Repeat("a [SSN] b\n\tc\n\n[SSN]\x1b[1m\x1b[0m\n", 50) + strings.Repeat("a [SSN] b\n\tc\n\n", 2000) + "ü [SSN]\r\n"
	r := rand.New(rand.NewPCG(11, 12))
	for _, most := range []int{1, 3, 40, 1 << 10, 64 << 10, len(give)} {
		var got bytes.Buffer
		w := bulk(&got)
		for _, p := range pieces(r, give, most) {
			if _, err := w.Write(p); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Fatalf("pieces of up to %d (-want +got):\n%s", most, diff)
		}
		if err := w.Flush(); err != nil || got.String() != want+"x 900-1" {
			t.Fatalf("%v, ends with %q", err, got.String()[len(want):])
		}
	}
	whole := notes(t)
	var alone, lines bytes.Buffer
	one, each := stream.NewTerminal(m, &text.Work{}, &alone), bulk(&lines)
	for line := range bytes.Lines(whole) {
		write1(t, one, line)
		write1(t, each, line)
	}
	if !bytes.Equal(alone.Bytes(), lines.Bytes()) {
		t.Error("lines that come alone come out in another way")
	}
}

func write1(t *testing.T, w io.Writer, p []byte) {
	t.Helper()
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
}
