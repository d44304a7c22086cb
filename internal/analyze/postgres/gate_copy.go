// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport"
)

// copy handles COPY, of which only the forms through the client's own
// connection may pass.
func (w *walker) copy(s *pgquery.CopyStmt) {
	g := w.g
	g.Class = "copy to"
	if s.GetIsFrom() {
		g.Class = "copy from"
	}
	switch {
	case s.GetIsProgram():
		w.refuse("COPY with PROGRAM runs a command on the server", "use COPY ... TO STDOUT or FROM STDIN")
		return
	case s.GetFilename() != "":
		w.refuse("COPY with a file reads or writes the server's disk", `use COPY ... TO STDOUT or FROM STDIN, or \copy in psql`)
		return
	}
	columns := stringList(s.GetAttlist())
	w.copyOptions(s, columns)
	if g.Refused != "" {
		return
	}
	if s.GetIsFrom() {
		g.Answer = AnswerCopyIn
		w.write(s.GetRelation(), sallyport.Write, columns)
		if s.GetWhereClause() != nil {
			w.walk(s.GetWhereClause().ProtoReflect(), nil)
		}
		return
	}
	g.Answer, g.NeedsTree = AnswerInner, true
	if s.GetQuery() != nil {
		if query, ok := w.deparse(s.GetQuery()); ok {
			w.inner(InnerCopyQuery, query)
		}
		return
	}
	// COPY of a table answers its own rows only, never those of its children.
	r := s.GetRelation()
	list := "*"
	if len(columns) > 0 {
		quoted := make([]string, len(columns))
		for i, c := range columns {
			quoted[i] = quote(c)
		}
		list = strings.Join(quoted, ", ")
	}
	name := quote(r.GetRelname())
	if r.GetSchemaname() != "" {
		name = quote(r.GetSchemaname()) + "." + name
	}
	if r.GetCatalogname() != "" {
		name = quote(r.GetCatalogname()) + "." + name
	}
	w.inner(InnerCopyTable, "SELECT "+list+" FROM ONLY "+name)
}

// quote writes an identifier so that the grammar reads exactly name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// copyOptions reads the options as ProcessCopyOptions of commands/copy.c does.
// What is not understood is refused: the rows could not be taken apart.
func (w *walker) copyOptions(s *pgquery.CopyStmt, columns []string) {
	o := &CopyOptions{In: s.GetIsFrom(), Format: "text", Columns: columns}
	var delimiter, null, quoting, escape *string
	seen := map[string]bool{}
	for _, n := range s.GetOptions() {
		d := n.GetDefElem()
		name := d.GetDefname()
		if seen[name] {
			w.refuse("the COPY option "+name+" is given twice", "")
			return
		}
		seen[name] = true
		value := stringOption(d)
		bad := false
		switch name {
		case "format":
			o.Format = value
			bad = value != "text" && value != "csv" && value != "binary"
		case "freeze":
			o.Freeze, bad = flag(d)
		case "delimiter":
			delimiter = &value
		case "null":
			null = &value
		case "default":
			o.Default, o.HasDefault = value, true
		case "header":
			if strings.EqualFold(value, "match") {
				o.Header, o.HeaderMust = true, true
			} else {
				o.Header, bad = flag(d)
			}
		case "quote":
			quoting = &value
		case "escape":
			escape = &value
		case "force_quote":
			o.ForceQuote, bad = columnOption(d)
		case "force_not_null":
			o.ForceNotNull, bad = columnOption(d)
		case "force_null":
			o.ForceNull, bad = columnOption(d)
		case "encoding":
			o.Encoding = value
			bad = !utf8Name(value)
		case "on_error":
			o.OnErrorSkip = strings.EqualFold(value, "ignore")
			bad = !o.OnErrorSkip && !strings.EqualFold(value, "stop")
		case "log_verbosity":
			bad = !strings.EqualFold(value, "default")
		default:
			w.refuse("the gateway does not know the COPY option "+name, "")
			return
		}
		if bad {
			w.refuse("the gateway cannot use this value of the COPY option "+name, "encodings other than UTF8 are not supported")
			return
		}
	}
	if !copyBytes(o, delimiter, null, quoting, escape) {
		w.refuse("the gateway cannot use this delimiter, null, quote or escape of COPY", "use single ASCII characters")
		return
	}
	w.g.Copy = o
}

func flag(d *pgquery.DefElem) (on, bad bool) {
	on, ok := boolOption(d)
	return on, !ok
}

// copyBytes fills in the one-byte options and their defaults, and checks them.
func copyBytes(o *CopyOptions, delimiter, null, quoting, escape *string) bool {
	one := func(s *string, fallback byte) (byte, bool) {
		if s == nil {
			return fallback, true
		}
		if len(*s) != 1 || (*s)[0] >= 0x80 || (*s)[0] == '\n' || (*s)[0] == '\r' {
			return 0, false
		}
		return (*s)[0], true
	}
	var ok bool
	if o.Format == "binary" {
		return delimiter == nil && null == nil && quoting == nil && escape == nil
	}
	fallback := byte('\t')
	if o.Format == "csv" {
		fallback = ','
	} else {
		o.Null = `\N`
	}
	if o.Delimiter, ok = one(delimiter, fallback); !ok {
		return false
	}
	if null != nil {
		o.Null = *null
	}
	if strings.ContainsAny(o.Null, "\r\n") || strings.IndexByte(o.Null, o.Delimiter) >= 0 {
		return false
	}
	if o.Format != "csv" {
		return quoting == nil && escape == nil
	}
	if o.Quote, ok = one(quoting, '"'); !ok || o.Quote == o.Delimiter {
		return false
	}
	if o.Escape, ok = one(escape, o.Quote); !ok {
		return false
	}
	return strings.IndexByte(o.Null, o.Quote) < 0
}

// columnOption reads a column list or *.
func columnOption(d *pgquery.DefElem) (names []string, bad bool) {
	a := d.GetArg()
	switch {
	case a.GetAStar() != nil:
		return []string{"*"}, false
	case a.GetList() != nil:
		names = stringList(a.GetList().GetItems())
		return names, len(names) == 0 || len(names) != len(a.GetList().GetItems())
	}
	return nil, true
}

// utf8Name reports whether an encoding's name means UTF-8 (or the plain subset
// that the session already has).
func utf8Name(s string) bool {
	s = strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(s))
	return s == "utf8" || s == "unicode"
}
