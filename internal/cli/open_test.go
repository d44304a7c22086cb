// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// TestBound reads parameters as they are sealed: a Bind without its two names.
func TestBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		formats []int16
		values  [][]byte
		want    []string
	}{
		{nil, [][]byte{[]byte("O'Brien"), nil, {}}, []string{"'O''Brien'", "NULL", "''"}},
		{[]int16{0, 1}, [][]byte{[]byte("x"), {0, 0, 0, 7}}, []string{"'x'", "\\x00000007"}},
		{[]int16{1}, [][]byte{[]byte("x")}, []string{"\\x78"}},
		{nil, [][]byte{{0xff}}, []string{"\\xff"}},
	} {
		body, err := pgwire.AppendBind(nil, "", "", tt.formats, tt.values, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, cli.Bound(body[7:])); diff != "" { // behind the message's head and the names
			t.Errorf("%v (-want +got)\n%s", tt.values, diff)
		}
	}
	for _, b := range [][]byte{nil, []byte("select 1"), {0, 0, 0, 9}} {
		if got := cli.Bound(b); got != nil {
			t.Errorf("%q is taken for parameters: %q", b, got)
		}
	}
}
