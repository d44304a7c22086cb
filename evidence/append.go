// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// AppendIntent appends the exact bytes of an intent to dst: the same bytes as
// [Marshal], without reflection, because every statement waits for them. On an
// error dst is returned as it was.
func AppendIntent(dst []byte, leaf *Leaf[Intent]) ([]byte, error) {
	start := len(dst)
	b, err := appendHead(dst, leaf.V, leaf.Type, leaf.Origin, leaf.Time, leaf.Mono)
	if err != nil {
		return dst, err
	}
	b = appendChain(b, leaf.Session, leaf.Seq, leaf.Prev)
	in := &leaf.Body
	b = append(b, "{\"stmt\":"...)
	b = strconv.AppendUint(b, in.Stmt, 10)
	b = appendKeyed(b, ",\"phase\":", in.Phase)
	b = appendKeyed(b, ",\"mode\":", in.Mode)
	if in.Of != 0 {
		b = append(b, ",\"of\":"...)
		b = strconv.AppendUint(b, in.Of, 10)
	}
	b = appendOptional(b, ",\"class\":", in.Class)
	b = appendOptional(b, ",\"readable\":", in.Readable)
	b = appendKeyed(b, ",\"digest\":", in.Digest)
	b = appendOptionalList(b, ",\"objects\":", in.Objects)
	b = appendOptionalList(b, ",\"effects\":", in.Effects)
	b = appendMasks(b, in.Masks)
	b = appendKeyed(b, ",\"verdict\":", in.Verdict)
	b = append(b, ",\"rules\":"...)
	b = appendList(b, in.Rules)
	b = appendKeyed(b, ",\"policy\":", string(in.Policy))
	b = appendOptional(b, ",\"grant\":", string(in.Grant))
	if in.Approval != nil { // rare: a human has decided
		approval, err := marshalValue(in.Approval)
		if err != nil {
			return dst, sallyport.E(sallyport.Invalid, opEncode, "the approval cannot be written as JSON").Because(err)
		}
		b = append(b, ",\"approval\":"...)
		b = append(b, approval...)
	}
	b = appendOptional(b, ",\"params\":", in.Params)
	b = appendSealed(b, in.Sealed)
	b = append(b, "}}"...)
	if err := checkSize(len(b) - start); err != nil {
		return dst, err
	}
	return b, nil
}

// AppendOutcome appends the exact bytes of an outcome to dst: the same bytes as
// [Marshal], without reflection. On an error dst is returned as it was.
func AppendOutcome(dst []byte, leaf *Leaf[Outcome]) ([]byte, error) {
	start := len(dst)
	b, err := appendHead(dst, leaf.V, leaf.Type, leaf.Origin, leaf.Time, leaf.Mono)
	if err != nil {
		return dst, err
	}
	b = appendChain(b, leaf.Session, leaf.Seq, leaf.Prev)
	out := &leaf.Body
	b = append(b, "{\"stmt\":"...)
	b = strconv.AppendUint(b, out.Stmt, 10)
	b = appendKeyed(b, ",\"status\":", out.Status)
	b = appendOptional(b, ",\"code\":", out.Code)
	b = appendOptional(b, ",\"tag\":", out.Tag)
	b = append(b, ",\"rows\":"...)
	b = strconv.AppendUint(b, out.Rows, 10)
	b = append(b, ",\"bytes\":"...)
	b = strconv.AppendUint(b, out.Bytes, 10)
	b = append(b, ",\"micros\":"...)
	b = strconv.AppendInt(b, out.Micros, 10)
	b = append(b, "}}"...)
	if err := checkSize(len(b) - start); err != nil {
		return dst, err
	}
	return b, nil
}

func appendHead(b []byte, v int, t Type, origin string, at time.Time, mono int64) ([]byte, error) {
	at = at.UTC()
	if y := at.Year(); y < 0 || y > 9999 { // as encoding/json, which follows RFC 3339
		return nil, sallyport.E(sallyport.Invalid, opEncode, "the event's time is outside of RFC 3339")
	}
	b = append(b, "{\"v\":"...)
	b = strconv.AppendInt(b, int64(v), 10)
	b = appendKeyed(b, ",\"type\":", string(t))
	b = appendKeyed(b, ",\"origin\":", origin)
	b = append(b, ",\"time\":\""...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, "\",\"mono\":"...)
	return strconv.AppendInt(b, mono, 10), nil
}

// appendChain appends the keys of the session's chain and the key of the body.
func appendChain(b []byte, session sallyport.SessionID, seq uint64, prev string) []byte {
	b = appendOptional(b, ",\"session\":", string(session))
	if seq != 0 {
		b = append(b, ",\"seq\":"...)
		b = strconv.AppendUint(b, seq, 10)
	}
	b = appendOptional(b, ",\"prev\":", prev)
	return append(b, ",\"body\":"...)
}

func appendKeyed(b []byte, key, value string) []byte {
	return appendString(append(b, key...), value)
}

func appendOptional(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendKeyed(b, key, value)
}

func appendList[S ~string](b []byte, list []S) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(s))
	}
	return append(b, ']')
}

func appendOptionalList(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	return appendList(append(b, key...), list)
}

func appendMasks(b []byte, masks []MaskPlan) []byte {
	if len(masks) == 0 {
		return b
	}
	b = append(b, ",\"masks\":["...)
	for i, m := range masks {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "{\"output\":"...)
		b = strconv.AppendInt(b, int64(m.Output), 10)
		b = appendOptionalList(b, ",\"columns\":", m.Columns)
		b = append(b, ",\"labels\":"...)
		b = appendList(b, m.Labels)
		b = appendKeyed(b, ",\"reason\":", m.Reason)
		if m.Scan {
			b = append(b, ",\"scan\":true"...)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendSealed(b []byte, s *Sealed) []byte {
	if s == nil {
		return b
	}
	b = append(b, ",\"sealed\":{"...)
	b = appendKeyed(b, "\"key\":", s.Key)
	b = appendKeyed(b, ",\"sha256\":", s.SHA256)
	b = append(b, ",\"len\":"...)
	b = strconv.AppendInt(b, int64(s.Len), 10)
	if s.Zstd {
		b = append(b, ",\"zstd\":true"...)
	}
	if len(s.Data) > 0 {
		b = append(b, ",\"data\":\""...)
		b = base64.StdEncoding.AppendEncode(b, s.Data)
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendString appends a JSON string as encoding/json writes it without the
// escaping for HTML.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[done:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[done:i]...), "\\ufffd"...)
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[done:i]...), "\\u202"...)
			b = append(b, digits[r&15])
		default:
			i += size
			continue
		}
		i += size
		done = i
	}
	return append(append(b, s[done:]...), '"')
}
