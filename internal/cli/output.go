// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// table is a result for people and spreadsheets.
type table struct {
	head []string
	rows [][]string
	// plain leaves the head out of the form for people: one thing, not a list.
	plain bool
	// empty is what people read when there is no row.
	empty string
}

// show writes a result in the form that -o asks for: v as JSON, or t. A
// json.RawMessage is what the gateway sent, which is passed on whole.
func (a *app) show(v any, t table) error {
	format, err := a.format()
	if err != nil {
		return err
	}
	switch format {
	case "json":
		return writeJSON(a.Stdout, v)
	case "csv":
		return t.csv(a.Stdout)
	}
	if len(t.rows) == 0 && t.empty != "" {
		fmt.Fprintln(a.Stderr, t.empty)
		return nil
	}
	return t.text(a.Stdout, a.colour())
}

// format returns the asked-for form of output: one of table, json, csv and what
// the command has more.
func (a *app) format(more ...string) (string, error) {
	all := append([]string{"table", "json", "csv"}, more...)
	if a.output == "" {
		return "table", nil
	}
	if !slices.Contains(all, a.output) {
		return "", usage("-o %s is not known here; the forms are %s", a.output, strings.Join(all, ", "))
	}
	return a.output, nil
}

func (a *app) colour() bool {
	return a.Terminal && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return sallyport.E(sallyport.Internal, "output", "the result is no JSON").Because(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return sallyport.E(sallyport.Internal, "output", "the result is no JSON").Because(err)
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

// csv writes RFC 4180 records. A cell that a spreadsheet would take for a
// formula gets a quote in front: reasons and statements are others' words.
func (t table) csv(w io.Writer) error {
	cw := csv.NewWriter(w)
	cw.UseCRLF = true
	head := make([]string, len(t.head))
	for i, h := range t.head {
		head[i] = strings.ToLower(strings.ReplaceAll(h, " ", "_"))
	}
	if err := cw.Write(head); err != nil {
		return err
	}
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
				c = "'" + c
			}
			cells[i] = c
		}
		if err := cw.Write(cells); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

// text writes aligned columns.
func (t table) text(w io.Writer, colour bool) error {
	var b strings.Builder
	width := make([]int, len(t.head))
	rows := t.rows
	if !t.plain {
		rows = append([][]string{t.head}, rows...)
	}
	cells := make([][]string, len(rows))
	for i, row := range rows {
		for j, c := range row {
			c = clean(c)
			cells[i] = append(cells[i], c)
			width[j] = max(width[j], utf8.RuneCountInString(c))
		}
	}
	for i, row := range cells {
		var line strings.Builder
		for j, c := range row {
			line.WriteString(c)
			if j < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[j]-utf8.RuneCountInString(c)+2))
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if i == 0 && !t.plain {
			text = paint(text, bold, colour)
		}
		b.WriteString(text + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// style is a parameter of the terminal's Select Graphic Rendition (ECMA-48).
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

func paint(s string, how style, colour bool) string {
	if !colour || s == "" {
		return s
	}
	return "\x1b[" + string(how) + "m" + s + "\x1b[0m"
}

// clean makes a text harmless for a terminal: control characters, which could
// move the cursor or hide text, and those that turn the direction of writing
// are shown as what they are. It leaves one line.
func clean(s string) string {
	return escape(s, func(rune) bool { return false })
}

// cleanLines is clean for a text of several lines.
func cleanLines(s string) string {
	return escape(s, func(r rune) bool { return r == '\n' })
}

func escape(s string, keep func(rune) bool) string {
	fine := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) || keep(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !fine(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case fine(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(" ")
		case r == '\t':
			b.WriteString(" ")
		case r < 0x100:
			fmt.Fprintf(&b, "\\x%02x", r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// shorten cuts a text to at most n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// stamp renders an instant in UTC to the second; "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// until renders how long it is from now to t.
func until(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := t.Sub(now)
	if d <= 0 {
		return "over"
	}
	return brief(d)
}

// brief renders a duration in its two largest units.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60), "00s")
	case d < 48*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60), "00m")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// list joins names for a cell.
func list[S ~string](names []S) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = string(n)
	}
	return strings.Join(all, ", ")
}
