// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// verdict is what an admission says of the content of a file.
type verdict struct {
	masked bool
	scan   bool // what is no known format may be shown without what a scanner finds
}

// verdict takes the strictest of what is said of all that a path turned out to be.
func (s *serving) verdict(a *session.Admission) verdict {
	v := verdict{scan: true}
	for _, m := range a.Masks() {
		v.masked = true
		v.scan = v.scan && m.Scan
	}
	return v
}

// maskOf returns what is said of one output, or nil where it is shown as it is.
func maskOf(a *session.Admission, output int) *sallyport.Mask {
	for _, m := range a.Masks() {
		if m.Output == output {
			return &m
		}
	}
	return nil
}

// like is what the counts of an output have in common.
func (s *serving) like(a *session.Admission, output int) mask.Count {
	profile := s.r.cfg.Masking.Profile()
	c := mask.Count{Output: output, Profile: profile.Name(), ProfileVersion: profile.Version(), Columns: session.SourceNames(a.Statement(), output)}
	for _, m := range a.Masks() {
		if m.Output == output || c.Reason == "" {
			c.Output, c.Labels, c.Reason = m.Output, m.Labels, m.Reason
		}
	}
	return c
}

// unsettled is how close to now a file may have changed, so that it could change
// again without a sign: the protocol has times in seconds.
const unsettled = 5 * time.Second

// key says which masked file is shown in place of one. A file that has just changed
// is masked anew each time.
func (s *serving) key(real string, a wire.Attrs) (derived.Key, error) {
	if !a.Has(wire.AttrSize | wire.AttrTimes) {
		return derived.Key{}, sallyport.E(sallyport.Unavailable, "sftp", "the target does not describe the file").WithHint("the target has to tell sizes and times")
	}
	k := derived.Key{Resource: s.r.cfg.Resource, Bucket: "files", Object: real, Generation: int64(a.Mtime), Version: fmt.Sprint(a.Size)}
	if age := s.r.cfg.Now().Sub(time.Unix(int64(a.Mtime), 0)); age < unsettled {
		b := make([]byte, 16)
		if _, err := io.ReadFull(s.r.cfg.Rand, b); err != nil {
			return k, sallyport.E(sallyport.Internal, "sftp", "there is no randomness").Because(err)
		}
		k.Version += "/" + hex.EncodeToString(b)
	}
	return k, nil
}

// attempts is how often a file is masked anew when another's making of it ended with
// that one's connection.
const attempts = 3

// instead returns what is shown in place of an open file. The caller closes it.
func (s *serving) instead(p session.Permit, theirs []byte, real string, a wire.Attrs, v verdict, like mask.Count) (*derived.Object, error) {
	if most := s.r.cfg.Layout.MaxMasked(); most > 0 && a.Size > uint64(most) {
		return nil, sallyport.E(sallyport.Denied, "sftp", "the file is larger than files may be to be masked").WithHint("split it, or have the operator raise max_masked")
	}
	k, err := s.key(real, a)
	if err != nil {
		return nil, err
	}
	src := &source{s: s, permit: p, theirs: theirs, name: real, attrs: a}
	m := derived.Making{Source: src, Masks: s.r.objects, Scan: v.scan, Pack: true, Like: like}
	for i := 1; ; i++ {
		o, err := s.r.cfg.Derived.Get(s.ctx, k, m)
		if err == nil {
			return o, nil
		}
		if i == attempts || s.ctx.Err() != nil || src.failed || !errors.Is(err, errElse) {
			return nil, err
		}
	}
}

// errElse is how the reading of a file ends whose connection has.
var errElse error = sallyport.E(sallyport.Unavailable, "sftp", "the connection over which the file was read has ended").WithHint("ask again")

// source is a file of the target that is open.
type source struct {
	s      *serving
	permit session.Permit
	theirs []byte
	name   string
	attrs  wire.Attrs
	failed bool // this one's own reading has
}

// Size implements [objectmask.Source].
func (f *source) Size() int64 { return int64(min(f.attrs.Size, 1<<62)) }

// Name implements [objectmask.Source].
func (f *source) Name() string { return f.name }

// ContentType implements [objectmask.Source].
func (f *source) ContentType() string { return "" }

// ContentEncoding implements [objectmask.Source].
func (f *source) ContentEncoding() string { return "" }

// Open implements [objectmask.Source].
func (f *source) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	end := f.Size()
	if length >= 0 && length < end-offset {
		end = offset + length
	}
	return &stretch{f: f, ctx: ctx, ask: uint64(max(offset, 0)), at: uint64(max(offset, 0)), end: uint64(max(end, 0))}, nil
}

// ahead is how many requests of a reading are in flight.
const ahead = 16

// asked is one of them.
type asked struct {
	offset, n uint64
	answer    <-chan []byte
}

// stretch reads a range of a file, a few requests ahead.
type stretch struct {
	f       *source
	ctx     context.Context
	ask     uint64 // where the next request begins
	at, end uint64
	queue   []asked
	have    []byte
}

// Read implements [io.Reader]. A file that has become shorter, or has changed by the
// time that its end is reached, is none that could be masked.
func (t *stretch) Read(b []byte) (int, error) {
	for len(t.have) == 0 {
		if t.at >= t.end {
			return 0, t.finish()
		}
		if err := t.next(); err != nil {
			if t.f.s.ctx.Err() != nil {
				return 0, errors.Join(errElse, err)
			}
			t.f.failed = true
			return 0, err
		}
	}
	n := copy(b, t.have)
	t.have = t.have[n:]
	return n, nil
}

// next waits for the next piece.
func (t *stretch) next() error {
	s := t.f.s
	for len(t.queue) < ahead && t.ask < t.end {
		n := min(s.limits.Read, t.end-t.ask)
		c, err := s.up.begin(t.ctx, t.f.permit, wire.Request{Type: wire.Read, Handle: t.f.theirs, Offset: t.ask, Length: n})
		if err != nil {
			return err
		}
		t.queue = append(t.queue, asked{t.ask, n, c})
		t.ask += n
	}
	q := t.queue[0]
	t.queue = t.queue[1:]
	rep, err := await(t.ctx, q.answer)
	if err = expect(rep, err, wire.DataReply); err != nil {
		return changed(err)
	}
	if len(rep.Data) == 0 || uint64(len(rep.Data)) > q.n {
		return changed(nil)
	}
	if got := uint64(len(rep.Data)); got < q.n { // the rest is asked for again, and what was asked behind it is of no use
		t.queue, t.ask = nil, q.offset+got
	}
	t.have = rep.Data
	t.at += uint64(len(rep.Data))
	return nil
}

func changed(err error) error {
	var a answer
	if err != nil && !errors.As(err, &a) {
		return err
	}
	return sallyport.E(sallyport.Unavailable, "sftp", "the file changed while it was read to be masked").WithHint("open it again").Because(err)
}

// finish looks whether the file is still what it was, at its end.
func (t *stretch) finish() error {
	f := t.f
	if t.end != f.attrs.Size {
		return io.EOF
	}
	rep, err := f.s.up.want(t.ctx, f.permit, wire.Request{Type: wire.Fstat, Handle: f.theirs}, wire.AttrsReply)
	switch {
	case err != nil && f.s.ctx.Err() != nil:
		return errors.Join(errElse, err)
	case err != nil:
		f.failed = true
		return changed(err)
	case rep.Attrs.Size != f.attrs.Size || rep.Attrs.Mtime != f.attrs.Mtime:
		f.failed = true
		return changed(nil)
	}
	return io.EOF
}

// Close implements [io.Closer]. Answers that are still to come are taken by nobody.
func (t *stretch) Close() error { return nil }
