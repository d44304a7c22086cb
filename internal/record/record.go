// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package record writes the recordings of sessions and reads them back. A
// recording is what a client saw: its write methods take [mask.Masked] and
// nothing else, so raw data cannot come into one.
//
// A recording is cut into chunks. Each is compressed (zstd), sealed under the
// session's data key (AES-256-GCM, bound to the session and the chunk's number),
// stored as a blob under the digest of its ciphertext and only then committed to
// by a leaf of the session's chain. When any of that fails the recording is
// dead: every later write fails, and the engine ends the session, since what
// cannot be recorded must not be delivered.
package record

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

const (
	// DefaultMaxResponseBytes is how much of one statement is kept unless Options
	// say otherwise.
	DefaultMaxResponseBytes = 1 << 20
	// purpose is the purpose of the data keys that seal recordings.
	purpose = "recording"
	// patience is how long sealing one chunk may take before the recording is
	// given up.
	patience = 30 * time.Second
	// tracked is how many statements that nobody ended are remembered with their
	// counts of bytes.
	tracked = 256
)

// Blobs stores sealed chunks.
type Blobs interface {
	// Put stores data under its hex SHA-256 and returns when it is durable.
	Put(ctx context.Context, digest string, data []byte) error
}

// Sealer encrypts chunks. A data key of the vault is one.
type Sealer interface {
	ID() string
	// Seal appends nonce and ciphertext of plaintext to dst.
	Seal(dst, plaintext, aad []byte) ([]byte, error)
}

// Sink commits to a chunk that is stored: it posts the leaf. It is called once
// per chunk, in order, from a goroutine of the recording, and must not wait for
// a lock that its owner holds while it calls the recording.
type Sink func(ctx context.Context, chunk evidence.Recording) error

// Options say how recordings are kept.
type Options struct {
	Blobs Blobs // required
	// MaxResponseBytes is how many bytes of one statement are kept, those of the
	// client and of the answer together; 0 is [DefaultMaxResponseBytes].
	MaxResponseBytes int64
}

// Recorder makes recordings. It may be used from any number of goroutines.
type Recorder struct {
	ctx   context.Context // never ends: a chunk is sealed even when its session was cut
	blobs Blobs
	limit int64
	zstd  *zstd.Encoder
}

// NewRecorder returns a recorder. The values of ctx are those that Blobs and
// sinks see; its end does not reach them, since evidence is completed when the
// gateway is shutting down as well.
func NewRecorder(ctx context.Context, o Options) (*Recorder, error) {
	// The cipher authenticates already, so zstd's own checksum is left out.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxChunk),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, "recorder", "the compressor cannot be made").Because(err)
	}
	return &Recorder{
		ctx: context.WithoutCancel(ctx), blobs: o.Blobs, limit: cmp.Or(o.MaxResponseBytes, DefaultMaxResponseBytes), zstd: enc,
	}, nil
}

// Recording is the recording of one session. Its methods may be called from any
// number of goroutines; bytes are recorded in the order of the calls.
type Recording struct {
	recorder *Recorder
	session  sallyport.SessionID
	key      Sealer
	sink     Sink
	ctx      context.Context // of the sealing; ends when Close was called and is done or gave up
	cancel   context.CancelFunc

	mu     sync.Mutex
	buf    []byte            // plain text of the chunk being filled; guarded by mu
	spare  []byte            // the buffer that was sealed last, to be filled next; guarded by mu
	first  uint64            // statements in buf; guarded by mu
	last   uint64            // guarded by mu
	latest time.Duration     // of the latest frame; guarded by mu
	stmts  map[uint64]*count // guarded by mu
	closed bool              // guarded by mu
	flight chan struct{}     // closed when the chunk being sealed is done; nil before the first; guarded by mu

	// Of the one goroutine that seals, and after flight is closed of who holds mu.
	sealed  uint64
	chain   []byte // the raw digests of the sealed chunks, put together
	z, c    []byte // compressed and sealed, reused
	failing failure
}

// count is how much of a statement was kept and left out, in bytes.
type count struct{ kept, omitted int64 }

// failure keeps the first error of a recording for ever.
type failure struct {
	mu  sync.Mutex
	err error // guarded by mu
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// Begin starts the recording of a session. The caller closes it.
func (r *Recorder) Begin(session sallyport.SessionID, key Sealer, sink Sink) *Recording {
	ctx, cancel := context.WithCancel(r.ctx)
	return &Recording{recorder: r, session: session, key: key, sink: sink, ctx: ctx, cancel: cancel, stmts: map[uint64]*count{}}
}

// Write records masked bytes of a statement. kind is the protocol's word for
// what they are ("pg.server"), at is how long the session was open then.
//
// The bytes are kept in memory until their chunk is full. An error, of kind
// Unavailable, means that the recording is dead, perhaps because of an earlier
// chunk; the session must end and the bytes must not be delivered.
func (r *Recording) Write(stmt uint64, kind string, at time.Duration, m mask.Masked) error {
	if !validKind(kind) || kind == KindTruncated || kind == KindGap {
		return sallyport.E(sallyport.Internal, "record", "this is no kind of frame")
	}
	if err := r.failing.get(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return sallyport.E(sallyport.Unavailable, "record", "the recording is closed")
	}
	r.latest = max(r.latest, at)
	n, err := r.count(stmt)
	if err != nil {
		return err
	}
	size := int64(m.Len())
	keep := min(size, r.recorder.limit-n.kept)
	if n.omitted > 0 { // once truncated, always truncated: no later piece looks like the next
		keep = 0
	}
	n.kept += keep
	n.omitted += size - keep
	if keep == 0 {
		return nil
	}
	if keep == size && int(size)+maxHeader <= maxChunk-len(r.buf) {
		r.frame(stmt, at, kind, int(size))
		r.buf = m.AppendTo(r.buf)
		return nil
	}
	return r.split(stmt, kind, at, m.AppendTo(nil)[:keep])
}

// split records data that does not fit into the rest of the chunk as frames of
// several. The caller holds mu.
func (r *Recording) split(stmt uint64, kind string, at time.Duration, data []byte) error {
	for len(data) > 0 {
		room := maxChunk - len(r.buf) - maxHeader
		if room < min(len(data), 4<<10) { // rather a new chunk than a tiny frame
			if err := r.seal(); err != nil {
				return err
			}
			continue
		}
		n := min(room, len(data))
		r.frame(stmt, at, kind, n)
		r.buf = append(r.buf, data[:n]...)
		data = data[n:]
	}
	return nil
}

// frame begins a frame of n bytes of data in the chunk, for which there is
// room. The caller holds mu and appends the data.
func (r *Recording) frame(stmt uint64, at time.Duration, kind string, n int) {
	if len(r.buf) == 0 {
		r.buf = append(r.buf, magic...)
		r.first, r.last = stmt, stmt
	}
	r.first, r.last = min(r.first, stmt), max(r.last, stmt)
	r.buf = appendHeader(r.buf, stmt, at, kind, n)
}

// count returns the counts of a statement. When too many are counted, the older
// half are ended first. The caller holds mu.
func (r *Recording) count(stmt uint64) (*count, error) {
	if n := r.stmts[stmt]; n != nil {
		return n, nil
	}
	if len(r.stmts) >= tracked {
		for _, old := range slices.Sorted(maps.Keys(r.stmts))[:tracked/2] {
			if err := r.end(old); err != nil {
				return nil, err
			}
		}
	}
	n := &count{}
	r.stmts[stmt] = n
	return n, nil
}

// End says that no more bytes of the statement will come. When some were left
// out, a frame of kind [KindTruncated] says so. Statements that are never ended
// are by Close, or when very many later ones have come.
func (r *Recording) End(stmt uint64) error {
	if err := r.failing.get(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end(stmt)
}

// end writes the truncation of a statement, if any, and forgets its counts. The
// caller holds mu.
func (r *Recording) end(stmt uint64) error {
	n := r.stmts[stmt]
	delete(r.stmts, stmt)
	if n == nil || n.omitted == 0 || r.closed {
		return nil
	}
	return r.split(stmt, KindTruncated, r.latest, binary.AppendUvarint(nil, uint64(n.omitted)))
}

// Flush seals what was written so far and returns when it is committed to. An
// engine calls it when a session has been quiet for a while, so that a crash
// loses little.
func (r *Recording) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.seal(); err != nil {
		return err
	}
	return r.land()
}

// Close seals the last chunk and ends the recording. It returns how many chunks
// there are and the digest over them as [evidence.SessionClose] defines it, ""
// for none. With an error, the chunks counted are those that were committed to.
// When ctx ends first, the chunk that is being sealed is given up.
func (r *Recording) Close(ctx context.Context) (chunks uint64, digest string, err error) {
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	defer r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		for _, stmt := range slices.Sorted(maps.Keys(r.stmts)) {
			if err := r.end(stmt); err != nil {
				break // it stays with the recording
			}
		}
		r.closed = true
		_ = r.seal() // so does this one
	}
	err = r.land()
	if len(r.chain) > 0 {
		sum := sha256.Sum256(r.chain)
		digest = hex.EncodeToString(sum[:])
	}
	return r.sealed, digest, err
}

// land waits for the chunk that is being sealed. The caller holds mu.
func (r *Recording) land() error {
	if r.flight != nil {
		<-r.flight
	}
	return r.failing.get()
}

// seal hands the chunk over to a goroutine and makes room for the next. At most
// one is being sealed at a time; who is faster than the disk waits here. The
// caller holds mu.
func (r *Recording) seal() error {
	if err := r.land(); err != nil || len(r.buf) == 0 {
		return err
	}
	plain := r.buf
	chunk := evidence.Recording{Chunk: r.sealed + 1, First: r.first, Last: r.last}
	r.buf, r.spare = r.spare[:0], plain
	done := make(chan struct{})
	r.flight = done // land waits for the goroutine, and Close for the last one
	go func() {
		defer close(done)
		if err := r.commit(chunk, plain); err != nil {
			r.failing.set(sallyport.E(sallyport.Unavailable, "record", "the session's recording cannot be kept").
				WithHint("the operator must look at the gateway's disk and ledger").Because(err))
		}
	}()
	return nil
}

// commit compresses, seals, stores and posts one chunk.
func (r *Recording) commit(chunk evidence.Recording, plain []byte) error {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	r.z = r.recorder.zstd.EncodeAll(plain, r.z[:0])
	var err error
	if r.c, err = r.key.Seal(r.c[:0], r.z, evidence.AppendAAD(nil, r.session, chunk.Chunk, purpose)); err != nil {
		return err
	}
	sum := sha256.Sum256(r.c)
	chunk.Sealed = evidence.Sealed{Key: r.key.ID(), SHA256: hex.EncodeToString(sum[:]), Len: len(r.c), Zstd: true}
	if err := r.recorder.blobs.Put(ctx, chunk.Sealed.SHA256, r.c); err != nil {
		return err
	}
	if err := r.sink(ctx, chunk); err != nil {
		return err
	}
	r.sealed++
	r.chain = append(r.chain, sum[:]...)
	return nil
}
