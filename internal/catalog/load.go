// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

const opLoad = "load catalogue"

// maxRows bounds what one query of the catalogue may return.
const maxRows = 4 << 20

// queryServer identifies the server and the database.
const queryServer = `
select pg_catalog.current_setting('server_version_num')::int4, d.oid::int8, d.datname::text
from pg_catalog.pg_database d
where d.datname = pg_catalog.current_database()`

// queryRelations returns every relation with its columns and the relations it
// inherits from, in one statement and therefore of one state. The columns of an
// index are of no use.
const queryRelations = `
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence = 't',
	a.nums, a.names, a.dropped, a.types,
	array(select i.inhparent::int8 from pg_catalog.pg_inherits i where i.inhrelid = c.oid order by 1)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join lateral (
	select array_agg(t.attnum order by t.attnum) as nums, array_agg(t.attname::text order by t.attnum) as names,
		array_agg(t.attisdropped order by t.attnum) as dropped, array_agg(t.atttypid::int8 order by t.attnum) as types
	from pg_catalog.pg_attribute t
	where t.attrelid = c.oid and t.attnum > 0 and c.relkind not in ('i', 'I')
) a on true
order by c.oid`

// queryFunctions returns every function. The digest tells a body that was
// replaced under the same OID from the one that was looked at.
const queryFunctions = `
select p.oid::int8, n.nspname::text, p.proname::text, p.provolatile::text, l.lanname::text,
	pg_catalog.oidvectortypes(p.proargtypes),
	case when p.oid >= 16384 then pg_catalog.md5(pg_catalog.concat_ws(' ', l.lanname, p.prosrc, p.probin, p.prosqlbody::text, p.proconfig::text)) else '' end
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
order by p.oid`

// queryNames returns the names of types and constraints, by the field of a
// diagnostic that holds them.
const queryNames = `
select distinct 'd', typname::text from pg_catalog.pg_type
union all
select distinct 'n', conname::text from pg_catalog.pg_constraint`

// relation is a row of queryRelations.
type relation struct {
	postgres.Relation
	parents []uint32
}

// function is a row of queryFunctions.
type function struct {
	postgres.Function
	oid       uint32
	signature string
	body      string
}

// Load reads the catalogue of the database that conn is connected to and joins
// it with the labels. conn needs no right to any data. An error means that no
// snapshot could be made: of kind Unavailable when the target failed, Invalid
// when it is of an unknown version.
func Load(ctx context.Context, conn Querier, cfg Config) (*Catalog, error) {
	c := &Catalog{known: make(map[knownName]struct{})}
	database, err := c.server(ctx, conn)
	if err != nil {
		return nil, err
	}
	relations, err := loadRelations(ctx, conn)
	if err != nil {
		return nil, unavailable(err)
	}
	functions, err := loadFunctions(ctx, conn)
	if err != nil {
		return nil, unavailable(err)
	}
	if err := c.names(ctx, conn, relations); err != nil {
		return nil, unavailable(err)
	}
	lab, err := newLabeller(ctx, cfg, database)
	if err != nil {
		return nil, err
	}
	lab.columns(relations)
	lab.functions(functions)
	if err := lab.save(ctx); err != nil {
		return nil, err
	}
	c.warnings = lab.warnings
	c.index(relations, functions)
	return c, nil
}

func unavailable(err error) error {
	return sallyport.E(sallyport.Unavailable, opLoad, "the target's catalogue could not be read").Because(err)
}

// server reads who is at the other end and refuses versions whose catalogue
// nobody has looked at: a new column there may hold data.
func (c *Catalog) server(ctx context.Context, conn Querier) (database string, err error) {
	err = each(ctx, conn, queryServer, func(rows pgx.Rows) error {
		var oid int64
		var name string
		err := rows.Scan(&c.version, &oid, &name)
		database = fmt.Sprintf("%d/%s", oid, name)
		return err
	})
	if err != nil {
		return "", unavailable(err)
	}
	if !postgres.Supported(c.version / 10000) { // server_version_num: 180003 is 18.3
		return "", sallyport.E(sallyport.Invalid, opLoad, fmt.Sprintf("PostgreSQL %d is not supported", c.version/10000)).
			WithHint("use a target of version 14 to 18")
	}
	return database, nil
}

func loadRelations(ctx context.Context, conn Querier) ([]relation, error) {
	var out []relation
	err := each(ctx, conn, queryRelations, func(rows pgx.Rows) error {
		var r relation
		var oid int64
		var kind string
		var nums []int16
		var names []string
		var dropped []bool
		var types, parents []int64
		if err := rows.Scan(&oid, &r.Schema, &r.Name, &kind, &r.Temp, &nums, &names, &dropped, &types, &parents); err != nil {
			return err
		}
		if len(kind) != 1 || len(names) != len(nums) || len(dropped) != len(nums) || len(types) != len(nums) {
			return fmt.Errorf("relation %d is malformed", oid)
		}
		r.OID, r.Kind = uint32(oid), kind[0]
		r.Columns = make(map[int16]postgres.Column, len(nums))
		for i, n := range nums {
			r.Columns[n] = postgres.Column{Name: names[i], Dropped: dropped[i], TypeOID: uint32(types[i])}
		}
		for _, p := range parents {
			r.parents = append(r.parents, uint32(p))
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

func loadFunctions(ctx context.Context, conn Querier) ([]function, error) {
	var out []function
	err := each(ctx, conn, queryFunctions, func(rows pgx.Rows) error {
		var f function
		var oid int64
		var volatility, args string
		if err := rows.Scan(&oid, &f.Schema, &f.Name, &volatility, &f.Language, &args, &f.body); err != nil {
			return err
		}
		if len(volatility) != 1 {
			return fmt.Errorf("function %d is malformed", oid)
		}
		f.oid, f.Volatility = uint32(oid), volatility[0]
		f.signature = signature(f.Schema, f.Name, args)
		out = append(out, f)
		return nil
	})
	return out, err
}

// names gathers the names that a diagnostic may hold.
func (c *Catalog) names(ctx context.Context, conn Querier, relations []relation) error {
	add := func(field byte, name string) { c.known[knownName{field, name}] = struct{}{} }
	for i := range relations {
		r := &relations[i]
		if r.Temp {
			continue
		}
		add('s', r.Schema)
		field := byte('t')
		if r.Kind == 'i' || r.Kind == 'I' {
			field = 'n'
		}
		add(field, r.Name)
		for _, col := range r.Columns {
			if !col.Dropped {
				add('c', col.Name)
			}
		}
	}
	temporary := make(map[string]bool) // a relation's row type has its name
	for i := range relations {
		if relations[i].Temp {
			temporary[relations[i].Name] = true
		}
	}
	return each(ctx, conn, queryNames, func(rows pgx.Rows) error {
		var field, name string
		if err := rows.Scan(&field, &name); err != nil {
			return err
		}
		if !temporary[name] {
			add(field[0], name)
		}
		return nil
	})
}

// index builds the maps that the lookups use.
func (c *Catalog) index(relations []relation, functions []function) {
	c.relations = make(map[uint32]postgres.Relation, len(relations))
	c.byName = make(map[qualified]uint32, len(relations))
	c.functions = make(map[uint32]postgres.Function, len(functions))
	for i := range relations {
		r := &relations[i].Relation
		c.relations[r.OID] = *r
		c.byName[qualified{r.Schema, r.Name}] = r.OID
	}
	for i := range functions {
		c.functions[functions[i].oid] = functions[i].Function
	}
}

// each runs a query and calls f for every row.
func each(ctx context.Context, conn Querier, sql string, f func(pgx.Rows) error) error {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n == maxRows {
			return fmt.Errorf("the catalogue has more than %d rows", maxRows)
		}
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
