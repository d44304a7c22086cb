// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Checked here, so that a change of an interface is noticed at the store.
var (
	_ grant.Store         = sqlite.Grants{}
	_ identity.TokenStore = sqlite.Tokens{}
	_ identity.KeyCache   = sqlite.Keys{}
	_ catalog.State       = sqlite.Labels{}
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) (storetest.Store, func() storetest.Store) {
		path := filepath.Join(t.TempDir(), "sallyport ?#%41.db") // every sign that a URI would read otherwise
		parts := func() storetest.Store {
			s := open(t, path)
			return storetest.Store{
				Grants: s.Grants(), Tokens: s.Tokens(), Keys: s.Keys(), Index: s.Index(),
				Labels: func(r sallyport.ResourceID) catalog.State { return s.Labels(r) },
			}
		}
		return parts(), parts
	})
}

func TestSettingsAndModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := open(t, path)
	if err := s.Labels("x").Save(t.Context(), catalog.Memory{Database: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "temp_store": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		if got, err := s.Pragma(t.Context(), name); got != want || err != nil {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if err := s.WriteThroughReader(t.Context()); err == nil {
		t.Error("a reading connection can write")
	}
	for _, name := range []string{"store.db", "store.db-wal", "store.db-shm"} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, st.Mode().Perm())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "note"), []byte("this is a note and no database, however long it may be read"), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer")
	s, err := sqlite.Open(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO migrations (version, name) VALUES (999, 'later')`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		path string
		kind sallyport.Kind
	}{
		{"no directory", t.Context(), filepath.Join(dir, "none", "db"), sallyport.Unavailable},
		{"a directory", t.Context(), dir, sallyport.Unavailable},
		{"no database", t.Context(), filepath.Join(dir, "note"), sallyport.Integrity},
		{"zeros", t.Context(), text, sallyport.Integrity},
		{"a later release's", t.Context(), newer, sallyport.Integrity},
		{"cancelled", cancelled, filepath.Join(dir, "fresh"), sallyport.Unavailable},
	} {
		s, err := sqlite.Open(tt.ctx, tt.path)
		if err == nil {
			t.Errorf("%s: Open succeeded", tt.name)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if sallyport.KindOf(err) != tt.kind {
			t.Errorf("%s: Open = %v, want kind %v", tt.name, err, tt.kind)
		}
		if _, hint := sallyport.Public(err); hint == "" {
			t.Errorf("%s: the error does not say what to do: %v", tt.name, err)
		}
	}
}
