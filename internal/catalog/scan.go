// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
)

// queryScan returns the columns that a labels file would name: those of tables
// of the target's own schemas that do not inherit from another.
const queryScan = `
select n.nspname::text, c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typcategory::text,
	coalesce(pg_catalog.col_description(c.oid, a.attnum), ''),
	exists (select from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'p' and k.conkey = array[a.attnum]),
	coalesce((select fn.nspname || '.' || fc.relname from pg_catalog.pg_constraint f
		join pg_catalog.pg_class fc on fc.oid = f.confrelid join pg_catalog.pg_namespace fn on fn.oid = fc.relnamespace
		where f.conrelid = c.oid and f.contype = 'f' and f.conkey = array[a.attnum] order by f.oid limit 1), '')
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p', 'f', 'm') and c.relpersistence <> 't'
	and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%'
	and not exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid)
order by n.nspname collate "C", c.relname collate "C", a.attnum`

// Suggestion is a label for one column and why.
type Suggestion struct {
	Schema, Table, Column string
	Type                  string
	Label                 sallyport.Label
	Reason                string // in our words; of the catalogue it holds names only
}

// Proposal is a labels file to be read and corrected by somebody who knows the
// data. A column that nothing is known about is proposed as unclassified, which
// changes nothing.
type Proposal struct {
	Suggestions []Suggestion // by schema, table and position

	sampled int // rows of each table, or 0 where none was read
}

// Scan proposes labels from the names, types, keys and comments of the columns
// of a live database. It reads no row of any table.
func Scan(ctx context.Context, conn Querier) (Proposal, error) {
	var p Proposal
	err := each(ctx, conn, queryScan, func(rows pgx.Rows) error {
		var s Suggestion
		var f facts
		if err := rows.Scan(&s.Schema, &s.Table, &s.Column, &s.Type, &f.category, &f.comment, &f.primary, &f.references); err != nil {
			return err
		}
		f.table, f.column, f.typ = s.Table, s.Column, s.Type
		s.Label, s.Reason = suggest(f)
		p.Suggestions = append(p.Suggestions, s)
		return nil
	})
	if err != nil {
		return Proposal{}, sallyport.E(sallyport.Unavailable, "scan catalogue", "the target's catalogue could not be read").Because(err)
	}
	return p, nil
}

// YAML writes the proposal as a labels file, each line with its reason as a
// comment. The same database gives the same bytes.
func (p Proposal) YAML() []byte {
	var b strings.Builder
	if p.sampled == 0 {
		b.WriteString("# Proposed from names, types, keys and comments; no row was read. Check every line:\n")
	} else {
		fmt.Fprintf(&b, "# Proposed from names, types, keys and comments, and from up to %d rows of each table. Check every line:\n", p.sampled)
	}
	b.WriteString("# a label that is too weak lets data out, and \"public\" is never masked.\n")
	fmt.Fprintf(&b, "version: %d\ncolumns:", LabelsVersion)
	if len(p.Suggestions) == 0 {
		b.WriteString(" {}\n")
		return []byte(b.String())
	}
	b.WriteString("\n")
	table := ""
	for _, s := range p.Suggestions {
		if t := s.Schema + "\x00" + s.Table; t != table {
			if table != "" {
				b.WriteString("\n")
			}
			table = t
		}
		name := columnName{s.Schema, s.Table, s.Column}
		fmt.Fprintf(&b, "  %s: %s # %s\n", yamlKey(name.String()), s.Label, oneLine(s.Reason))
	}
	return []byte(b.String())
}

// yamlKey writes a key plainly where YAML reads it back as the same text, else
// in double quotes.
func yamlKey(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0 || c == '_' || c == '.' && i > 0 || c == '$' && i > 0)
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7F || r >= 0x80 && r < 0xA0 || r == 0x2028 || r == 0x2029 || r == 0xFEFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// oneLine keeps a reason, which holds names, from ending its comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7F || r >= 0x80 && r < 0xA0 || r == 0x2028 || r == 0x2029 || r == 0xFEFF {
			return '_'
		}
		return r
	}, s)
}
