// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package terminal carries the streams of a program that runs at a target, with a
// terminal or without, to the client: they are masked, recorded and delivered
// here, and nowhere else.
//
// A connector asks [Readable] before it asks for a permit, calls [Masks.Start] with
// the permit, copies what the target sends into an [Output] for each stream, tells
// of what is typed and of new sizes, and gives what [Run.Finish] returns to
// Session.Settle.
//
// Output that policy does not show as it is goes through a mask of terminals
// (package stream), also where the program has no terminal: many colour what they
// print nevertheless, and lines must leave as they are complete. What is held back
// of a line that is not, a prompt say, leaves after a short time without bytes.
// Bytes are recorded before they are delivered, and a client that does not read
// holds the program up.
//
// What is typed is not masked on its way to the target and cannot be judged: keys
// are not commands. It is counted and digested, and recorded only where that is
// asked for.
package terminal

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/internal/record/asciicast"
	"github.com/sallyport-dev/sallyport/internal/session"
)

const op = "terminal"

// maxTitle bounds the readable command in the head of a recording, in bytes. Frames
// of up to 4 KiB are never cut in two.
const maxTitle = 1 << 10

// Masks makes the masks of streams for one set of rules. It does not change and is
// safe for concurrent use.
type Masks struct{ set *rules.Set }

// New returns the masks of a set of rules.
func New(set *rules.Set) (*Masks, error) {
	if set == nil {
		return nil, sallyport.E(sallyport.Invalid, op, "programs need masking rules").
			WithHint("give the resource a masking section; docs/reference/masking.md describes it")
	}
	return &Masks{set: set}, nil
}

// Size is that of a terminal, in characters.
type Size struct{ Columns, Rows uint16 }

// Exit is how a program ended. Signal is "" for an end by a code; names are
// without SIG.
type Exit struct {
	Code   int
	Signal string
}

// Options describe one run of a program.
type Options struct {
	Session *session.Session
	Permit  session.Permit
	// Admission says by its masks whether the output is shown raw, scanned or not
	// at all.
	Admission *session.Admission
	TTY       bool
	Size      Size
	Title     string // the readable command, for the head of the recording
	// Input has what is typed recorded, masked. Passwords are typed, and no scanner
	// knows them, so that it is off where nobody asks for it.
	Input bool
	Now   func() time.Time
}

// Readable refuses an admission whose output may be shown neither raw nor scanned.
// It is asked before the intent is made, so that nothing runs in vain.
func Readable(a *session.Admission) error {
	if a == nil || len(a.Statement().Outputs) == 0 {
		return sallyport.E(sallyport.Internal, op, "the statement does not say what its output is made of")
	}
	for _, m := range a.Masks() {
		if !m.Scan {
			return sallyport.E(sallyport.Denied, op, "the output is text, which this role may not see").
				WithHint("a permit for readScanned on its labels shows it without what the scanner finds, one for readRaw as it is")
		}
	}
	return nil
}

// Stream is one of a program's streams of output.
type Stream uint8

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

// locus is the stream's name in masking events.
func (s Stream) locus() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

func (s Stream) kind() string {
	if s == Stderr {
		return asciicast.KindErr
	}
	return asciicast.KindOut
}

// Run is one run of a program. Its methods may be called from any goroutine.
type Run struct {
	o     Options
	masks *Masks
	raw   bool

	mu      sync.Mutex
	outputs []*Output  // guarded by mu
	ended   bool       // guarded by mu
	typed   uint64     // guarded by mu
	digest  hash.Hash  // of what was typed; guarded by mu
	input   *mask.Body // nil unless input is recorded; guarded by mu
	turned  bool       // a carriage return was typed last; guarded by mu
}

// Start begins the recording of a run. The program may be started when it has
// returned without an error; then [Run.Finish] must be called.
func (m *Masks) Start(o Options) (*Run, error) {
	if err := Readable(o.Admission); err != nil {
		return nil, err
	}
	if o.Session == nil || !o.Permit.Valid(o.Session) || o.Now == nil {
		return nil, sallyport.E(sallyport.Internal, op, "a program needs a session and a permit of it")
	}
	r := &Run{o: o, masks: m, raw: len(o.Admission.Masks()) == 0, digest: sha256.New()}
	if o.Input {
		r.input = m.body("stdin", true)
	}
	err := r.note(asciicast.KindStart, asciicast.Start{
		Version: asciicast.FrameVersion, TTY: o.TTY, Columns: o.Size.Columns, Rows: o.Size.Rows,
		Title: strings.ToValidUTF8(o.Title[:min(len(o.Title), maxTitle)], ""), At: o.Now().Unix(), Input: o.Input, Raw: r.raw,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// terminalMask is a mask of terminals that never meets what is not of its kind.
type terminalMask struct{ *stream.Terminal }

// Failed implements [mask.PayloadWriter].
func (terminalMask) Failed() int { return 0 }

// body returns the mask of one stream.
func (m *Masks) body(locus string, typing bool) *mask.Body {
	return mask.NewBody(func(w *text.Work, sink io.Writer) mask.PayloadWriter {
		w.Locus = locus
		t := stream.NewTerminal(m.set.Text(), w, sink)
		t.Typing, t.Bulk = typing, !typing
		return terminalMask{t}
	})
}

// note records what the gateway itself has to say of the run.
func (r *Run) note(kind string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "a frame cannot be written").Because(err)
	}
	return r.o.Session.Record(r.o.Permit, kind, mask.Synthetic(b))
}

// like is what the counts of a stream have in common.
func (r *Run) like(output int) mask.Count {
	p := r.masks.set.Profile()
	c := mask.Count{Output: output, Profile: p.Name(), ProfileVersion: p.Version()}
	if output < 0 {
		c.Reason, c.Columns = "recording", []string{"typed input"}
		return c
	}
	c.Columns = session.SourceNames(r.o.Admission.Statement(), 0)
	if masks := r.o.Admission.Masks(); len(masks) > 0 {
		c.Labels, c.Reason = masks[0].Labels, masks[0].Reason
	}
	return c
}

func errEnded() error {
	return sallyport.E(sallyport.Internal, op, "the run has ended")
}

// Typed tells of input before it is sent to the target. After an error it must not
// be sent.
func (r *Run) Typed(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return errEnded()
	}
	r.o.Session.Busy()
	r.typed += uint64(len(p))
	r.digest.Write(p) // a hash returns no error
	if r.input == nil {
		return nil
	}
	for len(p) > 0 {
		k := min(len(p), step)
		m, err := r.input.Write(mask.FromUpstream(r.lines(p[:k])))
		if err == nil {
			err = r.recordInput(m)
		}
		if err != nil {
			return err
		}
		p = p[k:]
	}
	return nil
}

// lines ends lines of input as those of texts end: a terminal sends a carriage return
// alone, behind which the mask would wait for what takes the line's place. The caller
// holds r.mu.
func (r *Run) lines(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for _, c := range p {
		if c == '\n' && r.turned {
			r.turned = false
			continue
		}
		if r.turned = c == '\r'; r.turned {
			c = '\n'
		}
		out = append(out, c)
	}
	return out
}

// recordInput records masked input. The caller holds r.mu.
func (r *Run) recordInput(m mask.Masked) error {
	if m.Len() == 0 {
		return nil
	}
	return r.o.Session.Record(r.o.Permit, asciicast.KindIn, m)
}

// Resize records a new size of the terminal.
func (r *Run) Resize(s Size) error {
	return r.note(asciicast.KindResize, asciicast.Resize{Columns: s.Columns, Rows: s.Rows})
}

// Finish ends the run: it closes outputs that are still open, records how the
// program ended, and returns what the session is settled with. err says why it is
// not known how the program ended; nil where it is. What a mask still held goes to
// the client, so that a client which does not read must be closed before.
func (r *Run) Finish(x Exit, err error) session.Result {
	r.mu.Lock()
	outputs := r.outputs
	r.ended = true
	r.mu.Unlock()
	res := resultOf(x, err)
	for _, o := range outputs {
		_ = o.Close() // its error is the stream's; what it held back is lost to the client alone
		res.Bytes += o.delivered()
		res.Masked = append(res.Masked, o.body.Counts(o.like())...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	exit := asciicast.Exit{Code: x.Code, Signal: x.Signal, Lost: err != nil, Typed: r.typed}
	if r.input != nil {
		if m, ferr := r.input.Flush(); ferr == nil {
			_ = r.recordInput(m) // a recording that fails has ended the session
			res.Masked = append(res.Masked, r.input.Counts(r.like(-1))...)
		}
		r.input = nil
	}
	if r.typed > 0 {
		exit.TypedDigest = r.o.Session.Fingerprint(r.digest.Sum(nil))
	}
	_ = r.note(asciicast.KindExit, exit) // as above
	return res
}

// resultOf says in the session's words how a program ended.
func resultOf(x Exit, err error) session.Result {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, session.ErrCancelled):
		return session.Result{Status: "cancelled"}
	case err != nil:
		return session.Result{Status: "unknown"}
	case x.Signal != "":
		return session.Result{Status: "error", Code: x.Signal, Tag: "signal " + x.Signal}
	}
	res := session.Result{Status: "ok", Code: strconv.Itoa(x.Code), Tag: "exit " + strconv.Itoa(x.Code)}
	if x.Code != 0 {
		res.Status = "error"
	}
	return res
}
