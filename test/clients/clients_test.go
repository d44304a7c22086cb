// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"net/url"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/clients"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestNode(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Newest, pgtest.WithTLS())
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(s.Superuser, s.Password), Host: s.Addr, Path: "/postgres"}
	got := clients.Node(t, u.String(), string(ca),
		clients.Statement{Text: "select ssl, 1 as one from pg_stat_ssl where pid = pg_backend_pid()"},
		clients.Statement{Text: "select $1::int + 1 as n", Values: []any{41}, Name: "s1"},
		clients.Statement{Text: "select 7::int4 as n", Values: []any{}, Binary: true},
		clients.Statement{Text: "select 1/0"},
	)
	want := []clients.Result{
		{Fields: []string{"ssl", "one"}, Rows: [][]any{{true, 1.0}}},
		{Fields: []string{"n"}, Rows: [][]any{{42.0}}},
		{Fields: []string{"n"}, Rows: [][]any{{7.0}}},
		{Error: &clients.Error{Code: "22012", Message: "division by zero"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	u.User = url.UserPassword(s.Superuser, "wrong")
	if got := clients.Node(t, u.String(), string(ca)); len(got) != 1 || got[0].Error == nil || got[0].Error.Code != "28P01" {
		t.Errorf("a wrong password gave %+v", got)
	}
}
