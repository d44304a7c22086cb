// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// labelled is a sentence and where the identifiers in it are.
type labelled struct {
	text []byte
	gold []gold
}

// gold is a labelled span in bytes.
type gold struct {
	start, end int
	label      string
}

// types gives the entities that are right for each label of the data.
var types = map[string]scan.Set{
	"PERSON":            scan.SetOf(scan.Name),
	"STREET_ADDRESS":    scan.SetOf(scan.Address, scan.ZIP, scan.Place),
	"GPE":               scan.SetOf(scan.Place),
	"ORGANIZATION":      scan.SetOf(scan.Org),
	"NRP":               scan.SetOf(scan.Nationality),
	"TITLE":             scan.SetOf(scan.Title),
	"CREDIT_CARD":       scan.SetOf(scan.Card),
	"PHONE_NUMBER":      scan.SetOf(scan.Phone, scan.Fax),
	"DATE_TIME":         scan.SetOf(scan.Date, scan.Year, scan.Weekday),
	"AGE":               scan.SetOf(scan.Age),
	"EMAIL_ADDRESS":     scan.SetOf(scan.Email),
	"ZIP_CODE":          scan.SetOf(scan.ZIP),
	"DOMAIN_NAME":       scan.SetOf(scan.URL),
	"IBAN_CODE":         scan.SetOf(scan.IBAN),
	"US_SSN":            scan.SetOf(scan.SSN),
	"IP_ADDRESS":        scan.SetOf(scan.IP),
	"US_DRIVER_LICENSE": scan.SetOf(scan.License),
}

// readCases reads labelled sentences, and turns positions in code points into
// positions in bytes.
func readCases(path string) ([]labelled, error) {
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	var doc []struct {
		Text  string `json:"full_text"`
		Spans []struct {
			Type  string `json:"entity_type"`
			Start int    `json:"start_position"`
			End   int    `json:"end_position"`
		} `json:"spans"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	cases := make([]labelled, 0, len(doc))
	for i, d := range doc {
		c := labelled{text: []byte(d.Text)}
		at := byteOffsets(d.Text)
		for _, s := range d.Spans {
			if _, ok := types[s.Type]; !ok { // no entity is right for it, but any covers it
				types[s.Type] = 0
			}
			if s.Start < 0 || s.Start > s.End || s.End >= len(at) {
				return nil, fmt.Errorf("sentence %d: a span beyond the text", i)
			}
			c.gold = append(c.gold, gold{at[s.Start], at[s.End], s.Type})
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// byteOffsets gives the place in bytes of each code point, and of the end.
func byteOffsets(text string) []int {
	at := make([]int, 0, len(text)+1)
	for i := range text {
		at = append(at, i)
	}
	return append(at, len(text))
}

// negative is a line that holds no identifier, of some kind.
type negative struct{ kind, text string }

// readLines reads lines of "kind TAB text". "#" begins a comment.
func readLines(path string) ([]negative, error) {
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	var lines []negative
	for n, line := range strings.Split(string(raw), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kind, text, ok := strings.Cut(line, "\t")
		if !ok {
			return nil, fmt.Errorf("%s:%d: no tab", path, n+1)
		}
		lines = append(lines, negative{kind, text})
	}
	return lines, nil
}
