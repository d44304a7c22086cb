// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the migrations that the database has not seen, each in a
// transaction of its own. A file is called NNNN_name.sql, with numbers from 1
// without gaps, and never changes once it was released. A database with more
// migrations than this release knows is refused: an older gateway must not
// write into a newer schema.
func migrate(ctx context.Context, db *sql.DB) error {
	const op = "store migrate"
	files, err := fs.Glob(migrations, "migrations/*.sql") // in the order of their names
	if err != nil {
		return unavailable(op, err)
	}
	err = transact(ctx, db, op, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL)`)
		return err
	})
	if err != nil {
		return unavailable(op, err)
	}
	for i, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".sql")
		if n, err := strconv.Atoi(name[:4]); err != nil || n != i+1 {
			return sallyport.E(sallyport.Internal, op, "the migration "+name+" is out of order")
		}
		script, err := migrations.ReadFile(file)
		if err != nil {
			return unavailable(op, err)
		}
		err = transact(ctx, db, op, func(tx *sql.Tx) error { return apply(ctx, tx, i+1, len(files), name, string(script)) })
		if err != nil {
			return unavailable(op, err)
		}
	}
	return nil
}

// apply runs one migration unless the database has seen it. It looks inside the
// transaction, since another process may be at it as well.
func apply(ctx context.Context, tx *sql.Tx, version, known int, name, script string) error {
	var seen int
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM migrations`).Scan(&seen); err != nil {
		return err
	}
	if seen > known {
		return sallyport.E(sallyport.Integrity, "store migrate",
			fmt.Sprintf("the database has schema %d, and this release knows %d", seen, known)).
			WithHint("use the gateway's release that wrote it, or a later one")
	}
	if seen >= version {
		return nil
	}
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO migrations (version, name) VALUES ($1, $2)`, version, name)
	return err
}
