// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	sallyport "github.com/sallyport-dev/sallyport"
)

// A verifier reads a million leaves that a gateway wrote, and nearly all have
// exactly the form of Marshal, with plain texts. Those are read here, key after
// key in the order in which they are written; everything else is left to package
// json. Both ways give the same, which a test and a fuzz target compare.

// scanLeaf reads the head of a leaf in the form of Marshal, of a type that is
// known. The body is not looked into; it aliases raw.
func scanLeaf(raw []byte) (l parsedLeaf, ok bool) {
	if len(raw) > MaxLeaf {
		return l, false
	}
	c := cutter{rest: raw}
	c.need(`{"v":1,"type":`)
	l.Type = Type(c.text())
	c.need(`,"origin":`)
	l.Origin = c.text()
	c.need(`,"time":`)
	if c.bad || l.Time.UnmarshalText([]byte(c.text())) != nil {
		return l, false
	}
	c.need(`,"mono":`)
	l.V, l.Mono = LeafVersion, int64(c.number())
	if c.skip(`,"session":`) {
		l.Session = sallyport.SessionID(c.text())
		c.need(`,"seq":`)
		l.Seq = c.number()
		if c.skip(`,"prev":`) {
			l.Prev = c.text()
		}
	}
	c.need(`,"body":`)
	l.Body, ok = bytes.CutSuffix(c.rest, []byte("}"))
	return l, ok && !c.bad && len(l.Body) > 0 && l.Body[0] == '{' && newBody(l.Type) != nil
}

// scanBody reads a body of one of the types that most leaves are of.
func scanBody(b []byte, into any) bool {
	c := cutter{rest: b}
	switch body := into.(type) {
	case *Intent:
		c.intent(body)
	case *Outcome:
		c.outcome(body)
	case *Masking:
		c.masking(body)
	default:
		return false
	}
	return !c.bad && len(c.rest) == 0
}

func (c *cutter) outcome(o *Outcome) {
	c.need(`{"stmt":`)
	o.Stmt = c.number()
	c.need(`,"status":`)
	o.Status = c.text()
	o.Code = c.optional(`,"code":`)
	o.Tag = c.optional(`,"tag":`)
	c.need(`,"rows":`)
	o.Rows = c.number()
	c.need(`,"bytes":`)
	o.Bytes = c.number()
	c.need(`,"micros":`)
	o.Micros = int64(c.number())
	c.need(`}`)
}

func (c *cutter) masking(m *Masking) {
	c.need(`{"stmt":`)
	m.Stmt = c.number()
	c.need(`,"output":`)
	m.Output = int(c.number()) // -1, of diagnostics, is left to package json
	m.Columns = array[string](c, `,"columns":`)
	m.Labels = array[sallyport.Label](c, `,"labels":`)
	c.need(`,"reason":`)
	m.Reason = c.text()
	c.need(`,"operator":`)
	m.Operator = c.text()
	c.need(`,"profile":`)
	m.Profile = c.text()
	m.Version = c.optional(`,"profile_version":`)
	c.need(`,"seen":`)
	m.Seen = c.number()
	c.need(`,"masked":`)
	m.Masked = c.number()
	c.need(`,"nulls":`)
	m.Nulls = c.number()
	c.need(`}`) // findings have more
}

func (c *cutter) intent(in *Intent) {
	c.need(`{"stmt":`)
	in.Stmt = c.number()
	c.need(`,"phase":`)
	in.Phase = c.text()
	c.need(`,"mode":`)
	in.Mode = c.text()
	if c.skip(`,"of":`) {
		in.Of = c.number()
	}
	in.Class = c.optional(`,"class":`)
	in.Readable = c.optional(`,"readable":`)
	c.need(`,"digest":`)
	in.Digest = c.text()
	in.Objects = array[string](c, `,"objects":`)
	in.Effects = array[string](c, `,"effects":`)
	if c.skip(`,"masks":[`) {
		in.Masks = c.masks()
	}
	c.need(`,"verdict":`)
	in.Verdict = c.text()
	in.Rules = array[sallyport.RuleID](c, `,"rules":`)
	c.bad = c.bad || in.Rules == nil
	c.need(`,"policy":`)
	in.Policy = sallyport.PolicyDigest(c.text())
	in.Grant = sallyport.GrantID(c.optional(`,"grant":`))
	in.Params = c.optional(`,"params":`)
	if c.skip(`,"sealed":{"key":`) {
		in.Sealed = c.sealed()
	}
	c.need(`}`)
}

func (c *cutter) masks() (masks []MaskPlan) {
	for !c.bad {
		var m MaskPlan
		c.need(`{"output":`)
		m.Output = int(c.number())
		m.Columns = array[string](c, `,"columns":`)
		m.Labels = array[sallyport.Label](c, `,"labels":`)
		c.need(`,"reason":`)
		m.Reason = c.text()
		m.Scan = c.skip(`,"scan":true`)
		c.need(`}`)
		masks = append(masks, m)
		if c.skip(`]`) {
			return masks
		}
		c.need(`,`)
	}
	return nil
}

// sealed reads on after the name of its first key.
func (c *cutter) sealed() *Sealed {
	s := &Sealed{Key: c.text()}
	c.need(`,"sha256":`)
	s.SHA256 = c.text()
	c.need(`,"len":`)
	s.Len = int(c.number())
	s.Zstd = c.skip(`,"zstd":true`)
	if c.skip(`,"data":`) {
		data := c.token()
		s.Data = make([]byte, base64.StdEncoding.DecodedLen(len(data)))
		n, err := base64.StdEncoding.Decode(s.Data, data)
		c.bad = c.bad || err != nil || n == 0
		s.Data = s.Data[:n]
	}
	c.need(`}`)
	return s
}

// cutter takes a text apart from its beginning. Once something was not as it
// must be, it is bad and stays so.
type cutter struct {
	rest []byte
	bad  bool
}

func (c *cutter) skip(prefix string) bool {
	if len(c.rest) < len(prefix) || string(c.rest[:len(prefix)]) != prefix {
		return false
	}
	c.rest = c.rest[len(prefix):]
	return true
}

func (c *cutter) need(prefix string) {
	if !c.skip(prefix) {
		c.bad = true
	}
}

// token takes a JSON string of printable ASCII without escapes.
func (c *cutter) token() []byte {
	c.need(`"`)
	if c.bad {
		return nil
	}
	for i, b := range c.rest {
		switch {
		case b == '"':
			t := c.rest[:i]
			c.rest = c.rest[i+1:]
			return t
		case b == '\\' || b < ' ' || b > '~':
			c.bad = true
			return nil
		}
	}
	c.bad = true
	return nil
}

func (c *cutter) text() string { return string(c.token()) }

// optional takes a text after its key, if that comes next.
func (c *cutter) optional(key string) string {
	if !c.skip(key) {
		return ""
	}
	return c.text()
}

// number takes a number of at most 18 digits.
func (c *cutter) number() (v uint64) {
	n := 0
	for n < len(c.rest) && n < 18 && c.rest[n] >= '0' && c.rest[n] <= '9' {
		v = 10*v + uint64(c.rest[n]-'0')
		n++
	}
	if n == 0 || n > 1 && c.rest[0] == '0' {
		c.bad = true
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

// array takes an array of texts after its key, nil if that does not come next.
func array[S ~string](c *cutter, key string) []S {
	if !c.skip(key) {
		return nil
	}
	c.need(`[`)
	out := []S{}
	if c.skip(`]`) {
		return out
	}
	for !c.bad {
		out = append(out, S(c.text()))
		if c.skip(`]`) {
			return out
		}
		c.need(`,`)
	}
	return nil
}

// parseEvent reads a leaf and its body. raw is kept.
func parseEvent(index uint64, raw []byte) (event, error) {
	leaf, ok := scanLeaf(raw)
	if !ok {
		var err error
		if leaf, err = ParseLeaf(raw); err != nil {
			return event{}, err
		}
	}
	e := event{index: index, raw: raw, leaf: leaf, body: newBody(leaf.Type)}
	if e.body == nil || scanBody(leaf.Body, e.body) {
		return e, nil
	}
	e.body = newBody(leaf.Type)
	if err := json.Unmarshal(leaf.Body, e.body); err != nil {
		return event{}, badBody(leaf.Type, err)
	}
	return e, nil
}
