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

// patterns appends what anchors give away, from that at i on, and returns seen as
// next does.
func (s *Scanner) patterns(dst []Span, text []byte, i int, seen uint64) ([]Span, uint64) {
	p := search{s: s, text: text, dst: dst, base: len(dst), ctxAt: -1}
	for i < len(text) {
		switch c := text[i]; {
		case isDigit(c):
			i = p.digits(i)
		case c == '.':
			i = p.dot(i)
		case c == ':':
			i = p.colon(i)
		default:
			i = p.mail(i)
		}
		i, seen = s.idle(text, i, p.end, seen)
	}
	return p.dst, seen
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
// digits in front of an "@" may have been found as something of their own. What would
// become longer than Right is cut behind the one before it instead.
func (p *search) replace(s Span) {
	p.end = 0
	for len(p.dst) > p.base {
		last := p.dst[len(p.dst)-1]
		if last.End <= s.Start {
			break
		}
		if s.End-last.Start > Right {
			p.end = last.End
			break
		}
		p.dst = p.dst[:len(p.dst)-1]
		s.Start = min(s.Start, last.Start)
	}
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
