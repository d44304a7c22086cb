// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// Why a program's streams end before the program has.
var (
	errClientGone = sallyport.E(sallyport.Unavailable, Protocol, "the client has gone")
	errBrokeOff   = sallyport.E(sallyport.Unavailable, Protocol, "the connection to the cluster broke off before the program had ended").
			WithHint("the program may still run; look before you start it again")
)

// run carries the streams of a program until it ends, the client goes or the session
// ends, and returns what came of it when nothing of it is left.
func (x *running) run(ctx context.Context, client, target *streams.Conn) (session.Result, error) {
	program, err := x.t.terminal.Start(terminal.Options{
		Session: x.sess, Permit: x.permit, Admission: x.admission, TTY: x.wish.TTY, Title: x.program.Statement.Readable, Now: x.t.cfg.Now,
	})
	if err != nil {
		_, _ = client.Writer(streams.Status).Write(failureOf(err)) // it may have gone
		client.Close("")
		return session.Result{Status: "skipped"}, err
	}
	var in, out sync.WaitGroup
	if x.wish.Stdin {
		in.Go(func() { feed(program, client, target) })
	}
	if x.wish.TTY {
		in.Go(func() { resize(program, client, target) })
	}
	var end []byte
	broken := make(chan error, 2)
	for s, o := range x.outputs(program, client) {
		out.Go(func() {
			var w io.Writer = writerOnly{o}
			_, _ = io.Copy(w, target.Reader(s)) // what the cluster cannot send shows in the end
			if err := o.Close(); err != nil {
				broken <- err
			}
		})
	}
	out.Go(func() { end, _ = io.ReadAll(io.LimitReader(target.Reader(streams.Status), maxStatus)) })
	cause := until(ctx, client, &out, broken)
	if cause != nil {
		client.Hurry()
		target.Close("")
		out.Wait()
	}
	code, body, err := x.end(end, cause)
	if body != nil {
		_, _ = client.Writer(streams.Status).Write(body) // it may have gone
	}
	client.Close("")
	target.Close("")
	in.Wait()
	if err != nil && cause == nil {
		cause = err
	}
	res := program.Finish(terminal.Exit{Code: code}, outcome(cause))
	res.Masked = append(res.Masked, x.counts...)
	return res, cause
}

// outputs are the ways of the program's streams to the client.
func (x *running) outputs(program *terminal.Run, client *streams.Conn) map[streams.Stream]*terminal.Output {
	out := map[streams.Stream]*terminal.Output{}
	if x.wish.Stdout {
		out[streams.Stdout] = program.Output(terminal.Stdout, client.Writer(streams.Stdout))
	}
	if x.wish.Stderr {
		out[streams.Stderr] = program.Output(terminal.Stderr, client.Writer(streams.Stderr))
	}
	return out
}

// writerOnly hides what else a writer can do.
type writerOnly struct{ io.Writer }

// until waits for the streams to end, and says why it is no use to wait longer.
func until(ctx context.Context, client *streams.Conn, out *sync.WaitGroup, broken <-chan error) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		out.Wait()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
	case <-client.Gone():
	case err = <-broken: // a client that does not take it has gone, and shows so
	}
	if err == nil {
		select {
		case err = <-broken:
		default:
		}
	}
	select {
	case <-done:
		if err == nil {
			return nil
		}
	default:
	}
	// A session that ends takes the client's side of the connection as well.
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if sallyport.KindOf(err) == sallyport.Internal { // of no kind: it is the connection's
		return errClientGone
	}
	return err
}

// end is what the client is told of how the program ended. err is not nil where that is
// not known.
func (x *running) end(said []byte, cause error) (code int, body []byte, err error) {
	switch {
	case errors.Is(cause, errClientGone):
		return 0, nil, nil
	case cause != nil:
		return 0, failureOf(cause), nil
	case len(said) == 0:
		return 0, failureOf(errBrokeOff), errBrokeOff
	}
	code, known, text := readEnd(said)
	if known {
		return code, endOf(code), nil
	}
	err = sallyport.E(sallyport.Unavailable, Protocol, "the cluster says that the program did not run, or not how it ended")
	body, merr := x.told(ended{Status: failure, Reason: "InternalError", Code: 500}, text)
	if merr != nil {
		return 0, failureOf(merr), merr
	}
	return 0, body, err
}

// outcome has a client that went count as one that cancelled.
func outcome(err error) error {
	if errors.Is(err, errClientGone) {
		return context.Canceled
	}
	return err
}

// feed hands what is typed to the program.
func feed(program *terminal.Run, client, target *streams.Conn) {
	to := target.Writer(streams.Stdin)
	buf := make([]byte, 16<<10)
	from := client.Reader(streams.Stdin)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if program.Typed(buf[:n]) != nil {
				return
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.Close() // a program that has ended does not hear of it
		}
		if err != nil {
			return
		}
	}
}

// resize hands on the sizes of the client's terminal.
func resize(program *terminal.Run, client, target *streams.Conn) {
	from := &sizes{r: client.Reader(streams.Resize)}
	to := target.Writer(streams.Resize)
	d := json.NewDecoder(from)
	for {
		from.left = maxSize
		var s struct{ Width, Height uint16 }
		if d.Decode(&s) != nil {
			// What cannot be read is not needed, and must not hold up what is behind it.
			_, _ = io.Copy(io.Discard, from.r)
			return
		}
		if program.Resize(terminal.Size{Columns: s.Width, Rows: s.Height}) != nil {
			return
		}
		if _, err := to.Write(mustJSON(s)); err != nil {
			return
		}
	}
}

// maxSize bounds what says one size, in bytes.
const maxSize = 1 << 10

// sizes reads what says a size, within its bound.
type sizes struct {
	r    io.Reader
	left int
}

// Read implements [io.Reader].
func (s *sizes) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := s.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}
