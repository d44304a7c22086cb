// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// File is a file of a bundle.
type File struct {
	Name    string
	Content []byte
}

// Table is one of a bundle's tables: the same rows as JSON and as CSV.
type Table struct {
	Name    string // path in the bundle without the extension
	What    string // what a row is
	Columns []string
}

// The tables. Their directories are the items of OCR's audit protocol.
const (
	tableIdentities  = "01-access-control/machine-identities"
	tableGrants      = "01-access-control/access-grants"
	tableRequests    = "01-access-control/requests"
	tableApprovals   = "01-access-control/approval-log"
	tableSessions    = "02-unique-identification/sessions"
	tableLogoffs     = "04-automatic-logoff/ended-by-the-gateway"
	tableStatements  = "05-audit-controls/session-audit-log"
	tableLiveness    = "05-audit-controls/liveness"
	tableChanges     = "06-integrity/changes"
	tableLogins      = "07-authentication/logins"
	tableTokens      = "07-authentication/gateway-tokens"
	tableConnections = "08-transmission-security/connections"
	tableReviews     = "09-activity-review/evidence-access"
	tableMasking     = "10-minimum-necessary/masking-evidence"
	tableFindings    = "10-minimum-necessary/scan-findings"
)

// Tables returns the tables of every bundle. verify.html derives them too (TABLES
// and what calls row there); a test fails when one is missing.
func Tables() []Table {
	return []Table{
		{tableIdentities, "a principal that logged in, asked, was granted or connected", []string{
			"principal", "kind", "issuer", "subject", "groups", "methods", "roles", "resources", "first_seen", "last_used",
			"sessions", "statements", "denials", "grants", "active_grants", "approvers", "as_of",
		}},
		{tableGrants, "a grant: who, what, how long, under which policy", []string{
			"grant", "request", "principal", "resource", "role", "not_before", "not_after", "state", "ended", "by", "reason",
			"policy", "policy_text", "leaf",
		}},
		{tableRequests, "a request for access or for the release of a held statement", []string{
			"request", "kind", "opened", "principal", "resource", "role", "reason", "approvers", "window_ms", "expires",
			"session", "statement", "readable", "objects", "effects", "rules", "policy", "binding",
			"decision", "decided", "approver", "rationale", "state", "leaf",
		}},
		{tableApprovals, "a human's decision about a request", []string{
			"request", "kind", "decision", "time", "approver", "groups", "issuer", "subject", "method", "token_id",
			"authenticated", "rationale", "binding", "leaf",
		}},
		{tableSessions, "a session: which identity, by which authentication, on what", []string{
			"session", "principal", "kind", "issuer", "subject", "method", "token_id", "resource", "protocol", "role", "grant",
			"client", "lineage", "policy", "rules", "notes", "opened", "closed", "close_reason",
			"statements", "denials", "events", "head", "recording", "chunks", "leaf",
		}},
		{tableLogoffs, "a session that the gateway ended, and why", []string{
			"session", "principal", "resource", "opened", "closed", "reason", "leaf",
		}},
		{tableStatements, "a statement, in the order in which they ended: verdict, rules, success or failure, code", []string{
			"session", "statement", "time", "principal", "resource", "phase", "mode", "class", "readable", "effects", "objects",
			"masked_outputs", "verdict", "reason", "rules", "policy", "grant", "request", "approver", "result", "status", "code",
			"tag", "rows", "bytes", "micros", "digest", "leaf", "outcome_leaf",
		}},
		{tableLiveness, "a stretch in which the gateway was on record as alive, or was not", []string{"kind", "from", "to", "epoch", "what"}},
		{tableChanges, "a statement that changes data or structure, run or refused", []string{
			"session", "statement", "time", "principal", "resource", "readable", "effects", "objects", "verdict", "reason",
			"request", "approver", "result", "code", "rows", "leaf",
		}},
		{tableLogins, "a login, accepted or refused", []string{
			"time", "accepted", "principal", "kind", "issuer", "subject", "method", "token_id", "client", "reason", "leaf",
		}},
		{tableTokens, "a gateway token, issued or revoked", []string{
			"time", "action", "token_id", "principal", "resource", "role", "grant", "expires", "by", "leaf",
		}},
		{tableConnections, "how a session was protected on both legs", []string{
			"session", "opened", "principal", "client", "client_tls", "resource", "target_tls", "notes", "leaf",
		}},
		{tableReviews, "somebody looked at evidence", []string{"time", "what", "by", "of", "purpose", "tree_size", "leaf"}},
		{tableMasking, "what was masked in one column of one answer, and by which rule; no values", []string{
			"session", "statement", "time", "output", "columns", "labels", "reason", "operator", "profile", "seen", "masked",
			"nulls", "leaf",
		}},
		{tableFindings, "what a scanner found and masked inside values", []string{
			"session", "statement", "time", "output", "columns", "locus", "entity", "rule", "operator", "detector", "profile", "hits", "leaf",
		}},
	}
}

// tableWriter writes the rows of one table. A row is its cells in the order of
// the columns, then end.
type tableWriter struct {
	columns   []string
	json, csv *bufio.Writer
	closers   []io.Closer
	rows      int
	col       int
	j, c      []byte
}

// newTableWriter begins the two files of a table.
func newTableWriter(t Table, create func(name string) (io.WriteCloser, error)) (*tableWriter, error) {
	w := &tableWriter{columns: t.Columns}
	j, err := create(t.Name + ".json")
	if err != nil {
		return nil, err
	}
	c, err := create(t.Name + ".csv")
	if err != nil {
		return nil, err
	}
	w.json, w.csv, w.closers = bufio.NewWriterSize(j, 32<<10), bufio.NewWriterSize(c, 32<<10), []io.Closer{j, c}
	for i, name := range t.Columns {
		w.c = appendCell(w.c, i, name)
	}
	_, err = w.csv.Write(append(w.c, '\n'))
	if err == nil {
		_, err = w.json.WriteString("[")
	}
	return w, err
}

// next begins a cell.
func (w *tableWriter) next() {
	if w.col == 0 {
		w.j, w.c = append(w.j[:0], '\n', '{'), w.c[:0]
		if w.rows > 0 {
			w.j = append(w.j[:0], ",\n{"...)
		}
	} else {
		w.j = append(w.j, ',')
	}
	if w.col < len(w.columns) {
		w.j = appendString(w.j, w.columns[w.col])
	}
	w.j = append(w.j, ':')
}

// text is a cell of text.
func (w *tableWriter) text(s string) *tableWriter {
	w.next()
	w.j = appendString(w.j, s)
	w.c = appendCell(w.c, w.col, neutral(s))
	w.col++
	return w
}

// plain is a cell of text that needs neither quotes nor escapes.
func (w *tableWriter) plain(quoted bool, s []byte) *tableWriter {
	w.next()
	if quoted {
		w.j = append(w.j, '"')
	}
	w.j = append(w.j, s...)
	if quoted {
		w.j = append(w.j, '"')
	}
	if w.col > 0 {
		w.c = append(w.c, ',')
	}
	w.c = append(w.c, s...)
	w.col++
	return w
}

func (w *tableWriter) number(n uint64) *tableWriter {
	var room [20]byte
	return w.plain(false, strconv.AppendUint(room[:0], n, 10))
}

func (w *tableWriter) integer(n int64) *tableWriter {
	var room [20]byte
	return w.plain(false, strconv.AppendInt(room[:0], n, 10))
}

func (w *tableWriter) flag(b bool) *tableWriter {
	var room [5]byte
	return w.plain(false, strconv.AppendBool(room[:0], b))
}

// time is a cell with a time in UTC, empty for none.
func (w *tableWriter) time(t time.Time) *tableWriter {
	var room [40]byte
	if t.IsZero() {
		return w.plain(true, nil)
	}
	return w.plain(true, t.UTC().AppendFormat(room[:0], time.RFC3339Nano))
}

// texts is a cell with several texts, separated by semicolons in CSV.
func texts[S ~string](w *tableWriter, list []S) *tableWriter {
	w.next()
	w.j = append(w.j, '[')
	for i, s := range list {
		if i > 0 {
			w.j = append(w.j, ',')
		}
		w.j = appendString(w.j, string(s))
	}
	w.j = append(w.j, ']')
	switch len(list) {
	case 0:
		w.c = appendCell(w.c, w.col, "")
	case 1:
		w.c = appendCell(w.c, w.col, neutral(string(list[0])))
	default:
		var b strings.Builder
		for i, s := range list {
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(string(s))
		}
		w.c = appendCell(w.c, w.col, neutral(b.String()))
	}
	w.col++
	return w
}

// end writes the row.
func (w *tableWriter) end() error {
	if w.col != len(w.columns) {
		return fmt.Errorf("a row has %d cells for %d columns", w.col, len(w.columns))
	}
	w.col = 0
	w.rows++
	if _, err := w.json.Write(append(w.j, '}')); err != nil {
		return err
	}
	_, err := w.csv.Write(append(w.c, '\n'))
	return err
}

// close ends both files.
func (w *tableWriter) close() error {
	if _, err := w.json.WriteString("\n]\n"); err != nil {
		return err
	}
	for _, b := range []*bufio.Writer{w.json, w.csv} {
		if err := b.Flush(); err != nil {
			return err
		}
	}
	for _, c := range w.closers {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// appendCell appends a cell of CSV (RFC 4180); column counts from 0.
func appendCell(b []byte, column int, s string) []byte {
	if column > 0 {
		b = append(b, ',')
	}
	if !strings.ContainsAny(s, "\",\r\n") && (s == "" || s[0] != ' ' && s[0] != '\t') {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// neutral puts an apostrophe before a text that a spreadsheet would take for a
// formula.
func neutral(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
