// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// patients is a batch as a clinic's table gives it: some 70 bytes to a row.
func patients(n int) (*arrow.Schema, arrow.RecordBatch) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ssn", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("Testperson %d", i))
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("987-65-%04d", i%10000))
		if i%10 == 9 {
			b.Field(3).AppendNull()
		} else {
			b.Field(3).(*array.StringBuilder).Append("no known allergies, follow-up in two weeks")
		}
		b.Field(4).(*array.Date32Builder).Append(arrow.Date32(i % 20000))
	}
	return schema, b.NewRecordBatch()
}

// spent is the processor's time that this process has had.
func spent(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBatch masks name and number of a batch of patients. Bytes are those of
// the batch without compression. The metric "MB/cpu-s" does not depend on what else
// the machine does; collecting garbage is in it.
func BenchmarkBatch(b *testing.B) {
	for _, bc := range []struct {
		name string
		cols []mask.BQColumn
		opts []ipc.Option
	}{
		{"two constants", []mask.BQColumn{column("id", "INTEGER"), hidden("name", "STRING"), hidden("ssn", "STRING"), column("note", "STRING"), column("day", "DATE")}, nil},
		{"lz4", []mask.BQColumn{column("id", "INTEGER"), hidden("name", "STRING"), hidden("ssn", "STRING"), column("note", "STRING"), column("day", "DATE")}, []ipc.Option{ipc.WithLZ4()}},
		{"zstd", []mask.BQColumn{column("id", "INTEGER"), hidden("name", "STRING"), hidden("ssn", "STRING"), column("note", "STRING"), column("day", "DATE")}, []ipc.Option{ipc.WithZstd()}},
		{"partial and year", []mask.BQColumn{column("id", "INTEGER"), hidden("name", "STRING"), by(b, "ssn", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}), column("note", "STRING"), by(b, "day", "DATE", operator.Spec{Kind: operator.DateYear})}, nil},
		{"none", []mask.BQColumn{column("id", "INTEGER"), column("name", "STRING"), column("ssn", "STRING"), column("note", "STRING"), column("day", "DATE")}, nil},
	} {
		b.Run(bc.name, func(b *testing.B) {
			schema, rec := patients(10000)
			head, batches := serialized(b, schema, []arrow.RecordBatch{rec}, bc.opts...)
			_, plain := serialized(b, schema, []arrow.RecordBatch{rec})
			m, err := arrowmask.Open(plan(b, bc.cols...), mask.FromUpstream(head))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(plain[0])))
			b.ReportAllocs()
			begin := spent(b)
			for b.Loop() {
				if _, err := m.Mask(mask.FromUpstream(batches[0])); err != nil {
					b.Fatal(err)
				}
			}
			used := spent(b) - begin
			b.ReportMetric(float64(len(plain[0]))*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
		})
	}
}

// by is a column that is masked by an operator.
func by(t testing.TB, name, typ string, s operator.Spec) mask.BQColumn {
	c := hidden(name, typ)
	c.Operator = compiled(t, s)
	return c
}
