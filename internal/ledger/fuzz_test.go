// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
)

// FuzzOpen puts arbitrary bytes where the write-ahead log's second frame should
// stand. Open must either refuse with Integrity or keep the first frame.
func FuzzOpen(f *testing.F) {
	m, opt, want := smallLog(f)
	const wal = "d/wal/0000000000000000.wal"
	whole := m.Content(wal)
	f.Add([]byte{})
	f.Add(whole[ledger.BlockSize : 2*ledger.BlockSize])
	f.Add(whole[ledger.BlockSize : ledger.BlockSize+700])
	f.Fuzz(func(t *testing.T, tail []byte) {
		c := ledgertest.New()
		opt.FS = c
		l := open(t, opt)
		if _, err := l.Append(t.Context(), []byte(want[0]), []byte(want[1])); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		c.Change(wal, func(content []byte) {
			clear(content[ledger.BlockSize:])
			copy(content[ledger.BlockSize:], tail)
		})
		l, err := ledger.Open(t.Context(), opt)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Integrity {
				t.Fatal(err)
			}
			return
		}
		if got := contents(t, l); len(got) < 2 || got[0] != want[0] || got[1] != want[1] {
			t.Fatalf("%d leaves", len(got))
		}
		closeLog(t, l)
	})
}
