// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/cli"
)

func fixture(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "replay", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// golden compares with a file, or writes it when UPDATE_SCRIPTS is set.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(filepath.Join("testdata", "replay", name), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(fixture(t, name), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestReplayRendering(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		golden      string
		all, colour bool
	}{
		{"plain.golden", false, false},
		{"all.golden", true, false},
		{"colour.golden", false, true},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			t.Parallel()
			got, err := cli.Render(fixture(t, "session.json"), fixture(t, "request.json"), strings.NewReader(fixture(t, "steps.ndjson")), tt.all, tt.colour)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tt.golden, got)
		})
	}
}

// What was cut short never passes for the whole.
func TestReplayCutShort(t *testing.T) {
	t.Parallel()
	whole := fixture(t, "steps.ndjson")
	for i := range len(whole) {
		if _, err := cli.Render(fixture(t, "session.json"), "", strings.NewReader(whole[:i]), false, false); sallyport.KindOf(err) != sallyport.Unavailable {
			t.Fatalf("a replay cut after %d of %d bytes: error %v", i, len(whole), err)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, line, lines string }{
		{"plain é 漢字 ∅", "plain é 漢字 ∅", "plain é 漢字 ∅"},
		{"a\nb", "a b", "a\nb"},
		{"a\tb", "a b", "a b"},
		{"\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\x07`, `\x1b[2J\x1b]0;title\x07`},
		{"\u009b31m", `\x9b31m`, `\x9b31m`},
		{"a\r\nb", `a\x0d b`, "a\\x0d\nb"},
		{"user\u202etxt.exe\u2066", `user\u202etxt.exe\u2066`, `user\u202etxt.exe\u2066`},
		{"zero\u200bwidth", `zero\u200bwidth`, `zero\u200bwidth`},
		{"bad \xff byte", `bad \ufffd byte`, `bad \ufffd byte`},
	} {
		if diff := cmp.Diff([]string{tt.line, tt.lines}, []string{cli.Clean(tt.in), cli.CleanLines(tt.in)}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	head := []string{"ID", "WHO ASKS", "WHY"}
	rows := [][]string{{"r1", "ci:é", "=HYPERLINK(1)"}, {"r22", "", "two\nlines, \x1b[1m\"quoted\""}, {"r3", "@x", "-1"}}
	for _, tt := range []struct {
		csv  bool
		want string
	}{
		{false, "ID   WHO ASKS  WHY\nr1   ci:é      =HYPERLINK(1)\nr22            two lines, \\x1b[1m\"quoted\"\nr3   @x        -1\n"},
		{true, "id,who_asks,why\r\nr1,ci:é,'=HYPERLINK(1)\r\nr22,,\"two\r\nlines, \x1b[1m\"\"quoted\"\"\"\r\nr3,'@x,'-1\r\n"},
	} {
		got, err := cli.Table(head, rows, tt.csv)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("csv %v (-want +got):\n%s", tt.csv, diff)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":             `''`,
		"clinic":       "clinic",
		"/etc/ca.pem":  "/etc/ca.pem",
		"a b":          `'a b'`,
		"$(rm -r .)":   `'$(rm -r .)'`,
		"it's":         `'it'\''s'`,
		"a;b|c`d`\n&e": "'a;b|c`d`\n&e'",
		"~root":        `'~root'`,
		"é":            `'é'`,
	} {
		if got := cli.Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Duration]string{
		0:                               "0s",
		1500 * time.Nanosecond:          "2µs",
		1234 * time.Microsecond:         "1ms",
		12345 * time.Millisecond:        "12.35s",
		80 * time.Second:                "1m20s",
		20 * time.Minute:                "20m",
		time.Hour:                       "1h",
		90*time.Minute + 10*time.Second: "1h30m",
		47 * time.Hour:                  "47h",
		72 * time.Hour:                  "3d",
	} {
		if got := cli.Brief(in); got != want {
			t.Errorf("Brief(%v) = %s, want %s", in, got, want)
		}
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                          {},
		"24h":                       now.Add(-24 * time.Hour),
		"2026-01-30":                time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC),
		"2026-01-30T08:00:00+02:00": time.Date(2026, 1, 30, 6, 0, 0, 0, time.UTC),
		"2026-01-30 08:00:00Z":      time.Date(2026, 1, 30, 8, 0, 0, 0, time.UTC),
	} {
		got, err := cli.When(now, in)
		if err != nil || !got.Equal(want) {
			t.Errorf("When(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"yesterday", "-24h", "2026-13-01", "24"} {
		if got, err := cli.When(now, in); err == nil {
			t.Errorf("When(%q) = %v, want an error", in, got)
		}
	}
}

// The reference names every command and every flag.
func TestReference(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands, flags := cli.Commands()
	if len(commands) < 30 || len(flags) < 30 {
		t.Fatalf("%d commands and %d flags are found", len(commands), len(flags))
	}
	for _, c := range commands {
		if !strings.Contains(string(b), "`"+strings.TrimPrefix(c, "sallyport ")) {
			t.Errorf("docs/reference/cli.md does not name %q", c)
		}
	}
	for _, f := range flags {
		if !strings.Contains(string(b), f) {
			t.Errorf("docs/reference/cli.md does not name %s", f)
		}
	}
}
