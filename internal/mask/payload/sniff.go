// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"bytes"
	"slices"
	"strings"
)

// Kind names the form of a payload.
type Kind string

// The kinds.
const (
	Text   Kind = "text"
	JSON   Kind = "json"
	NDJSON Kind = "ndjson"
	FHIR   Kind = "fhir" // one resource or Bundle; one a line is NDJSON
	HL7    Kind = "hl7"
	X12    Kind = "x12"
	CSV    Kind = "csv"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Text, JSON, NDJSON, FHIR, HL7, X12, CSV} }

// ParseKind returns the kind with a name.
func ParseKind(name string) (Kind, bool) {
	k := Kind(name)
	return k, slices.Contains(Kinds(), k)
}

// HeadLen is how much of a payload [Sniff] wants to see, in bytes.
const HeadLen = 64 << 10

// Sniff tells the kind of a payload from its beginning. What is of no kind that it
// knows for certain is Text, of which everything is scanned.
func Sniff(head []byte) Kind {
	b := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case isHL7(bytes.TrimPrefix(b, []byte{0x0b})):
		return HL7
	case isX12(b):
		return X12
	case len(b) > 0 && (b[0] == '{' || b[0] == '['):
		return sniffJSON(b)
	case isCSV(b):
		return CSV
	}
	return Text
}

// isHL7 knows the segments that a message, a batch or a file of batches begins
// with, and the separators behind them.
func isHL7(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	switch string(b[:3]) {
	case "MSH", "FHS", "BHS":
	default:
		return false
	}
	sep := b[3]
	return sep > ' ' && sep < 0x7f && !isWord(sep)
}

// isX12 knows the interchange header: its element separator stands at fixed
// places of its 106 bytes.
func isX12(b []byte) bool {
	return len(b) >= 106 && string(b[:3]) == "ISA" && !isWord(b[3]) && b[6] == b[3] && b[17] == b[3] && b[103] == b[3]
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// sniffJSON tells FHIR by the member that every resource has, and a document a
// line by a second line that begins one.
func sniffJSON(b []byte) Kind {
	first, rest, _ := bytes.Cut(b, []byte{'\n'})
	lines := len(bytes.TrimSpace(first)) > 1 && bytes.HasPrefix(bytes.TrimSpace(rest), []byte{'{'}) && first[0] == '{' &&
		bytes.HasSuffix(bytes.TrimSpace(first), []byte{'}'})
	switch {
	case lines:
		return NDJSON
	case b[0] == '{' && hasResourceType(b):
		return FHIR
	}
	return JSON
}

// hasResourceType looks for the member in front of a string, so that a text that
// only speaks of it does not count.
func hasResourceType(b []byte) bool {
	_, after, ok := bytes.Cut(b, []byte(`"resourceType"`))
	if !ok {
		return false
	}
	after = bytes.TrimLeft(after, " \t\r\n")
	return bytes.HasPrefix(after, []byte{':'}) && bytes.HasPrefix(bytes.TrimLeft(after[1:], " \t\r\n"), []byte{'"'})
}

// isCSV wants a header whose fields are all names, and a second line with as many
// separators.
func isCSV(b []byte) bool {
	head, rest, ok := bytes.Cut(b, []byte{'\n'})
	if !ok || len(head) > 4096 {
		return false
	}
	second, _, _ := bytes.Cut(rest, []byte{'\n'})
	for _, sep := range []byte{',', ';', '\t', '|'} {
		n := bytes.Count(head, []byte{sep})
		if n == 0 || outsideQuotes(second, sep) != n {
			continue
		}
		if n == 1 && bytes.IndexByte(head, ' ') >= 0 {
			continue // two lines of prose can look like that
		}
		names := strings.Split(strings.TrimSpace(string(head)), string(sep))
		if !slices.ContainsFunc(names, func(s string) bool { return !isName(strings.Trim(s, `" `)) }) {
			return true
		}
	}
	return false
}

// delimiterOf returns the separator that a first line has most of.
func delimiterOf(head []byte) byte {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	best, most := byte(','), 0
	for _, sep := range []byte{',', ';', '\t', '|'} {
		if n := outsideQuotes(line, sep); n > most {
			best, most = sep, n
		}
	}
	return best
}

// outsideQuotes counts a separator outside double quotes.
func outsideQuotes(line []byte, sep byte) int {
	n, quoted := 0, false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			n++
		}
	}
	return n
}

// isName reports whether s could be the name of a column: a letter first, then
// letters, digits and what joins words.
func isName(s string) bool {
	if s == "" || len(s) > 64 || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isWord(c) && c != '_' && c != '-' && c != '.' && c != ' ' && c < 0x80 {
			return false
		}
	}
	return true
}
