// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/blob/file"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a recording on real blobs under a real key.
type bench struct {
	*record.Recording
	blobs *faulty
	dir   string
	open  *vault.OpenKey

	mu     sync.Mutex
	chunks []evidence.Recording
	broken error // of the sink
}

// faulty is a blob store whose disk can fill up, and whose writes can be held.
type faulty struct {
	*file.Store
	mu   sync.Mutex
	err  error
	gate chan struct{}
}

func (f *faulty) Put(ctx context.Context, digest string, data []byte) error {
	f.mu.Lock()
	err, gate := f.err, f.gate
	f.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	return f.Store.Put(ctx, digest, data)
}

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func newBench(t *testing.T, limit int64) *bench {
	t.Helper()
	dir := t.TempDir()
	store, err := file.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(vault.Options{
		Path: filepath.Join(dir, "vault.json"), Master: "env:M", Rand: rand.Reader, Now: time.Now,
		Getenv: func(string) string { return strings.Repeat("5a", 32) },
	})
	if err != nil {
		t.Fatal(err)
	}
	key, wrapped := dataKey(t, v)
	b := &bench{blobs: &faulty{Store: store}, dir: filepath.Join(dir, "blobs")}
	if b.open, err = v.UnwrapKey(wrapped); err != nil {
		t.Fatal(err)
	}
	r, err := record.NewRecorder(t.Context(), record.Options{Blobs: b.blobs, MaxResponseBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	b.Recording = r.Begin("s_1", key, func(_ context.Context, c evidence.Recording) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.broken != nil {
			return b.broken
		}
		b.chunks = append(b.chunks, c)
		return nil
	})
	return b
}

func (b *bench) write(t *testing.T, stmt uint64, kind string, at time.Duration, data []byte) {
	t.Helper()
	if err := b.Write(stmt, kind, at, mask.Synthetic(data)); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// close closes the recording and checks what it says about its chunks.
func (b *bench) close(t *testing.T) {
	t.Helper()
	n, digest, err := b.Close(t.Context())
	if err != nil {
		t.Fatalf("Close: %v", err)
	}
	want, err := record.Digest(b.chunks)
	if err != nil {
		t.Fatal(err)
	}
	if n != uint64(len(b.chunks)) || digest != want {
		t.Errorf("Close = %d, %s; want %d, %s", n, digest, len(b.chunks), want)
	}
}

type stream struct {
	stmt uint64
	kind string
}

// read puts the frames together again, by statement and kind.
func (b *bench) read(t *testing.T) (streams map[stream]string, omitted map[uint64]uint64, frames []record.Frame) {
	t.Helper()
	streams, omitted = map[stream]string{}, map[uint64]uint64{}
	for f, err := range record.Read(t.Context(), b.blobs, b.open, "s_1", b.chunks) {
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		frames = append(frames, f)
		if f.Kind == record.KindTruncated {
			omitted[f.Stmt] += f.Omitted
			continue
		}
		streams[stream{f.Stmt, f.Kind}] += string(f.Data)
	}
	return streams, omitted, frames
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	b.write(t, 1, "pg.client", 0, []byte("SELECT $1"))
	b.write(t, 1, "pg.server", 1500*time.Microsecond, []byte("row 1"))
	b.write(t, 2, "pg.client", 2*time.Second, nil)
	b.write(t, 2, "pg.server", 2*time.Second+time.Nanosecond, []byte("row 2"))
	b.write(t, 1, "pg.server", time.Hour, []byte(", row 2"))
	b.close(t)
	if len(b.chunks) != 1 || b.chunks[0].Chunk != 1 || b.chunks[0].First != 1 || b.chunks[0].Last != 2 || !b.chunks[0].Sealed.Zstd {
		t.Errorf("chunks: %+v", b.chunks)
	}
	_, _, frames := b.read(t)
	want := []record.Frame{
		{Chunk: 1, Stmt: 1, Kind: "pg.client", Data: []byte("SELECT $1")},
		{Chunk: 1, Stmt: 1, At: 1500 * time.Microsecond, Kind: "pg.server", Data: []byte("row 1")},
		{Chunk: 1, Stmt: 2, At: 2 * time.Second, Kind: "pg.server", Data: []byte("row 2")},
		{Chunk: 1, Stmt: 1, At: time.Hour, Kind: "pg.server", Data: []byte(", row 2")},
	}
	if diff := cmp.Diff(want, frames); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	if err := b.Write(3, "pg.server", 0, mask.Synthetic([]byte("x"))); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Write after Close = %v, want unavailable", err)
	}
	b.close(t) // again
}

func TestNothingRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	if n, digest, err := b.Close(t.Context()); n != 0 || digest != "" || err != nil {
		t.Errorf("Close = %d, %q, %v", n, digest, err)
	}
}

// TestManyChunks records more than fits in a chunk, in writes of every size.
func TestManyChunks(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4<<20)
	want := map[stream]string{}
	noise := make([]byte, 700<<10)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{1, 100, 4096, 256<<10 - 100, 256 << 10, 256<<10 + 1, 700 << 10, 3, 250 << 10, 5 << 10, 5 << 10} {
		s := stream{uint64(i/2 + 1), "pg.server"}
		b.write(t, s.stmt, s.kind, time.Duration(i)*time.Second, noise[:size])
		want[s] += string(noise[:size])
	}
	b.close(t)
	got, omitted, _ := b.read(t)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the streams differ in %d bytes of diff", len(diff))
	}
	if len(omitted) != 0 {
		t.Errorf("omitted: %v", omitted)
	}
	for i, c := range b.chunks {
		if c.Chunk != uint64(i+1) {
			t.Errorf("chunk %d is numbered %d", i+1, c.Chunk)
		}
	}
	if len(b.chunks) < 7 || len(b.chunks) > 14 {
		t.Errorf("%d chunks", len(b.chunks))
	}
	if got := b.chunks[len(b.chunks)-1].Last; got != 6 {
		t.Errorf("the last chunk ends with statement %d", got)
	}
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1000)
	b.write(t, 1, "pg.client", 0, bytes.Repeat([]byte("q"), 100))
	b.write(t, 1, "pg.server", 0, bytes.Repeat([]byte("a"), 890))
	b.write(t, 1, "pg.server", 0, bytes.Repeat([]byte("b"), 500))
	b.write(t, 1, "pg.server", 0, []byte("c"))
	b.write(t, 2, "pg.server", 0, bytes.Repeat([]byte("d"), 1000))
	if err := b.End(1); err != nil {
		t.Fatal(err)
	}
	b.write(t, 3, "pg.server", time.Minute, bytes.Repeat([]byte("e"), 3<<20))
	b.close(t)
	streams, omitted, frames := b.read(t)
	want := map[stream]string{
		{1, "pg.client"}: strings.Repeat("q", 100), {1, "pg.server"}: strings.Repeat("a", 890) + strings.Repeat("b", 10),
		{2, "pg.server"}: strings.Repeat("d", 1000), {3, "pg.server"}: strings.Repeat("e", 1000),
	}
	if diff := cmp.Diff(want, streams); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[uint64]uint64{1: 491, 3: 3<<20 - 1000}, omitted); diff != "" {
		t.Errorf("omitted (-want +got):\n%s", diff)
	}
	if f := frames[len(frames)-1]; f.Kind != record.KindTruncated || f.Stmt != 3 {
		t.Errorf("the recording ends with %s of %d", f.Kind, f.Stmt)
	}
}

// TestNobodyEnds writes very many statements without ending one.
func TestNobodyEnds(t *testing.T) {
	t.Parallel()
	const statements = 2000
	b := newBench(t, 10)
	for i := range uint64(statements) {
		b.write(t, i+1, "pg.server", 0, []byte("0123456789ab"))
	}
	b.close(t)
	streams, omitted, _ := b.read(t)
	if len(streams) != statements || len(omitted) != statements || omitted[1] != 2 || omitted[statements] != 2 {
		t.Errorf("%d statements, %d truncated", len(streams), len(omitted))
	}
}

func TestFlush(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for range 2 {
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	b.write(t, 1, "pg.server", 0, []byte("a"))
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(b.chunks) != 1 {
		t.Errorf("%d chunks after Flush", len(b.chunks))
	}
	b.write(t, 2, "pg.server", 0, []byte("b"))
	b.close(t)
	if streams, _, _ := b.read(t); len(b.chunks) != 2 || len(streams) != 2 {
		t.Errorf("%d chunks, %d streams", len(b.chunks), len(streams))
	}
}

func TestWritersAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1<<20)
	want := map[stream]string{}
	var wg sync.WaitGroup
	for i := range uint64(6) {
		line := fmt.Sprintf("statement %d writes this; ", i)
		want[stream{i, "pg.server"}] = strings.Repeat(line, 4000)
		wg.Go(func() {
			for range 4000 {
				if err := b.Write(i, "pg.server", 0, mask.Synthetic([]byte(line))); err != nil {
					t.Errorf("Write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.close(t)
	got, _, _ := b.read(t)
	if !cmp.Equal(want, got) {
		t.Error("the streams were mixed up")
	}
}

// TestFailsClosed breaks the disk and the ledger under a recording: nothing can
// be written after that, also when the fault is gone.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	for name, fail := range map[string]func(b *bench, err error){
		"disk":   func(b *bench, err error) { b.blobs.fail(err) },
		"ledger": func(b *bench, err error) { b.mu.Lock(); b.broken = err; b.mu.Unlock() },
	} {
		b := newBench(t, 0)
		b.write(t, 1, "pg.server", 0, []byte("kept"))
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
		fail(b, full)
		b.write(t, 2, "pg.server", 0, []byte("lost"))
		for what, f := range map[string]func() error{
			"Flush": b.Flush,
			"Write": func() error { fail(b, nil); return b.Write(3, "pg.server", 0, mask.Synthetic([]byte("x"))) },
			"End":   func() error { return b.End(2) },
		} {
			if what != "Flush" {
				_ = b.Flush() // the fault shows here first, whatever the order of the map
			}
			err := f()
			if sallyport.KindOf(err) != sallyport.Unavailable || !errors.Is(err, full) {
				t.Errorf("%s: %s = %v, want unavailable because of the fault", name, what, err)
			}
			if _, hint := sallyport.Public(err); hint == "" {
				t.Errorf("%s: %s does not say what to do", name, what)
			}
			fail(b, full)
		}
		fail(b, nil)
		n, digest, err := b.Close(t.Context())
		want, derr := record.Digest(b.chunks)
		if derr != nil {
			t.Fatal(derr)
		}
		if n != 1 || digest != want || !errors.Is(err, full) {
			t.Errorf("%s: Close = %d, %s, %v", name, n, digest, err)
		}
		if streams, _, _ := b.read(t); len(streams) != 1 {
			t.Errorf("%s: %d streams were kept", name, len(streams))
		}
	}
}

// TestSlowDisk holds the disk: writers wait instead of filling the memory, and
// Close gives up with its context.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t, 64<<20)
	b.blobs.gate = make(chan struct{})
	var written sync.WaitGroup
	chunk := bytes.Repeat([]byte("x"), 200<<10)
	done := make(chan struct{})
	written.Go(func() {
		defer close(done)
		for range 20 {
			if err := b.Write(1, "pg.server", 0, mask.Synthetic(chunk)); err != nil {
				return
			}
		}
		t.Error("20 writes of 200 KiB went ahead of a disk that stands still")
	})
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() { _, _, err := b.Close(ctx); closed <- err }()
	cancel()
	if err := <-closed; !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("Close = %v", err)
	}
	close(b.blobs.gate)
	<-done
	written.Wait()
	if _, _, err := b.Close(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("second Close = %v", err)
	}
}

// TestDamage loses, changes and exchanges chunks: each is named, and what is
// sound is read.
func TestDamage(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for i := range uint64(4) {
		b.write(t, i+1, "pg.server", 0, fmt.Appendf(nil, "answer %d", i+1))
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	b.close(t)
	path := func(i int) string {
		d := b.chunks[i].Sealed.SHA256
		return filepath.Join(b.dir, d[:2], d)
	}
	whole := b.chunks
	tests := []struct {
		name   string
		damage func()
		lost   []uint64 // chunks named in errors
		read   []uint64 // statements
	}{
		{"whole", func() {}, nil, []uint64{1, 2, 3, 4}},
		{"a leaf is missing", func() { b.chunks = append(append([]evidence.Recording{}, whole[:1]...), whole[3:]...) }, []uint64{2}, []uint64{1, 4}},
		{"leaves are exchanged", func() { b.chunks = []evidence.Recording{whole[1], whole[0], whole[2], whole[3]} }, []uint64{1, 1}, []uint64{2, 1, 3, 4}},
		{"a leaf is renumbered", func() {
			c := append([]evidence.Recording{}, whole...)
			c[3].Chunk, c[2] = 3, c[3]
			b.chunks = append(c[:2], c[3])
		}, []uint64{3}, []uint64{1, 2}},
		{"a leaf lies about the length", func() {
			b.chunks = append([]evidence.Recording{}, whole...)
			b.chunks[1].Sealed.Len++
		}, []uint64{2}, []uint64{1, 3, 4}},
		{"the blob is changed", func() { overwrite(t, path(1), func(c []byte) []byte { c[20] ^= 1; return c }) }, []uint64{2}, []uint64{1, 3, 4}},
		{"the blob is cut", func() { overwrite(t, path(2), func(c []byte) []byte { return c[:10] }) }, []uint64{2, 3}, []uint64{1, 4}},
		{"the blob is gone", func() {
			if err := os.Remove(path(3)); err != nil {
				t.Fatal(err)
			}
		}, []uint64{2, 3, 4}, []uint64{1}},
	}
	for _, tt := range tests {
		b.chunks = whole
		tt.damage()
		var lost, read []uint64
		for f, err := range record.Read(t.Context(), b.blobs, b.open, "s_1", b.chunks) {
			if err == nil {
				read = append(read, f.Stmt)
				continue
			}
			if f.Kind != record.KindGap || sallyport.KindOf(err) != sallyport.Integrity || !strings.Contains(err.Error(), fmt.Sprint(f.Chunk)) {
				t.Errorf("%s: gap %+v: %v", tt.name, f, err)
			}
			lost = append(lost, f.Chunk)
		}
		if diff := cmp.Diff(tt.lost, lost); diff != "" {
			t.Errorf("%s: lost (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.read, read); diff != "" {
			t.Errorf("%s: read (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, err := range record.Read(t.Context(), b.blobs, b.open, "s_2", whole[:1]) {
		if sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("read as another session's: %v, want integrity", err)
		}
	}
}

func overwrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBlobsAreSealed looks for what was recorded in what is on disk.
func TestBlobsAreSealed(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	b.write(t, 1, "pg.server", 0, []byte("CANARY-phi.ssn CANARY-phi.ssn CANARY-phi.ssn"))
	b.close(t)
	sealed, err := b.blobs.Get(t.Context(), b.chunks[0].Sealed.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("CANARY")) || bytes.Contains(sealed, []byte("pg.server")) {
		t.Error("a chunk is on disk in clear")
	}
	if b.chunks[0].Sealed.Data != nil || b.chunks[0].Sealed.Len != len(sealed) || b.chunks[0].Sealed.Key != b.open.ID() {
		t.Errorf("the commitment does not fit: %+v", b.chunks[0].Sealed)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for _, kind := range []string{"", "Pg", "pg server", "pg\x1b", record.KindGap, record.KindTruncated, strings.Repeat("a", 33)} {
		if err := b.Write(1, kind, 0, mask.Synthetic([]byte("x"))); sallyport.KindOf(err) != sallyport.Internal || err == nil {
			t.Errorf("Write of kind %q = %v, want internal", kind, err)
		}
	}
	b.write(t, 1, "pg.server-2", -time.Second, []byte("x")) // a clock that went back
	b.close(t)
	if _, _, frames := b.read(t); len(frames) != 1 || frames[0].At != 0 {
		t.Errorf("frames: %+v", frames)
	}
}

// dataKey returns a data key for a recording.
func dataKey(t testing.TB, v *vault.Vault) (*vault.DataKey, evidence.WrappedKey) {
	t.Helper()
	session, err := v.NewSessionKey(vault.Terms{Class: "default", Expires: time.Now().AddDate(6, 1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, wrapped, err := session.NewDataKey(vault.PurposeRecording)
	if err != nil {
		t.Fatal(err)
	}
	return key, wrapped[0]
}

func BenchmarkWrite(b *testing.B) {
	store, err := file.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	v, err := vault.Open(vault.Options{
		Path: filepath.Join(b.TempDir(), "vault.json"), Master: "env:M", Rand: rand.Reader, Now: time.Now,
		Getenv: func(string) string { return strings.Repeat("5a", 32) },
	})
	if err != nil {
		b.Fatal(err)
	}
	key, _ := dataKey(b, v)
	r, err := record.NewRecorder(b.Context(), record.Options{Blobs: store})
	if err != nil {
		b.Fatal(err)
	}
	rec := r.Begin("s_1", key, func(context.Context, evidence.Recording) error { return nil })
	m := mask.Synthetic(bytes.Repeat([]byte("D\x00\x00\x00\x20row with some words in it 1234"), 8))
	b.SetBytes(int64(m.Len()))
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		if err := rec.Write(n, "pg.server", 0, m); err != nil {
			b.Fatal(err)
		}
		if err := rec.End(n); err != nil {
			b.Fatal(err)
		}
	}
	if _, _, err := rec.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
