// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// FuzzWalk cuts a stream into messages: the walk must end, and every message
// lie within the stream.
func FuzzWalk(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x0dselect 1\x00S\x00\x00\x00\x04"), 64)
	f.Add([]byte("Q\xff\xff\xff\xff"), 64)
	f.Fuzz(func(t *testing.T, buf []byte, max int) {
		for rest := buf; ; {
			_, total, ok, err := pgwire.NextClient(rest, max)
			if err != nil || !ok || total > len(rest) {
				if err == nil && ok && total > max {
					t.Fatalf("total %d exceeds the limit %d", total, max)
				}
				return
			}
			if total < pgwire.HeaderLen {
				t.Fatalf("a message of %d bytes", total)
			}
			rest = rest[total:]
		}
	})
}

// FuzzDecode gives a body to every decoder: none may panic, and none may keep
// what it refuses.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("select 1\x00"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01x\x00\x00"))
	f.Add([]byte("SERROR\x00C42501\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		for _, decode := range decoders() {
			_ = decode(b)
		}
		if !bytes.Equal(before, b) {
			t.Fatal("a decoder wrote into its body")
		}
	})
}

// FuzzClient decodes a client's message, builds it again and asks the oracle:
// what is accepted must come out byte for byte, and mean the same to pgproto3.
func FuzzClient(f *testing.F) {
	f.Add(byte('P'), []byte("s\x00select $1\x00\x00\x01\x00\x00\x00\x19"))
	f.Add(byte('B'), []byte("p\x00s\x00\x00\x01\x00\x01\x00\x02\x00\x00\x00\x01v\xff\xff\xff\xff\x00\x01\x00\x00"))
	f.Add(byte('E'), []byte("p\x00\x00\x00\x00\x05"))
	f.Add(byte('D'), []byte("Ss\x00"))
	f.Add(byte('Q'), []byte("select 1\x00"))
	f.Fuzz(func(t *testing.T, typ byte, b []byte) {
		out, oracle, err := rebuildClient(typ, b)
		if err != nil || out == nil {
			return
		}
		if want := pgwire.AppendMessage(nil, typ, b); !bytes.Equal(out, want) {
			t.Fatalf("%q was rebuilt as %q", want, out)
		}
		if err := oracle.Decode(b); err != nil {
			t.Fatalf("the oracle refuses what was accepted: %v", err)
		}
		if again, err := oracle.Encode(nil); err == nil && !bytes.Equal(again, out) {
			t.Fatalf("oracle %q, ours %q", again, out)
		}
	})
}

func rebuildClient(typ byte, b []byte) (out []byte, oracle pgproto3.Message, err error) {
	switch typ {
	case pgwire.ClientQuery:
		text, err := pgwire.DecodeQuery(b)
		return pgwire.AppendQuery(nil, text), &pgproto3.Query{}, err
	case pgwire.ClientParse:
		p, err := pgwire.DecodeParse(b)
		if err != nil {
			return nil, nil, err
		}
		out, err = pgwire.AppendParse(nil, p.Name, p.Text, oids(p.ParamOIDs))
		return out, &pgproto3.Parse{}, err
	case pgwire.ClientBind:
		m, err := pgwire.DecodeBind(b)
		if err != nil {
			return nil, nil, err
		}
		out, err = pgwire.AppendBind(nil, m.Portal, m.Statement, codes(m.ParamFormats), m.Params.Append(nil), codes(m.ResultFormats))
		return out, &pgproto3.Bind{}, err
	case pgwire.ClientDescribe:
		d, err := pgwire.DecodeDescribe(b)
		return pgwire.AppendDescribe(nil, d.Kind, d.Name), &pgproto3.Describe{}, err
	case pgwire.ClientClose:
		d, err := pgwire.DecodeClose(b)
		return pgwire.AppendClose(nil, d.Kind, d.Name), &pgproto3.Close{}, err
	case pgwire.ClientExecute:
		e, err := pgwire.DecodeExecute(b)
		return pgwire.AppendExecute(nil, e.Portal, e.MaxRows), &pgproto3.Execute{}, err
	case pgwire.ClientCopyFail:
		reason, err := pgwire.DecodeCopyFail(b)
		return pgwire.AppendCopyFail(nil, string(reason)), &pgproto3.CopyFail{}, err
	}
	return nil, nil, nil
}

func oids(o pgwire.OIDs) (all []uint32) {
	for i := range o.Len() {
		all = append(all, o.At(i))
	}
	return all
}

func codes(f pgwire.Formats) (all []int16) {
	for i := range f.Len() {
		all = append(all, f.At(i))
	}
	return all
}

// FuzzServer is FuzzClient for the other direction.
func FuzzServer(f *testing.F) {
	f.Add(byte('T'), []byte("\x00\x01a\x00\x00\x00\x40\x00\x00\x03\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"))
	f.Add(byte('D'), []byte("\x00\x02\x00\x00\x00\x01x\xff\xff\xff\xff"))
	f.Add(byte('E'), []byte("SERROR\x00C42501\x00Mno\x00\x00"))
	f.Add(byte('K'), []byte("\x00\x00\x00\x01abcd"))
	f.Add(byte('H'), []byte("\x01\x00\x02\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, typ byte, b []byte) {
		out, oracle, err := rebuildServer(typ, b)
		if err != nil || out == nil {
			return
		}
		if want := pgwire.AppendMessage(nil, typ, b); !bytes.Equal(out, want) {
			t.Fatalf("%q was rebuilt as %q", want, out)
		}
		if oracle == nil {
			return
		}
		if err := oracle.Decode(b); err != nil {
			t.Fatalf("the oracle refuses what was accepted: %v", err)
		}
		if again, err := oracle.Encode(nil); err == nil && !bytes.Equal(again, out) {
			t.Fatalf("oracle %q, ours %q", again, out)
		}
	})
}

func rebuildServer(typ byte, b []byte) (out []byte, oracle pgproto3.Message, err error) {
	switch typ {
	case pgwire.ServerRowDescription:
		fields, err := pgwire.DecodeRowDescription(b, nil)
		return pgwire.AppendRowDescription(nil, fields), &pgproto3.RowDescription{}, err
	case pgwire.ServerDataRow:
		v, err := pgwire.DecodeDataRow(b)
		return pgwire.AppendDataRow(nil, v.Append(nil)), &pgproto3.DataRow{}, err
	case pgwire.ServerErrorResponse, pgwire.ServerNoticeResponse:
		// The oracle keeps one value of each field and drops their order.
		d, err := pgwire.DecodeDiagnostic(b)
		return pgwire.AppendDiagnosticFields(nil, typ, d, func(_ byte, v []byte) ([]byte, bool) { return v, true }), nil, err
	case pgwire.ServerBackendKeyData:
		k, err := pgwire.DecodeBackendKeyData(b)
		return pgwire.AppendBackendKeyData(nil, k), &pgproto3.BackendKeyData{}, err
	case pgwire.ServerParameterStatus:
		name, value, err := pgwire.DecodeParameterStatus(b)
		return pgwire.AppendParameterStatus(nil, string(name), string(value)), &pgproto3.ParameterStatus{}, err
	case pgwire.ServerCommandComplete:
		tag, err := pgwire.DecodeCommandComplete(b)
		return pgwire.AppendCommandComplete(nil, string(tag)), &pgproto3.CommandComplete{}, err
	case pgwire.ServerNotificationResponse:
		n, err := pgwire.DecodeNotification(b)
		return pgwire.AppendNotification(nil, n.PID, string(n.Channel), string(n.Payload)), &pgproto3.NotificationResponse{}, err
	case pgwire.ServerCopyOutResponse:
		c, err := pgwire.DecodeCopyResponse(b)
		return pgwire.AppendCopyResponse(nil, typ, c.Format, codes(c.Columns)), &pgproto3.CopyOutResponse{}, err
	case pgwire.ServerParameterDescription:
		o, err := pgwire.DecodeParameterDescription(b)
		return pgwire.AppendParameterDescription(nil, oids(o)), &pgproto3.ParameterDescription{}, err
	case pgwire.ServerReadyForQuery:
		s, err := pgwire.DecodeReadyForQuery(b)
		return pgwire.AppendReadyForQuery(nil, s), &pgproto3.ReadyForQuery{}, err
	case pgwire.ServerNegotiateProtocolVersion:
		n, err := pgwire.DecodeNegotiation(b)
		var names []string
		for name := range n.Unknown.All() {
			names = append(names, string(name))
		}
		return pgwire.AppendNegotiateProtocolVersion(nil, n.Version, names), &pgproto3.NegotiateProtocolVersion{}, err
	}
	return nil, nil, nil
}

// FuzzStartup checks the promises of an accepted start-up packet.
func FuzzStartup(f *testing.F) {
	f.Add(pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "options", "-c timezone=UTC"))
	f.Add(pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "search_path", `"$user", app`))
	f.Add(pgwire.AppendStartup(nil, 3<<16|9999, "user", "etl", "_pq_.x", ""))
	f.Add(pgwire.AppendCancelRequest(nil, pgwire.CancelKey{PID: 1, Secret: []byte("abcd")}))
	f.Add(pgwire.AppendSSLRequest(nil))
	f.Fuzz(func(t *testing.T, packet []byte) {
		s, err := pgwire.DecodeStartup(packet)
		if err != nil {
			if s.Kind != 0 {
				t.Fatalf("a value beside an error: %+v", s)
			}
			return
		}
		if s.Kind != pgwire.StartupMessage {
			return
		}
		if s.User == "" || s.Version != pgwire.Version30 && s.Version != pgwire.Version32 || s.Version > s.Asked {
			t.Fatalf("%+v", s)
		}
		for name, value := range s.Settings {
			again, err := pgwire.DecodeStartup(pgwire.AppendStartup(nil, pgwire.Version30, "user", "u", name, value))
			if err != nil || again.Settings[name] != value {
				t.Fatalf("the setting %q=%q does not pass twice: %v", name, value, err)
			}
			if bytes.ContainsAny([]byte(value), ";'\\\x00\n") {
				t.Fatalf("the setting %q has the value %q", name, value)
			}
		}
		if slices.ContainsFunc([]byte(s.Application), func(c byte) bool { return c < ' ' || c > '~' }) {
			t.Fatalf("application %q", s.Application)
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	var buf []byte
	for range 1000 {
		buf = pgwire.AppendDataRow(buf, [][]byte{[]byte("some synthetic value"), nil, []byte("another")})
	}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := buf; len(rest) > 0; {
			_, total, _, err := pgwire.Next(rest, pgwire.MaxServerMessage)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[total:]
		}
	}
}

func BenchmarkDataRow(b *testing.B) {
	row := pgwire.AppendDataRow(nil, [][]byte{[]byte("some synthetic value"), nil, []byte("another")})[pgwire.HeaderLen:]
	values := make([][]byte, 0, 8)
	out := make([]byte, 0, 128)
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := pgwire.DecodeDataRow(row)
		if err != nil {
			b.Fatal(err)
		}
		values = v.Append(values[:0])
		out = pgwire.AppendDataRow(out[:0], values)
	}
}
