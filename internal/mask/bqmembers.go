// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
)

// BQTreatment says how a member of an answer passes.
type BQTreatment uint8

// The treatments. The zero value lets nothing pass.
const (
	BQDrop   BQTreatment = iota
	BQKeep               // as it is; for members that hold no data of rows
	BQSet                // replaced by a value of the gateway's own
	BQPick               // an object, or an array of objects, of which some members pass
	BQFormat             // masked by a format, as a document of its own
	BQRows               // the rows
)

// BQMember is a member of an answer that may pass.
type BQMember struct {
	Name    string
	Do      BQTreatment
	Value   Masked     // of BQSet: a value in JSON, which stands for the target's
	Members []BQMember // of BQPick; it may be the list that this member is in
	Format  Format     // of BQFormat, which takes texts that are values in JSON
}

// bqDocument is the pass over one answer, but for its rows.
type bqDocument struct {
	plan *BQPlan
	src  []byte
}

// object appends the object at i with the members that may pass. White space
// between members is left out.
func (d *bqDocument) object(dst []byte, i int, members []BQMember, depth int) (out []byte, end int, err error) {
	bad := func() ([]byte, int, error) { return nil, 0, refuse(opBQRows, msgBQAnswer) }
	if depth++; lex.At(d.src, i) != '{' || depth > lex.MaxDepth {
		return bad()
	}
	dst = append(dst, '{')
	empty := len(dst)
	if i = lex.Space(d.src, i+1); lex.At(d.src, i) == '}' {
		return append(dst, '}'), i + 1, nil
	}
	for {
		stop, escaped, v := lex.Key(d.src, i)
		if stop < 0 {
			return bad()
		}
		var m *BQMember
		if !escaped { // the names that are known have no escapes
			m = memberNamed(members, d.src[i+1:stop-1])
		}
		if m != nil && m.Do != BQDrop {
			if len(dst) > empty {
				dst = append(dst, ',')
			}
			dst = append(append(dst, d.src[i:stop]...), ':')
			dst, end, err = d.value(dst, v, m, depth)
			if err != nil {
				return nil, 0, err
			}
		} else {
			end = lex.Value(d.src, v, depth)
		}
		if end < 0 {
			return bad()
		}
		switch i = lex.Space(d.src, end); lex.At(d.src, i) {
		case ',':
			i = lex.Space(d.src, i+1)
		case '}':
			return append(dst, '}'), i + 1, nil
		default:
			return bad()
		}
	}
}

func memberNamed(members []BQMember, name []byte) *BQMember {
	for k := range members {
		if members[k].Name == string(name) {
			return &members[k]
		}
	}
	return nil
}

// value appends the value at i as the member says. end is negative for what is no
// JSON.
func (d *bqDocument) value(dst []byte, i int, m *BQMember, depth int) (out []byte, end int, err error) {
	switch m.Do {
	case BQRows:
		if depth > 1 {
			break
		}
		return d.plan.appendRows(dst, i)
	case BQPick:
		return d.pick(dst, i, m.Members, depth)
	case BQKeep, BQSet, BQFormat:
		if end = lex.Value(d.src, i, depth); end < 0 {
			return nil, end, nil
		}
		switch m.Do {
		case BQSet:
			return append(dst, m.Value.b...), end, nil
		case BQFormat:
			if m.Format == nil {
				return append(dst, "null"...), end, nil
			}
			d.plan.beside.Locus = m.Name
			if out, err = m.Format.Append(dst, d.src[i:end], &d.plan.beside); err != nil {
				return nil, 0, refuse(opBQRows, "a member of an answer could not be masked")
			}
			return out, end, nil
		}
		return append(dst, d.src[i:end]...), end, nil
	}
	return nil, 0, refuse(opBQRows, msgBQAnswer)
}

// pick appends the object at i, or the objects of the array at i, with the members
// that may pass.
func (d *bqDocument) pick(dst []byte, i int, members []BQMember, depth int) (out []byte, end int, err error) {
	switch lex.At(d.src, i) {
	case '{':
		return d.object(dst, i, members, depth)
	case '[':
	default: // a text or number in its place says nothing that is known
		return append(dst, "null"...), lex.Value(d.src, i, depth), nil
	}
	dst = append(dst, '[')
	i = lex.Space(d.src, i+1)
	for first := true; lex.At(d.src, i) != ']'; first = false {
		if !first {
			if lex.At(d.src, i) != ',' {
				return nil, 0, refuse(opBQRows, msgBQAnswer)
			}
			dst = append(dst, ',')
			i = lex.Space(d.src, i+1)
		}
		if dst, i, err = d.object(dst, i, members, depth); err != nil {
			return nil, 0, err
		}
		i = lex.Space(d.src, i)
	}
	return append(dst, ']'), i + 1, nil
}
