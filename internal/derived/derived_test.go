// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package derived_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const siteRules = `
version: 1
profile: need-to-know
names: listed
columns: {name: phi.name, ssn: phi.ssn, ward: public}
`

// site is a store with what it works with.
type site struct {
	t     testing.TB
	dir   string
	keys  *vault.Vault
	masks *objectmask.Masks
	mu    sync.Mutex
	now   time.Time // guarded by mu
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "derived"), now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	var err error
	if s.masks, err = objectmask.New(masktest.Rules(t, siteRules), nil); err != nil {
		t.Fatal(err)
	}
	s.keys = s.vault()
	return s
}

func (s *site) vault() *vault.Vault {
	s.t.Helper()
	v, err := vault.Open(vault.Options{
		Path: filepath.Join(s.t.TempDir(), "vault.json"), Master: "env:MASTER", Getenv: func(string) string { return strings.Repeat("5a", 32) },
		Now: s.clock, Rand: rand.Reader,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// clock moves on by a second with each look.
func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Second)
	return s.now
}

func (s *site) open(change ...func(*derived.Options)) *derived.Store {
	s.t.Helper()
	o := derived.Options{Dir: s.dir, Keys: s.keys, Now: s.clock, Rand: rand.Reader}
	for _, c := range change {
		c(&o)
	}
	d, err := derived.Open(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(d.Close)
	return d
}

func (s *site) making(src *masktest.Source) derived.Making {
	return derived.Making{Source: src, Masks: s.masks, Scan: true, Like: mask.Count{Reason: "label", Columns: []string{"b/o"}, Profile: "need-to-know", ProfileVersion: "1"}}
}

func key(object string) derived.Key {
	return derived.Key{Resource: "gcs", Bucket: "clinic", Object: object, Generation: 7, Version: "v"}
}

const canary = "Quillfeather,900-55-1234,B\n"

// object is a table whose masked form has about size bytes.
func object(size int) *masktest.Source {
	return &masktest.Source{Data: []byte("name,ssn,ward\n" + strings.Repeat(canary, size/len("[NAME],[SSN],B\n"))), Called: "a.csv", Media: "text/csv"}
}

func want(size int) string {
	return "name,ssn,ward\n" + strings.Repeat("[NAME],[SSN],B\n", size/len("[NAME],[SSN],B\n"))
}

// read reads a range.
func read(t testing.TB, o *derived.Object, offset, length int64) (string, error) {
	t.Helper()
	r := o.Read(offset, length)
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out []byte
	for {
		m, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return string(out), nil
		}
		if err != nil {
			return string(out), err
		}
		if m.Len() == 0 || m.Len() > 64<<10 {
			t.Fatalf("a piece of %d bytes", m.Len())
		}
		out = m.AppendTo(out)
	}
}

func get(t testing.TB, d *derived.Store, k derived.Key, m derived.Making) *derived.Object {
	t.Helper()
	o, err := d.Get(t.Context(), k, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, o) })
	return o
}

func closed(t testing.TB, o *derived.Object) {
	t.Helper()
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

// files returns the files of the store, those being written too.
func (s *site) files() []string {
	s.t.Helper()
	var out []string
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// TestWhole holds that size, checksums, tag and every range fit the bytes.
func TestWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.open()
	for _, size := range []int{0, 100, 64<<10 - 14, 200_000, 1 << 20} {
		whole := want(size)
		o := get(t, d, derived.Key{Object: "o", Generation: int64(size)}, s.making(object(size)))
		if o.Size != int64(len(whole)) || o.CRC32C != crc32.Checksum([]byte(whole), crc32.MakeTable(crc32.Castagnoli)) || o.MD5 != md5.Sum([]byte(whole)) {
			t.Errorf("size %d: %d, %x, %x", size, o.Size, o.CRC32C, o.MD5)
		}
		if o.ContentType != "text/csv" || o.ETag == "" || o.Made.IsZero() {
			t.Errorf("%+v", o)
		}
		if size > 0 && (o.Counts[0].Masked != 1 || o.Counts[0].Reason != "label" || len(o.Counts) != 3) {
			t.Errorf("counts %+v", o.Counts)
		}
		n := int64(len(whole))
		for _, at := range [][2]int64{{0, -1}, {0, 1}, {n / 2, -1}, {n / 3, n / 2}, {n - 1, -1}, {n, -1}, {n + 5, 10}, {65_530, 12}, {65_536, 65_536}, {-3, 7}} {
			begin := min(max(at[0], 0), n)
			end := n
			if at[1] >= 0 {
				end = min(n, begin+at[1])
			}
			if got, err := read(t, o, at[0], at[1]); err != nil || got != whole[begin:end] {
				t.Errorf("size %d, range %v: %d bytes, %v", size, at, len(got), err)
			}
		}
	}
}

// TestCanary holds that nothing of the original is on disk, in names neither.
func TestCanary(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.open()
	get(t, d, key("visits/Quillfeather.csv"), s.making(object(300_000)))
	for _, path := range s.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []string{"Quillfeather", "900-55-1234", "[NAME]", "clinic", "name,ssn"} {
			for shift := range 3 {
				coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
				if coded = coded[4 : len(coded)-4]; len(coded) >= 8 && bytes.Contains(b, []byte(coded)) {
					t.Errorf("%s is there in base64", c)
				}
			}
			if bytes.Contains(b, []byte(c)) || strings.Contains(path, c) {
				t.Errorf("%s is there", c)
			}
		}
	}
}

// TestOnce holds that many who want one object wait for one making, and that each
// part of the key makes another.
func TestOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.open()
	src := object(500_000)
	src.Gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			o, err := d.Get(t.Context(), key("o"), s.making(src))
			if err != nil {
				t.Error(err)
				return
			}
			defer closed(t, o)
			if got, err := read(t, o, 0, -1); err != nil || got != want(500_000) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	close(src.Gate)
	wg.Wait()
	if n := src.Opened.Load(); n != 1 {
		t.Errorf("the source was opened %d times", n)
	}
	src.Gate = nil
	others := []derived.Key{key("p"), key("o"), key("o"), key("o"), key("o")}
	others[1].Generation++
	others[2].Version = "w"
	others[3].Bucket = "other"
	others[4].Resource = "other"
	for i, k := range others {
		get(t, d, k, s.making(src))
		if n := src.Opened.Load(); n != int64(i+2) {
			t.Errorf("key %d was not made anew", i)
		}
	}
	m := s.making(src)
	m.Scan = false
	get(t, d, key("o"), m)
	set := masktest.Rules(t, siteRules+"paths: {\"$.x\": scan}\n")
	var err error
	if m.Masks, err = objectmask.New(set, nil); err != nil {
		t.Fatal(err)
	}
	get(t, d, key("o"), m)
	if n := src.Opened.Load(); n != 8 {
		t.Errorf("the source was opened %d times", n)
	}
	d.Close()
	get(t, s.open(func(o *derived.Options) { o.Release = "2" }), key("o"), m)
	s.mu.Lock()
	s.now = s.now.AddDate(1, 0, 0)
	s.mu.Unlock()
	get(t, s.open(), key("o"), m)
	if n := src.Opened.Load(); n != 10 {
		t.Errorf("after another release, and a year: the source was opened %d times", n)
	}
}

// TestRestart holds that objects live on, and that an interrupted making does not.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	src := object(200_000)
	first := s.open()
	o := get(t, first, key("o"), s.making(src))
	tag := o.ETag
	first.Close()
	left := filepath.Join(s.dir, "tmp", "make-123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := s.open()
	again := get(t, d, key("o"), s.making(src))
	if got, err := read(t, again, 0, -1); err != nil || got != want(200_000) || again.ETag != tag || src.Opened.Load() != 1 {
		t.Errorf("%d bytes, %v, tag %q, opened %d times", len(got), err, again.ETag, src.Opened.Load())
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("what was left is there")
	}
	if _, err := first.Get(t.Context(), key("p"), s.making(src)); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a closed store: %v", err)
	}
}

// TestDamage holds that a file that is not what was made is thrown out and made
// again, whatever is wrong with it and whenever it is noticed.
func TestDamage(t *testing.T) {
	t.Parallel()
	const size = 200_000
	flip := func(at func(n int) int) func(b, other []byte) []byte {
		return func(b, _ []byte) []byte {
			b[at(len(b))] ^= 1
			return b
		}
	}
	for name, damage := range map[string]func(b, other []byte) []byte{
		"begin":          flip(func(int) int { return 0 }),
		"key":            flip(func(int) int { return 20 }),
		"first chunk":    flip(func(int) int { return 500 }),
		"later chunk":    flip(func(int) int { return 150_000 }),
		"manifest":       flip(func(n int) int { return n - 30 }),
		"length":         flip(func(n int) int { return n - 1 }),
		"large length":   flip(func(n int) int { return n - 4 }),
		"cut":            func(b, _ []byte) []byte { return b[:len(b)-1000] },
		"cut to nothing": func([]byte, []byte) []byte { return nil },
		"chunk removed":  func(b, _ []byte) []byte { return append(b[:1000:1000], b[1000+64<<10+16:]...) },
		"chunks swapped": func(b, _ []byte) []byte {
			const chunk = 64<<10 + 16
			begin := 6 + int(b[4])<<8 + int(b[5]) // behind the key
			first := slices.Clone(b[begin : begin+chunk])
			copy(b[begin:], b[begin+chunk:begin+2*chunk])
			copy(b[begin+chunk:], first)
			return b
		},
		"another's file": func(_, other []byte) []byte { return other },
		"a foreign file": func(b, _ []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			src := object(size)
			d := s.open()
			closed(t, get(t, d, key("o"), s.making(src)))
			path := s.files()[0]
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			closed(t, get(t, d, key("p"), s.making(object(size))))
			other := s.files()
			other = slices.DeleteFunc(other, func(p string) bool { return p == path })
			foreign, err := os.ReadFile(other[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(before, foreign), 0o600); err != nil {
				t.Fatal(err)
			}
			o := get(t, d, key("o"), s.making(src))
			if got, err := read(t, o, 0, -1); err != nil || got != want(size) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if n := src.Opened.Load(); n != 2 {
				t.Errorf("the source was opened %d times", n)
			}
			if got, err := read(t, get(t, d, key("o"), s.making(src)), 0, -1); err != nil || got != want(size) || src.Opened.Load() != 2 {
				t.Errorf("once more: %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestAnotherVault holds that files of another vault are not served.
func TestAnotherVault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	src := object(1000)
	closed(t, get(t, s.open(), key("o"), s.making(src)))
	name := s.files()[0]
	s.keys = s.vault()
	d := s.open()
	closed(t, get(t, d, key("o"), s.making(src)))
	files := s.files()
	mine := files[slices.IndexFunc(files, func(f string) bool { return f != name })]
	if err := os.Rename(name, mine); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, get(t, d, key("o"), s.making(src)), 0, -1); err != nil || got != want(1000) || src.Opened.Load() != 3 {
		t.Errorf("%d bytes, %v, opened %d times", len(got), err, src.Opened.Load())
	}
}

// TestRoom holds that what was used longest ago goes first, that what is read stays,
// and that the limit holds after a restart.
func TestRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	room := func(o *derived.Options) { o.MaxTotal = 3<<20 + 500_000 }
	d := s.open(room)
	sources := map[string]*masktest.Source{}
	use := func(name string) *derived.Object {
		if sources[name] == nil {
			sources[name] = object(1 << 20)
		}
		o, err := d.Get(t.Context(), key(name), s.making(sources[name]))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	made := func(name string, n int64) {
		t.Helper()
		if got := sources[name].Opened.Load(); got != n {
			t.Errorf("%s was made %d times, want %d", name, got, n)
		}
	}
	a := use("a")
	closed(t, use("b"))
	closed(t, use("c")) // b goes: a is open
	if u := d.Usage(); u.Objects != 2 || u.Bytes > 3<<20+500_000 {
		t.Errorf("usage %+v", u)
	}
	closed(t, use("a"))
	made("a", 1)
	b := use("b") // c goes
	made("b", 2)
	if _, err := d.Get(t.Context(), key("d"), s.making(object(2<<20))); sallyport.KindOf(err) != sallyport.Exhausted {
		t.Errorf("no room: %v", err)
	}
	if len(s.files()) != 2 {
		t.Errorf("files %v", s.files())
	}
	if got, err := read(t, a, 0, -1); err != nil || got != want(1<<20) {
		t.Errorf("what is read: %d bytes, %v", len(got), err)
	}
	closed(t, a)
	closed(t, b)
	closed(t, use("a")) // so that b is the older
	d.Close()
	d = s.open(func(o *derived.Options) { o.MaxTotal = 1<<20 + 100_000 })
	if u := d.Usage(); u.Objects != 1 {
		t.Errorf("usage %+v", u)
	}
	closed(t, use("a"))
	made("a", 1)
}

// TestNothingLeft holds that a making that fails, or that nobody waits for, leaves
// nothing, and that the next one begins anew.
func TestNothingLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.open(func(o *derived.Options) { o.MaxSource = 2 << 20 })
	fails := errors.New("the store broke off")
	src := object(1 << 20)
	src.Fails = fails
	if _, err := d.Get(t.Context(), key("o"), s.making(src)); !errors.Is(err, fails) {
		t.Errorf("error %v", err)
	}
	src = object(1 << 20)
	src.Gate = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := d.Get(ctx, key("o"), s.making(src))
		left <- err
	}()
	src.Gate <- struct{}{}
	cancel()
	if err := <-left; sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a caller who left: %v", err)
	}
	if _, err := d.Get(t.Context(), key("o"), s.making(object(4<<20))); sallyport.KindOf(err) != sallyport.Denied || !strings.Contains(err.Error(), "2097152") {
		t.Errorf("too large: %v", err)
	}
	broken := &masktest.Source{Data: []byte("PAR1 nothing more"), Called: "a.parquet"}
	if _, err := d.Get(t.Context(), key("q"), s.making(broken)); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("broken: %v", err)
	}
	d.Close()
	if u := d.Usage(); u != (derived.Usage{}) || len(s.files()) > 0 {
		t.Errorf("usage %+v, files %v", u, s.files())
	}
}

// TestStays holds that a making goes on for who still waits when its first caller
// leaves, and that Close ends those that nobody ends.
func TestStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.open()
	src := object(1 << 20)
	src.Gate = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	go func() {
		_, err := d.Get(ctx, key("o"), s.making(src))
		first <- err
	}()
	src.Gate <- struct{}{}
	started := make(chan struct{})
	go func() {
		close(started)
		o, err := d.Get(t.Context(), key("o"), s.making(src))
		if err == nil {
			err = o.Close()
		}
		second <- err
	}()
	<-started
	src.Gate <- struct{}{}
	cancel()
	if err := <-first; err == nil {
		t.Error("the first caller stayed")
	}
	close(src.Gate)
	if err := <-second; err != nil {
		t.Errorf("the second caller: %v", err)
	}
	hung := object(1 << 20)
	hung.Gate = make(chan struct{})
	go func() {
		_, err := d.Get(t.Context(), key("hung"), s.making(hung))
		first <- err
	}()
	hung.Gate <- struct{}{}
	d.Close()
	if err := <-first; sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a store that closes: %v", err)
	}
}

// TestMendedOnce holds that an object that becomes another when it is made again is
// not joined to what was read of the first.
func TestMendedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.open()
	src := object(300_000)
	o := get(t, d, key("o"), s.making(src))
	r := o.Read(0, -1)
	if _, err := r.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := s.files()[0]
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), 150_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	src.Data = append(src.Data, canary...)
	for err == nil {
		_, err = r.Next(t.Context())
	}
	if sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("error %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkMake(b *testing.B) {
	s := newSite(b)
	d := s.open()
	src := object(8 << 20)
	b.SetBytes(src.Size())
	for i := 0; b.Loop(); i++ {
		k := key("o")
		k.Generation = int64(i)
		o, err := d.Get(b.Context(), k, s.making(src))
		if err != nil {
			b.Fatal(err)
		}
		closed(b, o)
	}
}

func BenchmarkRead(b *testing.B) {
	s := newSite(b)
	o, err := s.open().Get(b.Context(), key("o"), s.making(object(8<<20)))
	if err != nil {
		b.Fatal(err)
	}
	defer closed(b, o)
	b.SetBytes(o.Size)
	for b.Loop() {
		r := o.Read(0, -1)
		for err = nil; err == nil; {
			_, err = r.Next(b.Context())
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
}
