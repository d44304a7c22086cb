// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package asciicast_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/record/asciicast"
)

func frame(at time.Duration, kind string, data any) record.Frame {
	b, ok := data.([]byte)
	if s, is := data.(string); is {
		b, ok = []byte(s), true
	}
	if !ok {
		b, _ = json.Marshal(data)
	}
	return record.Frame{Stmt: 3, At: at, Kind: kind, Data: b}
}

// program are the frames of a program on a terminal.
func program() []record.Frame {
	return []record.Frame{
		frame(5*time.Second, asciicast.KindStart, asciicast.Start{Version: 1, TTY: true, Columns: 100, Rows: 30, Title: `cat "*" <x>`, At: 1793613600}),
		frame(5*time.Second+248848*time.Microsecond, asciicast.KindOut, "\x1b[1;31mHello \xe8"),
		frame(6*time.Second+1*time.Microsecond, asciicast.KindIn, "ls\r"),
		frame(6*time.Second+2*time.Microsecond, asciicast.KindOut, "\xaa\x9e!\x1b[0m\r\n"),
		frame(7*time.Second, asciicast.KindResize, asciicast.Resize{Columns: 90, Rows: 20}),
		frame(6*time.Second, asciicast.KindErr, "no\x00t\u2028 \xff\xc3"), // a clock that was set back
		frame(8*time.Second, "pg.server", "of another protocol"),
		frame(9*time.Second, asciicast.KindExit, asciicast.Exit{Code: 3, Typed: 3}),
	}
}

func write(t testing.TB, f asciicast.Format, frames []record.Frame) string {
	t.Helper()
	var b bytes.Buffer
	w := asciicast.NewWriter(&b, f)
	for _, fr := range frames {
		if err := w.Frame(fr); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := w.Close(); err != nil || !found {
		t.Fatalf("Close = %v, %v", found, err)
	}
	return b.String()
}

// event is an event as a strict reader has it, with its time from the beginning.
type event struct {
	at         float64
	code, data string
}

var number = regexp.MustCompile(`^\d+\.\d{6}$`)

// parse reads a cast as the documents of its format say, and takes nothing else.
func parse(t testing.TB, f asciicast.Format, text string) (header map[string]any, events []event) {
	t.Helper()
	if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") || strings.ContainsRune(text, '\r') {
		t.Fatalf("no lines of UTF-8: %q", text)
	}
	codes := "oirm"
	if f == asciicast.V3 {
		codes += "x"
	}
	last := 0.0
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if i == 0 {
			if err := json.Unmarshal([]byte(line), &header); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var parts []json.RawMessage
		if err := json.Unmarshal([]byte(line), &parts); err != nil || len(parts) != 3 || !number.Match(parts[0]) {
			t.Fatalf("line %d is no event: %s", i+1, line)
		}
		var e event
		for at, v := range []any{&e.at, &e.code, &e.data} {
			if err := json.Unmarshal(parts[at], v); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
		}
		if f == asciicast.V3 {
			e.at += last
		}
		e.at = math.Round(e.at*1e6) / 1e6
		if e.at < last || len(e.code) != 1 || !strings.Contains(codes, e.code) || e.data == "" {
			t.Fatalf("line %d: %s", i+1, line)
		}
		if e.code == "r" && !regexp.MustCompile(`^\d+x\d+$`).MatchString(e.data) || e.code == "x" && !regexp.MustCompile(`^\d+$`).MatchString(e.data) {
			t.Fatalf("line %d: %s", i+1, line)
		}
		last = e.at
		events = append(events, e)
	}
	return header, events
}

func TestFormats(t *testing.T) {
	t.Parallel()
	want := []event{
		{0.248848, "o", "\x1b[1;31mHello "},
		{1.000001, "i", "ls\r"},
		{1.000002, "o", "語!\x1b[0m\r\n"},
		{2, "r", "90x20"},
		{2, "o", "no\x00t\u2028 \ufffd"},
		{4, "o", "\ufffd"},
	}
	for f, tt := range map[asciicast.Format]struct {
		header string
		last   event
	}{
		asciicast.V2: {`{"version":2,"width":100,"height":30,"timestamp":1793613600,"title":"cat \"*\" <x>"}`, event{4, "m", "exit 3"}},
		asciicast.V3: {`{"version":3,"term":{"cols":100,"rows":30},"timestamp":1793613600,"title":"cat \"*\" <x>"}`, event{4, "x", "3"}},
	} {
		text := write(t, f, program())
		if head, _, _ := strings.Cut(text, "\n"); head != tt.header {
			t.Errorf("version %d begins with %s", f, head)
		}
		_, events := parse(t, f, text)
		if diff := cmp.Diff(append(want[:len(want):len(want)], tt.last), events, cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("version %d (-want +got):\n%s", f, diff)
		}
	}
}

// TestWithoutATerminal has line feeds that a terminal would have turned into two
// characters, and no size.
func TestWithoutATerminal(t *testing.T) {
	t.Parallel()
	text := write(t, asciicast.V2, []record.Frame{
		frame(0, asciicast.KindStart, asciicast.Start{Version: 1}),
		frame(1, asciicast.KindOut, "a\nb\r"), frame(2, asciicast.KindErr, "\n"), frame(3, asciicast.KindOut, "\nc\n"),
		frame(4, asciicast.KindExit, asciicast.Exit{Signal: "KILL"}),
	})
	header, events := parse(t, asciicast.V2, text)
	if header["width"] != 80.0 || header["height"] != 24.0 {
		t.Errorf("the header: %v", header)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.code+e.data)
	}
	if diff := cmp.Diff([]string{"oa\r\nb\r", "o\r\n", "o\nc\r\n", "msignal KILL", "mexit 137"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNotWhole has recordings of which a part is missing.
func TestNotWhole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := asciicast.NewWriter(&b, asciicast.V3)
	if found, err := w.Close(); found || err != nil || b.Len() > 0 {
		t.Errorf("nothing: %v, %v, %q", found, err, b.String())
	}
	if err := asciicast.NewWriter(&b, asciicast.V3).Frame(frame(0, "pg.server", "x")); err != nil || b.Len() > 0 {
		t.Errorf("another protocol's: %v, %q", err, b.String())
	}
	start := frame(0, asciicast.KindStart, asciicast.Start{Version: 1, TTY: true})
	for what, frames := range map[string][]record.Frame{
		"no beginning":    {frame(0, asciicast.KindOut, "x")},
		"two beginnings":  {start, start},
		"a broken one":    {frame(0, asciicast.KindStart, "{")},
		"of a later form": {frame(0, asciicast.KindStart, asciicast.Start{Version: 2})},
	} {
		var err error
		w := asciicast.NewWriter(&bytes.Buffer{}, asciicast.V2)
		for _, f := range frames {
			err = w.Frame(f)
		}
		if sallyport.KindOf(err) != sallyport.Integrity || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w = asciicast.NewWriter(&b, asciicast.V3)
	for _, f := range []record.Frame{
		start, frame(1, asciicast.KindOut, "a\xe8"), frame(2, asciicast.KindResize, `{"colu`), {At: 3, Kind: record.KindTruncated, Omitted: 12},
	} {
		if err := w.Frame(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Lost("chunk 2 is lost"); err != nil {
		t.Fatal(err)
	}
	if err := w.Exit(1); err != nil {
		t.Fatal(err)
	}
	if err := w.Exit(2); err != nil {
		t.Fatal(err)
	}
	_, events := parse(t, asciicast.V3, b.String())
	got := fmt.Sprint(events)
	if got != "[{0 o a} {0 o \ufffd} {0 m 12 bytes more were not kept} {0 m chunk 2 is lost} {0 x 1}]" {
		t.Errorf("got %s", got)
	}
}

// TestCutAnywhere cuts a text of characters of all lengths at every place.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := "aß語🙂\xff\xe8\xaa\xf0\x9f\x99z\xc0\x80"
	want := strings.ToValidUTF8(whole, "")
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		frames := []record.Frame{frame(0, asciicast.KindStart, asciicast.Start{Version: 1, TTY: true})}
		for rest := whole; rest != ""; {
			n := 1 + r.IntN(min(len(rest), 4))
			frames, rest = append(frames, frame(1, asciicast.KindOut, rest[:n])), rest[n:]
		}
		_, events := parse(t, asciicast.V3, write(t, asciicast.V3, frames))
		got := ""
		for _, e := range events {
			got += e.data
		}
		if got = strings.ReplaceAll(got, "\ufffd", ""); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

// TestPlayer has asciinema itself print what was recorded.
func TestPlayer(t *testing.T) {
	t.Parallel()
	asciinema, err := exec.LookPath("asciinema")
	if err != nil {
		t.Log("NOT TRIED: asciinema is not installed (apt-get install asciinema), so that no player but the strict reader of this test has read a cast")
		return
	}
	file := filepath.Join(t.TempDir(), "x.cast")
	if err := os.WriteFile(file, []byte(write(t, asciicast.V2, program())), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), asciinema, "cat", file)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	tty, err := pty.Start(cmd) // it wants a controlling terminal
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close() //nolint:errcheck // nothing is written to it
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if want := "\x1b[1;31mHello 語!\x1b[0m\r\nno\x00t\u2028 \ufffd\ufffd"; out.String() != want {
		t.Errorf("asciinema prints %q, want %q", out.String(), want)
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]asciicast.Format{"asciicast-v2": asciicast.V2, "asciicast-v3": asciicast.V3, "": 0, "asciicast": 0, "asciicast-v1": 0} {
		if got, err := asciicast.ParseFormat(s); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

// FuzzFrames writes arbitrary frames: no panic, and what was written is a cast.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"v":1,"tty":true}`), []byte("a\xe8\xaa"), []byte(`{"columns":3,"rows":4}`), int64(5))
	f.Add([]byte(`{"v":1}`), []byte("a\nb"), []byte(`{`), int64(-5))
	f.Add([]byte(`{`), []byte("a\nb"), []byte(`{`), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, start, out, resize []byte, at int64) {
		for _, format := range []asciicast.Format{asciicast.V2, asciicast.V3} {
			var b bytes.Buffer
			w := asciicast.NewWriter(&b, format)
			for _, fr := range []record.Frame{
				frame(0, asciicast.KindStart, start), frame(time.Duration(at), asciicast.KindOut, out), frame(1, asciicast.KindResize, resize),
				frame(2, asciicast.KindExit, resize), frame(3, asciicast.KindErr, out),
			} {
				if err := w.Frame(fr); err != nil && sallyport.KindOf(err) != sallyport.Integrity {
					t.Fatal(err)
				}
			}
			if found, err := w.Close(); err != nil || found != (b.Len() > 0) {
				t.Fatal(found, err)
			}
			if b.Len() > 0 && !strings.Contains(b.String(), `"x","-`) {
				parse(t, format, b.String())
			}
		}
	})
}
