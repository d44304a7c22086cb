// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// search is one scan of one text. What it has found never overlaps and is in
// order; end is where the last finding ends.
type search struct {
	s              *Scanner
	text           []byte
	dst            []Span
	base           int
	end            int
	long           int // before this place digits stand in a run too long to be one number
	glued          int // where a number begins that its word stands before without a space
	run            run
	ctx            context // before ctxAt with at most ctxMost words between
	ctxAt, ctxMost int
}

// patterns appends what anchors give away.
func (s *Scanner) patterns(dst []Span, text []byte) []Span {
	i := next(text, 0)
	if i == len(text) {
		return dst
	}
	p := search{s: s, text: text, dst: dst, base: len(dst), ctxAt: -1}
	for i < len(text) {
		switch c := text[i]; {
		case isDigit(c):
			i = p.digits(i)
		case c == '.':
			if at(text, i-1)|0x20 == 'w' {
				i = p.dot(i)
			} else {
				i++
			}
		case c == ':':
			i = p.colon(i)
		case c == '@':
			i = p.mail(i)
		default:
			i++
		}
		i = next(text, i)
	}
	return p.dst
}

func (p *search) wants(e Entity) bool { return !p.s.ignore.Has(e) }

// emit adds a finding that begins behind the last one, or is cut to do so.
func (p *search) emit(s Span) {
	s.Start = max(s.Start, p.end)
	if s.Start >= s.End || !p.wants(s.Entity) {
		return
	}
	p.dst = append(p.dst, s)
	p.end = s.End
}

// replace adds a finding that takes the place of those that it overlaps: the
// digits in front of an "@" may have been found as something of their own.
func (p *search) replace(s Span) {
	for len(p.dst) > p.base && p.dst[len(p.dst)-1].End > s.Start {
		last := p.dst[len(p.dst)-1]
		p.dst = p.dst[:len(p.dst)-1]
		s.Start = min(s.Start, last.Start)
	}
	p.end = 0
	p.emit(s)
}

// before reads the context of what begins at start, with at most that many words
// between, once.
func (p *search) before(start, most int) context {
	if p.ctxAt != start || p.ctxMost < most {
		p.ctx, p.ctxAt, p.ctxMost = before(p.text, start, most), start, most
	}
	return p.ctx
}
