// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
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
	Events Kind = "events" // server-sent events, whose data are documents
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Text, JSON, NDJSON, FHIR, HL7, X12, CSV, Events} }

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
	case isHL7(bytes.TrimPrefix(b, []byte{0x0b})), holdsHL7(b):
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

// holdsHL7 reports whether a line of a text begins a message, as in the log of an
// interface. Such a text is no HL7 and so is masked whole: as a text its names
// would show.
func holdsHL7(b []byte) bool {
	for _, line := range []string{"\nMSH", "\rMSH", "\x0bMSH"} {
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte(line))
			if i < 0 {
				break
			}
			if at += i + 1; isHL7(b[at:]) && bytes.IndexByte(b[at:min(len(b), at+9)], '^') > 0 {
				return true
			}
		}
	}
	return false
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
	case hasResourceType(b):
		return FHIR // an array of resources is none, and is masked whole
	}
	return JSON
}

// hasResourceType looks for the member in front of a string, so that a text that
// only speaks of it does not count. Its name may be written in escapes.
func hasResourceType(b []byte) bool {
	const name = "resourceType"
	escapes := bytes.Contains(b, []byte(`\u`))
	if !escapes && !bytes.Contains(b, []byte(name)) {
		return false
	}
	var key []byte
	for i := 0; i < len(b); {
		if b[i] != '"' {
			i++
			continue
		}
		end, escaped := lex.String(b, i)
		if end < 0 {
			return false
		}
		if at := lex.Space(b, end); lex.At(b, at) == ':' && lex.At(b, lex.Space(b, at+1)) == '"' {
			if key = append(key[:0], b[i+1:end-1]...); escaped {
				key = lex.Unquote(key[:0], b[i+1:end-1])
			}
			if string(key) == name {
				return true
			}
		}
		i = end
	}
	return false
}

// isCSV wants a header whose fields are all names, and a second line with as many
// separators.
func isCSV(b []byte) bool {
	if _, after := cutSeparator(b); after != nil {
		b = after
	}
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

// cutSeparator returns the separator that a first line "sep=;" says, as programs of
// calculation write it, and what is behind that line, or nothing.
func cutSeparator(b []byte) (sep byte, after []byte) {
	if len(b) < 6 || string(b[:4]) != "sep=" || b[5] != '\r' && b[5] != '\n' {
		return 0, nil
	}
	return b[4], bytes.TrimLeft(b[5:], "\r\n")
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

// headless reports whether the first line of a table holds a number that is too long
// for the name of a column, or a date.
func headless(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	for field := range bytes.SplitSeq(line, []byte{delimiterOf(line)}) {
		digits, letters := 0, 0
		for _, c := range field {
			if c >= '0' && c <= '9' {
				digits++
			} else if isWord(c) || c >= 0x80 {
				letters++
			}
		}
		if digits > 4 && letters == 0 {
			return true
		}
	}
	return false
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
