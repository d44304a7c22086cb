// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package profile_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// TestTableOfIdentifiers compares the table in docs/reference/masking.md with
// what the profiles do: every entity is in it, and every row is true.
func TestTableOfIdentifiers(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/reference/masking.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "| | Identifier | Entities | Labels |")
	if !ok {
		t.Fatal("the table is not there")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	word := regexp.MustCompile(`[A-Z]+|phi\.[a-z_-]+|unclassified`)
	documented := scan.Set(0)
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(row, "|")
		if len(cells) != 9 {
			t.Fatalf("%d cells in %q", len(cells), row)
		}
		entities, _, _ := strings.Cut(cells[3], "(")
		for i, name := range names {
			p := compile(t, profile.Spec{Name: name})
			inText, column, two := strings.Cut(strings.TrimSpace(cells[5+i]), ", ")
			if !two {
				column = inText
			}
			for _, e := range word.FindAllString(entities, -1) {
				entity, ok := scan.ParseEntity(e)
				if !ok {
					t.Fatalf("there is no entity %s", e)
				}
				documented |= scan.SetOf(entity)
				if got := p.Entity(entity).Kind().String(); got != inText {
					t.Errorf("%s in text is documented as %s under %s and gets %s", e, inText, name, got)
				}
				if !strings.Contains(cells[4], string(entity.Label())) {
					t.Errorf("the row of %s is without its label %s", e, entity.Label())
				}
			}
			for _, l := range word.FindAllString(cells[4], -1) {
				if got := p.Label([]sallyport.Label{sallyport.Label(l)}).Kind().String(); got != column {
					t.Errorf("a column of %s is documented as %s under %s and gets %s", l, column, name, got)
				}
			}
		}
	}
	for _, e := range scan.Entities() {
		if !documented.Has(e) {
			t.Errorf("%v is not in the table", e)
		}
	}
	for k := operator.Redact; k <= operator.Keep; k++ {
		if !strings.Contains(string(doc), "\n| `"+k.String()+"` |") {
			t.Errorf("the operator %v is not documented", k)
		}
	}
}
