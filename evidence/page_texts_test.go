// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPageIsFinished checks that verify.html has the words that bundles are
// written with, and the digests of its own scripts and style in its
// Content-Security-Policy. With WRITE_PAGE=1 it writes both into the page.
func TestPageIsFinished(t *testing.T) {
	t.Parallel()
	want := finished(t, verifierPage)
	if os.Getenv("WRITE_PAGE") == "1" {
		if err := os.WriteFile("verify.html", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != verifierPage {
		t.Error("run: WRITE_PAGE=1 go test ./evidence -run TestPageIsFinished")
	}
}

// finished puts the texts and the digests into the page.
func finished(t *testing.T, page string) string {
	t.Helper()
	const begin, end = "const TEXTS = ", "// end of texts\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no place for texts")
	}
	page = before + begin + pageTexts(t) + ";\n" + end + after
	digests := func(tag string) (out string) {
		for _, m := range regexp.MustCompile(`(?s)<`+tag+`(?: id="core")?>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1) {
			sum := sha256.Sum256([]byte(m[1]))
			out += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		return out
	}
	policy := "default-src 'none'; script-src" + digests("script") + "; style-src" + digests("style") + "; worker-src blob:; base-uri 'none'; form-action 'none'"
	meta := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="[^"]*">`)
	if !meta.MatchString(page) {
		t.Fatal("the page has no Content-Security-Policy")
	}
	return meta.ReplaceAllLiteralString(page, `<meta http-equiv="Content-Security-Policy" content="`+policy+`">`)
}

// pageTexts is what the page has to know of how bundles are written, as a
// JavaScript value.
func pageTexts(t *testing.T) string {
	t.Helper()
	widths, tables := map[string]int{}, make([][]string, 0, len(Tables()))
	for _, c := range indexColumns() {
		widths[c] = columnWidth(c)
	}
	for _, table := range Tables() {
		tables = append(tables, []string{table.Name, strings.Join(table.Columns, " "), table.What})
		for _, c := range table.Columns {
			widths[c] = columnWidth(c)
		}
	}
	var subjects, named [][]string
	for _, it := range items() {
		subjects = append(subjects, []string{it.dir, it.title, it.citation, it.question, it.shows, it.lacks})
	}
	for _, a := range artifacts() {
		named = append(named, []string{a.name, a.table, a.files, a.what})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(struct {
		Tables          [][]string        `json:"tables"`
		Items           [][]string        `json:"items"`
		Artifacts       [][]string        `json:"artifacts"`
		Notes           []string          `json:"notes"`
		NoConfiguration string            `json:"noConfiguration"`
		NoEmergency     string            `json:"noEmergency"`
		SampleRule      string            `json:"sampleRule"`
		Index           []string          `json:"index"`
		Widths          map[string]int    `json:"widths"`
		Style           string            `json:"style"`
		XML             map[string]string `json:"xml"`
	}{
		tables, subjects, named, indexNotes(), noteNoConfiguration, noteNoEmergency, sampleRule, indexColumns(), widths, pageStyle,
		map[string]string{"main": spreadsheet, "types": contentTypes, "relation": relation, "relationships": relationships, "styles": workbookStyles},
	}); err != nil {
		t.Fatal(err)
	}
	// One line an entry, and no address that somebody could take for one that the
	// page asks.
	text := regexp.MustCompile(`\n {2,}`).ReplaceAllString(strings.TrimSuffix(out.String(), "\n"), " ")
	text = regexp.MustCompile(`(\[|,) (\[?")`).ReplaceAllString(text, "$1$2")
	return strings.ReplaceAll(strings.ReplaceAll(text, "],[", "],\n  ["), "://", `:\/\/`)
}
