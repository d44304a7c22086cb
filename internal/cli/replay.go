// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// step is one line of a replay: a statement, what was decided about it and what
// its client saw; or the last line, which says that the replay is whole
// (docs/reference/api.md).
type step struct {
	Stmt     uint64      `json:"stmt"`
	AtMS     int64       `json:"at_ms"` // since the session was opened
	Phase    string      `json:"phase"`
	Class    string      `json:"class"`
	Readable string      `json:"readable"`
	Verdict  string      `json:"verdict"`
	Rules    []string    `json:"rules"`
	Reason   string      `json:"reason"`
	Approval *approval   `json:"approval"`
	Columns  []string    `json:"columns"`
	Rows     [][]*string `json:"rows"` // nil is NULL
	Tag      string      `json:"tag"`
	Status   string      `json:"status"`
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Masked    []masked `json:"masked"`
	Truncated uint64   `json:"truncated"` // bytes of the answer that were not kept
	Lost      string   `json:"lost"`

	Terminal *terminalDoc `json:"terminal"` // of a program

	End    bool   `json:"end"`
	More   bool   `json:"more"`
	Gaps   int    `json:"gaps"`
	Erased string `json:"erased"`
	Closed bool   `json:"closed"`
	Ended  uint64 `json:"statements"`
}

// maxStep bounds one line of a replay.
const maxStep = 64 << 20

// shownRows is how many rows of an answer are shown without --all.
const shownRows = 20

// replayOptions say how a replay is shown.
type replayOptions struct {
	all, pace, stepwise bool
}

func (a *app) replayCommand() *cobra.Command {
	var o replayOptions
	cmd := a.command("replay ID", "Show what a session did and saw, step by step", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.sessionReplay(ctx, args[0], o) })
	cmd.Long = "Show what a session did and saw: each statement with its verdict and the rules behind it, what was masked and\n" +
		"why, and the rows as its client got them. A replay goes on record. With -o json each step is one line of JSON."
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, fmt.Sprintf("all recorded rows, not the first %d", shownRows))
	f.BoolVar(&o.pace, "pace", false, "at the pace of the session itself")
	f.BoolVar(&o.stepwise, "step", false, "wait for Enter after each step")
	return cmd
}

func (a *app) sessionReplay(ctx context.Context, id string, o replayOptions) error {
	format, err := a.format()
	if err != nil {
		return err
	}
	if format == "csv" {
		return usage("a replay is a table or JSON")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	p := player{app: a, replayOptions: o, raw: format == "json", keys: bufio.NewReader(a.Stdin), took: map[uint64]int64{}}
	if !p.raw {
		s, _, err := c.session(ctx, id)
		if err != nil {
			return err
		}
		for _, st := range s.Statements {
			if st.Outcome != nil {
				p.took[st.Stmt] = st.Outcome.Micros
			}
		}
		var head strings.Builder
		renderHeader(&head, s, paints(a.colour()))
		if _, err := io.WriteString(a.Stdout, head.String()); err != nil {
			return err
		}
	}
	for after, more := uint64(0), true; more; after += replayPage {
		if more, err = p.page(ctx, c, id, after); err != nil {
			return err
		}
	}
	return nil
}

// replayPage is how many statements one answer holds at most.
const replayPage = 10000

// player shows a replay.
type player struct {
	*app
	replayOptions
	raw  bool // as the gateway sends it
	keys *bufio.Reader
	last int64            // at_ms of the step before
	took map[uint64]int64 // microseconds of statements, as far as they are known
}

// page shows one page of a replay and says whether another follows.
func (p *player) page(ctx context.Context, c *client, id string, after uint64) (bool, error) {
	q := url.Values{"limit": {strconv.Itoa(replayPage)}}
	if after > 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	res, err := c.send(ctx, http.MethodGet, "/v1/sessions/"+url.PathEscape(id)+"/replay", q, "", nil)
	if err != nil {
		return false, err
	}
	more, err := p.play(ctx, bufio.NewReader(res.Body))
	return more, errors.Join(err, res.Body.Close())
}

// play shows the steps as they come. Without the line that ends them, what came
// is not the whole.
func (p *player) play(ctx context.Context, in *bufio.Reader) (more bool, err error) {
	for {
		line, err := readLine(in, maxStep)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		var s step
		if err == nil && json.Unmarshal(line, &s) != nil {
			err = sallyport.E(sallyport.Invalid, "replay", "a step has another form than this program knows")
		}
		if err != nil {
			return false, sallyport.E(sallyport.Unavailable, "replay", "the replay broke off; what was shown is not the whole").Because(err)
		}
		if s.End && s.More {
			return true, nil
		}
		if err := p.step(ctx, line, s); err != nil || s.End {
			return false, err
		}
	}
}

// step shows one step.
func (p *player) step(ctx context.Context, line []byte, s step) error {
	if p.raw {
		_, err := p.Stdout.Write(line)
		return err
	}
	if p.pace && !s.End {
		if err := pause(ctx, time.Duration(s.AtMS-p.last)*time.Millisecond); err != nil {
			return err
		}
		p.last = s.AtMS
	}
	var b strings.Builder
	took := time.Duration(p.took[s.Stmt]) * time.Microsecond
	switch {
	case s.End:
		renderEnd(&b, s, paints(p.colour()))
	case p.pace && s.Terminal != nil:
		renderHead(&b, s, paints(p.colour()))
		if _, err := io.WriteString(p.Stdout, b.String()); err != nil {
			return err
		}
		if err := p.playTerminal(ctx, s.Terminal); err != nil {
			return err
		}
		b.Reset()
		renderTail(&b, s, took, paints(p.colour()))
	default:
		renderStep(&b, s, took, p.all, paints(p.colour()))
	}
	if _, err := io.WriteString(p.Stdout, b.String()); err != nil || !p.stepwise || s.End {
		return err
	}
	fmt.Fprint(p.Stderr, "-- Enter goes on --")
	if _, err := readLine(p.keys, maxSmall); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// readLine reads a line of at most limit bytes, its newline included.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return nil, sallyport.E(sallyport.Exhausted, "replay", "a step is longer than this program takes")
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		}
		return line, err
	}
}

// paints colours a text, or does not.
type paints bool

func (p paints) in(how style, s string) string { return paint(clean(s), how, bool(p)) }

// renderHeader writes who did a session, on what, and on which ground.
func renderHeader(b *strings.Builder, s sessionWhole, p paints) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(b, "%-10s%s\n", name, clean(text))
		}
	}
	i := s.Session
	fmt.Fprintf(b, "%s\n", p.in(bold, fmt.Sprintf("session %s: %s on %s as %s", i.ID, i.Principal, i.Resource, i.Role)))
	if o := s.Open; o != nil {
		line("who", who(o.Principal))
		line("login", o.Principal.Authn.Method+" of "+o.Principal.Subject.Issuer+" at "+stamp(o.Principal.Authn.At))
		if g := o.Grant; g != nil && g.ID != "" {
			line("grant", fmt.Sprintf("%s by request %s, %s to %s", g.ID, g.Request, stamp(g.NotBefore), stamp(g.NotAfter)))
			if r := s.request; r != nil {
				line("asked", r.Reason)
				if d := r.Decision; d != nil {
					line("approved", "by "+d.Approver+" at "+stamp(d.At)+": "+d.Rationale)
				}
			}
		}
		line("client", o.Client)
		line("lineage", o.Lineage)
		line("policy", o.Policy)
		for _, n := range o.Notes {
			line("note", n)
		}
	}
	line("opened", stamp(i.Opened))
	switch {
	case !i.Closed.IsZero():
		line("closed", stamp(i.Closed)+", "+i.Reason)
	default:
		line("state", i.State)
	}
	line("did", fmt.Sprintf("%d statements, %d denied, %d values masked", i.Statements, i.Denials, i.Masked))
}

// who describes a principal: kind, groups, what its issuer said of it, and for
// whom it acts.
func who(p sallyport.Principal) string {
	parts := []string{string(p.Kind)}
	if len(p.Groups) > 0 {
		parts = append(parts, "groups "+list(p.Groups))
	}
	for _, k := range slices.Sorted(maps.Keys(p.Attributes)) {
		parts = append(parts, k+"="+p.Attributes[k])
	}
	for _, d := range p.Delegation {
		parts = append(parts, "acted by "+d.ID)
	}
	return string(p.ID) + " (" + strings.Join(parts, "; ") + ")"
}

// renderStep writes one statement with all that belongs to it. It took 0 when
// nothing is known of that.
func renderStep(b *strings.Builder, s step, took time.Duration, all bool, p paints) {
	at := time.Duration(s.AtMS) * time.Millisecond
	if s.Phase == phaseAnalyse && s.Verdict == "allow" && s.Status == "ok" && s.Error == nil && s.Approval == nil && len(s.Masked) == 0 {
		fmt.Fprintf(b, "\n%s\n", p.in(dim, fmt.Sprintf("#%d  +%s  %s, analysed only: %s", s.Stmt, clock(at), s.Class, shorten(s.Readable, 80))))
		return
	}
	renderHead(b, s, p)
	if s.Terminal != nil {
		renderTerminal(b, s.Terminal, all, p)
	}
	renderRows(b, s, all, p)
	renderTail(b, s, took, p)
}

// renderHead writes what a statement was and what was decided about it.
func renderHead(b *strings.Builder, s step, p paints) {
	at := time.Duration(s.AtMS) * time.Millisecond
	fmt.Fprintf(b, "\n%s\n", p.in(bold, fmt.Sprintf("#%d  +%s  %s", s.Stmt, clock(at), s.Class)))
	for text := range strings.Lines(s.Readable) {
		fmt.Fprintf(b, "  %s\n", clean(strings.TrimRight(text, "\r\n")))
	}
	how := green
	if s.Verdict != "allow" {
		how = red
	}
	verdict := s.Verdict
	if s.Approval != nil {
		how = yellow
		verdict = "allow after approval"
	}
	fmt.Fprintf(b, "  %s", p.in(how, verdict))
	if len(s.Rules) > 0 {
		fmt.Fprintf(b, " by %s", clean(list(s.Rules)))
	}
	if s.Reason != "" {
		fmt.Fprintf(b, ": %s", clean(s.Reason))
	}
	b.WriteString("\n")
	if ap := s.Approval; ap != nil {
		fmt.Fprintf(b, "  approved by %s at %s (%s): %s\n", clean(ap.Approver), stamp(ap.At), clean(ap.Request), clean(ap.Rationale))
	}
	for _, m := range s.Masked {
		fmt.Fprintf(b, "  %s %s\n", p.in(yellow, "masked"), clean(m.String()))
	}
}

// renderTail writes what became of a statement.
func renderTail(b *strings.Builder, s step, took time.Duration, p paints) {
	if s.Truncated > 0 {
		fmt.Fprintf(b, "  %s\n", p.in(dim, fmt.Sprintf("%d bytes more of this answer were not kept", s.Truncated)))
	}
	if s.Lost != "" {
		fmt.Fprintf(b, "  %s\n", p.in(red, s.Lost))
	}
	if s.Error != nil {
		fmt.Fprintf(b, "  %s\n", p.in(red, strings.TrimSpace("error "+s.Error.Code+" "+s.Error.Message)))
	}
	if result := s.result(took); result != "" {
		fmt.Fprintf(b, "  %s\n", clean(result))
	}
}

// result says what became of a statement.
func (s step) result(took time.Duration) string {
	switch {
	case s.Verdict != "allow":
		return ""
	case s.Status == "" && s.Phase == "execute":
		return "no outcome is on record: it may have been executed"
	case s.Status != "" && s.Status != "ok" && s.Status != "error":
		return strings.TrimSpace(s.Status + " " + s.Tag)
	case s.Tag != "" && took > 0:
		return s.Tag + " (" + brief(took) + ")"
	}
	return s.Tag
}

// renderEnd writes what is to be said after the last statement.
func renderEnd(b *strings.Builder, s step, p paints) {
	if s.Erased != "" {
		fmt.Fprintf(b, "\n%s\n", p.in(red, "the recording was "+s.Erased))
	}
	if s.Gaps > 0 {
		fmt.Fprintf(b, "\n%s\n", p.in(red, fmt.Sprintf("lost stretches of the recording: %d", s.Gaps)))
	}
	if !s.Closed {
		fmt.Fprintf(b, "\n%s\n", p.in(dim, "the session has no end on record"))
	}
	if s.Ended == 0 {
		b.WriteString("\nthe session has no statement\n")
	}
}

// clock renders a time since a session's beginning.
func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d:%06.3f", int(d.Hours()), int(d.Minutes())%60, (d % time.Minute).Seconds())
}

// String says what was masked, how and why.
func (m masked) String() string {
	what := list(m.Columns)
	switch {
	case m.Output < 0:
		what = "a diagnostic"
	case what == "":
		what = fmt.Sprintf("output %d", m.Output+1)
	}
	why := m.Reason
	if len(m.Labels) > 0 {
		why += " " + list(m.Labels)
	}
	s := fmt.Sprintf("%s: %s; %s, %d of %d values", what, why, m.Operator, m.Masked, m.Seen)
	if m.Nulls > 0 {
		s += fmt.Sprintf(", %d null", m.Nulls)
	}
	return s
}

const (
	// maxCell is how wide a shown cell may be.
	maxCell  = 40
	nullSign = "∅"
)

// renderRows writes the rows of an answer.
func renderRows(b *strings.Builder, s step, all bool, p paints) {
	rows := s.Rows
	if !all {
		rows = rows[:min(len(rows), shownRows)]
	}
	switch {
	case len(s.Columns) > 0:
		renderGrid(b, s.Columns, rows, all)
	default: // lines of a COPY
		for _, row := range rows {
			for _, cell := range row {
				if cell != nil {
					fmt.Fprintf(b, "  %s\n", clean(strings.TrimRight(*cell, "\r\n")))
				}
			}
		}
	}
	if more := len(s.Rows) - len(rows); more > 0 {
		fmt.Fprintf(b, "  %s\n", p.in(dim, fmt.Sprintf("%d rows more; --all shows them", more)))
	}
}

// renderGrid writes columns and rows with rules between them.
func renderGrid(b *strings.Builder, columns []string, rows [][]*string, all bool) {
	widest := maxCell
	if all {
		widest = maxStep
	}
	cells := make([][]string, len(rows)+1)
	for _, name := range columns {
		cells[0] = append(cells[0], shorten(clean(name), widest))
	}
	for i, row := range rows {
		for j := range columns {
			text := ""
			switch {
			case j >= len(row):
			case row[j] == nil:
				text = nullSign
			default:
				text = shorten(clean(*row[j]), widest)
			}
			cells[i+1] = append(cells[i+1], text)
		}
	}
	width := make([]int, len(columns))
	for _, row := range cells {
		for j, c := range row {
			width[j] = max(width[j], utf8.RuneCountInString(c))
		}
	}
	for i, row := range cells {
		line, rule := "  ", "  "
		for j, c := range row {
			if j > 0 {
				line, rule = line+" | ", rule+"-+-"
			}
			line += c + strings.Repeat(" ", width[j]-utf8.RuneCountInString(c))
			rule += strings.Repeat("-", width[j])
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		if i == 0 {
			b.WriteString(rule + "\n")
		}
	}
}
