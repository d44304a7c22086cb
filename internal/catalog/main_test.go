// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// memory is a State in memory.
type memory struct {
	mu            sync.Mutex
	m             catalog.Memory
	saves         int
	loadErr, save error
}

func (s *memory) Load(context.Context) (catalog.Memory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m, s.loadErr
}

func (s *memory) Save(_ context.Context, m catalog.Memory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.save != nil {
		return s.save
	}
	s.m, s.saves = m, s.saves+1
	return nil
}

// labels parses the lines of a columns mapping.
func labels(t testing.TB, columns ...string) *catalog.Labels {
	t.Helper()
	src := "version: 1\ncolumns:\n"
	for _, c := range columns {
		src += "  " + c + "\n"
	}
	l, err := catalog.ParseLabels("labels.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// load makes a snapshot.
func load(t testing.TB, conn *pgx.Conn, cfg catalog.Config) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// labelsOf returns the labels of a column by the name that it has now, joined
// by spaces.
func labelsOf(t testing.TB, c *catalog.Catalog, schema, table, column string) string {
	t.Helper()
	r, ok := c.Resolve(schema, table, nil)
	if !ok {
		t.Fatalf("%s.%s is not known", schema, table)
	}
	col := columnOf(t, r, column)
	s := make([]string, len(col.Labels))
	for i, l := range col.Labels {
		s[i] = string(l)
	}
	return strings.Join(s, " ")
}

func columnOf(t testing.TB, r postgres.Relation, column string) postgres.Column {
	t.Helper()
	for _, c := range r.Columns {
		if c.Name == column && !c.Dropped {
			return c
		}
	}
	t.Fatalf("%s.%s has no column %s", r.Schema, r.Name, column)
	return postgres.Column{}
}

// wantWarnings fails the test unless there is one warning for each of the parts,
// in order.
func wantWarnings(t testing.TB, c *catalog.Catalog, parts ...string) {
	t.Helper()
	got := c.Warnings()
	ok := len(got) == len(parts)
	for i := range parts {
		ok = ok && strings.Contains(fmt.Sprintf("%d: %s", got[i].Line, got[i].Text), parts[i])
	}
	if !ok {
		t.Errorf("warnings %+v, want %q", got, parts)
	}
}

func wantKind(t testing.TB, err error, kind sallyport.Kind) {
	t.Helper()
	if err == nil || sallyport.KindOf(err) != kind {
		t.Errorf("error %v is of kind %v, want %v", err, sallyport.KindOf(err), kind)
	}
}
