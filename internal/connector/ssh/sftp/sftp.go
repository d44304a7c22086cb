// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sftp serves the subsystem of that name: it stands between a client and the
// sftp-server of a target and carries packets across that it has understood.
//
// Each operation on a path is a statement: where its links lead is found out first,
// both paths are judged, and its intent is durable before the target hears of it.
// Reads and writes of an open file belong to the statement that opened it, whose
// outcome says how much has passed; the sum of it is in the recording. What policy
// shows as it is passes in the order and as deep in flight as the client asks for it.
// A file that must be masked is masked whole, when it is opened, as the objects of a
// store are (package derived), and the client reads from what came of it.
//
// A client names files by handles of the relay's own; it never sees one of the
// target's. Paths are sent to the target as they were judged: absolute, without dot
// segments, and with their links resolved. After a file was opened its path is
// resolved again, and it is closed unread if a part of it has become a link
// meanwhile. What is done to a path is looked at before and behind in the same way.
// Somebody who can change directories of the target by other ways, and changes one
// back in between, is not seen by this.
package sftp

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// Limits of one channel.
const (
	maxHandles = 128 // files and directories that are open at once
	maxFlight  = 256 // requests that the target has not answered
	maxQueue   = 16  // packets of the client that wait for their turn
)

// Config says what a relay serves.
type Config struct {
	Resource sallyport.ResourceID
	Layout   *files.Layout
	// Masking says how what must be masked is masked, and Derived keeps what came of
	// it.
	Masking *rules.Set
	// Guess gives a column that no rule names a label, or "". May be nil.
	Guess   func(column string) sallyport.Label
	Derived *derived.Store
	Now     func() time.Time
	Rand    io.Reader
}

// Relay serves the channels of one resource. It does not change and is safe for
// concurrent use.
type Relay struct {
	cfg     Config
	objects *objectmask.Masks
	names   *payload.Masks
}

// New makes a relay. Errors have kind Invalid.
func New(cfg Config) (*Relay, error) {
	objects, err := objectmask.New(cfg.Masking, cfg.Guess)
	if err != nil {
		return nil, err
	}
	names, err := payload.New(cfg.Masking, payload.Options{ScanText: true})
	if err != nil {
		return nil, err
	}
	return &Relay{cfg, objects, names}, nil
}

// Channel is one channel of a client on which the subsystem runs.
type Channel struct {
	Session *session.Session
	// Client is the client's side.
	Client io.ReadWriter
	// Say tells the person at the client why something was refused or waits: most
	// clients do not show what stands in a status.
	Say func(message, hint string)
	// Upstream opens the subsystem at the target, against a permit.
	Upstream func(ctx context.Context, p session.Permit) (io.ReadWriteCloser, error)
	// Go runs what reads from either side, which the owner of both connections waits
	// for: it ends with them at the latest.
	Go func(func())
	// Finish ends the channel and has reads of Client return. It is called once, when
	// nothing more will be written; err is nil when the client was done.
	Finish func(err error)
}

// Serve relays until the client is done, the target is gone or ctx ends. What it
// returns was told to the client.
func (r *Relay) Serve(ctx context.Context, c Channel) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &serving{r: r, ch: c, ctx: ctx, cancel: cancel, handles: map[uint32]*handle{}, out: &outlet{w: c.Client}, free: make(chan []byte, maxQueue+1)}
	s.holds, s.left = context.WithCancelCause(ctx)
	packets := make(chan []byte, maxQueue)
	c.Go(func() {
		defer close(packets)
		s.receive(packets)
	})
	err := s.run(packets)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = s.broken()
	}
	if err != nil { // whoever is stuck writing to the client is let go
		cancel(err)
		c.Finish(err)
	}
	s.end(err)
	if err == nil {
		c.Finish(nil)
	}
	return err
}

// serving is one channel. Its fields are the loop's in run unless they say
// otherwise.
type serving struct {
	r      *Relay
	ch     Channel
	ctx    context.Context
	cancel context.CancelCauseFunc
	// holds ends, beyond ctx, when the client has left: nobody waits for a person then.
	holds context.Context
	left  context.CancelCauseFunc
	out   *outlet
	free  chan []byte // memory of packets that were dealt with

	up      *upstream
	start   session.Permit // of the subsystem as such; settled at the end
	home    string
	limits  wire.Limits
	handles map[uint32]*handle
	last    uint32 // handle that was given out

	mu    sync.Mutex
	fault error // of the client's side; guarded by mu
}

// receive takes packets off the client.
func (s *serving) receive(packets chan<- []byte) {
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		default:
		}
		b, err := wire.ReadPacket(s.ch.Client, buf)
		if err != nil {
			s.left(errLeft)
			if !errors.Is(err, io.EOF) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.fault = err
			}
			return
		}
		select {
		case packets <- b:
		case <-s.ctx.Done():
			return
		}
	}
}

var errLeft error = sallyport.E(sallyport.Unavailable, "sftp", "the client left")

// broken is why the client's side ended, if not by itself.
func (s *serving) broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// run deals with one packet after the other.
func (s *serving) run(packets <-chan []byte) error {
	for {
		var b []byte
		var ok bool
		select {
		case b, ok = <-packets:
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
		if !ok {
			return nil
		}
		req, err := wire.ParseRequest(wire.Body(b))
		if err == nil && (req.Type == wire.Init) != (s.up == nil) {
			err = sallyport.E(sallyport.Invalid, "sftp", "the packet does not come in its turn").WithHint("begin with one SSH_FXP_INIT")
		}
		if err != nil {
			_ = s.out.status(req.ID, wire.BadMessage, publicly(err)) // the channel ends with it
			return err
		}
		if err := s.request(req); err != nil {
			return err
		}
		select {
		case s.free <- b:
		default:
		}
	}
}

// end closes what is open and settles it.
func (s *serving) end(err error) {
	status := "cut" // what the client has not closed
	for id := range s.handles {
		_ = s.release(id, status, err == nil) // a session whose record fails ends by itself
	}
	if s.up == nil {
		return
	}
	if s.start.Valid(s.ch.Session) {
		res := session.Result{Status: "ok"}
		if err != nil {
			res.Status = "cut"
		}
		_ = s.ch.Session.Settle(s.start, res) // a session whose record fails ends by itself
	}
	s.up.close(err)
}

// publicly is what a client is told of an error, in one line.
func publicly(err error) string {
	msg, hint := sallyport.Public(err)
	if hint != "" {
		msg += " (" + hint + ")"
	}
	return msg
}
