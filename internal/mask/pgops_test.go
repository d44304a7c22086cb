// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// today is the clock of all operators in these tests.
func today() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func testKeys(t testing.TB) *operator.Keys {
	t.Helper()
	keys, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte("k"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// compiled returns the operator for a spec.
func compiled(t testing.TB, s operator.Spec) *operator.Operator {
	t.Helper()
	op, err := operator.Compile(s, testKeys(t), today)
	if err != nil {
		t.Fatalf("%v: %v", s.Kind, err)
	}
	return op
}

// allOperators returns one operator of each kind, and constants that fit some
// types and not others.
func allOperators(t testing.TB) map[string]*operator.Operator {
	t.Helper()
	ops := make(map[string]*operator.Operator)
	for k := operator.Redact; k <= operator.Keep; k++ {
		s := operator.Spec{Kind: k, Domain: "test", Value: "7", First: 1}
		if k == operator.Partial {
			s.Last = 1
		}
		ops[k.String()] = compiled(t, s)
	}
	for _, v := range []string{"1974-01-01", "a \"b\", {c} <d> \\ \t\u00e9\U0001f600", "true", "10.0.0.0/8", "99999999999", ""} {
		ops["const "+v] = compiled(t, operator.Spec{Kind: operator.Const, Value: v})
	}
	ops["redact as ID"] = compiled(t, operator.Spec{Kind: operator.Redact, Placeholder: "ID"})
	return ops
}

// testMasker returns a scanner for patterns and known names, and a profile that
// redacts what it finds.
func testMasker(t testing.TB) *text.Masker {
	t.Helper()
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Compile(profile.Spec{Name: profile.NeedToKnow}, testKeys(t), today)
	if err != nil {
		t.Fatal(err)
	}
	return &text.Masker{Scanner: s, Profile: p}
}

// typeSamples are values of the types, as SQL, that operators are tried on.
func typeSamples() map[string][]string {
	return map[string][]string{
		"text":          {"'987-65-4320'", "''", "'1974-12-25'", "'patient@example.org'", "'62704-1234'", "E'a\"b\\\\c {d},\\t\\n\u00e9\U0001f600'", "'92'", "'\\N'", "'NULL'"},
		"varchar":       {"'987-65-4320'", "'555-0100'"},
		"varchar(12)":   {"'987-65-4320'", "'abcdefghijkl'"},
		"bpchar":        {"'abcdefg '"},
		"char(9)":       {"'12345678'"},
		"name":          {"'987-65-4320'"},
		`"char"`:        {"'x'"},
		"int2":          {"7", "-32768", "32767", "92"},
		"int4":          {"42", "-2147483648", "2147483647", "62704"},
		"int8":          {"987654320", "-9223372036854775808", "9223372036854775807"},
		"oid":           {"7", "4294967295"},
		"numeric":       {"7.25", "-12345.6789", "0", "0.00001", "100000000", "'NaN'", "1e30", "1e-30", "1e5000"},
		"numeric(10,2)": {"7.25", "99999999.99"},
		"numeric(3,0)":  {"999"},
		"float4":        {"7.5", "-1e30", "'NaN'", "'Infinity'"},
		"float8":        {"7.5", "1e300", "'-Infinity'", "3.14159265358979"},
		"bool":          {"true", "false"},
		"date":          {"'1974-12-25'", "'infinity'", "'0044-03-15 BC'", "'2000-02-29'", "'1900-01-01'", "'0001-01-01'", "'12345-06-07'"},
		"time":          {"'14:35:45'"},
		"timetz":        {"'14:35:45+01'"},
		"timestamp":     {"'1974-12-25 14:35:45'", "'1974-12-25 14:35:45.123456'", "'infinity'", "'0044-03-15 12:00:00 BC'", "'1960-01-01 00:00:00.000001'"},
		"timestamptz":   {"'1974-12-25 14:35:45.5+01'", "'-infinity'", "'1900-06-01 00:00:00+00'"},
		"interval":      {"'3 days'"},
		"uuid":          {"'7d444840-9dc0-11d1-b245-5ffdce74fad2'"},
		"json":          {`'{"a": "987-65-4320"}'`, `'"987-65-4320"'`, `'"q\"\\ \u00e9"'`, "'null'", "'42'"},
		"jsonb":         {`'{"a": "987-65-4320"}'`, `'"987-65-4320"'`, `'"q\"\\ \u00e9"'`, "'null'"},
		"xml":           {"'<a>987-65-4320 &amp; more</a>'", "'987-65-4320 &amp; more'"},
		"bytea":         {`'\x01ff00'`, `''`},
		"money":         {"7"},
		"inet":          {"'10.1.2.3'", "'10.1.2.3/24'", "'2001:db8::1'", "'2001:db8::1/64'", "'::ffff:10.1.2.3'"},
		"cidr":          {"'10.1.2.0/24'", "'2001:db8::/32'"},
		"macaddr":       {"'08:00:2b:01:02:03'"},
		"macaddr8":      {"'08:00:2b:01:02:03:04:05'"},
	}
}

// opColumn is a column of the type with an operator.
func opColumn(oid uint32, typmod int32, format int16, op *operator.Operator) mask.PGColumn {
	return mask.PGColumn{TypeOID: oid, Typmod: typmod, Binary: format == 1, Mask: true, Labels: []sallyport.Label{"phi.test"}, Reason: "label", Operator: op}
}
