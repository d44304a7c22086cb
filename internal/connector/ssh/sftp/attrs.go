// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"path"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// stat describes a file. One that is masked is described as the client will get it.
func (s *serving) stat(q wire.Request) error {
	at, err := s.find(q.Path, q.Type == wire.Stat)
	if err != nil {
		return err
	}
	a, p, err := s.permit(files.Stat, textOf("sftp", files.Stat, at.named, at.real), at.paths()...)
	if err != nil {
		return err
	}
	var attrs wire.Attrs
	if err = at.why; err == nil {
		// Where the links of the path lead is known, and what is there now is no link.
		attrs, err = s.describe(p, a, at.real)
	}
	if err := s.settle(p, err); err != nil {
		return err
	}
	return s.out.own(wire.AppendAttrsReply(nil, q.ID, attrs))
}

func (s *serving) describe(p session.Permit, a *session.Admission, real string) (wire.Attrs, error) {
	rep, err := s.look(p, wire.Request{Type: wire.Lstat, Path: []byte(real)}, wire.AttrsReply, path.Dir(real))
	if err != nil {
		return wire.Attrs{}, err
	}
	out := rep.Attrs
	v := s.verdict(a)
	if !v.masked || out.Is(wire.ModeDir) {
		return out, nil
	}
	out.Flags &^= wire.AttrSize
	if !out.Is(wire.ModeRegular) {
		return out, nil
	}
	size, err := s.size(p, a, real, rep.Attrs, v)
	switch kind := sallyport.KindOf(err); {
	case err == nil:
		out.Size, out.Flags = size, out.Flags|wire.AttrSize
	case kind == sallyport.Denied, kind == sallyport.Integrity, kind == sallyport.Exhausted:
		// What cannot be masked is not given out, but it is there.
	default:
		if _, is := err.(answer); !is { //nolint:errorlint // it is never wrapped
			return out, err
		}
	}
	return out, nil
}

// size is how large a file is once it is masked.
func (s *serving) size(p session.Permit, a *session.Admission, real string, attrs wire.Attrs, v verdict) (uint64, error) {
	theirs, err := s.hold(p, real, wire.FlagRead, wire.Attrs{})
	if err != nil {
		return 0, err
	}
	defer s.drop(p, theirs)
	o, err := s.instead(p, theirs, real, attrs, v, s.like(a, 0))
	if err != nil {
		return 0, err
	}
	return uint64(o.Size), o.Close()
}

// fstat describes an open file.
func (s *serving) fstat(q wire.Request) error {
	_, h, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	rep, err := s.up.want(s.ctx, h.permit, wire.Request{Type: wire.Fstat, Handle: h.theirs}, wire.AttrsReply)
	if err != nil {
		return err
	}
	if h.masked != nil {
		rep.Attrs.Size = uint64(h.masked.Size)
		rep.Attrs.Flags |= wire.AttrSize
	}
	return s.out.own(wire.AppendAttrsReply(nil, q.ID, rep.Attrs))
}

// changes are what setting attributes amounts to.
func changes(a wire.Attrs) (ops []files.Op) {
	if a.Has(wire.AttrOwner) || a.Has(wire.AttrPermissions) && a.Permissions&broad != 0 {
		ops = append(ops, files.Own)
	}
	if a.Has(wire.AttrSize) {
		ops = append(ops, files.Truncate)
	}
	if a.Has(wire.AttrTimes) || a.Has(wire.AttrPermissions) && a.Permissions&broad == 0 || len(ops) == 0 {
		ops = append(ops, files.Setstat)
	}
	return ops
}

// setstat sets attributes of a path or an open file. Each sort of change is a
// statement, and all of them are permitted before any is made.
func (s *serving) setstat(q wire.Request) error {
	id := q.ID
	var at spot
	var dirs []string
	if q.Type == wire.Fsetstat {
		_, h, err := s.handle(q.Handle)
		if err != nil {
			return err
		}
		q.Handle, at = h.theirs, spot{named: h.path, real: h.path}
	} else {
		var err error
		if at, err = s.find(q.Path, q.Type == wire.Setstat); err != nil {
			return err
		}
		q.Path = []byte(at.real)
		if dirs = parents(at); q.Type == wire.Setstat {
			dirs = []string{at.real} // the target follows a link that stands there by now
		}
	}
	if q.Attrs.Has(wire.AttrSize) {
		if err := s.fits(0, q.Attrs.Size); err != nil {
			return err
		}
	}
	var permits []session.Permit
	for _, op := range changes(q.Attrs) {
		_, p, err := s.permit(op, textOf("sftp", op, at.named, at.real, q.Attrs), at.paths()...)
		if err != nil {
			for _, p := range permits {
				_ = s.ch.Session.Settle(p, session.Result{Status: "skipped"}) // a session whose record fails ends by itself
			}
			return err
		}
		permits = append(permits, p)
	}
	err := at.why
	if err == nil {
		err = s.change(permits[0], q, dirs)
	}
	for _, p := range permits {
		if serr := s.settle(p, err); err == nil && serr != nil {
			return serr
		}
	}
	if err != nil {
		return err
	}
	return s.out.answered(id, wire.OK)
}

// volume answers with numbers of a file system.
func (s *serving) volume(q wire.Request) error {
	var at spot
	if string(q.Extension) == wire.ExtFstatvfs {
		_, h, err := s.handle(q.Handle)
		if err != nil {
			return err
		}
		q.Handle, at = h.theirs, spot{named: h.path, real: h.path}
	} else {
		var err error
		if at, err = s.find(q.Path, true); err != nil {
			return err
		}
		q.Path = []byte(at.real)
	}
	_, p, err := s.permit(files.Volume, textOf("sftp", files.Volume, at.named, at.real), at.paths()...)
	if err != nil {
		return err
	}
	var rep wire.Reply
	if err = at.why; err == nil {
		rep, err = s.up.want(s.ctx, p, q, wire.ExtendedReply)
	}
	if err == nil && len(rep.Data) != numbers {
		err = sallyport.E(sallyport.Unavailable, "sftp", "the target answers in a form that is not known")
	}
	if err := s.settle(p, err); err != nil {
		return err
	}
	return s.out.own(wire.AppendExtendedReply(nil, q.ID, rep.Data))
}

// numbers is how long what is said of a file system is: eleven numbers.
const numbers = 11 * 8

// readlink says where a link leads, if that can be judged.
func (s *serving) readlink(q wire.Request) error {
	at, err := s.find(q.Path, false)
	if err != nil {
		return err
	}
	a, p, err := s.permit(files.Readlink, textOf("sftp", files.Readlink, at.named, at.real), at.paths()...)
	if err != nil {
		return err
	}
	var rep wire.Reply
	if err = at.why; err == nil {
		rep, err = s.look(p, wire.Request{Type: wire.Readlink, Path: []byte(at.real)}, wire.NameReply, path.Dir(at.real))
	}
	var shown mask.Masked
	if err == nil {
		shown, err = s.leads(a, at.real, rep)
	}
	if err := s.settle(p, err); err != nil {
		return err
	}
	return s.entries(q.ID, []entry{{name: shown, long: shown}})
}

// leads is what a link leads to, as it may be shown.
func (s *serving) leads(a *session.Admission, link string, rep wire.Reply) (mask.Masked, error) {
	if len(rep.Names) != 1 {
		return mask.Masked{}, sallyport.E(sallyport.Unavailable, "sftp", "the target answers in a form that is not known")
	}
	to, ok := files.Canonical(path.Dir(link), string(rep.Names[0].Name))
	if !ok || !s.r.cfg.Layout.Visible(to) {
		return mask.Masked{}, sallyport.E(sallyport.Denied, "sftp", "the link leads outside what the resource shows of its files")
	}
	var hide *sallyport.Mask
	if v := s.verdict(a); v.masked {
		hide = &sallyport.Mask{Scan: v.scan}
	}
	m, _, err := s.name(rep.Names[0].Name, hide, s.r.cfg.Layout.Plain(to))
	return m, err
}

// accounts passes the names of accounts, which listings have anyway.
func (s *serving) accounts(q wire.Request) error {
	rep, err := s.up.want(s.ctx, s.start, q, wire.ExtendedReply)
	if err != nil {
		return err
	}
	return s.out.own(wire.AppendExtendedReply(nil, q.ID, rep.Data))
}

// fsync has an open file written to its disk.
func (s *serving) fsync(q wire.Request) error {
	_, h, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	id := q.ID
	q.Handle = h.theirs
	if _, err := s.up.want(s.ctx, h.permit, q, wire.StatusReply); err != nil {
		return err
	}
	return s.out.answered(id, wire.OK)
}

// copy copies from one open file to another at the target. What is masked for the
// client is not copied to where it might not be.
func (s *serving) copy(q wire.Request) error {
	_, from, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	_, to, err := s.handle(q.ToHandle)
	if err != nil {
		return err
	}
	switch {
	case from.dir || to.dir || from.flags&wire.FlagRead == 0 || to.flags&wire.FlagWrite == 0 || to.flags&wire.FlagAppend != 0:
		return answer(wire.Failure)
	case from.masked != nil:
		return sallyport.E(sallyport.Denied, "sftp", "the file is masked for this role, so that the target may not copy it as it is").WithHint("download it and upload what came")
	}
	_, p, err := s.permit(files.Copy, textOf("sftp", files.Copy, from.path, to.path, q.Offset, q.Length, q.ToOffset), from.path, to.path)
	if err != nil {
		return err
	}
	return s.copied(q, p, from, to)
}

// copied carries out a copy that was permitted.
func (s *serving) copied(q wire.Request, p session.Permit, from, to *handle) error {
	rep, err := s.up.want(s.ctx, p, wire.Request{Type: wire.Fstat, Handle: from.theirs}, wire.AttrsReply)
	if err == nil && q.Length == 0 { // up to its end
		q.Length = rep.Attrs.Size - min(rep.Attrs.Size, q.Offset)
	}
	if err == nil {
		err = s.fits(q.ToOffset, q.Length)
	}
	id := q.ID
	q.Handle, q.ToHandle = from.theirs, to.theirs
	if err == nil && q.Length > 0 {
		_, err = s.up.want(s.ctx, p, q, wire.StatusReply)
	}
	if err := s.settle(p, err); err != nil {
		return err
	}
	return s.out.answered(id, wire.OK)
}
