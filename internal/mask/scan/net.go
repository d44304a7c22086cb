// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// The longest parts of names in the network that are read. They keep a decision
// within [Left] and [Right]; what is longer is found as far as they reach.
const (
	maxLocal  = 64
	maxDomain = 253
	maxURL    = 480
	maxScheme = 12
)

// mail takes the address around the "@" at i and returns where to go on.
func (p *search) mail(i int) int {
	from := i
	for from > max(0, i-maxLocal) && classes[p.text[from-1]]&classLocal != 0 {
		from--
	}
	for from < i && !isWord(p.text[from]) {
		from++
	}
	to := host(p.text, i+1)
	if from == i || to == 0 || !p.wants(Email) {
		return i + 1
	}
	p.replace(Span{from, to, Email, ruleEmail})
	return to
}

// host returns where the host's name that begins at i ends: labels with a dot
// between, the last of letters. It returns 0 when there is none.
func host(text []byte, i int) int {
	end, label, dots := i, i, 0
	high := min(len(text), i+maxDomain)
	good := 0
	for end < high && classes[text[end]]&classHost != 0 {
		if text[end] == '.' {
			if end == label {
				break
			}
			dots++
			label = end + 1
		}
		end++
		if dots > 0 && end-label >= 2 && (end == len(text) || !isWord(text[end])) && alphabetic(text[label:end]) {
			good = end
		}
	}
	return good
}

func alphabetic(b []byte) bool {
	for _, c := range b {
		if !isAlpha(c) && c < 0x80 {
			return false
		}
	}
	return true
}

// colon takes the URL, the IPv6 or the hardware address around the ":" at i.
func (p *search) colon(i int) int {
	text := p.text
	c := at(text, i+1)
	if c == '/' && at(text, i+2) == '/' {
		from := wordBefore(text, i, maxScheme)
		if i-from >= 2 && p.wants(URL) {
			if to := urlEnd(text, from, i+3); to > i+3 {
				p.replace(Span{from, to, URL, ruleURL})
				return to
			}
		}
		return i + 3
	}
	if c != ':' && classes[c]&classHex == 0 || i > 0 && classes[text[i-1]]&classHex == 0 && c != ':' {
		return i + 1
	}
	return p.hexColon(i)
}

// urlEnd returns where the URL that begins at from ends, without the sentence's
// own punctuation.
func urlEnd(text []byte, from, i int) int {
	high := min(len(text), from+maxURL)
	for i < high && classes[text[i]]&classURL != 0 {
		i++
	}
	for i > from {
		switch text[i-1] {
		case '.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '*', '|', '\\':
			i--
			continue
		}
		break
	}
	return i
}

// maxHexColon is the longest text of an IPv6 address with an IPv4 tail.
const maxHexColon = 45

// hexColon takes the IPv6 or hardware address around the ":" at i.
func (p *search) hexColon(i int) int {
	text := p.text
	from, to, colons := i, i, 0
	for from > max(p.end, i-maxHexColon) && (classes[text[from-1]]&classHex != 0 || text[from-1] == ':') {
		from--
	}
	for to < min(len(text), from+maxHexColon+1) && (classes[text[to]]&classHex != 0 || text[to] == ':' || text[to] == '.' && isDigit(at(text, to+1))) {
		to++
	}
	for to > i && text[to-1] == ':' && at(text, to-2) != ':' {
		to--
	}
	for _, c := range text[from:to] {
		if c == ':' {
			colons++
		}
	}
	if from > 0 && (isWord(text[from-1]) || text[from-1] == '.') || to < len(text) && isWord(text[to]) {
		return max(to, i+1)
	}
	v := text[from:to]
	switch {
	case colons == 5 && len(v) == 17 && hardware(v, ':'):
		p.emit(Span{from, to, Device, ruleMAC})
	case colons >= 2 && len(v) >= 3 && len(v) <= maxHexColon && isIPv6(v):
		p.emit(Span{from, to, IP, ruleIPv6})
	}
	return max(to, i+1)
}

// hardware reports whether v is six pairs of hexadecimal digits with sep
// between them.
func hardware(v []byte, sep byte) bool {
	if len(v) != 17 {
		return false
	}
	for i, c := range v {
		if i%3 == 2 {
			if c != sep {
				return false
			}
		} else if classes[c]&classHex == 0 {
			return false
		}
	}
	return true
}

// isIPv6 reports whether v is an IPv6 address without zone, by the rules of
// netip.ParseAddr, which cannot be asked without an allocation.
func isIPv6(v []byte) bool {
	groups, ellipsis, digits := 0, false, false
	i := 0
	if len(v) >= 2 && v[0] == ':' && v[1] == ':' {
		ellipsis, i = true, 2
	}
	for i < len(v) {
		start := i
		for i < len(v) && i < start+5 && classes[v[i]]&classHex != 0 {
			digits = digits || isDigit(v[i])
			i++
		}
		if i < len(v) && v[i] == '.' {
			groups += 2
			return isIPv4(v[start:]) && (groups == 8 && !ellipsis || groups < 8 && ellipsis)
		}
		if i == start || i > start+4 {
			return false
		}
		groups++
		if i == len(v) {
			break
		}
		if v[i] != ':' || i+1 == len(v) {
			return false
		}
		i++
		if v[i] == ':' {
			if ellipsis {
				return false
			}
			ellipsis = true
			i++
		}
	}
	return digits && (groups == 8 && !ellipsis || groups < 8 && ellipsis)
}

// isIPv4 reports whether v is four numbers to 255 without leading zeros.
func isIPv4(v []byte) bool {
	n, start := 0, 0
	for i := 0; i <= len(v); i++ {
		if i < len(v) && v[i] != '.' {
			if !isDigit(v[i]) {
				return false
			}
			continue
		}
		l := i - start
		if l < 1 || l > 3 || l > 1 && v[start] == '0' || decimal(v[start:i]) > 255 {
			return false
		}
		n++
		start = i + 1
	}
	return n == 4
}

// dot takes the URL without a scheme around the "." at i.
func (p *search) dot(i int) int {
	text := p.text
	if i < 2 || !isAlnum(at(text, i+1)) || !isAlpha(text[i-1]) {
		return i + 1
	}
	if from := i - 3; from >= p.end && www(text[from:i]) && (from == 0 || !isWord(text[from-1])) {
		if to := urlEnd(text, from, i+1); to > i+2 && p.wants(URL) {
			p.replace(Span{from, to, URL, ruleURLWWW})
			return to
		}
	}
	return i + 1
}

func www(b []byte) bool {
	return len(b) == 3 && b[0]|0x20 == 'w' && b[1]|0x20 == 'w' && b[2]|0x20 == 'w'
}
