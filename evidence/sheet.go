// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WorkbookName is the file of a bundle that has every table as a sheet.
const WorkbookName = "evidence.xlsx"

// The workbook is Office Open XML (ECMA-376) of which every byte follows from
// the tables: the sheets are stored in the archive as they are, all texts are
// inline strings, which no spreadsheet takes for formulas, and times are texts
// in the form of RFC 3339. A sheet is written when the workbook is, since its
// length stands before it; until then it is kept packed.

// maxSheetRows bounds the rows of one sheet; the CSV has all.
const maxSheetRows = 50_000

// maxCellText is the longest text of a cell, in characters: the limit of the
// spreadsheets that read it.
const maxCellText = 32_000

// spoolChunk is how much of a sheet is packed at once.
const spoolChunk = 128 << 10

// spool keeps the bytes of one file of a workbook, packed.
type spool struct {
	pack   *packing // shared by the workbook's spools
	buf    []byte
	chunks [][]byte
	size   uint64
	crc    uint32
}

// packing packs chunks; it takes its tables when the first one comes.
type packing struct{ w *flate.Writer }

func (p *packing) chunk(b []byte) ([]byte, error) {
	var out bytes.Buffer
	if p.w == nil {
		w, err := flate.NewWriter(&out, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		p.w = w
	}
	p.w.Reset(&out)
	if _, err := p.w.Write(b); err != nil {
		return nil, err
	}
	err := p.w.Close()
	return bytes.Clone(out.Bytes()), err
}

// flush packs what has been written, when it is enough.
func (s *spool) flush() error {
	if len(s.buf) < spoolChunk {
		return nil
	}
	chunk, err := s.pack.chunk(s.buf)
	if err != nil {
		return err
	}
	s.note()
	s.chunks, s.buf = append(s.chunks, chunk), s.buf[:0]
	return nil
}

// note adds the buffer to the length and the checksum.
func (s *spool) note() {
	s.size += uint64(len(s.buf))
	s.crc = crc32.Update(s.crc, crc32.IEEETable, s.buf)
}

// writeTo writes everything. Nothing may be added afterwards.
func (s *spool) writeTo(w io.Writer) error {
	for _, c := range s.chunks {
		r := flate.NewReader(bytes.NewReader(c))
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
	}
	_, err := w.Write(s.buf)
	return err
}

// sheetWriter writes one sheet. A nil one writes nothing.
type sheetWriter struct {
	spool
	name    string
	columns []string
	rows    int // of the table
	row     []byte
	wrap    bool   // long texts go on in further lines, and a row is one page wide
	links   string // what leads from cells to other sheets
	cell    int    // of the row, when texts go on
	lines   int    // that the row has then
}

func newSheet(name string, columns []string, wrap bool, pack *packing) *sheetWriter {
	s := &sheetWriter{name: name, columns: columns, wrap: wrap}
	s.pack = pack
	fit := ""
	if wrap {
		fit = `<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>`
	}
	s.buf = append(s.buf, xmlHead+`<worksheet xmlns="`+spreadsheet+`">`+fit+`<sheetViews><sheetView workbookViewId="0">`+
		`<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>`...)
	for i, c := range columns {
		s.buf = fmt.Appendf(s.buf, `<col min="%d" max="%d" width="%d" customWidth="1"/>`, i+1, i+1, columnWidth(c))
	}
	s.buf = append(s.buf, `</cols><sheetData><row>`...)
	for _, c := range columns {
		s.buf = append(s.buf, `<c s="1" t="inlineStr"><is><t>`...)
		s.buf = append(appendXML(s.buf, c), `</t></is></c>`...)
	}
	s.buf = append(s.buf, `</row>`...)
	return s
}

// columnWidth is the width of a column in characters, by what it holds.
func columnWidth(name string) int {
	switch name {
	case "what":
		return 50
	case "title", "citation", "sheet":
		return 24
	case "readable", "reason", "note", "rationale", "question", "shows", "does_not_show", "files", "purpose":
		return 60
	case "objects", "columns", "members", "values", "policy_text", "standing", "just_in_time", "client":
		return 40
	case "time", "from", "to", "opened", "closed", "decided", "not_before", "not_after", "ended", "expires", "last", "first_seen",
		"last_used", "last_login", "last_use", "last_review", "next_review", "as_of", "authenticated", "session", "principal",
		"request", "grant", "issuer", "subject", "approver", "approvers", "owner", "target", "name", "labels":
		return 28
	case "file":
		return 44
	}
	return max(12, len(name)+3)
}

func (s *sheetWriter) full() bool { return s == nil || s.rows >= maxSheetRows }

// text is a cell of text.
func (s *sheetWriter) text(text string) {
	if s.full() {
		return
	}
	if text == "" {
		s.row = append(s.row, `<c/>`...)
		return
	}
	if len(text) > maxCellText {
		cut := maxCellText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + " ... (cut; the CSV has all of it)"
	}
	if s.wrap {
		s.lines = max(s.lines, utf8.RuneCountInString(text)/columnWidth(s.columns[s.cell])+1)
		style := "2"
		if s.columns[s.cell] == linkColumn {
			style = "3"
			s.links += `<hyperlink ref="` + columnName(s.cell+1) + strconv.Itoa(s.rows+2) + `" location="'` + text + `'!A1"/>`
		}
		s.cell++
		s.row = append(s.row, `<c s="`+style+`" t="inlineStr"><is><t xml:space="preserve">`...)
	} else {
		s.row = append(s.row, `<c t="inlineStr"><is><t xml:space="preserve">`...)
	}
	s.row = append(appendXML(s.row, text), `</t></is></c>`...)
}

// plain is a cell with a number, a truth or, quoted, a time.
func (s *sheetWriter) plain(quoted bool, text []byte) {
	if s.full() {
		return
	}
	switch {
	case len(text) == 0:
		s.row = append(s.row, `<c/>`...)
	case quoted || text[0] == 't' || text[0] == 'f':
		s.row = append(append(append(s.row, `<c t="inlineStr"><is><t>`...), text...), `</t></is></c>`...)
	case s.wrap:
		s.row = append(append(append(s.row, `<c s="2"><v>`...), text...), `</v></c>`...)
	default:
		s.row = append(append(append(s.row, `<c><v>`...), text...), `</v></c>`...)
	}
}

// end ends a row.
func (s *sheetWriter) end() error {
	if s == nil {
		return nil
	}
	s.rows++
	if s.rows > maxSheetRows {
		return nil
	}
	if s.wrap {
		s.buf = fmt.Appendf(s.buf, `<row ht="%d" customHeight="1">`, 14*max(s.lines, 1))
		s.cell, s.lines = 0, 0
	} else {
		s.buf = append(s.buf, `<row>`...)
	}
	s.buf = append(append(s.buf, s.row...), `</row>`...)
	s.row = s.row[:0]
	return s.flush()
}

// close ends the sheet.
func (s *sheetWriter) close() {
	last := min(s.rows, maxSheetRows) + 1
	if more := s.rows - maxSheetRows; more > 0 {
		s.buf = fmt.Appendf(s.buf, `<row><c s="1" t="inlineStr"><is><t>%d more rows are in the CSV and JSON files only</t></is></c></row>`, more)
	}
	links := ""
	if s.links != "" {
		links = "<hyperlinks>" + s.links + "</hyperlinks>"
	}
	s.buf = fmt.Appendf(s.buf, `</sheetData><autoFilter ref="A1:%s%d"/>%s<pageSetup orientation="landscape" fitToWidth="1" fitToHeight="0"/></worksheet>`,
		columnName(len(s.columns)), last, links)
	s.note()
}

// columnName is the name of a column, from 1: A, B, …, AA.
func columnName(n int) string {
	name := ""
	for ; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name
}

// appendXML appends a text with what XML has other uses for escaped, and with
// a replacement for what XML cannot have.
func appendXML(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		with := ""
		switch {
		case r == '&':
			with = "&amp;"
		case r == '<':
			with = "&lt;"
		case r == '>':
			with = "&gt;"
		case r == '\r':
			with = "&#13;"
		case r < ' ' && r != '\t' && r != '\n', r == utf8.RuneError && n == 1, r == 0xfffe, r == 0xffff:
			with = "\uFFFD"
		default:
			i += n
			continue
		}
		b = append(append(b, s[from:i]...), with...)
		i += n
		from = i
	}
	return append(b, s[from:]...)
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

// workbook gathers the sheets of a bundle.
type workbook struct {
	out    io.WriteCloser
	pack   packing
	sheets []*sheetWriter
}

// newWorkbook begins a workbook; nil when there is nothing to write it to.
func newWorkbook(out io.WriteCloser) *workbook {
	if out == nil {
		return nil
	}
	return &workbook{out: out}
}

// sheet begins a sheet.
func (w *workbook) sheet(name string, columns []string, wrap bool) *sheetWriter {
	if w == nil {
		return nil
	}
	s := newSheet(name, columns, wrap, &w.pack)
	w.sheets = append(w.sheets, s)
	return s
}

// sheetName is the name of a table's sheet: the item's number and the file.
func sheetName(table string) string {
	dir, file, _ := strings.Cut(table, "/")
	return dir[:2] + " " + file
}

// close writes the workbook.
func (w *workbook) close() error {
	if w == nil {
		return nil
	}
	types := xmlHead + `<Types xmlns="` + contentTypes + `">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>`
	book, rels := "", ""
	for i, s := range w.sheets {
		s.close()
		n := strconv.Itoa(i + 1)
		types += `<Override PartName="/xl/worksheets/sheet` + n + `.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`
		book += `<sheet name="` + s.name + `" sheetId="` + n + `" r:id="rId` + n + `"/>`
		rels += `<Relationship Id="rId` + n + `" Type="` + relation + `/worksheet" Target="worksheets/sheet` + n + `.xml"/>`
	}
	styles := strconv.Itoa(len(w.sheets) + 1)
	z := zipWriter{w: w.out}
	for _, f := range []File{
		{"[Content_Types].xml", []byte(types + `</Types>`)},
		{"_rels/.rels", []byte(xmlHead + `<Relationships xmlns="` + relationships + `"><Relationship Id="rId1" Type="` + relation +
			`/officeDocument" Target="xl/workbook.xml"/></Relationships>`)},
		{"xl/workbook.xml", []byte(xmlHead + `<workbook xmlns="` + spreadsheet + `" xmlns:r="` + relation +
			`"><sheets>` + book + `</sheets></workbook>`)},
		{"xl/_rels/workbook.xml.rels", []byte(xmlHead + `<Relationships xmlns="` + relationships + `">` + rels + `<Relationship Id="rId` + styles +
			`" Type="` + relation + `/styles" Target="styles.xml"/></Relationships>`)},
		{"xl/styles.xml", []byte(xmlHead + workbookStyles)},
	} {
		if err := z.add(stored(f.Name, f.Content), f.Content); err != nil {
			return err
		}
	}
	for i, s := range w.sheets {
		head, err := z.layout.local(zipEntry{name: "xl/worksheets/sheet" + strconv.Itoa(i+1) + ".xml", crc: s.crc, packed: s.size, size: s.size})
		if err != nil {
			return err
		}
		if _, err := w.out.Write(head); err != nil {
			return err
		}
		if err := s.writeTo(w.out); err != nil {
			return err
		}
	}
	if err := z.close(); err != nil {
		return err
	}
	return w.out.Close()
}

// Names of the format.
const (
	spreadsheet   = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	contentTypes  = "http://schemas.openxmlformats.org/package/2006/content-types"
	relationships = "http://schemas.openxmlformats.org/package/2006/relationships"
	relation      = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
)

// linkColumn is the column of the index whose cells lead to the sheets that they
// name.
const linkColumn = "sheet"

// workbookStyles has four formats of cells: plain, bold on grey for heads, with
// lines that go on, and the same for links.
const workbookStyles = `<styleSheet xmlns="` + spreadsheet + `">` +
	`<fonts count="3"><font><sz val="10"/><name val="Calibri"/></font><font><b/><sz val="10"/><name val="Calibri"/></font>` +
	`<font><u/><sz val="10"/><color rgb="FF0550AE"/><name val="Calibri"/></font></fonts>` +
	`<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>` +
	`<fill><patternFill patternType="solid"><fgColor rgb="FFE7EAEE"/></patternFill></fill></fills>` +
	`<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>` +
	`<cellXfs count="4"><xf/><xf fontId="1" fillId="2" applyFont="1" applyFill="1"/>` +
	`<xf applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>` +
	`<xf fontId="2" applyFont="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf></cellXfs></styleSheet>`
