// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// canary is a value that must never leave.
const canary = "987-65-4320"

// endOfStream is the mark that a writer leaves at its end.
const endOfStream = 8

// serialized returns a schema and the messages of record batches as a read session
// delivers them: the writer's stream, cut at its messages.
func serialized(t testing.TB, schema *arrow.Schema, records []arrow.RecordBatch, opts ...ipc.Option) (head []byte, batches [][]byte) {
	t.Helper()
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, append([]ipc.Option{ipc.WithSchema(schema), ipc.WithDictionaryDeltas(true)}, opts...)...)
	var empty bytes.Buffer
	e := ipc.NewWriter(&empty, append([]ipc.Option{ipc.WithSchema(schema)}, opts...)...)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	head = empty.Bytes()[:empty.Len()-endOfStream]
	at := len(head)
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
		batches = append(batches, bytes.Clone(buf.Bytes()[at:]))
		at = buf.Len()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return head, batches
}

// plan compiles columns.
func plan(t testing.TB, cols ...mask.BQColumn) *mask.BQPlan {
	t.Helper()
	p, err := mask.NewBQPlan(cols, "test")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bytesOf returns what m holds.
func bytesOf(t testing.TB, m mask.Masked) []byte {
	t.Helper()
	return m.AppendTo(nil)
}

// maskAll masks batches and returns the stream that a client reads.
func maskAll(t testing.TB, p *mask.BQPlan, head []byte, batches [][]byte) (stream []byte, masked [][]byte) {
	t.Helper()
	m, err := arrowmask.Open(p, mask.FromUpstream(head))
	if err != nil {
		t.Fatal(err)
	}
	stream = bytesOf(t, m.Schema())
	for _, b := range batches {
		out, err := m.Mask(mask.FromUpstream(b))
		if err != nil {
			t.Fatal(err)
		}
		masked = append(masked, bytesOf(t, out))
		stream = out.AppendTo(stream)
	}
	return stream, masked
}

// read reads a stream with the library's own reader.
func read(t testing.TB, stream []byte) []arrow.RecordBatch {
	t.Helper()
	r, err := ipc.NewReader(bytes.NewReader(stream), ipc.WithAllocator(memory.NewGoAllocator()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var out []arrow.RecordBatch
	for r.Next() {
		rec := r.RecordBatch()
		rec.Retain()
		out = append(out, rec)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// wantIntegrity fails the test unless err is a refusal without a value in it.
func wantIntegrity(t testing.TB, err error) {
	t.Helper()
	if err == nil || sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("error %v is of kind %v, want integrity", err, sallyport.KindOf(err))
	} else if bytes.Contains([]byte(err.Error()), []byte(canary)) {
		t.Errorf("error %q holds a value", err)
	}
}

// compiled returns an operator, on a day in 2026.
func compiled(t testing.TB, s operator.Spec) *operator.Operator {
	t.Helper()
	keys, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	op, err := operator.Compile(s, keys, func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// column is a column of which nothing is said but that it is there.
func column(name, typ string) mask.BQColumn { return mask.BQColumn{Name: name, Type: typ} }

// hidden is a masked column.
func hidden(name, typ string) mask.BQColumn {
	c := column(name, typ)
	c.Mask, c.Labels, c.Reason = true, []sallyport.Label{"phi.ssn"}, "label"
	return c
}
