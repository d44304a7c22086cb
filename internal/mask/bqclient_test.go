// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

// bqAnswer is an answer as clients read it.
type bqAnswer struct {
	Rows []struct {
		F []bqCell `json:"f"`
	} `json:"rows"`
}

type bqCell struct {
	V any `json:"v"`
}

// readBQ reads an answer by the rules of strict clients: the number of fields is
// that of the schema, every value parses as its type, and only what may be NULL is.
func readBQ(answer []byte, cols []mask.BQColumn) ([][]any, error) {
	var a bqAnswer
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, err
	}
	var out [][]any
	for _, r := range a.Rows {
		if len(r.F) != len(cols) {
			return nil, errors.New("a row of another length than the schema")
		}
		var row []any
		for i, c := range cols {
			v, err := readBQValue(r.F[i].V, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			row = append(row, v)
		}
		out = append(out, row)
	}
	return out, nil
}

// readBQLoose reads the values of an answer as they are. Names of members are taken
// as they are written, other than clients do that do not heed case.
func readBQLoose(answer []byte) ([][]any, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(answer, &members); err != nil {
		return nil, err
	}
	var a bqAnswer
	if rows := members["rows"]; rows != nil {
		if err := json.Unmarshal(rows, &a.Rows); err != nil {
			return nil, err
		}
	}
	var out [][]any
	for _, r := range a.Rows {
		var row []any
		for _, c := range r.F {
			row = append(row, c.V)
		}
		out = append(out, row)
	}
	return out, nil
}

func readBQValue(v any, c mask.BQColumn) (any, error) {
	if c.Repeated {
		list, ok := v.([]any)
		if !ok {
			return nil, errors.New("no array")
		}
		one := c
		one.Repeated, one.Required = false, true
		var out []any
		for _, e := range list {
			cell, ok := e.(map[string]any)
			if !ok || len(cell) != 1 {
				return nil, errors.New("no cell")
			}
			read, err := readBQValue(cell["v"], one)
			if err != nil {
				return nil, err
			}
			out = append(out, read)
		}
		return out, nil
	}
	switch v := v.(type) {
	case nil:
		if c.Required {
			return nil, errors.New("NULL")
		}
		return nil, nil
	case string:
		return v, checkBQ(v, c.Type)
	case map[string]any:
		cells, ok := v["f"].([]any)
		if !ok || len(cells) != len(c.Fields) || c.Type != "RECORD" {
			return nil, errors.New("no record")
		}
		var out []any
		for i, f := range c.Fields {
			read, err := readBQValue(cells[i].(map[string]any)["v"], f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
			out = append(out, read)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of another kind: %T", v)
}

// bqInterval is "Y-M D H:M:S" with signs.
var bqInterval = regexp.MustCompile(`^-?\d+-\d+ -?\d+ -?\d+:\d+:\d+(\.\d+)?$`)

// checkBQ parses a value as clients do.
func checkBQ(v, typ string) error {
	var err error
	switch typ {
	case "BYTES":
		_, err = base64.StdEncoding.DecodeString(v)
	case "INT64":
		_, err = strconv.ParseInt(v, 10, 64)
	case "FLOAT64":
		_, err = strconv.ParseFloat(v, 64)
	case "BOOL":
		_, err = strconv.ParseBool(v)
	case "DATE":
		_, err = time.Parse("2006-01-02", v)
	case "DATETIME":
		_, err = time.Parse("2006-01-02T15:04:05", v)
	case "TIME":
		_, err = time.Parse("15:04:05", v)
	case "TIMESTAMP":
		if _, err = strconv.ParseInt(v, 10, 64); err != nil {
			_, err = strconv.ParseFloat(v, 64)
		}
		if err != nil {
			_, err = time.Parse(time.RFC3339, v)
		}
	case "NUMERIC", "BIGNUMERIC":
		r, ok := new(big.Rat).SetString(v)
		whole, fraction, _ := strings.Cut(strings.TrimPrefix(v, "-"), ".")
		most, scale := 29, 9
		if typ == "BIGNUMERIC" {
			most, scale = 39, 38
		}
		if !ok || strings.ContainsAny(v, "eE/") || len(strings.TrimLeft(whole, "0")) > most || len(fraction) > scale {
			err = fmt.Errorf("no number of the type: %v", r)
		}
	case "INTERVAL":
		if !bqInterval.MatchString(v) {
			err = errors.New("no interval")
		}
	case "RANGE":
		if parts := strings.Split(strings.Trim(v, "[)"), ", "); !strings.HasPrefix(v, "[") || !strings.HasSuffix(v, ")") || len(parts) != 2 {
			err = errors.New("no range")
		}
	case "GEOGRAPHY":
		if !strings.HasPrefix(v, "POINT(") {
			err = errors.New("no geography")
		}
	case "JSON":
		if !json.Valid([]byte(v)) {
			err = errors.New("no JSON")
		}
	}
	return err
}

// bqSamples are values of the types as the REST interface writes them.
func bqSamples() map[string][]string {
	return map[string][]string{
		"STRING":     {"987-65-4320", "", "1974-12-25", "patient@example.org", "a \"b\"\\ \n\u00e9\U0001f600", "92"},
		"BYTES":      {"OTg3LTY1LTQzMjA=", "", "/+8="},
		"INT64":      {"987654320", "-9223372036854775808", "9223372036854775807", "62704"},
		"FLOAT64":    {"98765.432", "1.5E300", "NaN", "Infinity", "-Infinity", "3.14159265358979"},
		"BOOL":       {"true", "false"},
		"NUMERIC":    {"98765.432", "-12345.678900001", "0", "99999999999999999999999999999.999999999"},
		"BIGNUMERIC": {"98765.432", "-0.00000000000000000000000000000000000001", "57896044618658097711785492504343953926.6"},
		"DATE":       {"1974-12-25", "0001-01-01", "9999-12-31", "2000-02-29"},
		"DATETIME":   {"1974-12-25T14:35:45", "1974-12-25T14:35:45.123456", "9999-12-31T23:59:59.999999"},
		"TIME":       {"14:35:45", "14:35:45.123456"},
		"TIMESTAMP":  {"1.56789012E9", "156789012123456", "-2.208988800123456E9", "1974-12-25T14:35:45.123456Z", "0.0", "253402300799999999"},
		"INTERVAL":   {"1-2 3 4:5:6.789", "-1-2 -3 -4:5:6"},
		"RANGE":      {"[1974-12-25, 1974-12-26)", "[1974-12-25, UNBOUNDED)"},
		"GEOGRAPHY":  {"POINT(98.7 65.4)"},
		"JSON":       {`{"ssn":"987-65-4320"}`, `"987-65-4320"`, "42", "null", `[1,2]`},
	}
}

// bqOf writes rows of cells, which are values in JSON.
func bqOf(rows ...[]string) string {
	var b strings.Builder
	b.WriteString(`{"kind":"bigquery#tableDataList","rows":[`)
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(bqRecord(r...))
	}
	b.WriteString(`]}`)
	return b.String()
}

// bqRecord is a record, or a row.
func bqRecord(cells ...string) string {
	return `{"f":[{"v":` + strings.Join(cells, `},{"v":`) + `}]}`
}

// bqList is a repeated value.
func bqList(cells ...string) string {
	if len(cells) == 0 {
		return "[]"
	}
	return `[{"v":` + strings.Join(cells, `},{"v":`) + `}]`
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return "null"
	}
	return string(b)
}
