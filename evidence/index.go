// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Names of the pages of a bundle.
const (
	IndexName     = "index.json"
	IndexPageName = "index.html"
	SummaryName   = "summary.html"
)

// Index is the content of [IndexName]: which file answers which question.
type Index struct {
	Log      string    `json:"log"`
	TreeSize uint64    `json:"tree_size"`
	Root     string    `json:"root"`
	Created  time.Time `json:"created"`
	By       string    `json:"by"`
	Purpose  string    `json:"purpose"`
	Filter   string    `json:"filter"`
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	// State is the time of which the inventory shows the state.
	State  time.Time `json:"state_of"`
	Leaves uint64    `json:"leaves"`
	// WholeLog is true when every leaf of the log is in the bundle.
	WholeLog  bool            `json:"whole_log"`
	Complete  bool            `json:"record_whole"`
	Lacks     int             `json:"record_lacks"`
	Artifacts []IndexArtifact `json:"artifacts"`
	Items     []IndexItem     `json:"items"`
	Notes     []string        `json:"notes"`
}

// IndexArtifact is something that auditors ask for by name.
type IndexArtifact struct {
	Name  string `json:"name"`
	Files string `json:"files"`
	What  string `json:"what"`
	Rows  *int   `json:"rows,omitempty"`
}

// IndexItem is one item of the audit protocol.
type IndexItem struct {
	Number   string      `json:"number"`
	Title    string      `json:"title"`
	Citation string      `json:"citation"`
	Question string      `json:"question"`
	Files    []IndexFile `json:"files"`
	Shows    string      `json:"shows"`
	Lacks    string      `json:"does_not_show"`
}

// IndexFile is a table that answers it.
type IndexFile struct {
	Table string `json:"table"` // without .json or .csv
	Sheet string `json:"sheet"`
	What  string `json:"row_is"`
	Rows  int    `json:"rows"`
}

// indexNotes are the sentences that hold for every bundle.
func indexNotes() []string {
	return []string{
		"These files are evidence for the questions of the HIPAA Security and Privacy Rules that they stand under, and support answering them. They do not make " +
			"anybody compliant, and no file here says that somebody is.",
		"Masking supports the minimum necessary standard. Masked data is not de-identified in the sense of 164.514(b).",
		"The rule of six years (164.316(b)(2)(i)) is about documentation: policies and what must be documented. It sets no time for rows of a log.",
		"A bundle made with a filter shows what it holds, and not that there is nothing else. \"Last use\" and \"never used\" are as far as its leaves go.",
		"Every table, the workbook and the pages follow from ledger/leaves.ndjson and the manifest alone; the verifier makes them again and compares every byte.",
	}
}

// Sentences that hold for some bundles.
const (
	noteNoConfiguration = "No configuration is on record in this bundle, so that owners, roles, limits and targets are not known from it."
	noteNoEmergency     = "No grant in this bundle is marked as emergency access. Access to a target that policies put under a grant needs a person's approval, always."
)

func (d *Deriver) makeIndex() Index {
	s := d.life.scope
	whole := d.life.completeness()
	x := Index{
		Log: s.Origin, TreeSize: s.TreeSize, Root: s.Root, Created: s.Created.UTC(), By: s.By, Purpose: s.Purpose, Filter: s.Filter,
		From: s.From.UTC(), To: s.To.UTC(), State: s.end().UTC(), Leaves: d.tally.leaves, WholeLog: d.tally.leaves == s.TreeSize,
		Complete: whole.Whole, Lacks: len(whole.Lacks), Notes: indexNotes(),
	}
	for _, a := range artifacts() {
		y := IndexArtifact{Name: a.name, Files: a.files, What: a.what}
		if a.table != "" {
			y.Files, y.Rows = a.table+".csv", new(d.tables[a.table].rows)
		}
		x.Artifacts = append(x.Artifacts, y)
	}
	for _, it := range items() {
		y := IndexItem{Number: it.dir[:2], Title: it.title, Citation: it.citation, Question: it.question, Shows: it.shows, Lacks: it.lacks}
		for _, t := range Tables() {
			if strings.HasPrefix(t.Name, it.dir+"/") {
				y.Files = append(y.Files, IndexFile{Table: t.Name, Sheet: sheetName(t.Name), What: t.What, Rows: d.tables[t.Name].rows})
			}
		}
		x.Items = append(x.Items, y)
	}
	if d.config.loaded == 0 {
		x.Notes = append(x.Notes, noteNoConfiguration)
	}
	if d.tables[tableEmergency].rows == 0 {
		x.Notes = append(x.Notes, noteNoEmergency)
	}
	return x
}

// indexColumns are those of the workbook's first sheet.
func indexColumns() []string {
	return []string{"item", "title", "citation", "question", "sheet", "file", "what", "rows"}
}

// writeIndex writes the workbook's first sheet.
func (d *Deriver) writeIndex() error {
	s := d.tally.index
	if s == nil {
		return nil
	}
	for _, it := range d.makeIndex().Items {
		for _, f := range it.Files {
			for _, text := range []string{it.Number, it.Title, it.Citation, it.Question, f.Sheet, f.Table + ".csv", f.What} {
				s.text(text)
			}
			s.plain(false, []byte(decimal(uint64(f.Rows))))
			if err := s.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pages are the files that people begin with.
func (d *Deriver) pages() []File {
	x := d.makeIndex()
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(x); err != nil {
		text.Reset() // texts, numbers and times only; a time that JSON cannot have is in no leaf
	}
	return []File{
		{IndexName, text.Bytes()},
		{IndexPageName, x.page()},
		{SummaryName, d.summary(x)},
	}
}
