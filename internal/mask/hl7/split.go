// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import "github.com/sallyport-dev/sallyport/internal/mask/element"

// words are the separators that are looked for, as words.
type words struct{ field, component, repetition element.Word }

// lineEnd returns where the line ends that at is in.
func lineEnd(src []byte, at int) int {
	for ; at < len(src); at += 8 {
		for m := element.Load(src, at).Controls(); m != 0; m = m.Rest() {
			if i := at + m.First(); i >= len(src) || src[i] == '\r' || src[i] == '\n' {
				return min(i, len(src))
			}
		}
	}
	return len(src)
}

// maxComponents are as many as any data type has; what is beyond stays with the
// last, where it is emptied.
const maxComponents = 32

// parted is a repetition and where its components end.
type parted struct {
	start, count int
	ends         [maxComponents]int
}

// end returns where the repetition ends.
func (p *parted) end() int { return p.ends[p.count-1] }

// component returns component n, counted from 1, or nil.
func (p *parted) component(src []byte, n int) []byte {
	if n > p.count {
		return nil
	}
	start := p.start
	if n > 1 {
		start = p.ends[n-2] + 1
	}
	return src[start:p.ends[n-1]]
}

// split takes the repetition apart that begins src[start:end].
func (r *run) split(p *parted, start, end int) {
	p.start = start
	n := 0
	for at := start; at < end; at += 8 {
		w := element.Load(r.src, at)
		for m := w.Equal(r.words.component) | w.Equal(r.words.repetition); m != 0; m = m.Rest() {
			i := at + m.First()
			if i >= end {
				break
			}
			p.ends[n] = i
			if r.src[i] == r.d.repetition {
				p.count = n + 1
				return
			}
			n = min(n+1, maxComponents-1)
		}
	}
	p.ends[n] = end
	p.count = n + 1
}
