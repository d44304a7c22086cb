// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// store is something that makes records durable, for many writers at once.
type store interface {
	// append returns when rec is durable. It does not keep rec.
	append(rec []byte) error
	// writes returns how many durable writes were made; always zero when the store
	// does not tell.
	writes() uint64
	close() error
}

// subject is a kind of store.
type subject struct {
	name string
	// does says what it does for a record besides making it durable.
	does string
	open func(dir string) (store, error)
}

const (
	sallyport = "sallyport"
	peer      = "bare-fdatasync"
	gathering = "bare-fdatasync-gathering"
)

func subjects() []subject {
	return []subject{
		{peer, "nothing: the records in a row, one write and one fdatasync per batch, in a segment that was written before", openBare},
		{gathering, "nothing: the same, but those who were woken append before the next batch is closed, as the ledger lets them", openBareGathering},
		{"bare-direct", "nothing: the records, padded to blocks, one O_DIRECT|O_DSYNC write per batch, in a segment that was written before", openBareDirect},
		{
			sallyport, "a frame per batch with SHA-256 chained to the frame before and two CRC-32C; segments written with zeros ahead and removed behind; " +
				"behind the writers an RFC 6962 tree, entry bundles and tiles on disk, a checkpoint signed with Ed25519 every second", openSallyport,
		},
		{"pebble", "its write-ahead log with a checksum per chunk, a sorted memtable, tables of them on disk", openPebble},
		{"etcd-wal", "protobuf and a running CRC-32C per record, one fdatasync per batch, segments reserved ahead; batches are formed as in the bare loop", openEtcd},
	}
}

func allSubjects() []string {
	var names []string
	for _, s := range subjects() {
		names = append(names, s.name)
	}
	return names
}

// ours is the ledger as the gateway opens it, with its integrator and its
// checkpoints at work.
type ours struct{ log *ledger.Log }

func openSallyport(dir string) (store, error) {
	const origin = "ledger.example/bench"
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	log, err := ledger.Open(context.Background(), ledger.Options{Dir: dir, Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), Now: time.Now})
	if err != nil {
		return nil, err
	}
	return ours{log}, nil
}

func (o ours) append(rec []byte) error {
	_, err := o.log.Append(context.Background(), rec)
	return err
}

func (o ours) writes() uint64 { return o.log.Stats().Flushes }

// close checks that everything that was acknowledged is under a checkpoint.
func (o ours) close() error {
	err := o.log.Close(context.Background())
	if s := o.log.Stats(); err == nil && s.Published != s.Leaves {
		err = errors.New("the last checkpoint does not cover every record")
	}
	return err
}

// bare is the loop that everything is compared with. It goes round in one
// segment that was written before, so that no write ever changes the file's
// shape.
type bare struct {
	group
	file *os.File
	off  int64
}

// bareSegment is as large as the ledger's.
const bareSegment = ledger.DefaultSegmentSize

func (b *bare) close() error { return b.file.Close() }

func openBare(dir string) (store, error) {
	b := &bare{}
	b.start(func() []byte { return make([]byte, 0, batchBytes) }, func(x *batch) error {
		if b.off+int64(len(x.buf)) > bareSegment {
			b.off = 0
		}
		if _, err := b.file.WriteAt(x.buf, b.off); err != nil {
			return err
		}
		b.off += int64(len(x.buf))
		return unix.Fdatasync(int(b.file.Fd()))
	})
	return b, b.segment(dir, 0)
}

func openBareGathering(dir string) (store, error) {
	st, err := openBare(dir)
	if b, ok := st.(*bare); ok {
		b.gather = true
	}
	return st, err
}

func openBareDirect(dir string) (store, error) {
	b := &bare{}
	b.start(aligned, func(x *batch) error {
		n := (len(x.buf) + ledger.BlockSize - 1) / ledger.BlockSize * ledger.BlockSize
		if b.off+int64(n) > bareSegment {
			b.off = 0
		}
		_, err := b.file.WriteAt(x.buf[:n], b.off)
		b.off += int64(n)
		return err
	})
	return b, b.segment(dir, unix.O_DIRECT|unix.O_DSYNC)
}

// segment makes the file with the ledger's own code and opens it.
func (b *bare) segment(dir string, flags int) error {
	name := filepath.Join(dir, "segment")
	seg, err := ledger.OS{}.CreateSegment(name, bareSegment)
	if err != nil {
		return err
	}
	if err := seg.Close(); err != nil {
		return err
	}
	b.file, err = os.OpenFile(name, os.O_RDWR|flags, 0)
	return err
}

// db is Pebble with its own batching.
type db struct {
	*pebble.DB
	n atomic.Uint64
}

func openPebble(dir string) (store, error) {
	d, err := pebble.Open(dir, &pebble.Options{MemTableSize: 64 << 20, Logger: silent{}})
	if err != nil {
		return nil, err
	}
	return &db{DB: d}, nil
}

func (d *db) append(rec []byte) error {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], d.n.Add(1))
	return d.Set(key[:], rec, pebble.Sync)
}

func (d *db) writes() uint64 { return 0 }

func (d *db) close() error { return d.Close() }

// silent keeps Pebble's remarks off the results.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) { os.Exit(1) }

// etcd is etcd's write-ahead log behind the same batching as the bare loop.
type etcd struct {
	group
	wal     *wal.WAL
	entries []raftpb.Entry
	refs    []*raftpb.Entry
	index   uint64
}

func openEtcd(dir string) (store, error) {
	w, err := wal.Create(zap.NewNop(), filepath.Join(dir, "wal"), nil)
	if err != nil {
		return nil, err
	}
	e := &etcd{wal: w}
	e.start(func() []byte { return make([]byte, 0, batchBytes) }, e.save)
	return e, nil
}

// save writes a batch as entries of a Raft log, which it is not: term and type
// stay the same.
func (e *etcd) save(b *batch) error {
	for len(e.entries) < len(b.ends) {
		e.entries = make([]raftpb.Entry, 2*len(b.ends))
	}
	e.refs = e.refs[:0]
	term, from := uint64(1), 0
	indexes := make([]uint64, len(b.ends))
	for i, end := range b.ends {
		e.index++
		indexes[i] = e.index
		ent := &e.entries[i]
		ent.Term, ent.Index, ent.Data = &term, &indexes[i], b.buf[from:end]
		e.refs = append(e.refs, ent)
		from = end
	}
	return e.wal.Save(&raftpb.HardState{Term: &term, Commit: &e.index}, e.refs)
}

func (e *etcd) close() error { return e.wal.Close() }
