// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// TestAgreement: a value becomes the same in a record batch and in an answer of the
// REST interface, by every operator.
func TestAgreement(t *testing.T) {
	t.Parallel()
	all := samples()
	for _, c := range []struct {
		kind       string
		rest, json string // a value in either form
	}{
		{"string", `"987-65-4320"`, `"987-65-4320"`},
		{"string", `"1974-12-25"`, `"1974-12-25"`},
		{"json", `"\"62704\""`, `"\"62704\""`},
		{"bytes", `"OTg3LTY1LTQzMjA="`, `"OTg3LTY1LTQzMjA="`},
		{"int", `"62704"`, `62704`},
		{"int", `"-9223372036854775808"`, `-9223372036854775808`},
		{"float", `"98765.4321"`, `98765.4321`},
		{"bool", `"true"`, `true`},
		{"date", `"1974-12-25"`, `"1974-12-25"`},
		{"date", `"0001-01-01"`, `"0001-01-01"`},
		{"timestamp", `"157214125123456"`, `"1974-12-25 14:35:25.123456Z"`},
		{"datetime", `"1974-12-25T14:35:25.123456"`, `"1974-12-25 14:35:25.123456"`},
		{"numeric", `"-98765.432098765"`, `"-98765.432098765"`},
		{"numeric", `"7"`, `"7"`},
		{"bignumeric", `"98765.4320987650001"`, `"98765.4320987650001"`},
	} {
		s := all[c.kind]
		for k := operator.Redact; k <= operator.Keep; k++ {
			for _, value := range []string{"7", "1974-01-01", "true"} {
				spec := operator.Spec{Kind: k, Domain: "d", First: 1, Value: value}
				if k == operator.Partial {
					spec.Last = 1
				}
				for _, required := range []bool{false, true} {
					col := by(t, "c", s.bq, spec)
					col.Required = required
					schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: s.arrow, Nullable: !required}}, nil)
					rec := rows(t, schema, `{"c":`+c.json+`}`)
					head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
					p := plan(t, col)
					stream, _ := maskAll(t, p, head, batches)
					counts := p.TakeCounts()
					answer, err := p.MaskRows(mask.FromUpstream([]byte(`{"rows":[{"f":[{"v":`+c.rest+`}]}]}`)), []mask.BQMember{{Name: "rows", Do: mask.BQRows}})
					if err != nil {
						t.Fatal(err)
					}
					want, got := restValue(t, bytesOf(t, answer)), arrowValue(t, read(t, stream)[0].Column(0), s.bq)
					if !same(want, got, s.bq) {
						t.Errorf("%s of %s, required %v: %q in a batch, %q in an answer", k, c.rest, required, got, want)
					}
					if d := cmp.Diff(p.TakeCounts(), counts); d != "" {
						t.Errorf("%s of %s: counts of answer and batch differ:\n%s", k, c.rest, d)
					}
				}
			}
		}
	}
}

// null stands for NULL.
const null = "NULL"

func restValue(t testing.TB, answer []byte) string {
	t.Helper()
	var a struct {
		Rows []struct{ F []struct{ V *string } }
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	if v := a.Rows[0].F[0].V; v != nil {
		return *v
	}
	return null
}

// arrowValue writes the first value of a column as the REST interface does.
func arrowValue(t testing.TB, a arrow.Array, typ string) string {
	t.Helper()
	if a.IsNull(0) {
		return null
	}
	switch a := a.(type) {
	case *array.String:
		return a.Value(0)
	case *array.Binary:
		return base64.StdEncoding.EncodeToString(a.Value(0))
	case *array.Int64:
		return strconv.FormatInt(a.Value(0), 10)
	case *array.Float64:
		return strconv.FormatFloat(a.Value(0), 'g', -1, 64)
	case *array.Boolean:
		return strconv.FormatBool(a.Value(0))
	case *array.Date32:
		return a.Value(0).ToTime().Format("2006-01-02")
	case *array.Timestamp:
		at := a.Value(0).ToTime(arrow.Microsecond)
		if typ == "DATETIME" {
			return at.Format("2006-01-02T15:04:05.999999")
		}
		return strconv.FormatInt(at.UnixMicro(), 10)
	case *array.Decimal128:
		return a.Value(0).ToString(9)
	case *array.Decimal256:
		return a.Value(0).ToString(38)
	}
	t.Fatalf("a column of another type: %T", a)
	return ""
}

// same compares two values, of which numbers may be written in two ways.
func same(a, b, typ string) bool {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	switch typ {
	case "NUMERIC", "BIGNUMERIC", "FLOAT64":
		return a == b || ok1 && ok2 && x.Cmp(y) == 0
	}
	return a == b
}

// finder is a detector that finds a word, or fails.
type finder struct{ fail bool }

func (finder) Name() string    { return "finder" }
func (finder) Version() string { return "1" }

func (f finder) Detect(_ context.Context, batch [][]byte) ([][]scan.Span, error) {
	if f.fail {
		return nil, errors.New("out of order")
	}
	out := make([][]scan.Span, len(batch))
	for i, b := range batch {
		if at := bytes.Index(b, []byte("Orrell")); at >= 0 {
			out[i] = []scan.Span{{Start: at, End: at + len("Orrell"), Entity: scan.Name}}
		}
	}
	return out, nil
}

// TestDetector shows texts to an external detector, in columns, lists and
// dictionaries, once a batch.
func TestDetector(t *testing.T) {
	t.Parallel()
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "d", Type: dict, Nullable: true},
	}, nil)
	rec := rows(t, schema, `{"s":"saw Orrell","l":["Orrell","x"],"d":"of Orrell"}`, `{"s":null,"l":[],"d":null}`, `{"s":"SSN 987-65-4320","l":["y"],"d":"z"}`)
	for fail, want := range map[bool]string{
		false: `[{"d":"of [NAME]","l":["[NAME]","x"],"s":"saw [NAME]"}` + "\n" + `,{"d":null,"l":[],"s":null}` + "\n" + `,{"d":"z","l":["y"],"s":"SSN [SSN]"}` + "\n]",
		true: `[{"d":"[phi.ssn]","l":["[phi.ssn]","[phi.ssn]"],"s":"[phi.ssn]"}` + "\n" + `,{"d":null,"l":[],"s":null}` + "\n" +
			`,{"d":"[phi.ssn]","l":["[phi.ssn]"],"s":"[phi.ssn]"}` + "\n]",
	} {
		c := func(name string) mask.BQColumn {
			c := hidden(name, "STRING")
			c.Text, c.Detector = masktest.Masker(t, profile.Spec{Name: profile.NeedToKnow}), finder{fail}
			return c
		}
		list := c("l")
		list.Repeated = true
		p := plan(t, c("s"), list, c("d"))
		p.SetContext(t.Context())
		head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
		stream, _ := maskAll(t, p, head, batches)
		if d := cmp.Diff(want, jsonOf(t, read(t, stream)[0])); d != "" {
			t.Errorf("failing %v (-want +got):\n%s", fail, d)
		}
		lost := uint64(0)
		for _, n := range p.TakeCounts() {
			if n.Reason == mask.ReasonUnavailable {
				lost += n.Masked
			}
		}
		if fail != (lost > 0) {
			t.Errorf("failing %v: %d values are counted as lost", fail, lost)
		}
	}
}

// BenchmarkOpen opens streams, as every session does.
func BenchmarkOpen(b *testing.B) {
	schema, _ := patients(1)
	head, _ := serialized(b, schema, nil)
	p := patientPlan(b)
	for b.Loop() {
		if _, err := arrowmask.Open(p, mask.FromUpstream(head)); err != nil {
			b.Fatal(err)
		}
	}
}
