// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/tlog"
)

// Head keeps the log's last checkpoint in another place than the log. A
// checkpoint is released only after the head has taken it, so that a log that
// was put back to an older state, or that a second writer went on with, is known
// by its head. One head belongs to one log.
type Head interface {
	// Load returns the checkpoint, nil when there is none.
	Load() (signed []byte, err error)
	// Swap puts next in the place of old (nil for none), durably. It fails with
	// kind Conflict when something else stands there.
	Swap(old, next []byte) error
}

// FileHead is a head in a file. It is of use on another disk than the log, or
// at least out of what is backed up and restored together with it.
type FileHead struct {
	FS   Files
	Name string
}

// Load implements [Head].
func (h FileHead) Load() ([]byte, error) {
	signed, err := h.FS.ReadFile(h.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return signed, err
}

// Swap implements [Head]. The log's lock keeps other writers out.
func (h FileHead) Swap(old, next []byte) error {
	now, err := h.Load()
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return sallyport.E(sallyport.Conflict, "ledger head", "another writer has put a checkpoint of its own there").
			WithHint("one log has one writer: find the other gateway that uses this ledger or its head")
	}
	if now == nil {
		if err := h.FS.MkdirAll(path.Dir(h.Name)); err != nil {
			return err
		}
	}
	return h.FS.Replace(h.Name, next)
}

// head is what Open found there.
type head struct {
	signed []byte
	cp     evidence.Checkpoint
}

// openHead reads the head and compares it with the checkpoint that the log has;
// signed is nil for a log without one.
func (l *Log) openHead(signed []byte, cp evidence.Checkpoint) (h head, err error) {
	if l.opt.Head == nil {
		return head{signed: signed, cp: cp}, nil
	}
	if h.signed, err = l.opt.Head.Load(); err != nil {
		return h, cannot(opOpen, fmt.Errorf("the ledger's head: %w", err))
	}
	switch {
	case h.signed == nil && signed == nil:
		return h, nil
	case h.signed == nil && cp.Size == 0:
		return h, nil // the first checkpoint was written by a log without a head
	case h.signed == nil:
		return h, rolledBack("the ledger has %d leaves, but its head is missing", cp.Size)
	}
	if h.cp, err = openCheckpoint(h.signed, l.opt.Origin, l.opt.Verifiers); err != nil {
		return h, broken(opOpen, "the ledger's head does not verify").Because(err)
	}
	switch {
	case signed == nil && h.cp.Size > 0:
		return h, rolledBack("the ledger is missing, its head names %d leaves", h.cp.Size)
	case h.cp.Size < cp.Size:
		return h, rolledBack("the ledger's head is older than the ledger: it names %d leaves of %d", h.cp.Size, cp.Size)
	case h.cp.Size == cp.Size && h.cp.Root != cp.Root && signed != nil:
		return h, rolledBack("the ledger's head names another tree of %d leaves", cp.Size)
	}
	return h, nil
}

// rolledBack is the error for a log that is not the one that its head, or a
// witness, has seen.
func rolledBack(format string, args ...any) *sallyport.Error {
	return sallyport.E(sallyport.Integrity, opOpen, fmt.Sprintf(format, args...)).
		WithHint("if an older state was put back, restore the newest one; if it is lost, `sallyport ledger rollback` begins a new log that says so")
}

// passHead checks, while leaves are replayed, that the tree is the one that the
// head names when it has as many leaves.
func (h head) passHead(size uint64, root func() tlog.Hash) error {
	if size == h.cp.Size && size > 0 && root() != h.cp.Root {
		return rolledBack("the first %d leaves are not those that the ledger's head names", size)
	}
	return nil
}
