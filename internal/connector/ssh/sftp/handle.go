// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// handle is a file or a directory that is open. Its fields do not change but those
// that say so.
type handle struct {
	theirs    []byte // the target's handle
	path      string // resolved
	permit    session.Permit
	admission *session.Admission
	dir       bool
	flags     uint32          // of a file
	masked    *derived.Object // what is read in place of the file

	flight sync.WaitGroup // requests that are not answered
	torn   error          // why nothing more is written; the loop's

	mu       sync.Mutex
	got, put transfer // guarded by mu
	recorded int      // guarded by mu
	size     int64    // of a file that is appended to; guarded by mu
	code     wire.Code
	counts   []mask.Count // guarded by mu
}

// transfer is what has passed in one direction.
type transfer struct {
	n       uint64
	begun   bool
	first   uint64
	next    uint64
	strayed bool // not in order
	sum     hash.Hash
}

// add takes in a piece at an offset.
func (t *transfer) add(offset uint64, pieces ...[]byte) {
	if !t.begun {
		t.begun, t.first, t.next, t.sum = true, offset, offset, sha256.New()
	}
	if offset != t.next {
		t.strayed = true
	}
	for _, b := range pieces {
		t.sum.Write(b)
		t.n += uint64(len(b))
		offset += uint64(len(b))
	}
	t.next = offset
}

// note says what has passed, for the record.
func (t *transfer) note(direction string) string {
	if !t.begun {
		return ""
	}
	order := fmt.Sprintf("from byte %d", t.first)
	if t.strayed {
		order += ", in pieces that are not in order"
	}
	return fmt.Sprintf("(%s of %d bytes %s, sha256 %x)\n", direction, t.n, order, t.sum.Sum(nil))
}

// give puts a handle into the table and answers with its name.
func (s *serving) give(id uint32, h *handle) error {
	s.last++
	s.handles[s.last] = h
	return s.out.own(wire.AppendHandle(nil, id, binary.BigEndian.AppendUint32(nil, s.last)))
}

// room refuses another open file where there are too many.
func (s *serving) room() error {
	if uint64(len(s.handles)) >= min(maxHandles, max(s.limits.Handles, 1)) {
		return sallyport.E(sallyport.Exhausted, "sftp", "too many files are open on this channel").WithHint("close some first")
	}
	return nil
}

// handle finds one by the name that the client has for it.
func (s *serving) handle(name []byte) (uint32, *handle, error) {
	if len(name) == 4 {
		id := binary.BigEndian.Uint32(name)
		if h := s.handles[id]; h != nil {
			return id, h, nil
		}
	}
	return 0, nil, sallyport.E(sallyport.Invalid, "sftp", "there is no such handle").WithHint("use one that this channel was given and has not closed")
}

// close closes a file.
func (s *serving) close(q wire.Request) error {
	id, _, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	if err := s.release(id, "ok", true); err != nil {
		return err
	}
	return s.out.answered(q.ID, wire.OK)
}

// release closes a file and settles its statement. ask says that the target is still
// to be told.
func (s *serving) release(id uint32, status string, ask bool) error {
	h := s.handles[id]
	delete(s.handles, id)
	if !ask {
		s.up.close(nil) // what waits for an answer gets none
	}
	h.flight.Wait()
	var err error
	if ask {
		_, err = s.up.want(s.ctx, h.permit, wire.Request{Type: wire.Close, Handle: h.theirs}, wire.StatusReply)
	}
	if h.masked != nil {
		_ = h.masked.Close() // it was only read
	}
	if err == nil {
		err = h.torn // the file is not what the client wanted it to be
	}
	return s.settled(h, status, err)
}

// settled puts what has passed on record.
func (s *serving) settled(h *handle, status string, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	res := session.Result{Status: status, Bytes: h.got.n, Masked: h.counts}
	failed := answer(h.code)
	switch a, is := err.(answer); { //nolint:errorlint // it is never wrapped
	case is:
		failed = a
	case err != nil && h.torn != nil:
		res.Status = "error"
	case err != nil:
		res.Status = "unknown"
	}
	if failed != 0 {
		res.Status, res.Code = "error", fmt.Sprint(uint32(failed))
	}
	switch {
	case h.dir:
		res.Tag = "list"
	case h.got.begun && h.put.begun:
		res.Tag = s.tag("download", &h.got) + " " + s.tag("upload", &h.put)
	case h.put.begun:
		res.Tag = s.tag("upload", &h.put)
	case h.got.begun:
		res.Tag = s.tag("download", &h.got)
	}
	for _, n := range []string{h.got.note("download"), h.put.note("upload")} {
		if n == "" {
			continue
		}
		if rerr := s.ch.Session.Record(h.permit, recordNote, mask.Synthetic([]byte(n))); rerr != nil {
			return rerr
		}
	}
	if serr := s.ch.Session.Settle(h.permit, res); serr != nil {
		return serr
	}
	return err
}

// tag says on the ledger what has passed. The sum there is keyed, so that nobody
// guesses a small file by it.
func (s *serving) tag(direction string, t *transfer) string {
	return fmt.Sprintf("%s %d %s", direction, t.n, s.ch.Session.Fingerprint(t.sum.Sum(nil)))
}

// Kinds of what a recording holds of files.
const (
	recordBody  = "body"
	recordNote  = "note"
	recordNames = "names"
)

// recordLimit is how much of a file or a directory a recording holds, in bytes.
const recordLimit = 1 << 20

// record puts a piece of what the client gets on record. The caller holds h.mu.
func (s *serving) record(h *handle, kind string, m mask.Masked) error {
	if h.recorded >= recordLimit || m.Len() == 0 {
		return nil
	}
	if h.recorded += m.Len(); h.recorded < recordLimit {
		return s.ch.Session.Record(h.permit, kind, m)
	}
	if err := s.ch.Session.Record(h.permit, kind, m); err != nil {
		return err
	}
	return s.ch.Session.Record(h.permit, kind, mask.Synthetic([]byte("\n(the rest is not recorded)\n")))
}
