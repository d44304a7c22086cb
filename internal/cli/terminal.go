// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// terminalDoc is what a program printed, as a replay has it.
type terminalDoc struct {
	TTY     bool            `json:"tty"`
	Columns int             `json:"columns"`
	Rows    int             `json:"rows"`
	Title   string          `json:"title"`
	Events  []terminalEvent `json:"events"`
}

// terminalEvent is one event of a program, as three values of JSON.
type terminalEvent struct {
	at         time.Duration // since its start
	code, text string
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *terminalEvent) UnmarshalJSON(b []byte) error {
	var ms int64
	parts := []any{&ms, &e.code, &e.text}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	e.at = time.Duration(ms) * time.Millisecond
	return nil
}

// castFlags say which statement is written as a cast, and in which format.
type castFlags struct {
	statement uint64
	format    string
}

func (x *castFlags) flags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&x.statement, "statement", 0, "write what the program of this statement printed instead, to a file or standard output")
	cmd.Flags().StringVar(&x.format, "format", "", "of that: asciicast-v2 or asciicast-v3")
}

// castExport writes what a program printed as a file for players of asciicast.
func (a *app) castExport(ctx context.Context, x *export, o castFlags) error {
	switch {
	case o.statement == 0:
		return usage("name the statement with --statement N; `session show` lists them")
	case o.format != "asciicast-v2" && o.format != "asciicast-v3":
		return usage("say --format asciicast-v2 or --format asciicast-v3")
	case x.purpose != "" || x.withKeys:
		return usage("--purpose and --with-keys are of bundles; that somebody looked goes on record in any case")
	}
	toFile := x.file != "" && x.file != "-"
	if _, err := os.Stat(x.file); toFile && err == nil && !x.force {
		return sallyport.E(sallyport.Conflict, "export", "the file "+x.file+" is there already").WithHint("give another name, or --force")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	path := "/v1/sessions/" + url.PathEscape(x.session) + "/statements/" + strconv.FormatUint(o.statement, 10) + "/terminal"
	res, err := c.send(ctx, http.MethodGet, path, url.Values{"format": {o.format}}, "", nil)
	if err != nil {
		return err
	}
	if toFile {
		_, err = store(x.file, res.Body, io.Discard)
	} else {
		_, err = io.Copy(a.Stdout, res.Body)
	}
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return sallyport.E(sallyport.Unavailable, "export", "the recording could not be written").Because(err)
	}
	return nil
}

// renderTerminal writes what a program printed, line by line, without the sequences
// that move the cursor, colour or do anything else to the terminal of who looks.
func renderTerminal(b *strings.Builder, d *terminalDoc, all bool, p paints) {
	var lines []string
	var line strings.Builder
	end := func() {
		lines = append(lines, "  "+line.String())
		line.Reset()
	}
	aside := func(how style, text string) {
		if line.Len() > 0 {
			end()
		}
		lines = append(lines, "  "+p.in(how, text))
	}
	var screens [2]screen
	for _, e := range d.Events {
		switch e.code {
		case "o", "e":
			s := &screens[0]
			if e.code == "e" {
				s = &screens[1]
			}
			parts := strings.Split(s.text(e.text), "\n")
			for i, part := range parts {
				line.WriteString(part)
				if i < len(parts)-1 {
					end()
				}
			}
		case "i":
			aside(dim, "typed: "+strings.TrimRight(e.text, "\r\n"))
		case "m":
			aside(dim, e.text)
		}
	}
	if line.Len() > 0 {
		end()
	}
	shown := lines
	if !all {
		shown = lines[:min(len(lines), shownRows)]
	}
	for _, l := range shown {
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	if more := len(lines) - len(shown); more > 0 {
		fmt.Fprintf(b, "  %s\n", p.in(dim, fmt.Sprintf("%d lines more; --all shows them", more)))
	}
}

// playTerminal writes what a program printed at the program's own pace. Of sequences
// it leaves colours and the erasing of a line.
func (p *player) playTerminal(ctx context.Context, d *terminalDoc) error {
	screens := map[string]*screen{}
	var at time.Duration
	for _, e := range d.Events {
		if err := pause(ctx, e.at-at); err != nil {
			return err
		}
		at = max(at, e.at)
		s := screens[e.code]
		if s == nil {
			s = &screen{live: true, colour: p.colour()}
			screens[e.code] = s
		}
		text := ""
		switch e.code {
		case "o", "e":
			text = s.text(e.text)
		case "m":
			text = "\n" + paint(clean(e.text), dim, p.colour()) + "\n"
		}
		if _, err := io.WriteString(p.Stdout, text); err != nil {
			return err
		}
	}
	p.last += at.Milliseconds()
	text := "\n"
	if p.colour() {
		text = "\x1b[0m\n" // a colour that the program left on
	}
	_, err := io.WriteString(p.Stdout, text)
	return err
}

// screen takes out of a program's output what could do something to a terminal.
type screen struct {
	live   bool // leave carriage returns, backspaces and the erasing of a line
	colour bool // leave colours

	state  byte   // what the output is in the middle of
	seq    []rune // parameters of a control sequence
	turned bool   // a carriage return came last
}

// What output can be in the middle of.
const (
	inText     = iota
	inEscape   // behind ESC
	inSequence // behind ESC [
	inString   // a title, a link and the like
	inEnd      // behind ESC in a string
)

// maxParameters bounds the parameters of a sequence that is left.
const maxParameters = 32

// text returns what is left of the next piece of output.
func (s *screen) text(in string) string {
	var b strings.Builder
	for _, c := range in {
		switch s.state {
		case inText:
			s.plain(&b, c)
		case inEscape:
			s.escape(c)
		case inSequence:
			s.sequence(&b, c)
		case inString:
			switch c {
			case '\a':
				s.state = inText
			case '\x1b':
				s.state = inEnd
			}
		case inEnd:
			if s.state = inText; c != '\\' {
				s.escape(c)
			}
		}
	}
	return b.String()
}

func (s *screen) plain(b *strings.Builder, c rune) {
	if s.turned && !s.live && c != '\n' {
		b.WriteByte('\n') // what was on the line is shown, and not what took its place alone
	}
	s.turned = c == '\r'
	switch {
	case c == '\x1b':
		s.state = inEscape
	case c == '\n' || c == '\t' || unicode.IsPrint(c), s.live && (c == '\r' || c == '\b'):
		b.WriteRune(c)
	}
}

func (s *screen) escape(c rune) {
	switch {
	case c == '[':
		s.state, s.seq = inSequence, s.seq[:0]
	case strings.ContainsRune("]PX^_", c):
		s.state = inString
	case c < ' ' || c > '/': // those between stand before the end
		s.state = inText
	}
}

func (s *screen) sequence(b *strings.Builder, c rune) {
	switch {
	case c >= '@' && c <= '~':
		fine := strings.Trim(string(s.seq), "0123456789;:") == "" && len(s.seq) < maxParameters
		if fine && (c == 'm' && s.colour || c == 'K' && s.live) {
			b.WriteString("\x1b[" + string(s.seq) + string(c))
		}
		s.state = inText
	case c < ' ' || c > '~':
		s.state = inText
	case len(s.seq) < maxParameters:
		s.seq = append(s.seq, c)
	}
}
