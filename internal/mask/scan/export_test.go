// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// Looks returns what a text looks like in ASCII, as detectors read it.
func Looks(text string) string {
	if l, ok := likenessOf([]byte(text)); ok {
		return string(l.text)
	}
	return text
}

// Sleepless returns what the word pass finds when every word is read whole and judged.
func (s *Scanner) Sleepless(text []byte, known *Known) (dst []Span) {
	p := pass{scanner: s, known: known, text: text, words: new([window]word)}
	p.reset()
	for !p.ended {
		for p.n < p.due && !p.ended {
			if p.ended = !p.readWhole(0, 0); !p.ended {
				p.wake(p.n-1, p.n-1)
			}
		}
		dst = p.decide(dst, 0)
	}
	return dst
}

// Words returns what the word pass finds.
func (s *Scanner) Words(text []byte, known *Known) []Span { return s.words(nil, text, known) }

// Keyed calls fail for each value that is passed over because of its key, though reading
// it finds something or ends elsewhere, and returns how many are passed over.
func (s *Scanner) Keyed(text []byte, fail func(from, to int)) (n int) {
	for i := 1; i < len(text); i++ {
		if !isDigit(text[i]) || classes[text[i-1]]&classKey == 0 {
			continue
		}
		to := s.keyed(text, i)
		if to == 0 {
			continue
		}
		n++
		p := search{s: s, text: text, ctxAt: -1}
		if end := p.digits(i); end != to || len(p.dst) > 0 {
			fail(i, to)
		}
	}
	return n
}

// PerhapsParticle reports whether a word in lower case is one that may join names.
func PerhapsParticle(word []byte) bool { return perhapsParticle(word) }
