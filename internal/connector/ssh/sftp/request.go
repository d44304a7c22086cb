// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// request answers one request. What it returns ends the channel.
func (s *serving) request(q wire.Request) error {
	var err error
	switch q.Type {
	case wire.Init:
		return s.begin()
	case wire.Read:
		err = s.read(q)
	case wire.Write:
		err = s.write(q)
	case wire.Open:
		err = s.open(q)
	case wire.Close:
		err = s.close(q)
	case wire.Opendir:
		err = s.opendir(q)
	case wire.Readdir:
		err = s.readdir(q)
	case wire.Stat, wire.Lstat:
		err = s.stat(q)
	case wire.Fstat:
		err = s.fstat(q)
	case wire.Setstat, wire.Fsetstat:
		err = s.setstat(q)
	case wire.Remove:
		err = s.simple(q, files.Remove, false)
	case wire.Rmdir:
		err = s.simple(q, files.Rmdir, false)
	case wire.Mkdir:
		err = s.simple(q, files.Mkdir, false)
	case wire.Readlink:
		err = s.readlink(q)
	case wire.Rename:
		err = s.pair(q, files.Rename)
	case wire.Symlink:
		err = s.symlink(q)
	case wire.Realpath:
		err = s.realpath(q)
	case wire.Extended:
		err = s.extended(q)
	default:
		err = unsupported
	}
	return s.reply(q.ID, err)
}

func (s *serving) extended(q wire.Request) error {
	switch string(q.Extension) {
	case wire.ExtPosixRename:
		return s.pair(q, files.Rename)
	case wire.ExtHardlink:
		return s.pair(q, files.Link)
	case wire.ExtLsetstat:
		return s.setstat(q)
	case wire.ExtStatvfs, wire.ExtFstatvfs:
		return s.volume(q)
	case wire.ExtFsync:
		return s.fsync(q)
	case wire.ExtCopyData:
		return s.copy(q)
	case wire.ExtExpandPath, wire.ExtHome:
		return s.realpath(q)
	case wire.ExtLimits:
		return s.out.own(wire.AppendExtendedReply(nil, q.ID, wire.AppendLimits(nil, s.limits)))
	case wire.ExtUsersGroups:
		return s.accounts(q)
	}
	return unsupported
}

const unsupported = answer(wire.OpUnsupported)

// reply tells the client of an error, unless the channel ends with it.
func (s *serving) reply(id uint32, err error) error {
	var a answer
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case errors.As(err, &a) && !errors.Is(err, errStray):
		return s.out.answered(id, wire.Code(a))
	case errors.Is(err, errLost):
		return err
	}
	code := wire.Failure
	switch sallyport.KindOf(err) {
	case sallyport.Denied, sallyport.Held, sallyport.Unauthenticated:
		code = wire.PermissionDenied
	case sallyport.NotFound:
		code = wire.NoSuchFile
	}
	s.ch.Say(sallyport.Public(err))
	return s.out.status(id, code, publicly(err))
}

// offered are the extensions that the relay knows, with their versions.
func offered() []string {
	return []string{
		wire.ExtPosixRename, "1", wire.ExtStatvfs, "2", wire.ExtFstatvfs, "2", wire.ExtHardlink, "1", wire.ExtFsync, "1", wire.ExtLsetstat, "1",
		wire.ExtLimits, "1", wire.ExtExpandPath, "1", wire.ExtCopyData, "1", wire.ExtHome, "1", wire.ExtUsersGroups, "1",
	}
}

// begin opens the subsystem at the target. What is asked there to find out where
// paths lead is asked under its permit.
func (s *serving) begin() error {
	hello, err := s.greeted()
	if err != nil {
		return err
	}
	var extensions []string
	own := offered()
	for i := 0; i < len(own); i += 2 {
		if v, has := hello.Extensions[own[i]]; has && v == own[i+1] {
			extensions = append(extensions, own[i], v)
		}
	}
	return s.out.own(wire.AppendVersion(nil, extensions...))
}

// greeted opens the subsystem and returns what the target says of itself.
func (s *serving) greeted() (wire.Reply, error) {
	_, p, err := s.ch.Session.Permit(s.holds, session.Command{
		Statement: &sallyport.Statement{Protocol: files.Protocol, Class: "files.begin", Readable: "files.begin", Effects: []sallyport.Effect{sallyport.Control}},
		Text:      []byte("sftp"), Notify: s.ch.Say,
	})
	if err != nil {
		return wire.Reply{}, err
	}
	s.start = p
	return s.connect(p)
}

func (s *serving) connect(p session.Permit) (wire.Reply, error) {
	conn, err := s.ch.Upstream(s.ctx, p)
	if err != nil {
		return wire.Reply{}, err
	}
	s.up = newUpstream(s.ch.Session, conn, func(err error) { s.cancel(err) })
	context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	hello, err := s.up.greet(s.ctx, p, s.ch.Go)
	if err != nil {
		return hello, err
	}
	s.limits = wire.Limits{Packet: wire.MaxPacket, Read: 32 << 10, Write: 32 << 10, Handles: maxHandles}
	if hello.Extensions[wire.ExtLimits] == "1" {
		if err := s.bounds(p); err != nil {
			return hello, err
		}
	}
	rep, err := s.up.want(s.ctx, p, wire.Request{Type: wire.Realpath, Path: []byte(".")}, wire.NameReply)
	home, ok := "", false
	if err == nil && len(rep.Names) == 1 {
		home, ok = files.Canonical("/", string(rep.Names[0].Name))
	}
	if !ok {
		return hello, errors.Join(sallyport.E(sallyport.Unavailable, "sftp", "the target does not say where its files begin"), err)
	}
	s.home = home
	return hello, nil
}

// bounds takes the target's limits over where they are smaller than the relay's.
func (s *serving) bounds(p session.Permit) error {
	rep, err := s.up.want(s.ctx, p, wire.Request{Type: wire.Extended, Extension: []byte(wire.ExtLimits)}, wire.ExtendedReply)
	if err != nil {
		return err
	}
	l, err := wire.ParseLimits(rep.Data)
	if err != nil {
		return err
	}
	s.limits.Read, s.limits.Write = wire.MaxData, wire.MaxData
	for _, x := range []struct {
		own    *uint64
		theirs uint64
	}{{&s.limits.Packet, l.Packet}, {&s.limits.Read, l.Read}, {&s.limits.Write, l.Write}, {&s.limits.Handles, l.Handles}} {
		if x.theirs > 0 {
			*x.own = min(*x.own, x.theirs)
		}
	}
	return nil
}

// spot is a path that a request names, and what it turned out to be.
type spot struct {
	named string
	real  string // "" where the target did not say
	why   error  // then
}

// paths are what is judged.
func (p spot) paths() []string {
	if p.real == "" || p.real == p.named {
		return []string{p.named}
	}
	return []string{p.named, p.real}
}

// find finds out where a path leads: to its end, or only to its last part, which may
// be a link itself. Nothing of that is told before policy has decided.
func (s *serving) find(raw []byte, follow bool) (spot, error) {
	named, ok := files.Canonical(s.home, string(raw))
	if !ok {
		return spot{}, sallyport.E(sallyport.Invalid, "sftp", "the path is none that can be judged").
			WithHint("send a path of at most 4,096 bytes, in UTF-8, without control characters")
	}
	// What ends so is a directory, and a link to one is not meant itself.
	follow = follow || strings.HasSuffix(string(raw), "/") || strings.HasSuffix(string(raw), "/.")
	at, rest := named, ""
	if !follow {
		at, rest = path.Dir(named), path.Base(named)
	}
	real, err := s.resolve(at)
	var a answer
	switch {
	case errors.As(err, &a):
		return spot{named: named, why: a}, nil
	case err != nil:
		return spot{}, err
	case !follow && named != "/":
		real = strings.TrimSuffix(real, "/") + "/" + rest
	}
	return spot{named: named, real: real}, nil
}

// resolve asks the target where a path leads.
func (s *serving) resolve(p string) (string, error) {
	rep, err := s.up.want(s.ctx, s.start, wire.Request{Type: wire.Realpath, Path: []byte(p)}, wire.NameReply)
	if err != nil {
		return "", err
	}
	if len(rep.Names) == 1 {
		if real, ok := files.Canonical("/", string(rep.Names[0].Name)); ok && strings.HasPrefix(string(rep.Names[0].Name), "/") {
			return real, nil
		}
	}
	return "", sallyport.E(sallyport.Denied, "sftp", "the path leads to one that cannot be judged").WithHint("name it without links")
}

// permit has a statement decided on and put on record.
func (s *serving) permit(op files.Op, text string, paths ...string) (*session.Admission, session.Permit, error) {
	st := s.r.cfg.Layout.Statement(s.r.cfg.Resource, op, paths...)
	a, p, err := s.ch.Session.Permit(s.holds, session.Command{Statement: st, Text: []byte(text), Notify: s.ch.Say})
	if err != nil && s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	return a, p, err
}

// textOf is a request as it is sealed for auditors and as an approval is bound to it.
func textOf(word string, args ...any) string {
	var b strings.Builder
	b.WriteString(word)
	for _, a := range args {
		fmt.Fprintf(&b, " %q", fmt.Sprint(a))
	}
	return b.String()
}

// settle says how a statement ended whose answer is err.
func (s *serving) settle(p session.Permit, err error) error {
	res := session.Result{Status: "ok"}
	var a answer
	switch {
	case err == nil:
	case errors.Is(err, errStray):
		res.Status = "unknown"
	case errors.As(err, &a):
		res.Status, res.Code = "error", fmt.Sprint(uint32(a))
	case errors.Is(err, errLost), s.ctx.Err() != nil:
		res.Status = "unknown"
	default:
		res.Status = "error"
	}
	return errors.Join(err, s.ch.Session.Settle(p, res))
}

// carry sends a request whose answer is a status, for a statement that was permitted.
func (s *serving) carry(p session.Permit, q wire.Request, why error, spots ...spot) error {
	err := why
	if err == nil {
		err = s.change(p, q, parents(spots...))
	}
	return s.settle(p, err)
}

// simple carries out what is done to one path and answered with a status.
func (s *serving) simple(q wire.Request, op files.Op, follow bool) error {
	at, err := s.find(q.Path, follow)
	if err != nil {
		return err
	}
	_, p, err := s.permit(op, textOf("sftp", op, at.named, at.real, q.Attrs), at.paths()...)
	if err != nil {
		return err
	}
	id := q.ID
	q.Path = []byte(at.real)
	q.Attrs = modest(q.Attrs)
	if err := s.carry(p, q, at.why, at); err != nil {
		return err
	}
	return s.out.answered(id, wire.OK)
}

// pair carries out what is done with two paths.
func (s *serving) pair(q wire.Request, op files.Op) error {
	from, err := s.find(q.Path, false)
	if err != nil {
		return err
	}
	to, err := s.find(q.To, false)
	if err != nil {
		return err
	}
	paths := []string{from.named, to.named}
	why := errors.Join(from.why, to.why)
	if why == nil && (from.real != from.named || to.real != to.named) {
		paths = append(paths, from.real, to.real)
	}
	_, p, err := s.permit(op, textOf("sftp", op, from.named, to.named, from.real, to.real), paths...)
	if err != nil {
		return err
	}
	id := q.ID
	q.Path, q.To = []byte(from.real), []byte(to.real)
	if err := s.carry(p, q, why, from, to); err != nil {
		return err
	}
	return s.out.answered(id, wire.OK)
}

// symlink makes a link. It is judged by where it leads, and sent so that it leads
// there: without ".." in it.
func (s *serving) symlink(q wire.Request) error {
	link, err := s.find(q.To, false)
	if err != nil {
		return err
	}
	dir := path.Dir(link.named)
	if link.real != "" {
		dir = path.Dir(link.real)
	}
	leads, ok := files.Canonical(dir, string(q.Path))
	if !ok {
		return sallyport.E(sallyport.Invalid, "sftp", "the link leads to no path that can be judged").WithHint("name an absolute path")
	}
	target, err := s.find([]byte(leads), true)
	if err != nil {
		return err
	}
	paths := []string{leads, link.named}
	if target.real != "" && link.real != "" && (target.real != leads || link.real != link.named) {
		paths = append(paths, target.real, link.real)
	}
	_, p, err := s.permit(files.Symlink, textOf("sftp", files.Symlink, string(q.Path), leads, target.real, link.named, link.real), paths...)
	if err != nil {
		return err
	}
	id := q.ID
	if strings.HasPrefix(string(q.Path), "/") || strings.Contains(string(q.Path), "..") || path.Clean(string(q.Path)) != string(q.Path) {
		q.Path = []byte(leads)
	}
	q.To = []byte(link.real)
	if err := s.carry(p, q, link.why, link); err != nil {
		return err
	}
	return s.out.answered(id, wire.OK)
}

// realpath answers with a path as text, without asking the target: where links lead
// is nobody's business before policy has decided about it.
func (s *serving) realpath(q wire.Request) error {
	raw := string(q.Path)
	if q.Type == wire.Extended && strings.HasPrefix(raw, "~") {
		home, rest, _ := strings.Cut(raw, "/")
		if home != "~" {
			return unsupported // of other accounts
		}
		raw = s.home + "/" + rest
	} else if string(q.Extension) == wire.ExtHome {
		return unsupported
	}
	p, ok := files.Canonical(s.home, raw)
	if !ok {
		return answer(wire.NoSuchFile)
	}
	return s.out.own(wire.AppendNames(nil, q.ID, wire.Name{Name: []byte(p), Long: []byte(p)}))
}
