// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"io"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

const (
	// step is how many bytes are masked at once, at most.
	step = 32 << 10
	// quiet is how long no byte must have come before a part of a line leaves.
	quiet = 30 * time.Millisecond
	// latest is when it leaves though bytes keep coming, as those of a line that
	// shows progress do.
	latest = 300 * time.Millisecond
)

// Output is the way of one stream of output to the client: what is written to it is
// masked, recorded and then written to the client.
type Output struct {
	r      *Run
	stream Stream
	w      io.Writer
	wake   chan struct{} // a part of a line may be pending
	stop   chan struct{}
	done   chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	body   *mask.Body // guarded by mu
	n      uint64     // bytes delivered; guarded by mu
	err    error      // once set, nothing goes out any more; guarded by mu
	closed bool       // guarded by mu
}

// Output returns the way of a stream to w. Where w has a method Flush, it is called
// after each write. The caller closes it, or [Run.Finish] does.
func (r *Run) Output(s Stream, w io.Writer) *Output {
	o := &Output{r: r, stream: s, w: w, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.raw {
		o.body = mask.ClearBody()
	} else {
		o.body = r.masks.body(s.locus(), r.o.TTY)
	}
	if r.ended { // nobody would wait for it
		o.err, o.closed = errEnded(), true
		o.body.Abort()
		close(o.done)
		return o
	}
	r.outputs = append(r.outputs, o)
	if r.raw {
		close(o.done) // nothing is ever held back
	} else {
		go o.watch()
	}
	return o
}

// like is what the counts of this stream have in common.
func (o *Output) like() mask.Count {
	c := o.r.like(0)
	c.Locus = o.stream.locus()
	return c
}

// Write takes the next bytes of the stream, as the target sent them. It keeps
// nothing of p and returns when what may leave has been taken by the client. After
// an error every later call fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed && o.err == nil {
		return 0, errEnded()
	}
	o.r.o.Session.Busy()
	done := 0
	for done < len(p) && o.err == nil {
		k := min(len(p)-done, step)
		m, err := o.body.Write(mask.FromUpstream(p[done : done+k]))
		o.hand(m, err)
		done += k
	}
	if o.err != nil {
		return 0, o.err
	}
	if len(p) > 0 && p[len(p)-1] != '\n' {
		select {
		case o.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return len(p), nil
}

// hand records masked bytes and then gives them to the client. The caller holds
// o.mu.
func (o *Output) hand(m mask.Masked, err error) {
	switch {
	case err != nil:
		o.err = err
	case o.err == nil && m.Len() > 0:
		if o.err = o.r.o.Session.Record(o.r.o.Permit, o.stream.kind(), m); o.err != nil {
			return
		}
		n, werr := m.WriteTo(o.w)
		o.n += uint64(max(n, 0))
		if o.err = werr; o.err == nil {
			o.err = flush(o.w)
		}
	}
}

// flush has w hand on what it gathers.
func flush(w io.Writer) error {
	switch f := w.(type) {
	case interface{ Flush() error }:
		return f.Flush()
	case interface{ Flush() }:
		f.Flush()
	}
	return nil
}

// watch hands on what is held back of a line when the stream is quiet, until Close
// stops it.
func (o *Output) watch() {
	defer close(o.done)
	for {
		select {
		case <-o.stop:
			return
		case <-o.wake:
		}
		if !o.settled() {
			return
		}
		o.mu.Lock()
		if o.err == nil && !o.closed {
			o.hand(o.body.Idle())
		}
		o.mu.Unlock()
	}
}

// settled waits until the stream is quiet, or long enough. It reports false when the
// output was closed.
func (o *Output) settled() bool {
	short, long := time.NewTimer(quiet), time.NewTimer(latest)
	defer short.Stop()
	defer long.Stop()
	for {
		select {
		case <-o.stop:
			return false
		case <-o.wake:
			short.Reset(quiet)
		case <-short.C:
			return true
		case <-long.C:
			return true
		}
	}
}

// Close hands on the rest and waits for the output's goroutine. Further calls do
// nothing and return the same.
func (o *Output) Close() error {
	o.mu.Lock()
	if !o.closed {
		o.closed = true
		close(o.stop)
		if o.err == nil {
			o.hand(o.body.Flush())
		} else {
			o.body.Abort()
		}
	}
	err := o.err
	o.mu.Unlock()
	<-o.done
	return err
}

func (o *Output) delivered() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}
