// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
)

// cursor is how far a destination is.
type cursor struct {
	Version int    `json:"version"` // of this form: 1
	Origin  string `json:"origin"`
	// Next is the ledger index of the first event that the receiver has not
	// acknowledged.
	Next uint64 `json:"next"`
	// Low is where to begin to read the ledger to know the sessions that are open
	// at Next.
	Low uint64 `json:"low"`
	// Leaf is the hex RFC 6962 hash of the leaf before Next, so that a ledger that
	// was exchanged or put back is not taken for the one that was shipped.
	Leaf string `json:"leaf,omitempty"`
	// Marks are earlier places, the oldest first, for a destination that is sent
	// its last events again.
	Marks []place `json:"marks,omitempty"`
}

// place is where shipping can begin.
type place struct {
	Next uint64 `json:"next"`
	Low  uint64 `json:"low"`
}

// maxCursor bounds a cursor's file in bytes.
const maxCursor = 64 << 10

// loadCursor reads the cursor of a destination; false when there is none yet.
func loadCursor(path, origin string) (cursor, bool, error) {
	const op = "ship"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cursor{Version: 1, Origin: origin}, false, nil
	}
	if err != nil {
		return cursor{}, false, sallyport.E(sallyport.Unavailable, op, "the cursor cannot be read").Because(err)
	}
	var c cursor
	bad := func(msg string) error {
		return sallyport.E(sallyport.Integrity, op, msg).
			WithHint("to send the whole ledger again, remove " + path + " and start the gateway again")
	}
	if len(b) > maxCursor || json.Unmarshal(b, &c) != nil || c.Version != 1 || c.Low > c.Next || (c.Next > 0) != (len(c.Leaf) == 2*tlog.HashSize) || !inOrder(c) {
		return cursor{}, false, bad("the cursor is damaged")
	}
	if c.Origin != origin {
		return cursor{}, false, bad("the cursor belongs to another ledger")
	}
	return c, true, nil
}

// inOrder reports whether the marks of a cursor lie before it.
func inOrder(c cursor) bool {
	at := uint64(0)
	for _, m := range c.Marks {
		if m.Low > m.Next || m.Next < at || m.Next > c.Next {
			return false
		}
		at = m.Next
	}
	return true
}

// save writes the cursor durably.
func (c cursor) save(path string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(append(b, '\n'))
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "ship", "the cursor cannot be written").
			WithHint("make " + dir + " writable for the gateway").Because(err)
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fits checks that the ledger has what the cursor says was shipped.
func (c cursor) fits(last []byte) error {
	h := tlog.RecordHash(last)
	if hex.EncodeToString(h[:]) != c.Leaf {
		return rolledBack(fmt.Sprintf("leaf %d of the ledger is not the one that was shipped", c.Next-1))
	}
	return nil
}

func rolledBack(msg string) error {
	return sallyport.E(sallyport.Integrity, "ship", msg).
		WithHint("the ledger was exchanged or put back to an earlier state; what the receiver has is evidence, keep it")
}
