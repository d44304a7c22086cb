// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
)

func TestReadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sql, want string }{
		{"SELECT a, 1.5e3, 'x' FROM `p-1.d.t_*` WHERE b = @p AND c = b'x' -- note", "SELECT a, ?, ? FROM `p-1.d.t_*` WHERE b = @p AND c = ?"},
		{"SELECT /* 078-05-1120 */ r'''a\nb''', 0xff", "SELECT ?, ?"},
		{"SELECT `078-05-1120`, `Jane Doe`, ssn_0780, `ok`", "SELECT <identifier>, <identifier>, <identifier>, `ok`"},
		{"SELECT DATE '2026-01-01', @@time_zone, ?", "SELECT DATE ?, @@time_zone, ?"},
		{"SELECT @canary0780", "SELECT <identifier>"},
		{"SELECT t.a.b[OFFSET(0)]", "SELECT t.a.b[OFFSET(?)]"},
		{"SELECT 'open", "<unreadable>"},
		{"SELECT \xff", "<unreadable>"},
		{"", ""},
	} {
		if got := googlesql.Readable(tt.sql); got != tt.want {
			t.Errorf("%q: %q, not %q", tt.sql, got, tt.want)
		}
	}
	if got := googlesql.Readable("SELECT a" + strings.Repeat(", a", 10_000)); len(got) > 17<<10 || !strings.HasSuffix(got, " ...") {
		t.Errorf("%d bytes", len(got))
	}
}
