// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
)

// TestExpressions are one expression, or are refused.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"a = 1", " a > 1 AND (b LIKE 'x)%' OR c.d IS NULL)\n", "NOT starts_with(a, '--')", "a IN (1, 2)", "d BETWEEN DATE '2026-01-01' AND CURRENT_DATE()",
		"a = '''x\n;y'''", "`a b` = \"/* no comment */\"", "ARRAY_LENGTH(codes) > 0", "TRUE",
	} {
		if err := googlesql.Expression(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "x) OR (y", "TRUE) UNION ALL (SELECT 1", "a = 1 -- all", "a = 1 # all", "a = 1 /* all */", "/* x */ a = 1", "a = 1; SELECT 1", "a = 1;", "a, b", "a AS b", "a = 1 FROM t",
		"a IN (SELECT b FROM t)", "EXISTS (SELECT 1)", "(SELECT TRUE)", "ARRAY(SELECT 1)[OFFSET(0)] = 1", "a = 1 LIMIT 5", "a = 1 ORDER BY a", "WHERE a = 1", "SELECT 1", "*",
		"a = 'x", "a = 1 \x00", "\xff = 1", "a ANY (SELECT 1)", "a LIKE ANY (SELECT 'x')", "a = 1) --", strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), "a = 1\u00a0AND b = 2",
	} {
		err := googlesql.Expression(s)
		if k := sallyport.KindOf(err); err == nil || k != sallyport.Invalid && k != sallyport.Exhausted {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := googlesql.Expression(strings.Repeat(" ", googlesql.MaxExpression+1)); sallyport.KindOf(err) != sallyport.Exhausted {
		t.Errorf("a long one: %v", err)
	}
}

// FuzzExpression looks for a text that is one expression, and something else in
// brackets.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"a = 1", "x) OR (y", "a --", "a = '''\n'''", "CASE WHEN a THEN 1 END"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if googlesql.Expression(s) != nil {
			return
		}
		script, err := googlesql.Read("SELECT 1 FROM d.t WHERE (" + s + ")")
		if err != nil {
			return // the words of a query may mean something else than those of an expression; it is refused
		}
		if len(script.Statements) != 1 || script.Multi || script.Statements[0].Kind != "SELECT" {
			t.Fatalf("%q is more than an expression", s)
		}
		for _, u := range script.Statements[0].Tables {
			if script.Statements[0].Refused == "" && strings.Join(u.Parts, ".") != "d.t" {
				t.Fatalf("%q reads %v", s, u.Parts)
			}
		}
	})
}
