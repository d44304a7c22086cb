// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
)

// Ledger is what is shipped.
type Ledger interface {
	Published() uint64
	ScanPublished(ctx context.Context, from uint64, fn func(index uint64, leaf []byte) error) error
	Checkpoint() []byte
}

// Journal puts on record how shipping goes.
type Journal interface {
	Shipping(ctx context.Context, b evidence.Shipping) error
}

// The bounds of a batch, and the pace.
const (
	DefaultEvents = 500
	DefaultBytes  = 512 << 10 // many receivers take 1 MiB and no more
	// pace is how long a shipper that has nothing to do waits before it looks.
	pace = 500 * time.Millisecond
	// sendWait bounds one attempt to send a batch.
	sendWait = time.Minute
)

// Options say what a shipper ships, and where to. Name, Dir, Origin, Sink,
// Ledger, Now, Wait, Rand and Log are required.
type Options struct {
	Name    string
	Dir     string // of the cursors
	Origin  string
	Product string // version of the gateway
	Sink    Sink
	Ledger  Ledger
	Journal Journal // nil records nothing

	MaxEvents int // of a batch; zero means DefaultEvents
	MaxBytes  int // of a batch; zero means DefaultBytes
	MaxEvent  int // of one event; zero sets no bound
	// FromNow begins at what is published when New is called, instead of at the
	// ledger's begin, when there is no cursor yet. No session may be open then.
	FromNow bool
	// BehindAfter is how long an event may wait before that is worth a word.
	BehindAfter time.Duration

	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
	Rand io.Reader
	Log  *slog.Logger
}

// Shipper ships to one destination.
type Shipper struct {
	opt  Options
	path string // of the cursor
	now  uint64 // published when the shipper was made
	turn sync.Mutex

	// Owned by whoever has the turn:
	cur     cursor
	mapper  *ocsf.Mapper
	last    *ocsf.Ref // the event before cur.Next, once it is known
	sent    time.Time // of that event
	pending *prepared
	tries   int // failed since the last success
	begun   time.Time
	told    told

	mu     sync.Mutex
	status Status
}

// prepared is a batch on its way, and the cursor when it has arrived.
type prepared struct {
	batch Batch
	after cursor
	last  ocsf.Ref
	acked bool // only the cursor remains to be written
}

// New returns a shipper. Nothing is read or sent before Run.
func New(opt Options) *Shipper {
	if opt.MaxEvents == 0 {
		opt.MaxEvents = DefaultEvents
	}
	if opt.MaxBytes == 0 {
		opt.MaxBytes = DefaultBytes
	}
	return &Shipper{
		opt: opt, path: filepath.Join(opt.Dir, opt.Name+".json"), now: opt.Ledger.Published(), begun: opt.Now(),
		status: Status{Name: opt.Name, State: StateOK},
	}
}

// Run ships until ctx ends.
func (s *Shipper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := s.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if s.opt.Wait(ctx, s.pause(err)) != nil {
				return
			}
		case n == 0:
			if s.opt.Wait(ctx, pace) != nil {
				return
			}
		}
	}
}

// Flush ships what is published now, until ctx ends or something fails. It is
// for the end of a gateway, after Run has returned.
func (s *Shipper) Flush(ctx context.Context) error {
	for {
		n, err := s.step(ctx)
		if n == 0 || err != nil {
			return err
		}
	}
}

// Close closes the sink.
func (s *Shipper) Close() error { return s.opt.Sink.Close() }

// step ships one batch, and returns how many events that were.
func (s *Shipper) step(ctx context.Context) (n int, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer func() { s.note(ctx, n, err) }()
	if s.mapper == nil {
		if err := s.load(ctx); err != nil {
			return 0, err
		}
	}
	if s.pending == nil {
		p, err := s.prepare(ctx)
		if p == nil || err != nil {
			return 0, err
		}
		s.pending = p
	}
	p := s.pending
	if !p.acked {
		sctx, cancel := context.WithTimeout(ctx, sendWait)
		err := s.opt.Sink.Send(sctx, p.batch)
		cancel()
		var rejected *RejectedError
		if errors.As(err, &rejected) {
			s.rejected(ctx, p.batch, rejected)
		} else if err != nil {
			return 0, s.smaller(p.batch, err)
		}
		p.acked = true
	}
	if err := p.after.save(s.path); err != nil {
		return 0, err
	}
	s.cur, s.last, s.pending = p.after, &p.last, nil
	s.sent = p.batch.Events[len(p.batch.Events)-1].Time
	return len(p.batch.Events), nil
}

// smaller has the next batches be half as large when that is what the receiver
// wants. The events are read again for that.
func (s *Shipper) smaller(b Batch, err error) error {
	var large *TooLargeError
	if !errors.As(err, &large) || len(b.Events) == 1 {
		return err
	}
	s.opt.MaxEvents = len(b.Events) / 2
	s.pending, s.mapper = nil, nil
	return sallyport.E(sallyport.Unavailable, "ship", fmt.Sprintf("the receiver takes no batch of %d bytes; the next ones have at most %d events", b.Bytes, s.opt.MaxEvents)).Because(err)
}

// load reads the cursor and learns from the ledger what a shipper knows at that
// place.
func (s *Shipper) load(ctx context.Context) error {
	if err := os.MkdirAll(s.opt.Dir, 0o700); err != nil {
		return sallyport.E(sallyport.Unavailable, "ship", "the directory of the cursors cannot be made").Because(err)
	}
	c, found, err := loadCursor(s.path, s.opt.Origin)
	if err != nil {
		return err
	}
	published := s.opt.Ledger.Published()
	if c.Next > published {
		return rolledBack("the ledger has fewer leaves than were shipped")
	}
	if !found && s.opt.FromNow {
		c.Next, c.Low = s.now, s.now
	}
	begin := place{c.Next, c.Low}
	if s.rewind() > 0 && len(c.Marks) > 0 {
		begin = c.Marks[0]
	}
	return s.learn(ctx, c, begin, found)
}

func (s *Shipper) rewind() uint64 {
	if r, ok := s.opt.Sink.(Rewinder); ok {
		return r.Rewind()
	}
	return 0
}

// learn reads the leaves up to the place where shipping begins, and checks the
// last one that was shipped.
func (s *Shipper) learn(ctx context.Context, c cursor, begin place, found bool) error {
	mapper := ocsf.New(s.options())
	var last *ocsf.Ref
	var check error
	from := min(begin.Low, begin.Next-min(begin.Next, 1))
	err := s.opt.Ledger.ScanPublished(ctx, from, func(i uint64, leaf []byte) error {
		if found && i+1 == c.Next {
			check = c.fits(leaf)
		}
		switch {
		case i+1 < begin.Next:
			mapper.Follow(i, leaf)
		case i+1 == begin.Next:
			ref := mapper.Map(i, leaf, nil, nil).Ref
			last = &ref
		}
		if i+1 >= c.Next {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if check != nil {
		return check
	}
	c.Next, c.Low, c.Marks = begin.Next, begin.Low, nil
	s.cur, s.mapper, s.last = c, mapper, last
	return nil
}

// errEnough stops a scan.
var errEnough = errors.New("enough")

func (s *Shipper) options() ocsf.Options {
	return ocsf.Options{Origin: s.opt.Origin, Product: s.opt.Product, MaxEvent: s.opt.MaxEvent}
}

// prepare reads the next batch; nil when there is nothing to send.
func (s *Shipper) prepare(ctx context.Context) (*prepared, error) {
	if s.cur.Next >= s.opt.Ledger.Published() {
		return nil, nil
	}
	cp := checkpointOf(s.opt.Ledger.Checkpoint())
	p := &prepared{batch: Batch{Origin: s.opt.Origin, Product: s.opt.Product}, after: s.cur}
	prev := s.last
	err := s.opt.Ledger.ScanPublished(ctx, s.cur.Next, func(i uint64, leaf []byte) error {
		e := s.mapper.Map(i, leaf, prev, cp)
		prev = &e.Ref
		p.batch.Events = append(p.batch.Events, e)
		p.batch.Bytes += len(e.JSON)
		if len(p.batch.Events) >= s.opt.MaxEvents || p.batch.Bytes >= s.opt.MaxBytes {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		s.mapper = nil // it has seen leaves that will come again
		return nil, err
	}
	if len(p.batch.Events) == 0 {
		return nil, nil
	}
	p.last = *prev
	p.after.Next = prev.Index + 1
	p.after.Low = s.mapper.Low(p.after.Next)
	p.after.Leaf = hex.EncodeToString(prev.Hash[:])
	p.after.Marks = s.marks(p.after.Next)
	return p, nil
}

// marks are the places to go back to when shipping has come to next, the oldest
// first: as few as go back far enough.
func (s *Shipper) marks(next uint64) []place {
	far := s.rewind()
	if far == 0 {
		return nil
	}
	marks := append(slices.Clone(s.cur.Marks), place{s.cur.Next, s.cur.Low})
	for len(marks) > 1 && marks[1].Next+far <= next {
		marks = marks[1:]
	}
	return marks
}
