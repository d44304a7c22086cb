// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// social takes the groups g to h when they have the form of a Social Security
// number. With dashes the form alone suffices, even where the number was never
// issued: what is written so is meant as one.
func (p *search) social(g, h int) int {
	r, text := &p.run, p.text
	if h-g != 3 || r.shape(g, h) != 324 || r.sep[g+1] != r.sep[g+2] {
		return 0
	}
	i, j := r.from(g), r.to(h-1)
	sep := r.sep[g+1]
	if sep != '-' && sep != ' ' && sep != '.' {
		return 0
	}
	if n := j - i; n == 11 && isWord(at(text, j)) {
		return p.claimNumber(i, j)
	}
	area, group, serial := decimal(text[i:r.to(g)]), decimal(text[r.from(g+1):r.to(g+1)]), decimal(text[r.from(g+2):j])
	valid := issuable(area, group, serial)
	span := Span{i, j, SSN, dashedRule(area)}
	if valid && sep == '-' {
		p.emit(span)
		return j
	}
	spoken := p.before(i, 4).is(clueSSN, 4)
	switch {
	case spoken:
		span.Rule = ruleSSNContext
	case sep == '.' || sep == ' ' && (!valid || area >= 900 || p.before(i, 4).clue != clueNone):
		return 0
	case !valid:
		span.Entity, span.Rule = Unique, ruleSSNShape
	}
	p.emit(span)
	return j
}

// issuable reports whether the parts of a Social Security number, or of a number for
// taxpayers without one, can have been issued.
func issuable(area, group, serial int) bool {
	return group != 0 && serial != 0 && area != 0 && area != 666
}

// dashedRule returns the rule by which a dashed number of that area is found.
func dashedRule(area int) Rule {
	if area >= 900 {
		return ruleITIN
	}
	return ruleSSN
}

// claimNumber takes the health insurance claim number of old Medicare cards: a
// Social Security number, text[i:j], with one or two letters or digits behind.
func (p *search) claimNumber(i, j int) int {
	end := j
	for end < len(p.text) && end < j+3 && isAlnum(p.text[end]) {
		end++
	}
	if end > j+2 || isWord(at(p.text, end)) || !isAlpha(p.text[j]) {
		return 0
	}
	p.emit(Span{i, end, HealthPlan, ruleHICN})
	return end
}

// card takes the number of a payment card that begins with group g: one group
// of 12 to 19 digits, or groups of four, or 4-6-5.
func (p *search) card(g int) int {
	r, text := &p.run, p.text
	if !p.wants(Card) {
		return 0
	}
	h := g + 1
	for h < r.n && (r.sep[h] == ' ' || r.sep[h] == '-') && r.sep[h] == r.sep[g+1] && r.total(g, h+1) <= 19 {
		h++
	}
	for ; h > g; h-- {
		n := r.total(g, h)
		if n < 12 {
			return 0
		}
		if !cardGroups(r, g, h) || n > 19 {
			continue
		}
		i, j := r.from(g), r.to(h-1)
		if h == r.n && isWord(at(text, j)) {
			return 0
		}
		prefix := decimal(text[i : i+4])
		spoken := p.before(i, 3).is(clueCard, 3)
		switch {
		case issued(prefix, n) && luhn(text[i:j], 0)%10 == 0 && (n >= 14 || spoken) && !p.before(i, 1).is(clueIMEI, 1):
			p.emit(Span{i, j, Card, ruleCard})
		case spoken:
			p.emit(Span{i, j, Card, ruleCardContext})
		default:
			continue
		}
		return j
	}
	return 0
}

// cardGroups reports whether the groups g to h are sized as on a card.
func cardGroups(r *run, g, h int) bool {
	if h-g == 1 {
		return true
	}
	switch r.shape(g, h) {
	case 4444, 44443, 465, 464, 4442, 4441:
		return true
	}
	return false
}

// identified takes text[i:j] by the word before that says what it is, together
// with the letters, digits and dashes around it.
func (p *search) identified(i, j int) int {
	from, to, digits, alnum := p.identifier(i, j)
	if alnum < 4 || digits < 2 || from < p.end {
		return 0
	}
	x := p.before(from, 2)
	if x.clue <= clueNumber || x.clue == clueOther {
		return 0
	}
	if digits == alnum && unitAfter(p.text, to) {
		return 0
	}
	e, rule := p.kind(x, from, to, digits, alnum)
	if e == None || !p.wants(e) {
		return 0
	}
	p.emit(Span{from, to, e, rule})
	return to
}

// identifier returns where the identifier around text[i:j] begins and ends, and
// how many digits, and letters and digits, it has. It reaches over dashes, and no
// further than 40 bytes.
func (p *search) identifier(i, j int) (from, to, digits, alnum int) {
	text := p.text
	from, to = i, j
	for from > max(p.end, p.glued, i-40) && (isAlnum(text[from-1]) || text[from-1] == '-' && from > 1 && isAlnum(text[from-2])) {
		from--
	}
	for to < min(len(text), j+40) && (isAlnum(text[to]) || text[to] == '-' && isAlnum(at(text, to+1))) {
		to++
	}
	for _, c := range text[from:to] {
		if isDigit(c) {
			digits++
			alnum++
		} else if isAlpha(c) {
			alnum++
		}
	}
	return from, to, digits, alnum
}

// kind says what the context x makes of the identifier text[from:to].
func (p *search) kind(x context, from, to, digits, alnum int) (Entity, Rule) {
	v := p.text[from:to]
	switch {
	case x.is(clueSSN, 2) && (digits == 9 || digits == 4) && digits == alnum:
		return SSN, ruleSSNContext
	case x.gap > 1:
		return None, ruleNone
	case x.clue == clueIMEI && digits >= 14 && digits <= 20:
		return Device, ruleIMEI
	case x.clue == clueNPI && digits == 10 && alnum == 10:
		if isNPI(v) {
			return NPI, ruleNPI
		}
		return NPI, ruleNPIContext
	case x.clue == clueDEA && alnum >= 8 && alnum <= 10:
		return DEA, ruleDEAContext
	case x.clue == clueRouting && digits == 9 && isABA(v):
		return Account, ruleABA
	case x.clue == clueIBAN && alnum >= 12 && alnum <= 34:
		return IBAN, ruleIBANContext
	case x.gap > 0 || alnum > 30:
		return None, ruleNone
	}
	if alnum >= 5 && alnum <= 20 {
		switch x.clue {
		case clueMRN:
			return MRN, ruleMRNContext
		case cluePlan:
			return HealthPlan, rulePlanContext
		case clueAccount, clueRouting:
			return Account, ruleAccount
		case clueLicense:
			return License, ruleLicense
		case cluePassport:
			return License, rulePassport
		case clueVIN:
			return VIN, ruleVINContext
		case clueUnique, cluePerson:
			if digits >= 4 {
				return Unique, ruleUniqueContext
			}
		}
	}
	switch {
	case x.clue == cluePlate && alnum <= 8:
		return Plate, rulePlate
	case x.clue == clueDevice:
		return Device, ruleSerial
	}
	return None, ruleNone
}

// mixed takes what stands around the digit at i in a word of letters and digits.
func (p *search) mixed(i int) int {
	text := p.text
	to := i
	for to < len(text) && isAlnum(text[to]) {
		to++
	}
	if to-i > maxRun || to < len(text) && isDigit(text[to-1]) && goesOn(text, to) {
		if stop, ok := p.run.read(text, i, false); !ok {
			return stop // a list or a table, as in groups
		}
	}
	if isWord(at(text, to)) || at(text, to) == '@' {
		return to
	}
	from := i
	for from > max(p.end, i-40) && isAlnum(text[from-1]) {
		from--
	}
	if from > p.end && isWord(text[from-1]) {
		return to
	}
	if len(p.s.mrn) > 0 {
		if end := p.record(from); end > 0 {
			return end
		}
	}
	n := to - from
	if n < 4 && from < i && at(text, to) != '-' && at(text, from-1) != '-' && !(at(text, to) == ' ' && isDigit(at(text, to+1))) {
		return to
	}
	if i-from >= 2 && i-from <= 16 && p.glued != i {
		if c := termOf(text, from, i).clue; c >= cluePhone && c != clueOther && digitsEnd(text, i)-i >= 3 {
			p.glued = i // "SSN900-12-3456"
			return p.groups(i)
		}
	}
	if from == i && n <= 8 {
		if end := p.beginning(i); end > 0 {
			return end
		}
	}
	if end := p.checked(from, to); end > 0 {
		return end
	}
	if n >= 3 || at(text, to) == '-' || at(text, from-1) == '-' {
		if end := p.postcode(from, to); end > 0 {
			return end
		}
		if end := p.identified(from, to); end > 0 {
			return end
		}
	}
	return max(to, i+1)
}

// goesOn reports whether another group of digits follows without a space.
func goesOn(text []byte, i int) bool {
	sep, _ := separator(text, i)
	return sep != 0 && sep != ' ' && sep != sepOpen && sep != sepWide
}

// beginning takes a date or an age whose number has letters right behind it, and
// an address whose house number has one.
func (p *search) beginning(i int) int {
	j := digitsEnd(p.text, i)
	if j-i <= 2 {
		if end := p.monthDay(i, j); end > 0 {
			return end
		}
	}
	if j-i <= 3 {
		if end := p.age(i, j); end > 0 {
			return end
		}
	}
	if j-i <= 5 {
		return p.address(i, j)
	}
	return 0
}

// checked takes the word text[from:to] of letters and digits when it proves
// itself: by a check digit or by a form that nothing else has.
func (p *search) checked(from, to int) int {
	text := p.text
	v := text[from:to]
	n := len(v)
	end, span := to, Span{from, to, None, ruleNone}
	switch {
	case n >= 15 && n <= 34 || n == 4:
		if e := ibanEnd(text, from); e > 0 {
			end, span.Entity, span.Rule = e, IBAN, ruleIBAN
		} else if n == 17 && isVIN(v) {
			span.Entity, span.Rule = VIN, ruleVIN
		} else if n == 4 && at(text, to) == '-' {
			end = p.dashedMBI(from)
			span.Entity, span.Rule = HealthPlan, ruleMBI
		}
	case n == 9 && isDEA(v):
		span.Entity, span.Rule = DEA, ruleDEA
	case n == 11 && isMBI(v):
		span.Entity, span.Rule = HealthPlan, ruleMBI
	}
	if span.Entity == None && (at(text, from-1) == '+' && isAlpha(v[0])) {
		end = p.hibcc(from)
		span = Span{from - 1, 0, Device, ruleHIBCC}
	}
	if span.Entity != None && end > from && p.wants(span.Entity) {
		span.End = end
		p.emit(span)
		return end
	}
	if at(text, to) == '-' && n <= 8 {
		return p.dashed(from)
	}
	return 0
}

// dashedMBI returns where the Medicare number of 4-3-4 that begins at i ends, or
// 0.
func (p *search) dashedMBI(i int) int {
	if len(p.text)-i < 13 || p.text[i+4] != '-' || p.text[i+8] != '-' || isWord(at(p.text, i+13)) {
		return 0
	}
	var v [11]byte
	copy(v[:], p.text[i:i+4])
	copy(v[4:], p.text[i+5:i+8])
	copy(v[7:], p.text[i+9:i+13])
	if !isMBI(v[:]) {
		return 0
	}
	return i + 13
}

// udi takes the device identifier of GS1 whose "(01)" is at i: a number with a
// check digit, and what further elements follow.
func (p *search) udi(i int) int {
	text := p.text
	end := i + 4
	for end < len(text) && end < i+18 && isDigit(text[end]) {
		end++
	}
	if end != i+18 || !isGTIN(text[i+4:end]) || i < p.end || !p.wants(Device) {
		return 0
	}
	for range 6 {
		k := end
		if at(text, k) != '(' {
			break
		}
		for k++; k < len(text) && k < end+4 && isDigit(text[k]); k++ {
		}
		if at(text, k) != ')' || k < end+3 {
			break
		}
		v := k + 1
		for k = v; k < len(text) && k < v+20 && (isAlnum(text[k]) || text[k] == '-' || text[k] == '/' || text[k] == '.' && isAlnum(at(text, k+1))); k++ {
		}
		if k == v {
			break
		}
		end = k
	}
	p.emit(Span{i, end, Device, ruleUDI})
	return end
}

// hibcc returns where the device identifier of the Health Industry Business
// Communications Council whose first letter is at i ends, or 0: it has a second
// part that "/$" begins.
func (p *search) hibcc(i int) int {
	text := p.text
	end, second := i, false
	for end < len(text) && end < i+100 && (isAlnum(text[end]) || text[end] == '/' || text[end] == '$' || text[end] == '.' || text[end] == '+') {
		second = second || text[end] == '/' && at(text, end+1) == '$'
		end++
	}
	if !second || end-i < 10 {
		return 0
	}
	return end
}

// coordinates takes a latitude text[i:j] with at least four decimals and the
// longitude behind it, or either alone with its word before it.
func (p *search) coordinates(i, j int) int {
	text := p.text
	if !p.wants(Coordinates) {
		return 0
	}
	from := i
	if c := at(text, i-1); c == '-' || c == '+' {
		from--
	}
	end := hemisphere(text, j)
	k := end
	for k < len(text) && k < end+3 && (text[k] == ',' || text[k] == ' ' || text[k] == ';' || text[k] == '/') {
		k++
	}
	if c := at(text, k); k > end && (c == '-' || c == '+') {
		k++
	}
	a := digitsEnd(text, k)
	if b := digitsEnd(text, min(a+1, len(text))); a > k && a-k <= 3 && at(text, a) == '.' && b-a >= 5 && decimal(text[k:a]) <= 180 && degrees(text, i) <= 90 {
		b = hemisphere(text, b)
		p.emit(Span{from, b, Coordinates, ruleCoordinates})
		return b
	}
	e := from
	for e > 0 && e > from-3 && (text[e-1] == ' ' || text[e-1] == ':' || text[e-1] == '=' || text[e-1] == '"') {
		e--
	}
	var buf [16]byte
	switch string(fold(&buf, text[wordBefore(text, e, 10):e])) {
	case "lat", "latitude", "lon", "lng", "long", "longitude":
		p.emit(Span{from, end, Coordinates, ruleCoordinates})
		return end
	}
	return 0
}

// degrees reads the whole degrees that begin at i.
func degrees(text []byte, i int) int { return decimal(text[i:digitsEnd(text, i)]) }

// hemisphere returns where a degree sign and a letter of the compass behind i
// end, or i.
func hemisphere(text []byte, i int) int {
	k := i
	if at(text, k) == 0xc2 && at(text, k+1) == 0xb0 {
		k += 2
	}
	end := k
	if at(text, k) == ' ' {
		k++
	}
	switch at(text, k) {
	case 'N', 'S', 'E', 'W':
		if !isWord(at(text, k+1)) {
			return k + 1
		}
	}
	return end
}
