// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Wrap(m).Run()) }

// canary is a value that must never leave.
const canary = "987-65-4320"

const oidText, oidInt4 = 25, 23

// masked and clear are columns of type text.
func masked() mask.PGColumn {
	return mask.PGColumn{TypeOID: oidText, Typmod: -1, Mask: true, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label", Columns: []string{"public.patients.ssn"}}
}

func clear() mask.PGColumn { return mask.PGColumn{TypeOID: oidText, Typmod: -1} }

// null is a field of dataRow.
const null = "\x00null"

// dataRow builds the body of a DataRow message.
func dataRow(fields ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(fields)))
	for _, f := range fields {
		if f == null {
			b = binary.BigEndian.AppendUint32(b, 0xFFFFFFFF)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// message frames a message body.
func message(kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(b, body...)
}

// bytesOf returns what m holds.
func bytesOf(t testing.TB, m mask.Masked) []byte {
	t.Helper()
	var buf bytes.Buffer
	n, err := m.WriteTo(&buf)
	if err != nil || n != int64(m.Len()) {
		t.Fatalf("WriteTo = %d, %v, want %d, nil", n, err, m.Len())
	}
	return buf.Bytes()
}

// wantIntegrity fails the test unless err is a refusal without any of the
// secret in it.
func wantIntegrity(t testing.TB, err error) {
	t.Helper()
	if sallyport.KindOf(err) != sallyport.Integrity || err == nil {
		t.Errorf("error %v is of kind %v, want integrity", err, sallyport.KindOf(err))
	} else if bytes.Contains([]byte(err.Error()), []byte(canary)) {
		t.Errorf("error %q holds a value", err)
	}
}

// fields parses the body of a DataRow message by itself.
func fields(t testing.TB, body []byte) []string {
	t.Helper()
	var out []string
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	for range n {
		size := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if size < 0 {
			out = append(out, null)
			continue
		}
		out = append(out, string(body[:size]))
		body = body[size:]
	}
	if len(body) != 0 {
		t.Fatalf("%d bytes behind the last field", len(body))
	}
	return out
}
