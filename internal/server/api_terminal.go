// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/record/asciicast"
)

// terminalDoc is what a program printed, and what was typed where that is recorded.
type terminalDoc struct {
	TTY     bool     `json:"tty"`
	Columns uint16   `json:"columns,omitempty"`
	Rows    uint16   `json:"rows,omitempty"`
	Title   string   `json:"title,omitempty"`
	Events  [][3]any `json:"events"` // milliseconds since its start, code, text
}

// terminal returns what was recorded of a program, or nil.
func (s *shown) terminal() *terminalDoc {
	start := s.program.Start()
	if start == nil {
		return nil
	}
	d := &terminalDoc{TTY: start.TTY, Columns: start.Columns, Rows: start.Rows, Title: start.Title, Events: [][3]any{}}
	for _, e := range append(s.events, s.program.Close()...) {
		d.Events = append(d.Events, [3]any{e.At.Milliseconds(), e.Code, e.Text})
	}
	return d
}

// exportTerminal answers what a program printed as a file for players of asciicast.
// That somebody looked is on record first.
func (a *api) exportTerminal(ctx context.Context, w http.ResponseWriter, r *http.Request, c caller) error {
	if err := c.needAuditor(); err != nil {
		return err
	}
	q, err := query(r, "format")
	if err != nil {
		return err
	}
	format, err := asciicast.ParseFormat(q.Get("format"))
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(r.PathValue("n"), 10, 64)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return invalid("the statement is not a number from 1", "")
	}
	s, release, err := a.lookAt(ctx, r, c)
	if err != nil {
		return err
	}
	defer release()
	if err := a.notErased(ctx, s.ID); err != nil {
		return err
	}
	t, err := a.story(ctx, s.Session, page{n - 1, 1})
	if err != nil {
		return err
	}
	key, err := a.recordingKey(t)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-asciicast")
	return a.cast(ctx, asciicast.NewWriter(w, format), s.ID, t, n, key)
}

// cast writes the cast of a statement, of which and of no other the story is.
func (a *api) cast(ctx context.Context, out *asciicast.Writer, id sallyport.SessionID, t *story, n uint64, key record.Opener) error {
	p := player{story: t}
	chunks := p.wanted()
	if t.byNumber[n] == nil || key == nil {
		chunks = nil
	}
	for f, err := range record.Read(ctx, a.g.blobs, key, id, chunks) {
		known := slices.ContainsFunc(chunks, func(c evidence.Recording) bool { return c.Chunk == f.Chunk })
		switch {
		case err != nil && (known || !p.leftOut(f.Chunk)):
			msg, _ := sallyport.Public(err)
			err = out.Lost(msg)
		case err != nil: // chunks that were not asked for
			err = nil
		case f.Stmt == n:
			err = out.Frame(f)
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return sallyport.E(sallyport.Unavailable, "api", "the export was called off").Because(err)
	}
	if s := t.byNumber[n]; s != nil && s.Outcome != nil {
		if code, err := strconv.Atoi(s.Outcome.Code); err == nil {
			if err := out.Exit(code); err != nil {
				return err
			}
		}
	}
	found, err := out.Close()
	if err == nil && !found {
		return sallyport.E(sallyport.NotFound, "api", "the session has no recording of a program under this statement").
			WithHint("`sallyport session show` lists the statements; those of class command and shell are programs")
	}
	return err
}
