// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
)

// Limits and defaults.
const (
	DefaultSegmentSize     = 64 << 20
	DefaultCheckpointEvery = time.Second
	// MaxBatch is the most that one write takes, in bytes.
	MaxBatch = 1 << 20
	// MinSegmentSize leaves room for the largest leaf in one frame.
	MinSegmentSize = 128 << 10
)

// Options say where a log lives and who signs for it.
type Options struct {
	Dir string
	// Origin is the log's name, the first line of its checkpoints.
	Origin string
	// Signers sign checkpoints, all of them each. Their names should equal Origin.
	Signers []note.Signer
	// Verifiers know the signers' keys and every key that signed the checkpoint
	// which Open finds. A checkpoint that none of them knows is refused.
	Verifiers note.Verifiers
	// Head keeps the last checkpoint outside of Dir; nil means nowhere, and then a
	// log that was put back to an older state is not known for one.
	Head Head
	Now  func() time.Time // time.Now when nil
	// SegmentSize is the size in bytes of a segment of the write-ahead log; zero
	// means DefaultSegmentSize.
	SegmentSize int64
	// CheckpointEvery is the longest that a durable leaf waits for a checkpoint;
	// zero means DefaultCheckpointEvery.
	CheckpointEvery time.Duration
	// Ratchet authenticates frames and seals; nil means that nobody can verify
	// them.
	Ratchet *Ratchet
	FS      FS // OS{} when nil
}

// Recovered says what Open found.
type Recovered struct {
	Leaves   uint64 // durable leaves in the log
	Replayed uint64 // of them, beyond the last checkpoint
	CutBytes int64  // of a torn write at the end, which held nothing durable
	// Clean is true when the last checkpoint covered everything, as after Close.
	Clean bool
}

// Log is an open ledger. Its methods may be called from any goroutine.
type Log struct {
	opt       Options
	recovered Recovered
	lock      io.Closer
	wal       *wal
	merkle    *merkle
	poison    poison
	stop      chan struct{}  // ends the goroutines
	running   sync.WaitGroup // flusher, integrator, preparer
	kick      chan struct{}  // wakes the flusher
	wake      chan struct{}  // wakes the integrator
	publish   chan chan error
	published atomic.Uint64 // leaves under the checkpoint
	minimum   atomic.Uint64 // leaves that were pruned
	signed    atomic.Pointer[[]byte]
	unsigned  atomic.Bool // the last try to sign a checkpoint failed

	mu sync.Mutex
	gathering
}

const opOpen = "ledger open"

// Open opens or creates the log in a directory. Errors: Unavailable when the
// directory cannot be used (read-only, full, taken by another process),
// Integrity when what lies there is not what was written, Invalid for options.
func Open(ctx context.Context, opt Options) (*Log, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	if len(opt.Signers) == 0 {
		return nil, sallyport.E(sallyport.Invalid, opOpen, "a ledger needs a signer")
	}
	if err := ctx.Err(); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, opOpen, "opening was called off").Because(err)
	}
	l := &Log{
		opt:     opt,
		poison:  poison{ch: make(chan struct{})},
		stop:    make(chan struct{}),
		kick:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		publish: make(chan chan error),
	}
	if err := l.takeDir(); err != nil {
		return nil, err
	}
	if err := l.recover(ctx); err != nil {
		return nil, errors.Join(err, l.lock.Close())
	}
	if err := l.loadMinimum(ctx); err != nil {
		return nil, errors.Join(err, l.wal.close(), l.lock.Close())
	}
	next := l.wal.no + 1
	l.running.Go(func() { l.wal.prepare(next, l.fail) })
	l.running.Go(l.flushPosted)
	l.running.Go(l.integrate)
	return l, nil
}

func (o *Options) complete() error {
	bad := func(msg string) error { return sallyport.E(sallyport.Invalid, opOpen, msg) }
	if o.Dir == "" || o.Verifiers == nil {
		return bad("a ledger needs a directory and the verifiers of its checkpoints")
	}
	if o.Origin == "" || strings.ContainsAny(o.Origin, "\n+") || len(o.Origin) > 255 {
		return bad("the origin must be one line of at most 255 bytes without a plus sign")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.SegmentSize < MinSegmentSize || o.SegmentSize%BlockSize != 0 {
		return bad(fmt.Sprintf("a segment must have at least %d bytes, in whole blocks of %d", MinSegmentSize, BlockSize))
	}
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = DefaultCheckpointEvery
	}
	return nil
}

// takeDir makes the directories and locks them for this process.
func (l *Log) takeDir() error {
	for _, d := range []string{l.opt.Dir, walOf(l.opt.Dir), path.Join(l.opt.Dir, tilesDir)} {
		if err := l.opt.FS.MkdirAll(d); err != nil {
			return cannot(opOpen, err)
		}
	}
	lock, err := l.opt.FS.Lock(path.Join(l.opt.Dir, "lock"))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return sallyport.E(sallyport.Unavailable, opOpen, "another process has this ledger open").
			WithHint("stop it first; one log has one writer").Because(err)
	}
	if err != nil {
		return cannot(opOpen, err)
	}
	l.lock = lock
	return nil
}

// Recovered says what Open found.
func (l *Log) Recovered() Recovered { return l.recovered }

// Close makes everything posted durable, publishes a last checkpoint, ends the
// log's goroutines and gives the directory free. Later calls fail with
// Unavailable. If ctx ends first, Close still waits for the goroutines but
// skips what was not begun; the next Open then replays.
func (l *Log) Close(ctx context.Context) error {
	const op = "ledger close"
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return sallyport.E(sallyport.Unavailable, op, "the ledger is closed already")
	}
	l.closed = true
	l.makeRoom()
	l.mu.Unlock()

	err := l.Sync(ctx)
	if err == nil {
		err = l.publishNow(ctx)
	}
	close(l.stop)
	l.running.Wait()
	l.land()
	if cerr := l.wal.close(); cerr != nil && err == nil {
		err = cannot(op, cerr)
	}
	if cerr := l.lock.Close(); cerr != nil && err == nil {
		err = cannot(op, cerr)
	}
	return err
}

// land returns when no write is in flight any more; none can begin once the
// log is closed.
func (l *Log) land() {
	for {
		l.mu.Lock()
		t := l.flying
		l.mu.Unlock()
		if t == nil {
			return
		}
		<-t.wake
	}
}

// poison is the log's sticky error.
type poison struct {
	once sync.Once
	ch   chan struct{}
	err  atomic.Pointer[sallyport.Error]
}

func (p *poison) set(err *sallyport.Error) {
	p.once.Do(func() {
		p.err.Store(err)
		close(p.ch)
	})
}

// get returns the sticky error or nil. It returns the interface, so that a nil
// pointer does not become an error that is not nil.
func (p *poison) get() error {
	if err := p.err.Load(); err != nil {
		return err
	}
	return nil
}

// fail poisons the log with the cause err. It must not be called with l.mu held.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failLocked(err)
}

// Err returns the error that poisoned the log, or nil.
func (l *Log) Err() error { return l.poison.get() }

// Poisoned is closed when the log has failed for good.
func (l *Log) Poisoned() <-chan struct{} { return l.poison.ch }

// cannot turns an error of the file system into one that says what to do.
func cannot(op string, err error) *sallyport.Error {
	var known *sallyport.Error
	if errors.As(err, &known) {
		return known
	}
	e := sallyport.E(sallyport.Unavailable, op, "the ledger cannot be written").Because(err)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e = sallyport.E(sallyport.Unavailable, op, "the ledger's disk is full").Because(err)
		return e.WithHint("free space on the ledger's disk, then start again")
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		e = sallyport.E(sallyport.Unavailable, op, "the ledger's directory cannot be written").Because(err)
		return e.WithHint("give the gateway's account a writable directory of its own for the ledger")
	}
	return e.WithHint("look after the ledger's disk, then start again; what was durable is kept")
}

// broken is the error for stored things that are not what was stored.
func broken(op, format string, args ...any) *sallyport.Error {
	return sallyport.E(sallyport.Integrity, op, fmt.Sprintf(format, args...)).
		WithHint("nothing was changed; keep a copy of the directory as evidence before you repair or replace it")
}
