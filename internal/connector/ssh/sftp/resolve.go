// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"context"
	"errors"
	"io"
)

// Found is a path that a command names, and what it turned out to be at the target:
// what is to be judged of it.
type Found struct {
	Paths []string
	// Real is the path with its links resolved, "" where the target did not say; Why is
	// then what it said instead.
	Real string
	Why  error
}

// Resolve finds out where paths of a command lead. One that ends with a slash is
// followed to its end, and so are all if follow is set; of others the last part may be
// a link itself. The channel's Client and Finish are not used.
func (r *Relay) Resolve(ctx context.Context, c Channel, follow bool, paths []string) (out []Found, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &serving{r: r, ch: c, ctx: ctx, cancel: cancel, holds: ctx, out: &outlet{w: io.Discard}}
	defer func() { s.end(err) }()
	if _, err := s.greeted(); err != nil {
		return nil, err
	}
	for _, p := range paths {
		at, err := s.find([]byte(p), follow)
		if err != nil {
			return nil, err
		}
		f := Found{at.paths(), at.real, nil}
		if at.why != nil {
			f.Why = errors.New(at.why.Error())
		}
		out = append(out, f)
	}
	return out, nil
}
