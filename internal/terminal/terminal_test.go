// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/record/asciicast"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// client is the client of a program.
type client struct {
	mu  sync.Mutex
	b   bytes.Buffer
	got chan struct{} // something has come
}

func newClient() *client { return &client{got: make(chan struct{}, 1)} }

func (c *client) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.got <- struct{}{}:
	default:
	}
	return c.b.Write(p)
}

func (c *client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// await waits until the client has something.
func (c *client) await(t *testing.T, want string) {
	t.Helper()
	for patience := time.After(30 * time.Second); !strings.Contains(c.String(), want); {
		select {
		case <-c.got:
		case <-patience:
			t.Fatalf("the client has %q, and %q never came", c.String(), want)
		}
	}
}

// canary is cut and coloured by the program below, and stands in no output.
const canary = "900-12-3456"

const program = `printf 'SSN 9'; printf '00-'; printf '\033[1;31m12\033[0m-34'; printf '56 end\n'
printf 'SSN 90x\b0-12-3456 end\n'; printf 'SSN 900-12-99\b\b3456 end\n' >&2
printf 'name? '; read name; printf 'hello %s\n' "$name"; printf 'last 900-12-3456'; exit 3`

// TestProgramOnATerminal runs a real program on a pseudo-terminal.
func TestProgramOnATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	r, p := w.start("phi.note", func(o *terminal.Options) {
		o.TTY, o.Size = true, terminal.Size{Columns: 100, Rows: 30}
	})
	cmd := exec.CommandContext(t.Context(), "sh", "-c", program)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close() //nolint:errcheck // it is closed by then
	c := newClient()
	out := r.Output(terminal.Stdout, c)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(out, tty) // a terminal whose program has ended gives an error
	}()
	c.await(t, "name? ")
	if err := r.Resize(terminal.Size{Columns: 90, Rows: 20}); err != nil {
		t.Fatal(err)
	}
	if err := r.Typed([]byte("blue\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := tty.Write([]byte("blue\n")); err != nil {
		t.Fatal(err)
	}
	<-copied
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	exit := terminal.Exit{}
	var ended *exec.ExitError
	if errors.As(cmd.Wait(), &ended) {
		exit.Code = ended.ExitCode()
	}
	res := r.Finish(exit, nil)
	w.settle(p, res)
	want := "SSN [SSN]\x1b[1;31m\x1b[0m end\r\nSSN [SSN] end\r\nSSN [SSN] end\r\nname? blue\r\nhello blue\r\nlast [SSN]"
	if diff := cmp.Diff(want, c.String()); diff != "" {
		t.Errorf("the client's (-want +got):\n%s", diff)
	}
	if res.Status != "error" || res.Code != "3" || res.Tag != "exit 3" || res.Bytes != uint64(len(want)) {
		t.Errorf("the result: %+v", res)
	}
	counts := cmp.Diff([]mask.Count{
		{Reason: "label", Operator: "scan", Locus: "stdout", Seen: 1, Masked: 1},
		{Reason: "finding", Operator: "redact", Entity: "SSN", Locus: "stdout", Hits: 4},
	}, res.Masked, cmpopts.IgnoreFields(mask.Count{}, "Columns", "Labels", "Profile", "ProfileVersion", "Rule"))
	if counts != "" {
		t.Errorf("the counts (-want +got):\n%s", counts)
	}
	frames := w.frames()
	if got := recorded(frames, asciicast.KindOut); got != want {
		t.Errorf("recorded: %q", got)
	}
	if got := recorded(frames, asciicast.KindIn); got != "" {
		t.Errorf("what was typed is recorded: %q", got)
	}
	if got := recorded(frames, asciicast.KindResize); got != `{"columns":90,"rows":20}` {
		t.Errorf("the new size: %s", got)
	}
	var x asciicast.Exit
	if err := json.Unmarshal([]byte(recorded(frames, asciicast.KindExit)), &x); err != nil || x.Code != 3 || x.Typed != 5 || len(x.TypedDigest) != 64 || x.TypedDigest == strings.Repeat("0", 64) {
		t.Errorf("the end: %+v, %v", x, err)
	}
	var start asciicast.Start
	if err := json.Unmarshal([]byte(recorded(frames, asciicast.KindStart)), &start); err != nil || !start.TTY || start.Columns != 100 || start.Title != "run it" || start.Raw || start.Input {
		t.Errorf("the head: %+v, %v", start, err)
	}
	if frames[0].Kind != asciicast.KindStart || frames[len(frames)-1].Kind != asciicast.KindExit {
		t.Errorf("frames begin with %s and end with %s", frames[0].Kind, frames[len(frames)-1].Kind)
	}
	for _, l := range w.leaves() {
		if bytes.Contains(l.Body, []byte(canary)) || bytes.Contains(l.Body, []byte("hello blue")) {
			t.Errorf("%s", l.Body)
		}
	}
}

// TestTwoStreams has a program without a terminal: both streams are masked, in order
// each, and lines leave as they come.
func TestTwoStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	r, p := w.start("phi.note", nil)
	c, e := newClient(), newClient()
	out, errs := r.Output(terminal.Stdout, c), r.Output(terminal.Stderr, e)
	line := strings.Repeat("x", 50) + " 900-12-3456 \x1b[32mok\x1b[0m\n"
	var wg sync.WaitGroup
	for _, o := range []*terminal.Output{out, errs} {
		wg.Go(func() {
			for i := range 200 {
				for b := []byte(line); len(b) > 0; b = b[min(len(b), 1+i%7):] {
					if _, err := o.Write(b[:min(len(b), 1+i%7)]); err != nil {
						t.Errorf("Write: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	want := strings.Repeat(strings.ReplaceAll(line, canary, "[SSN]"), 200)
	if c.String() != want || e.String() != want { // before anything is closed: whole lines are not held back
		t.Errorf("stdout has %d bytes, stderr %d, want %d", len(c.String()), len(e.String()), len(want))
	}
	res := r.Finish(terminal.Exit{}, nil)
	w.settle(p, res)
	if res.Status != "ok" || res.Bytes != uint64(2*len(want)) || len(res.Masked) != 4 || res.Masked[3].Hits != 200 || res.Masked[3].Locus != "stderr" {
		t.Errorf("the result: %+v", res)
	}
	frames := w.frames()
	if recorded(frames, asciicast.KindOut) != want || recorded(frames, asciicast.KindErr) != want {
		t.Error("the recording is not what the client got")
	}
}

// TestReadable has each of the three ways in which policy shows an output.
func TestReadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	a, p := w.admit("phi.ssn")
	err := terminal.Readable(a)
	if msg, hint := sallyport.Public(err); sallyport.KindOf(err) != sallyport.Denied || msg != "the output is text, which this role may not see" || hint == "" {
		t.Errorf("a label that may not be read: %v", err)
	}
	if _, err := w.masks.Start(terminal.Options{Session: w.session, Permit: p, Admission: a, Now: time.Now}); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("it starts: %v", err)
	}
	for what, o := range map[string]terminal.Options{"no admission": {Session: w.session, Permit: p, Now: time.Now}, "no permit": {Session: w.session, Admission: a, Now: time.Now}} {
		if _, err := w.masks.Start(o); err == nil {
			t.Errorf("%s: it starts", what)
		}
	}
	w.settle(p, terminalSkipped())
	r, p := w.start("public", nil)
	c := newClient()
	raw := "SSN " + canary + " \xff\x00\x1b]0;t\x07 no end"
	if _, err := io.WriteString(r.Output(terminal.Stdout, c), raw); err != nil {
		t.Fatal(err)
	}
	if c.String() != raw { // at once
		t.Errorf("what may be read raw came as %q", c.String())
	}
	res := r.Finish(terminal.Exit{Signal: "KILL"}, nil)
	w.settle(p, res)
	if res.Status != "error" || res.Code != "KILL" || res.Tag != "signal KILL" || len(res.Masked) != 0 {
		t.Errorf("the result: %+v", res)
	}
	if frames := w.frames(); recorded(frames, asciicast.KindOut) != raw {
		t.Error("the recording is not what the client got")
	}
	if _, err := terminal.New(nil); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("masks without rules: %v", err)
	}
}

// TestBombs writes what would have a terminal or a mask hold ever more. Memory stays
// bounded, and what comes after it is masked.
func TestBombs(t *testing.T) {
	t.Parallel()
	for what, give := range map[string]string{
		"endless word":     strings.Repeat("x9", 1<<20),
		"endless line":     strings.Repeat("word 900-12-3456 ", 1<<17),
		"endless escape":   "\x1b]0;" + strings.Repeat("t", 2<<20),
		"endless sequence": "\x1b[" + strings.Repeat("1;", 1<<20),
		"backspaces":       "x" + strings.Repeat("\b", 2<<20),
		"colours":          strings.Repeat("\x1b[31m", 1<<18),
		"no UTF-8":         strings.Repeat("\xff\xc3\xf0\x9f", 1<<19),
		"moves":            strings.Repeat("\x1b[500C9\x1b[500D", 1<<16),
		"zeros":            strings.Repeat("\x00", 2<<20),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 64<<10)
			r, p := w.start("phi.note", func(o *terminal.Options) { o.TTY = true })
			c := newClient()
			out := r.Output(terminal.Stdout, c)
			for b := []byte(give); len(b) > 0; b = b[min(len(b), 64<<10):] {
				if _, err := out.Write(b[:min(len(b), 64<<10)]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.WriteString(out, "\x07\x1b\\\nSSN "+canary+" end\n"); err != nil {
				t.Fatal(err)
			}
			w.settle(p, r.Finish(terminal.Exit{}, nil))
			if got := c.String(); strings.Contains(got, canary) || !strings.HasSuffix(got, "SSN [SSN] end\n") {
				t.Errorf("it ends with %q", got[max(0, len(got)-100):])
			}
			frames := w.frames()
			kept := len(recorded(frames, asciicast.KindOut))
			if last := frames[len(frames)-1]; len(c.String()) > 64<<10 && (last.Kind != record.KindTruncated || kept > 64<<10) {
				t.Errorf("%d bytes were kept, and the recording ends with %s", kept, last.Kind)
			}
		})
	}
}

// TestClientsThatDoNotTake has clients that fail, and one that does not read.
func TestClientsThatDoNotTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	r, p := w.start("phi.note", nil)
	broken := r.Output(terminal.Stdout, writer(func([]byte) (int, error) { return 0, io.ErrClosedPipe }))
	if _, err := io.WriteString(broken, "a\n"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write = %v", err)
	}
	if _, err := io.WriteString(broken, "b\n"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a second Write = %v", err)
	}
	if err := broken.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Close = %v", err)
	}
	free, in := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := r.Output(terminal.Stderr, writer(func(b []byte) (int, error) {
		once.Do(func() { close(in) })
		<-free
		return len(b), nil
	}))
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(slow, "c\n")
		wrote <- err
	}()
	<-in
	select {
	case err := <-wrote:
		t.Errorf("Write went ahead of the client: %v", err)
	default:
	}
	close(free)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	res := r.Finish(terminal.Exit{}, context.Canceled)
	w.settle(p, res)
	if res.Status != "cancelled" || res.Bytes != 2 {
		t.Errorf("the result: %+v", res)
	}
	for what, err := range map[string]error{
		"Typed": r.Typed([]byte("x")), "Write": second(io.WriteString(slow, "x")), "Output": second(io.WriteString(r.Output(terminal.Stdout, io.Discard), "x")),
	} {
		if err == nil {
			t.Errorf("%s goes on after the end", what)
		}
	}
	// What was recorded is what was about to leave: on the record first.
	if frames := w.frames(); recorded(frames, asciicast.KindOut) != "a\n" || recorded(frames, asciicast.KindErr) != "c\n" {
		t.Errorf("recorded: %q, %q", recorded(frames, asciicast.KindOut), recorded(frames, asciicast.KindErr))
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func second(_ int, err error) error { return err }

// TestFlush has a client that gathers until it is told not to.
func TestFlush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	r, p := w.start("phi.note", nil)
	f := &flusher{}
	if _, err := io.WriteString(r.Output(terminal.Stdout, f), "line\n"); err != nil || f.flushed != 1 {
		t.Errorf("%v, flushed %d times", err, f.flushed)
	}
	w.settle(p, r.Finish(terminal.Exit{}, errors.New("the connection broke")))
	i := 0
	for _, l := range w.leaves() {
		if l.Type == evidence.TypeOutcome {
			b, err := evidence.Body[evidence.Outcome](l)
			if i++; err != nil || b.Status != "unknown" || b.Code != "" {
				t.Errorf("outcome: %+v, %v", b, err)
			}
		}
	}
	if i != 1 {
		t.Errorf("%d outcomes", i)
	}
}

type flusher struct {
	bytes.Buffer
	flushed int
}

func (f *flusher) Flush() error { f.flushed++; return nil }

// TestInput records what is typed where that is asked for, masked, at the end of a
// line.
func TestInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	r, p := w.start("phi.note", func(o *terminal.Options) { o.TTY, o.Input = true, true })
	for _, key := range "grep 900-12-3456 notes\r4\r\nls\nq" {
		if err := r.Typed([]byte(string(key))); err != nil {
			t.Fatal(err)
		}
	}
	res := r.Finish(terminal.Exit{}, nil)
	w.settle(p, res)
	frames := w.frames()
	if got := recorded(frames, asciicast.KindIn); got != "grep [SSN] notes\n4\nls\nq" {
		t.Errorf("recorded: %q", got)
	}
	if len(res.Masked) != 2 || res.Masked[1].Locus != "stdin" || res.Masked[1].Output != -1 {
		t.Errorf("the counts: %+v", res.Masked)
	}
}

// terminalSkipped is the result of what was not started.
func terminalSkipped() session.Result { return session.Result{Status: "skipped"} }

// TestNeverQuiet has a line that goes on and on: the client sees it all the same, before
// it ends.
func TestNeverQuiet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	r, p := w.start("phi.note", func(o *terminal.Options) { o.TTY = true })
	c := newClient()
	out := r.Output(terminal.Stdout, c)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for patience := time.After(30 * time.Second); !strings.HasPrefix(c.String(), "ok "); {
		select {
		case <-tick.C:
			if _, err := io.WriteString(out, "ok "); err != nil {
				t.Fatal(err)
			}
		case <-patience:
			t.Fatal("nothing came")
		}
	}
	w.settle(p, r.Finish(terminal.Exit{}, nil))
}
