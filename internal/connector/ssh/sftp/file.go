// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"errors"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// open opens a file.
func (s *serving) open(q wire.Request) error {
	if err := s.room(); err != nil {
		return err
	}
	at, err := s.find(q.Path, true)
	if err != nil {
		return err
	}
	op := files.Get
	switch {
	case q.Flags&wire.FlagRead == 0:
		op = files.Put
	case q.Flags&(wire.FlagWrite|wire.FlagAppend|wire.FlagCreate|wire.FlagTrunc) != 0:
		op = files.Edit
	}
	q.Attrs = modest(q.Attrs)
	a, p, err := s.permit(op, textOf("sftp", op, at.named, at.real, q.Flags), at.paths()...)
	if err != nil {
		return err
	}
	h := &handle{path: at.real, permit: p, admission: a, flags: q.Flags}
	err = at.why
	if err == nil {
		err = s.opened(h, q, op)
	}
	if err != nil {
		return s.settle(p, err)
	}
	return s.give(q.ID, h)
}

// opened opens the file of a statement that was permitted.
func (s *serving) opened(h *handle, q wire.Request, op files.Op) error {
	v := s.verdict(h.admission)
	if op == files.Edit && v.masked {
		return sallyport.E(sallyport.Denied, "sftp", "the file is masked for this role, so that it cannot be read and written at once").WithHint("open it for reading, or for writing")
	}
	if op != files.Get { // opening it alone can empty a file, or make one
		if err := s.still(h.path); err != nil {
			return err
		}
	}
	was, err := s.up.want(s.ctx, h.permit, wire.Request{Type: wire.Stat, Path: []byte(h.path)}, wire.AttrsReply)
	var a answer
	fresh := errors.As(err, &a) && wire.Code(a) == wire.NoSuchFile && q.Flags&wire.FlagCreate != 0
	if err != nil && !fresh {
		return err
	}
	// A pipe or a device has no end, and none of the content that is judged here.
	if !fresh && !was.Attrs.Is(wire.ModeRegular) {
		return sallyport.E(sallyport.Denied, "sftp", "this is no regular file").WithHint("name a file; a directory is listed")
	}
	if h.theirs, err = s.hold(h.permit, h.path, q.Flags, q.Attrs); err != nil {
		return err
	}
	if q.Flags&wire.FlagAppend != 0 && q.Flags&wire.FlagTrunc == 0 {
		h.size = int64(min(was.Attrs.Size, 1<<62))
	}
	if op == files.Get && v.masked {
		h.masked, err = s.instead(h.permit, h.theirs, h.path, was.Attrs, v, s.like(h.admission, 0))
		if err != nil {
			s.drop(h.permit, h.theirs)
			return err
		}
		h.counts = append(h.counts, h.masked.Counts...)
	}
	return nil
}

// hold opens a file at the target and returns the target's handle. It is closed
// again where its path has come to lead elsewhere meanwhile.
func (s *serving) hold(p session.Permit, real string, flags uint32, attrs wire.Attrs) ([]byte, error) {
	opening, err := s.up.begin(s.ctx, p, wire.Request{Type: wire.Open, Path: []byte(real), Flags: flags, Attrs: attrs})
	if err != nil {
		return nil, err
	}
	still, serr := s.resolve(real)
	rep, err := await(s.ctx, opening)
	if err = expect(rep, err, wire.HandleReply); err != nil {
		return nil, err
	}
	if serr != nil || still != real {
		s.drop(p, rep.Handle)
		return nil, sallyport.E(sallyport.Denied, "sftp", "the path came to lead elsewhere while it was opened").WithHint("open it again").Because(serr)
	}
	return rep.Handle, nil
}

// drop closes a handle of the target's that nobody got.
func (s *serving) drop(p session.Permit, theirs []byte) {
	_, _ = s.up.ask(s.ctx, p, wire.Request{Type: wire.Close, Handle: theirs}) // the target closes what is left with the connection
}

// read answers with a piece of a file.
func (s *serving) read(q wire.Request) error {
	_, h, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	if h.dir || h.flags&wire.FlagRead == 0 {
		return answer(wire.Failure)
	}
	q.Length = min(q.Length, s.limits.Read)
	if h.masked != nil {
		return s.readMasked(h, q)
	}
	id := q.ID
	q.Handle = h.theirs
	h.flight.Add(1)
	err = s.up.send(s.ctx, h.permit, q, func(b []byte) {
		defer h.flight.Done()
		s.pass(h, id, q, b)
	})
	if err != nil {
		h.flight.Done()
	}
	return err
}

// pass hands the target's answer to a read on.
func (s *serving) pass(h *handle, id uint32, q wire.Request, b []byte) {
	if b == nil {
		return // the channel ends
	}
	rep, err := wire.ParseReply(wire.Body(b))
	switch {
	case err != nil:
	case rep.Type == wire.StatusReply:
		err = s.out.answered(id, rep.Code)
	case rep.Type == wire.DataReply && uint64(len(rep.Data)) <= q.Length:
		err = s.shown(h, id, q.Offset, b, rep.Data)
	default:
		err = sallyport.E(sallyport.Unavailable, "sftp", "the target answers in a form that is not known")
	}
	if err != nil {
		s.cancel(err)
	}
}

// shown hands on a packet with a piece of a file that policy shows as it is: the
// target's own packet, in which nothing is left but the piece and the client's id.
func (s *serving) shown(h *handle, id uint32, offset uint64, packet, piece []byte) error {
	clear := mask.ClearBody()
	data, err := clear.Write(mask.FromUpstream(piece))
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.got.add(offset, piece)
	err = s.record(h, recordBody, data)
	h.mu.Unlock()
	if err != nil {
		return err
	}
	wire.Renumber(packet, id)
	m, err := clear.Write(mask.FromUpstream(packet))
	if err != nil {
		return err
	}
	return s.out.put(m)
}

// readMasked answers with a piece of what is shown in place of a file.
func (s *serving) readMasked(h *handle, q wire.Request) error {
	if q.Offset >= uint64(h.masked.Size) || q.Length == 0 {
		return answer(wire.EOF)
	}
	r := h.masked.Read(int64(q.Offset), int64(q.Length))
	defer func() { _ = r.Close() }() // it is only read
	var pieces []mask.Masked
	h.mu.Lock()
	defer h.mu.Unlock()
	offset := q.Offset
	for {
		m, err := r.Next(s.ctx)
		if errors.Is(err, io.EOF) {
			return s.out.data(q.ID, pieces...)
		}
		if err != nil {
			return err
		}
		h.got.add(offset, m.AppendTo(nil))
		offset += uint64(m.Len())
		if err := s.record(h, recordBody, m); err != nil {
			return err
		}
		pieces = append(pieces, m)
	}
}

// write sends a piece of a file to the target.
func (s *serving) write(q wire.Request) error {
	_, h, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	if h.dir || h.flags&wire.FlagWrite == 0 {
		return answer(wire.Failure)
	}
	h.mu.Lock()
	at := q.Offset
	if h.flags&wire.FlagAppend != 0 {
		at = uint64(h.size)
		h.size += int64(len(q.Data))
	}
	err = s.fits(at, uint64(len(q.Data)))
	if err == nil && h.torn == nil {
		h.put.add(at, q.Data)
	}
	h.mu.Unlock()
	if h.torn == nil {
		h.torn = err
	}
	if h.torn != nil {
		// Clients go by the last answer that comes: it is this one, and so are those after
		// it.
		h.flight.Wait()
		return h.torn
	}
	id := q.ID
	q.Handle = h.theirs
	h.flight.Add(1)
	err = s.up.send(s.ctx, h.permit, q, func(b []byte) {
		defer h.flight.Done()
		s.wrote(h, id, b)
	})
	if err != nil {
		h.flight.Done()
	}
	return err
}

// wrote hands the target's answer to a write on.
func (s *serving) wrote(h *handle, id uint32, b []byte) {
	if b == nil {
		return // the channel ends
	}
	rep, err := wire.ParseReply(wire.Body(b))
	if err == nil && rep.Type != wire.StatusReply {
		err = sallyport.E(sallyport.Unavailable, "sftp", "the target answers in a form that is not known")
	}
	if err == nil {
		if rep.Code != wire.OK {
			h.mu.Lock()
			h.code = rep.Code
			h.mu.Unlock()
		}
		err = s.out.answered(id, rep.Code)
	}
	if err != nil {
		s.cancel(err)
	}
}

// fits refuses what would make a file larger than files may become.
func (s *serving) fits(offset, n uint64) error {
	most := uint64(s.r.cfg.Layout.MaxFile())
	if most == 0 {
		most = 1 << 62
	}
	if offset > most || n > most-offset {
		return sallyport.E(sallyport.Exhausted, "sftp", "the file would become larger than files of this resource may").WithHint("split it, or have the operator raise max_file")
	}
	return nil
}

// modest are the attributes that a new file or directory may come with; what else it
// is to have is judged by itself.
func modest(a wire.Attrs) wire.Attrs {
	return wire.Attrs{Flags: a.Flags & wire.AttrPermissions, Permissions: a.Permissions &^ broad}
}

// broad are the permissions that go beyond a file's own: to run as its owner or its
// group, and to be written by everybody.
const broad = 0o7002
