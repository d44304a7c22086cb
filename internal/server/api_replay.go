// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"slices"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/record/asciicast"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// step is one line of a replay: a statement and what its client saw of the
// answer, which is masked.
type step struct {
	Stmt      uint64             `json:"stmt"`
	AtMS      int64              `json:"at_ms"` // since the session was opened
	Phase     string             `json:"phase,omitempty"`
	Class     string             `json:"class"`
	Readable  string             `json:"readable"`
	Verdict   string             `json:"verdict"`
	Rules     []sallyport.RuleID `json:"rules"`
	Reason    string             `json:"reason,omitempty"`
	Approval  *approval          `json:"approval,omitempty"`
	Columns   []string           `json:"columns,omitempty"`
	Rows      [][]*string        `json:"rows,omitempty"` // text; null for NULL
	Tag       string             `json:"tag,omitempty"`
	Status    string             `json:"status,omitempty"` // of the outcome; "" while there is none
	Error     *stepError         `json:"error,omitempty"`
	Masked    []masked           `json:"masked,omitempty"`
	Truncated uint64             `json:"truncated,omitempty"` // bytes of the answer that were not kept
	Lost      string             `json:"lost,omitempty"`      // why some of the recording cannot be shown
	Terminal  *terminalDoc       `json:"terminal,omitempty"`  // of a program
}

type stepError struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// end is the last line of a replay, so that one which was cut short can be told.
type end struct {
	End        bool   `json:"end"`
	Statements int    `json:"statements"`
	More       bool   `json:"more"` // statements follow that are not in this answer
	Gaps       int    `json:"gaps"` // stretches of the recording that are lost
	Closed     bool   `json:"closed"`
	Reason     string `json:"reason,omitempty"` // of the close
	Erased     string `json:"erased,omitempty"` // when and by what the recording was
}

// replaySession shows an auditor what a session's client saw. That somebody
// looked is on record first.
func (a *api) replaySession(ctx context.Context, w http.ResponseWriter, r *http.Request, c caller) error {
	if err := c.needAuditor(); err != nil {
		return err
	}
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	s, release, err := a.lookAt(ctx, r, c)
	if err != nil {
		return err
	}
	defer release()
	t, err := a.story(ctx, s.Session, p)
	if err != nil {
		return err
	}
	var key record.Opener
	switch e, err := a.g.retention.Erased(ctx, s.ID); {
	case err != nil:
		return err
	case e != nil:
		t.erased = e.String()
	default:
		if key, err = a.recordingKey(t); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	return a.replay(ctx, w, s.ID, t, key)
}

// lookAt returns the session that a request names, for an auditor who looks at what its
// client saw. That somebody looks is on record then. It takes a place among the answers
// that read much, which the caller gives back.
func (a *api) lookAt(ctx context.Context, r *http.Request, c caller) (s sessionDoc, release func(), err error) {
	if release, err = a.weighty(); err != nil {
		return s, nil, err
	}
	if s, err = a.session(ctx, r, c); err == nil {
		err = a.g.events.Replay(ctx, evidence.Replay{By: c.ID, Session: s.ID})
	}
	if err != nil {
		release()
		return s, nil, err
	}
	return s, release, nil
}

// weighty takes a place among the answers that read much.
func (a *api) weighty() (release func(), err error) {
	select {
	case a.heavy <- struct{}{}:
		return func() { <-a.heavy }, nil
	default:
		return nil, sallyport.E(sallyport.Exhausted, "api", "other exports, replays or verifications are running").WithHint("try again when they are done")
	}
}

// recordingKey opens the key of the session's recording, as far as it has one.
func (a *api) recordingKey(t *story) (record.Opener, error) {
	if t.open != nil {
		for _, k := range t.open.Keys {
			if k.Purpose == vault.PurposeRecording {
				return a.g.vault.UnwrapKey(k)
			}
		}
	}
	if len(t.chunks) == 0 {
		return nil, nil
	}
	return nil, sallyport.E(sallyport.Integrity, "replay", "the session has a recording and no key for it")
}

// replayedSession renders a whole session's replay for a bundle, from the leaves
// that are in it.
func (a *api) replayedSession(ctx context.Context, id sallyport.SessionID, indexes []uint64) ([]byte, error) {
	if err := a.notErased(ctx, id); err != nil {
		return nil, err
	}
	t := newStory(page{limit: math.MaxUint64})
	err := a.g.log.ReadEach(ctx, indexes, func(_ uint64, raw []byte) error {
		leaf, err := evidence.ParseLeaf(bytes.Clone(raw))
		if err != nil {
			return err
		}
		return t.add(leaf)
	})
	if err != nil {
		return nil, err
	}
	key, err := a.recordingKey(t)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = a.replay(ctx, &b, id, t, key)
	return b.Bytes(), err
}

// replay writes the steps of a story in the order of its statements.
func (a *api) replay(ctx context.Context, w io.Writer, id sallyport.SessionID, t *story, key record.Opener) error {
	p := player{out: w, story: t, shown: map[uint64]*shown{}}
	if t.erased != "" {
		p.erased()
	} else if key != nil {
		if err := p.frames(ctx, a.g.blobs, key, id); err != nil {
			return err
		}
	}
	if err := p.flush(math.MaxUint64); err != nil {
		return err
	}
	last := end{End: true, Statements: len(t.statements), More: t.more, Gaps: p.gaps, Erased: t.erased}
	if t.close != nil {
		last.Closed, last.Reason = true, t.close.Reason
	}
	return p.line(last)
}

// player joins statements with what was recorded of their answers.
type player struct {
	out   io.Writer
	story *story
	shown map[uint64]*shown // of statements that are not written yet
	done  int               // statements that are written
	gaps  int
}

// shown is what was recorded of one statement.
type shown struct {
	postgres.Replayer
	program   asciicast.Decoder
	events    []asciicast.Event
	truncated uint64
	lost      string
}

// frames reads the recording and writes every statement that no later chunk can
// hold more of, so that memory is bounded by what is interleaved.
func (p *player) frames(ctx context.Context, blobs record.Source, key record.Opener, id sallyport.SessionID) error {
	chunks := p.wanted()
	least := make([]uint64, len(chunks)+1) // the first statement in the chunk or any later one
	least[len(chunks)] = math.MaxUint64
	at := map[uint64]int{}
	for i := len(chunks) - 1; i >= 0; i-- {
		least[i] = min(least[i+1], chunks[i].First)
		at[chunks[i].Chunk] = i
	}
	for f, err := range record.Read(ctx, blobs, key, id, chunks) {
		i, known := at[f.Chunk]
		if err != nil {
			if known || !p.leftOut(f.Chunk) {
				p.gap(chunks, i, known, err)
			}
			continue
		}
		if err := p.flush(least[i]); err != nil {
			return err
		}
		if err := p.frame(f); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return sallyport.E(sallyport.Unavailable, "replay", "the replay was called off").Because(err)
	}
	return nil
}

// wanted returns the chunks that hold statements of the page.
func (p *player) wanted() []evidence.Recording {
	if p.story.page.after == 0 && !p.story.more {
		return p.story.chunks
	}
	var out []evidence.Recording
	for _, c := range p.story.chunks {
		if c.Last > p.story.page.after && (c.First <= p.story.page.after || p.story.page.has(c.First)) {
			out = append(out, c)
		}
	}
	return out
}

// leftOut reports whether a chunk that was not asked for is on record: that it
// does not come is no gap.
func (p *player) leftOut(chunk uint64) bool {
	return slices.ContainsFunc(p.story.chunks, func(c evidence.Recording) bool { return c.Chunk == chunk })
}

// gap notes that a chunk cannot be shown with every statement that it may have
// held something of.
func (p *player) gap(chunks []evidence.Recording, i int, known bool, err error) {
	p.gaps++
	if !known {
		return
	}
	msg, _ := sallyport.Public(err)
	for _, s := range p.story.statements[p.done:] {
		if s.Stmt >= chunks[i].First && s.Stmt <= chunks[i].Last {
			p.of(s.Stmt).lost = msg
		}
	}
}

// erased notes with every statement that something was recorded of that it is no
// more.
func (p *player) erased() {
	for _, c := range p.story.chunks {
		for _, s := range p.story.statements {
			if s.Stmt >= c.First && s.Stmt <= c.Last {
				p.of(s.Stmt).lost = p.story.erased
			}
		}
	}
}

func (p *player) of(stmt uint64) *shown {
	s := p.shown[stmt]
	if s == nil {
		s = &shown{}
		p.shown[stmt] = s
	}
	return s
}

func (p *player) frame(f record.Frame) error {
	if p.story.byNumber[f.Stmt] == nil {
		return nil
	}
	s := p.of(f.Stmt)
	if f.Kind == record.KindTruncated {
		s.truncated += f.Omitted
		return nil
	}
	if asciicast.Known(f.Kind) {
		events, err := s.program.Frame(f)
		if err != nil {
			s.lost, _ = sallyport.Public(err)
		}
		s.events = append(s.events, events...)
		return nil
	}
	if err := s.DecodeFrame(f.Kind, f.Data); err != nil {
		s.lost, _ = sallyport.Public(err)
	}
	return nil
}

// flush writes the statements before a number.
func (p *player) flush(before uint64) error {
	for p.done < len(p.story.statements) {
		s := p.story.statements[p.done]
		if s.Stmt >= before {
			return nil
		}
		p.done++
		if err := p.line(p.step(s)); err != nil {
			return err
		}
		delete(p.shown, s.Stmt)
	}
	return nil
}

func (p *player) step(s *statement) step {
	out := step{
		Stmt: s.Stmt, AtMS: s.At.Sub(p.story.at).Milliseconds(), Phase: s.Phase, Class: s.Class, Readable: s.Readable, Verdict: s.Verdict,
		Rules: s.Rules, Reason: s.Reason, Approval: s.Approval, Masked: s.Masked,
	}
	if o := s.Outcome; o != nil {
		out.Status, out.Tag = o.Status, o.Tag
		if o.Code != "" && o.Status != "ok" {
			out.Error = &stepError{Code: o.Code}
		}
	}
	rec := p.shown[s.Stmt]
	if rec == nil {
		return out
	}
	out.Terminal = rec.terminal()
	seen := rec.Result()
	out.Columns, out.Rows, out.Truncated, out.Lost = seen.Columns, seen.Rows, rec.truncated, rec.lost
	if out.Tag == "" {
		out.Tag = seen.Tag
	}
	if seen.Code != "" {
		out.Error = &stepError{Code: seen.Code, Message: seen.Message}
	}
	if seen.Partial && out.Truncated == 0 && out.Lost == "" && s.Outcome != nil {
		out.Lost = "the recording ends inside a message"
	}
	return out
}

func (p *player) line(v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	_, err = p.out.Write(b)
	return err
}
