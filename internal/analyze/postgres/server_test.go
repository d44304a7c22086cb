// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// probe is a connection on which the server shows its trees, as the gateway
// opens them.
type probe struct {
	*pgx.Conn
	trees []string
}

func connect(t testing.TB, s *pgtest.Server, db string) *probe {
	t.Helper()
	cfg, err := pgx.ParseConfig(s.URL(db, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"debug_print_rewritten": "on", "debug_pretty_print": "off",
		"client_min_messages": "log", "log_min_messages": "fatal",
	} {
		cfg.RuntimeParams[k] = v
	}
	p := &probe{}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if postgres.IsTreeNotice(n.File, n.Routine, n.SeverityUnlocalized, n.Message) {
			p.trees = append(p.trees, n.Detail)
		}
	}
	if p.Conn, err = pgx.ConnectConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// tree has the server analyse a statement without running it.
func (p *probe) tree(t testing.TB, sql string) (string, error) {
	t.Helper()
	p.trees = nil
	if _, err := p.PgConn().Prepare(t.Context(), "", sql, nil); err != nil {
		return "", err
	}
	if len(p.trees) != 1 {
		t.Fatalf("%d trees for one statement", len(p.trees))
	}
	return p.trees[0], nil
}

// snapshot is a catalog read from a server.
type snapshot struct {
	relations map[uint32]postgres.Relation
	functions map[uint32]postgres.Function
}

func (s *snapshot) Relation(oid uint32) (postgres.Relation, bool) {
	r, ok := s.relations[oid]
	return r, ok
}

func (s *snapshot) Function(oid uint32) (postgres.Function, bool) {
	f, ok := s.functions[oid]
	return f, ok
}

func (s *snapshot) resolve(schema, name string) (postgres.Relation, bool) {
	for _, r := range s.relations {
		if r.Schema == schema && r.Name == name {
			return r, true
		}
	}
	return postgres.Relation{}, false
}

// loadRelations reads pg_class; labels are kept by the OID and attnum that
// labelled gives them.
func (s *snapshot) loadRelations(t testing.TB, c *pgx.Conn, labelled map[postgres.ColumnRef]sallyport.Label) {
	t.Helper()
	s.relations = map[uint32]postgres.Relation{}
	rows, err := c.Query(t.Context(), `select c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence = 't',
		a.attnum, a.attname, a.attisdropped, a.atttypid
		from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var r postgres.Relation
		var kind string
		var number int16
		var col postgres.Column
		if err := rows.Scan(&r.OID, &r.Schema, &r.Name, &kind, &r.Temp, &number, &col.Name, &col.Dropped, &col.TypeOID); err != nil {
			t.Fatal(err)
		}
		r.Kind = kind[0]
		if known, ok := s.relations[r.OID]; ok {
			r = known
		} else {
			r.Columns = map[int16]postgres.Column{}
			s.relations[r.OID] = r
		}
		col.Labels = labels(r, col.Name, labelled[postgres.ColumnRef{Relation: r.OID, Attnum: number}])
		r.Columns[number] = col
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// labels is a small stand-in for the labels file of a target.
func labels(r postgres.Relation, column string, known sallyport.Label) []sallyport.Label {
	switch {
	case known != "":
		return []sallyport.Label{known}
	case r.Schema == "pg_catalog" && r.Name == "pg_statistic" && len(column) > 9 && column[:9] == "stavalues":
		return nil
	case r.Schema == "pg_catalog" && r.Name == "pg_authid" && column == "rolpassword":
		return nil
	case slices.Contains([]string{"pg_catalog", "information_schema"}, r.Schema):
		return []sallyport.Label{"system"}
	case r.Schema == "hc" && r.Kind == 'r':
		return []sallyport.Label{"public"}
	}
	return nil
}

func (s *snapshot) loadFunctions(t testing.TB, c *pgx.Conn, pure []string) {
	t.Helper()
	s.functions = map[uint32]postgres.Function{}
	rows, err := c.Query(t.Context(), `select p.oid, n.nspname, p.proname, p.provolatile::text, l.lanname
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var oid uint32
		var f postgres.Function
		var volatility string
		if err := rows.Scan(&oid, &f.Schema, &f.Name, &volatility, &f.Language); err != nil {
			t.Fatal(err)
		}
		f.Volatility = volatility[0]
		f.Pure = slices.Contains(pure, f.Schema+"."+f.Name)
		s.functions[oid] = f
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
