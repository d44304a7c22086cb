// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"errors"
	"path"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// errStray is how an operation ends of which nobody can say where it was carried out.
var errStray error = sallyport.E(sallyport.Conflict, "sftp", "the path came to lead elsewhere while the target was at it, so that something elsewhere may have changed").
	WithHint("look at the target what it did")

// parents are the directories in which an operation names something. What the last
// part of its path is, the operation means as it is.
func parents(spots ...spot) (out []string) {
	for _, at := range spots {
		out = append(out, path.Dir(at.real))
	}
	return out
}

// steady refuses where a path that was resolved has come to lead elsewhere since, which
// it may have while a person decided.
func (s *serving) steady(dirs []string) error {
	for _, dir := range dirs {
		if err := s.still(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *serving) still(dir string) error {
	real, err := s.resolve(dir)
	if err == nil && real != dir {
		err = sallyport.E(sallyport.Denied, "sftp", "the path came to lead elsewhere").WithHint("ask again")
	}
	return err
}

// behind has the target carry out an operation, and looks meanwhile whether dirs still
// lead where they led; strayed says that they do not.
func (s *serving) behind(p session.Permit, q wire.Request, t wire.Type, dirs []string) (rep wire.Reply, strayed, err error) {
	asked, err := s.up.begin(s.ctx, p, q)
	if err != nil {
		return rep, nil, err
	}
	strayed = s.steady(dirs)
	rep, err = await(s.ctx, asked)
	return rep, strayed, expect(rep, err, t)
}

// look has the target say something of what lies in dir. Where dir has come to lead
// elsewhere meanwhile, nobody hears it.
func (s *serving) look(p session.Permit, q wire.Request, t wire.Type, dir string) (wire.Reply, error) {
	rep, strayed, err := s.behind(p, q, t, []string{dir})
	if err == nil {
		err = strayed
	}
	return rep, err
}

// change has the target carry out what changes something in dirs, if they lead where
// they led, and looks again behind it. What went astray between the two cannot be taken
// back, but is not called a success.
func (s *serving) change(p session.Permit, q wire.Request, dirs []string) error {
	if err := s.steady(dirs); err != nil {
		return err
	}
	_, strayed, err := s.behind(p, q, wire.StatusReply, dirs)
	if err == nil && strayed != nil {
		err = errors.Join(errStray, strayed)
	}
	return err
}
