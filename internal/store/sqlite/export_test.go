// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import "context"

// Pragma returns a setting of a writing connection.
func (s *Store) Pragma(ctx context.Context, name string) (v string, err error) {
	err = s.write.QueryRowContext(ctx, "PRAGMA "+name).Scan(&v)
	return v, err
}

// WriteThroughReader tries to change the file on a reading connection.
func (s *Store) WriteThroughReader(ctx context.Context) error {
	_, err := s.read.ExecContext(ctx, `DELETE FROM items`)
	return err
}
