// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// digits takes what stands around the digit at i, which no digit precedes, and
// returns where to go on.
func (p *search) digits(i int) int {
	text := p.text
	if i > p.end && isWord(text[i-1]) {
		return p.mixed(i)
	}
	if c := at(text, i-1); c == '(' && at(text, i+2) == ')' && text[i] == '0' && text[i+1] == '1' {
		if end := p.udi(i - 1); end > 0 {
			return end
		}
	} else if (c == '-' || c == '.') && i-1 > p.end && isDigit(text[i-2]) {
		return digitsEnd(text, i) // the rest of something that was looked at
	}
	if end := p.canonical(i); end > 0 {
		return end
	}
	return p.groups(i)
}

// groups reads the run that begins at i and takes what is in it.
func (p *search) groups(i int) int {
	r, text := &p.run, p.text
	spaces := i >= p.long
	stop, ok := r.read(text, i, spaces)
	if !ok && spaces {
		p.long = stop
		stop, ok = r.read(text, i, false)
	}
	if !ok {
		return stop
	}
	for g := 0; g < r.n; {
		h := r.tight(g)
		from, end := r.from(h-1), r.to(h-1)
		if to := p.token(g, h); to > 0 {
			end, h = to, g+1
		} else if h == r.n && end < len(text) && isWord(text[end]) {
			return p.mixed(from)
		}
		for g = h; g < r.n && r.from(g) < end; g++ {
		}
		stop = max(end, r.to(r.n-1))
		if end > r.to(r.n-1) {
			return end
		}
	}
	return stop
}

// token takes what begins with the groups g to h, between which there is no
// space, and returns where it ends, or 0.
func (p *search) token(g, h int) int {
	r := &p.run
	i := r.from(g)
	if len(p.s.mrn) > 0 {
		if end := p.record(i); end > 0 {
			return end
		}
	}
	if h-g == 1 {
		return p.single(g)
	}
	if r.sep[g+1] == '-' {
		if end := p.dashed(i); end > 0 {
			return end
		}
	}
	if h-g == 2 {
		return p.pair(g)
	}
	if end := p.social(g, h); end > 0 {
		return end
	}
	if end := p.date(g); end > 0 {
		return end
	}
	if h-g >= 4 && r.sep[g+1] == '.' && r.uniform(g, g+4, '.') && (h-g == 4 || r.sep[g+4] != '.') {
		if end := p.ipv4(i, r.to(g+3)); end > 0 {
			return end
		}
	}
	if end := p.card(g); end > 0 {
		return end
	}
	if end := p.phone(g); end > 0 {
		return end
	}
	return p.identified(i, r.to(h-1))
}

// dashed takes a UUID or the address of hardware that begins at i.
func (p *search) dashed(i int) int {
	text := p.text
	if len(text)-i >= 17 && text[i+2] == '-' && hardware(text[i:i+17], '-') && !isWord(at(text, i+17)) {
		p.emit(Span{i, i + 17, Device, ruleMAC})
		return i + 17
	}
	if len(text)-i >= 36 && isUUID(text[i:i+36]) && !isWord(at(text, i+36)) {
		if x := p.before(i, 0); x.gap == 0 && (x.clue == cluePerson || x.clue == clueMRN) {
			p.emit(Span{i, i + 36, Unique, ruleUUID})
		}
		return i + 36
	}
	return 0
}

// isUUID reports whether v is 36 bytes in the form of a UUID.
func isUUID(v []byte) bool {
	for i, c := range v {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if classes[c]&classHex == 0 {
			return false
		}
	}
	return true
}

// single takes what begins with group g, behind which there is a space or none
// of the separators.
func (p *search) single(g int) int {
	r, text := &p.run, p.text
	i, j := r.from(g), r.to(g)
	n := j - i
	if n <= 2 {
		if end := p.monthDay(i, j); end > 0 {
			return end
		}
	}
	if n <= 3 {
		if end := p.age(i, j); end > 0 {
			return end
		}
	}
	if g+1 < r.n {
		if end := p.spacedOut(g); end > 0 {
			return end
		}
	}
	if n <= 6 {
		if end := p.address(i, j); end > 0 {
			return end
		}
	}
	if j < len(text) && isWord(text[j]) {
		switch n {
		case 4:
			return p.year(i, j)
		case 8:
			return p.stamp(i, j)
		}
		if n >= 7 {
			return p.phone(g)
		}
		return 0
	}
	switch {
	case n <= 2:
		return 0
	case n == 3:
		return p.postal(i, j)
	case n == 4:
		if end := p.year(i, j); end > 0 {
			return end
		}
	}
	return p.lone(g)
}

// spacedOut takes a number whose groups spaces part, beginning with group g.
func (p *search) spacedOut(g int) int {
	r := &p.run
	if r.n-g >= 3 && r.shape(g, g+3) == 324 && r.sep[g+1] == ' ' && r.sep[g+2] == ' ' {
		if end := p.social(g, g+3); end > 0 {
			return end
		}
	}
	if end := p.card(g); end > 0 {
		return end
	}
	if end := p.phone(g); end > 0 {
		return end
	}
	if g+2 == r.n && r.sep[g+1] == ' ' && r.size(g) >= 2 && r.size(g) <= 4 && r.size(g+1) >= 2 && r.size(g+1) <= 4 {
		return p.postal(r.from(g), r.to(g+1))
	}
	return 0
}

// lone takes the group g of at least four digits by what it is checked by or by
// its context.
func (p *search) lone(g int) int {
	i, j := p.run.from(g), p.run.to(g)
	n := j - i
	if n >= 8 && n <= 14 {
		if end := p.stamp(i, j); end > 0 {
			return end
		}
	}
	if n >= 12 {
		if end := p.card(g); end > 0 {
			return end
		}
	}
	if n <= 6 {
		p.before(i, 2) // as identified asks; postal is content with it
		if end := p.postal(i, j); end > 0 {
			return end
		}
	}
	if n >= 7 {
		if end := p.phone(g); end > 0 {
			return end
		}
	}
	return p.identified(i, j)
}

// pair takes the two groups that begin with g.
func (p *search) pair(g int) int {
	r, text := &p.run, p.text
	i, j := r.from(g), r.to(g+1)
	a, b, sep := r.size(g), r.size(g+1), r.sep[g+1]
	switch {
	case sep == '.' && b >= 4 && a <= 3:
		if end := p.coordinates(i, j); end > 0 || a+b != 7 {
			return end
		}
	case sep == '.' && a+b < 6:
		return 0
	case sep == '-' && a == 5 && b == 4:
		if !isWord(at(text, j)) && !p.before(i, 0).is(clueOther, 0) && p.wants(ZIP) {
			p.emit(Span{i, j, ZIP, ruleZIP4})
			return j
		}
		return 0
	case sep == '-' && a <= 2 && b <= 2:
		if end := p.monthDay(i, r.to(g)); end > 0 {
			return end
		}
	}
	if end := p.partial(g); end > 0 {
		return end
	}
	if a <= 5 && b <= 5 && (sep == '/' || sep == '-') && lineGoesOn(text, j) {
		if end := p.address(i, j); end > 0 {
			return end
		}
	}
	if sep == '-' && a >= 2 && b >= 3 && b <= 4 {
		if end := p.postal(i, j); end > 0 {
			return end
		}
	}
	if a+b < 5 {
		return 0
	}
	if a+b >= 12 {
		if end := p.stamp(i, r.to(g)); end > 0 {
			return end
		}
		if end := p.card(g); end > 0 {
			return end
		}
	}
	if end := p.phone(g); end > 0 {
		return end
	}
	if sep == '-' {
		return p.identified(i, j)
	}
	return 0
}

// ipv4 takes the address text[i:j].
func (p *search) ipv4(i, j int) int {
	c := at(p.text, j)
	if !isIPv4(p.text[i:j]) || isWord(c) || at(p.text, i-1) == '.' || !p.wants(IP) || p.before(i, 0).is(clueOther, 0) {
		return 0
	}
	p.emit(Span{i, j, IP, ruleIPv4})
	return j
}
