// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sqlite is the embedded store: one SQLite file that keeps requests,
// grants, gateway tokens, fetched key sets, remembered labels and the index
// over the ledger. It is written in Go throughout (modernc.org/sqlite), so the
// gateway stays one static binary.
//
// The file is in WAL mode with synchronous=FULL: what a method changed is on
// disk when it returns. Several processes may use one file at once. The SQL
// keeps to what PostgreSQL understands as well; only the opening and the
// migrations are SQLite's own.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite" // also registers the driver "sqlite"

	sallyport "github.com/sallyport-dev/sallyport"
)

// readers is how many connections serve reads. One more writes: SQLite has one
// writer at a time, and queueing for it in the process is fairer than in the
// file system.
const readers = 4

// SQLite's result codes that a hint depends on (sqlite.org/rescode.html).
const (
	codeReadOnly = 8
	codeFull     = 13
	codeCantOpen = 14
	codeCorrupt  = 11
	codeNotADB   = 26
)

// Store is an open database file. Its methods, and those of the parts it
// returns, may be called from any number of goroutines.
type Store struct {
	read, write *sql.DB
}

// Open opens the database file at path, or makes it with mode 0600, and brings
// its schema up to date. Errors: Integrity for a file that is no database, is
// damaged or was written by a later release; Unavailable for the rest.
func Open(ctx context.Context, path string) (*Store, error) {
	const op = "store open"
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, unavailable(op, err)
	}
	// SQLite gives the files beside it (-wal, -shm) the mode of the database.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unavailable(op, err)
	}
	if err := f.Close(); err != nil {
		return nil, unavailable(op, err)
	}
	s := &Store{}
	if s.write, err = sql.Open("sqlite", dsn(path, "immediate")); err != nil {
		return nil, unavailable(op, err)
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn(path, "deferred", "query_only(1)")); err != nil {
		return nil, errors.Join(unavailable(op, err), s.write.Close())
	}
	s.read.SetMaxOpenConns(readers)
	if err := migrate(ctx, s.write); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// dsn renders the driver's name of a database; see the package documentation of
// modernc.org/sqlite for _pragma and _txlock.
func dsn(path, lock string, pragmas ...string) string {
	q := url.Values{"_txlock": {lock}, "_pragma": append([]string{
		"busy_timeout(10000)", // first, so that the others wait as well
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"temp_store(MEMORY)", // no temporary file ever holds a row
	}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}

// Close closes the database. What was changed before is durable already.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// change runs f in a write transaction.
func (s *Store) change(ctx context.Context, op string, f func(*sql.Tx) error) error {
	return transact(ctx, s.write, op, f)
}

func transact(ctx context.Context, db *sql.DB, op string, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(op, err)
	}
	if err := f(tx); err != nil {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			return errors.Join(err, unavailable(op, rerr))
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return unavailable(op, err)
	}
	return nil
}

// querier is what reads rows: the pool of readers, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanner is one row.
type scanner interface {
	Scan(dest ...any) error
}

// collect runs a query and gathers its rows.
func collect[T any](ctx context.Context, q querier, op, query string, args []any, scan func(scanner) (T, error)) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, unavailable(op, err)
	}
	defer func() {
		if cerr := rows.Close(); err == nil && cerr != nil {
			err = unavailable(op, cerr)
		}
	}()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, unavailable(op, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(op, err)
	}
	return out, nil
}

// one runs a query that has at most one row; NotFound without one.
func one[T any](ctx context.Context, q querier, op, missing, query string, args []any, scan func(scanner) (T, error)) (T, error) {
	var zero T
	rows, err := collect(ctx, q, op, query, args, scan)
	if err != nil {
		return zero, err
	}
	if len(rows) == 0 {
		return zero, sallyport.E(sallyport.NotFound, op, missing)
	}
	return rows[0], nil
}

// where gathers conditions and their arguments. In each condition a lone "?"
// stands for its argument; the text that comes out has numbered parameters,
// which both SQLite and PostgreSQL understand.
type where struct {
	conds []string
	args  []any
}

// arg adds an argument and returns its parameter.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// add adds a condition with one argument.
func (w *where) add(cond string, v any) {
	w.conds = append(w.conds, strings.Replace(cond, "?", w.arg(v), 1))
}

// equal adds column = v unless v is empty.
func (w *where) equal(column, v string) {
	if v != "" {
		w.add(column+" = ?", v)
	}
}

// in adds column IN (vs) unless vs is empty.
func in[T ~string](w *where, column string, vs []T) {
	if len(vs) == 0 {
		return
	}
	params := make([]string, len(vs))
	for i, v := range vs {
		params[i] = w.arg(string(v))
	}
	w.conds = append(w.conds, column+" IN ("+strings.Join(params, ", ")+")")
}

// within adds from <= column < to, for those that are set.
func (w *where) within(column string, from, to time.Time) {
	if !from.IsZero() {
		w.add(column+" >= ?", micros(from))
	}
	if !to.IsZero() {
		w.add(column+" < ?", micros(to))
	}
}

// contains adds that column holds part, in any case of letters.
func (w *where) contains(column, part string) {
	if part == "" {
		return
	}
	escaped := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(part))
	w.add("lower("+column+`) LIKE ? ESCAPE '\'`, "%"+escaped+"%")
}

// query completes a SELECT.
func (w *where) query(sel, order string, limit int) string {
	var b strings.Builder
	b.WriteString(sel)
	for i, c := range w.conds {
		if i == 0 {
			b.WriteString(" WHERE ")
		} else {
			b.WriteString(" AND ")
		}
		b.WriteString(c)
	}
	b.WriteString(" ORDER BY " + order)
	if limit > 0 {
		b.WriteString(" LIMIT " + strconv.Itoa(limit))
	}
	return b.String()
}

// micros is how instants are kept; the zero instant is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// unavailable wraps the driver's error. SQLite's messages name tables and
// columns, never values.
func unavailable(op string, err error) error {
	var own *sallyport.Error
	if errors.As(err, &own) {
		return err
	}
	e := sallyport.E(sallyport.Unavailable, op, "the store cannot be used").Because(err)
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() & 0xff { // the primary code
		case codeFull:
			return e.WithHint("the disk is full: make room")
		case codeReadOnly, codeCantOpen:
			return e.WithHint("check that the gateway may write the database file and its directory")
		case codeCorrupt, codeNotADB:
			e = sallyport.E(sallyport.Integrity, op, "the store's file is damaged or is no database").Because(err)
			return e.WithHint("restore it from a backup; the index over the ledger is rebuilt by itself")
		}
	}
	return e.WithHint("check the database file and its disk")
}
