// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package nodetree

// lineLength is LINELEN of nodes/print.c. The server breaks its text into lines
// of at most that length: at a space where there is one, which may be an escaped
// one, and else in the middle of a word, even between a backslash and what it
// escapes.
const lineLength = 78

// lines finds words that were broken in the middle. An identifier is at most 63
// bytes, but escapes can double it, so that a client can choose one that is
// broken; what stands behind such a break could pass for structure.
//
// A line break behind a backslash is either such an end of line at an escaped
// space or part of an identifier, and the text does not tell which, so that
// both are kept in mind.
type lines struct {
	starts [maxStarts]int // where the current line may begin
	n      int            // how many of them
	space  int            // the last space
}

// maxStarts bounds the guesses; no honest text comes near it.
const maxStarts = 16

func newLines() lines { return lines{n: 1, space: -1} }

// end notes a line break at offset i. It returns false when the line may have
// been broken within a word: full length and no space inside.
func (l *lines) end(i int, escaped bool) bool {
	for _, s := range l.starts[:l.n] {
		if i-s >= lineLength && l.space <= s {
			return false
		}
	}
	if !escaped {
		l.n = 0
	}
	if l.n == maxStarts {
		return false
	}
	l.starts[l.n] = i + 1
	l.n++
	return true
}
