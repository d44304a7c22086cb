// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/archive"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Limits of what is masked in memory, in bytes.
const (
	maxMasked    = 64 << 20  // of a file
	maskedMemory = 256 << 20 // of all files of a cluster at one time
)

// recordFile is the kind of what a recording holds of a file that was copied.
const recordFile = "file"

// copy carries an archive, or the answer to whether a path is a directory. What the
// programs in the container print beside that is dropped: they quote names and more.
func (x *running) copy(ctx context.Context, client, target *streams.Conn) (session.Result, error) {
	var rest sync.WaitGroup
	var end []byte
	rest.Go(func() { _, _ = io.Copy(io.Discard, target.Reader(streams.Stderr)) })
	rest.Go(func() { end, _ = io.ReadAll(io.LimitReader(target.Reader(streams.Status), maxStatus)) })
	// The connections end with the session, and with the client, so that nothing waits.
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-over:
			return
		case <-ctx.Done():
		case <-client.Gone():
		}
		client.Hurry()
		target.Close("")
	})
	out := archive.NewWriter(client.Writer(streams.Stdout), "/")
	err := x.carry(ctx, client, target, out, &rest)
	if err != nil {
		target.Close("")
	}
	rest.Wait()
	close(over)
	watch.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	code, known, _ := readEnd(end)
	if err == nil && !known {
		err = errBrokeOff
	}
	// A client that has the archive's end does not wait for what else there is to say.
	if err == nil && code == 0 && x.program.Copy == kube.CopyFrom {
		err = out.Close()
	}
	res := session.Result{Status: "ok", Code: fmt.Sprint(code), Tag: fmt.Sprintf("%d files, exit %d", x.files, code), Rows: x.files, Bytes: x.bytes, Masked: x.counts}
	body := endOf(code)
	switch {
	case err != nil:
		res.Status, res.Code, res.Tag = "error", "", fmt.Sprintf("%d files, broken off", x.files)
		body = failureOf(err)
	case code != 0:
		res.Status = "error"
	}
	_, _ = client.Writer(streams.Status).Write(body) // it may have gone
	client.Close("")
	return res, err
}

// carry moves the archive. It returns when the container's program is done with it.
func (x *running) carry(ctx context.Context, client, target *streams.Conn, out *archive.Writer, rest *sync.WaitGroup) error {
	switch x.program.Copy {
	case kube.CopyFrom:
		return x.from(ctx, archive.NewReader(target.Reader(streams.Stdout), "/"), out)
	case kube.CopyTo:
		in := target.Writer(streams.Stdin)
		rest.Go(func() { _, _ = io.Copy(io.Discard, target.Reader(streams.Stdout)) })
		if err := x.to(ctx, client.Reader(streams.Stdin), in); err != nil {
			return err
		}
		if err := in.Close(); err != nil {
			return errBrokeOff
		}
	default:
		rest.Go(func() { _, _ = io.Copy(io.Discard, target.Reader(streams.Stdout)) })
	}
	rest.Wait()
	return nil
}

// from sends the client an archive of what the container's holds, as it may be seen,
// but for its end.
func (x *running) from(ctx context.Context, in *archive.Reader, out *archive.Writer) error {
	for {
		e, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = x.deliver(ctx, in, out, e)
		}
		if err != nil {
			return err
		}
	}
}

// deliver hands one file of an archive to the client.
func (x *running) deliver(ctx context.Context, in *archive.Reader, out *archive.Writer, e archive.Entry) error {
	i := x.program.Output(e.Path)
	if i < 0 {
		return sallyport.E(sallyport.Denied, Protocol, "the archive holds a file that was not asked for, or may not be").WithHint("name the file that is wanted")
	}
	m := x.maskOf(i)
	if m != nil && e.Path != x.program.Path && !x.program.Plain(e.Path) {
		return sallyport.E(sallyport.Denied, Protocol, "the directory holds names that this role may not see").
			WithHint("name the file that is wanted; the operator says in kubernetes.files whose names hold no data (plain_names)")
	}
	content := upstream.NewContent(nil)
	var err error
	switch {
	case e.Dir:
		return out.Begin(e)
	case m == nil:
		err = x.clear(in, out, e, content)
	default:
		err = x.masked(ctx, in, out, e, i, *m, content)
	}
	if err != nil {
		return err
	}
	x.files++
	return x.note(x.permit, "from", e, content)
}

// clear delivers a file that policy shows as it is.
func (x *running) clear(in *archive.Reader, out *archive.Writer, e archive.Entry, content *upstream.Content) error {
	if err := out.Begin(e); err != nil {
		return err
	}
	body := mask.ClearBody()
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		m, merr := body.Write(mask.FromUpstream(buf[:n]))
		if merr == nil {
			merr = x.put(out, m, content)
		}
		if merr != nil {
			return merr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// put hands a piece to the client.
func (x *running) put(out io.Writer, m mask.Masked, content *upstream.Content) error {
	n, err := m.WriteTo(io.MultiWriter(out, adder{content}))
	x.bytes += uint64(max(n, 0))
	return err
}

// adder sums what is written to it.
type adder struct{ c *upstream.Content }

// Write implements [io.Writer].
func (a adder) Write(p []byte) (int, error) {
	a.c.Add(p)
	return len(p), nil
}

// masked delivers a file as its mask leaves it. Its size stands before it, so that it
// is masked as a whole, in memory: nothing of it is ever at rest.
func (x *running) masked(ctx context.Context, in *archive.Reader, out *archive.Writer, e archive.Entry, output int, m sallyport.Mask, content *upstream.Content) error {
	_, most := x.program.Limits()
	if most <= 0 || most > maxMasked {
		most = maxMasked
	}
	if e.Size > most {
		x.counts = append(x.counts, mask.Whole(x.like(output)))
		return sallyport.E(sallyport.Denied, Protocol, "the file is larger than files may be to be masked").WithHint("split it, or have policy permit the file as it is")
	}
	if err := x.t.memory.Acquire(ctx, 2*e.Size); err != nil {
		return err
	}
	defer x.t.memory.Release(2 * e.Size)
	raw := make([]byte, e.Size)
	if _, err := io.ReadFull(in, raw); err != nil {
		return err
	}
	var b mask.Buffer
	r, err := x.t.objects.Mask(ctx, &source{name: e.Path, data: raw}, objectmask.Options{Scan: m.Scan, Pack: true, Like: x.like(output), MaxUnpacked: most},
		func(p mask.Masked) error { b.Put(p); return nil })
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Denied {
			x.counts = append(x.counts, mask.Whole(x.like(output)))
		}
		return err
	}
	x.counts = append(x.counts, r.Counts...)
	e.Size = int64(b.Len())
	if err := out.Begin(e); err != nil {
		return err
	}
	return x.put(out, b.Take(), content)
}

// source is a file in memory.
type source struct {
	name string
	data []byte
}

// Size implements [objectmask.Source].
func (s *source) Size() int64 { return int64(len(s.data)) }

// Name implements [objectmask.Source].
func (s *source) Name() string { return s.name }

// ContentType implements [objectmask.Source].
func (s *source) ContentType() string { return "" }

// ContentEncoding implements [objectmask.Source].
func (s *source) ContentEncoding() string { return "" }

// Open implements [objectmask.Source].
func (s *source) Open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || offset > s.Size() {
		return nil, io.ErrUnexpectedEOF
	}
	data := s.data[offset:]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// to hands the container an archive of what the client sends, each file of which is a
// statement of its own.
func (x *running) to(ctx context.Context, from io.Reader, to io.Writer) error {
	in, out := archive.NewReader(from, x.program.Path), archive.NewWriter(to, x.program.Path)
	for {
		e, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err == nil {
			err = x.write(ctx, in, out, e)
		}
		if err != nil {
			return err
		}
	}
}

// write hands one file to the container.
func (x *running) write(ctx context.Context, in *archive.Reader, out *archive.Writer, e archive.Entry) error {
	cmd := session.Command{Statement: x.program.Written(e.Path, e.Dir), Text: []byte(x.call.path + " " + e.Path)}
	if most, _ := x.program.Limits(); most > 0 && e.Size > most {
		return x.sess.Refuse(ctx, cmd, "the file is larger than files may be that are written", "split it, or ask the operator for a larger kubernetes.files.max_file")
	}
	_, p, err := x.sess.Permit(ctx, cmd)
	if err != nil {
		return err
	}
	content := upstream.NewContent(in)
	if err = out.Begin(e); err == nil && !e.Dir {
		var n int64
		n, err = io.Copy(out, content)
		x.bytes += uint64(max(n, 0))
	}
	res := session.Result{Status: "ok", Bytes: uint64(max(e.Size, 0)), Tag: "copied"}
	if err != nil {
		res.Status, res.Tag = "error", "broken off"
	} else if !e.Dir {
		x.files++
		err = x.note(p, "to", e, content)
	}
	return errors.Join(err, x.sess.Settle(p, res))
}

// note puts a file on record: which way it went, its place, its size and its digest.
func (x *running) note(p session.Permit, way string, e archive.Entry, content *upstream.Content) error {
	what := content.Note()
	if what == "" {
		what = "(nothing)\n"
	}
	return x.sess.Record(p, recordFile, mask.Synthetic([]byte(way+" "+x.program.Place(e.Path)+" "+what)))
}
