// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

// submit sends a body to add-checkpoint.
func submit(t testing.TB, k *keeper, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.http.URL+"/add-checkpoint", strings.NewReader(body))
	must(t, err)
	res, err := k.http.Client().Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, res.Header, string(b)
}

func bodyOf(old uint64, proof tlog.TreeProof, signed []byte) string {
	b := fmt.Sprintf("old %d\n", old)
	for _, h := range proof {
		b += h.String() + "\n"
	}
	return b + "\n" + string(signed)
}

// timeOf opens a checkpoint with a witness's answer behind it.
func timeOf(t testing.TB, k *keeper, signed []byte, answer string) time.Time {
	t.Helper()
	c, err := evidence.NewCosigner(k.key.VerifierKey())
	must(t, err)
	n, err := note.Open(append(bytes.Clone(signed), answer...), note.VerifierList(c))
	must(t, err)
	at, err := c.At(n)
	must(t, err)
	return at
}

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	g, stranger := newGateway(t), newGateway(t)
	k := newKeeper(t, "witness.example/w1", g.vkey)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	k.stop()
	k.now = func() time.Time { return at }
	k.start(t)

	first, cp1 := g.grow(t, 5)
	status, _, body := submit(t, k, bodyOf(0, nil, first))
	if status != http.StatusOK || !timeOf(t, k, first, body).Equal(at.Truncate(time.Second)) {
		t.Fatalf("first: %d %s", status, body)
	}
	// The same again, as a lease wants it.
	if status, _, body := submit(t, k, bodyOf(5, nil, first)); status != http.StatusOK {
		t.Fatalf("again: %d %s", status, body)
	}
	second, cp2 := g.grow(t, 7)
	proof, err := g.ConsistencyProof(t.Context(), cp1.Size, cp2.Size)
	must(t, err)
	wrong := append(tlog.TreeProof{}, proof...)
	wrong[0][0] ^= 1
	other, _ := stranger.grow(t, 5)
	forged := func(size uint64, root tlog.Hash) []byte {
		cp := evidence.Checkpoint{Origin: origin, Size: size, Root: root}
		b, err := note.Sign(&note.Note{Text: cp.Text()}, g.signer)
		must(t, err)
		return b
	}
	extended, err := note.Sign(&note.Note{Text: cp2.Text() + "extension\n"}, g.signer)
	must(t, err)
	anything := tlog.RecordHash([]byte("anything"))
	for name, tc := range map[string]struct {
		body   string
		status int
		size   string
	}{
		"not a request":                 {"hello", 400, ""},
		"no old size":                   {"\n" + string(first), 400, ""},
		"a leading zero":                {bodyOf(5, nil, first)[:4] + "0" + bodyOf(5, nil, first)[4:], 400, ""},
		"a negative size":               {"old -1\n\n" + string(first), 400, ""},
		"a size beyond 63 bits":         {"old 9223372036854775808\n\n" + string(first), 400, ""},
		"no checkpoint":                 {"old 5\n\n", 400, ""},
		"no empty line":                 {"old 5\n" + string(first), 400, ""},
		"a hash that is none":           {"old 5\nAAAA\n\n" + string(second), 400, ""},
		"64 hashes":                     {bodyOf(5, make(tlog.TreeProof, 64), second), 400, ""},
		"too large":                     {bodyOf(5, nil, first) + strings.Repeat("x", 1<<17), 400, ""},
		"not a note":                    {"old 5\n\n" + origin + "\n5\nAAAA\n", 400, ""},
		"extension lines":               {bodyOf(5, proof, extended), 400, ""},
		"old larger than new":           {bodyOf(6, nil, first), 400, ""},
		"another key of the origin":     {bodyOf(5, nil, other), 403, ""},
		"no signature":                  {bodyOf(5, nil, []byte(strings.Replace(string(first), origin+" ", "nobody ", 1))), 403, ""},
		"a bad signature":               {bodyOf(5, nil, []byte(strings.Replace(string(first), "\n5\n", "\n6\n", 1))), 403, ""},
		"another origin":                {bodyOf(5, nil, []byte(strings.ReplaceAll(string(first), origin, "sallyport.example/gw2"))), 404, ""},
		"a size that is not known":      {bodyOf(0, nil, second), 409, "5\n"},
		"a smaller size":                {bodyOf(3, nil, second), 409, "5\n"},
		"a shorter log":                 {bodyOf(3, nil, forged(3, anything)), 409, "5\n"},
		"an empty log":                  {bodyOf(0, nil, forged(0, tlog.Hash(emptyHash()))), 409, "5\n"},
		"another tree of the same size": {bodyOf(5, nil, forged(5, anything)), 409, ""},
		"no proof":                      {bodyOf(5, nil, second), 422, ""},
		"a wrong proof":                 {bodyOf(5, wrong, second), 422, ""},
		"a proof of another tree":       {bodyOf(5, proof, forged(12, anything)), 422, ""},
		"a proof of the same size":      {bodyOf(5, proof, first), 422, ""},
		"an empty tree with a root":     {bodyOf(0, nil, forged(0, anything)), 422, ""},
	} {
		status, head, body := submit(t, k, tc.body)
		if status != tc.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if sized := head.Get("Content-Type") == "text/x.tlog.size"; sized != (tc.size != "") || sized && body != tc.size {
			t.Errorf("%s: %s %q", name, head.Get("Content-Type"), body)
		}
	}
	if status, _, body := submit(t, k, bodyOf(5, proof, second)); status != 200 {
		t.Fatalf("nothing of this may have changed its state: %d %s", status, body)
	}
	for _, path := range []string{"/", "/add-checkpoint/", "/x"} {
		res, err := k.http.Client().Post(k.http.URL+path, "", nil) //nolint:noctx // a test
		must(t, err)
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	res, err := k.http.Client().Get(k.http.URL + "/add-checkpoint") //nolint:noctx // a test
	must(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", res.StatusCode)
	}
}

func emptyHash() [32]byte {
	h, err := tlog.TreeHash(0, nil)
	if err != nil {
		return [32]byte{}
	}
	return h
}

// TestServerRemembers stops a witness at every point between two checkpoints.
func TestServerRemembers(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	k := newKeeper(t, "w", g.vkey)
	first, _ := g.grow(t, 3)
	if status, _, body := submit(t, k, bodyOf(0, nil, first)); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if _, err := witness.NewServer(witness.ServerOptions{Key: k.key, Logs: k.logs, Dir: k.dir, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a second process on the same state: %v", err)
	}
	k.stop()
	k.start(t)
	if status, _, body := submit(t, k, bodyOf(0, nil, first)); status != 409 || body != "3\n" {
		t.Fatalf("after a restart: %d %q", status, body)
	}
	k.stop()
	// A witness with another key must not take the state for its own, and what
	// somebody wrote there is not taken at all.
	own := k.key
	k.key = newKey(t, "w")
	if _, err := witness.NewServer(witness.ServerOptions{Key: k.key, Logs: k.logs, Dir: k.dir, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("with another key: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(k.dir, "*.checkpoint"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.WriteFile(files[0], bytes.Replace(b, []byte("\n3\n"), []byte("\n2\n"), 1), 0o600))
	k.key = own
	if _, err := witness.NewServer(witness.ServerOptions{Key: k.key, Logs: k.logs, Dir: k.dir, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("with a state that was changed: %v", err)
	}
}

// brokenDisk fails every write from a moment on.
type brokenDisk struct {
	ledger.OS
	broken bool
}

func (d *brokenDisk) Replace(name string, data []byte) error {
	if d.broken {
		return syscall.EIO
	}
	return d.OS.Replace(name, data)
}

// TestServerAnswersNothingThatIsNotDurable also checks that it does not go on
// after a failed write.
func TestServerAnswersNothingThatIsNotDurable(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	disk := &brokenDisk{broken: true}
	s, err := witness.NewServer(witness.ServerOptions{
		Key: newKey(t, "w"), Logs: []string{g.vkey}, Dir: t.TempDir(), Now: time.Now, Logger: slog.New(slog.DiscardHandler), Files: disk,
	})
	must(t, err)
	defer s.Close()
	signed, _ := g.grow(t, 1)
	for range 2 {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(bodyOf(0, nil, signed))))
		if rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "\u2014") {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		disk.broken = false
	}
}

// TestServerNeverGoesBack submits many sizes at once. Whatever the order, the
// state must not become smaller than what was cosigned.
func TestServerNeverGoesBack(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	k := newKeeper(t, "w", g.vkey)
	type step struct {
		old    uint64
		proof  tlog.TreeProof
		signed []byte
		size   uint64
	}
	var steps []step
	first, cp := g.grow(t, 1)
	submit(t, k, bodyOf(0, nil, first))
	old := cp.Size
	for range 8 {
		signed, cp := g.grow(t, 1)
		proof, err := g.ConsistencyProof(t.Context(), old, cp.Size)
		must(t, err)
		steps = append(steps, step{old, proof, signed, cp.Size})
	}
	var mu sync.Mutex
	var cosigned uint64
	var wg sync.WaitGroup
	for _, s := range steps {
		wg.Go(func() {
			if status, _, _ := submit(t, k, bodyOf(s.old, s.proof, s.signed)); status == 200 {
				mu.Lock()
				defer mu.Unlock()
				if cosigned != 0 {
					t.Errorf("from the size %d it cosigned both %d and %d", s.old, cosigned, s.size)
				}
				cosigned = s.size
			}
		})
	}
	wg.Wait()
	if _, _, body := submit(t, k, bodyOf(0, nil, first)); body != fmt.Sprintf("%d\n", cosigned) {
		t.Errorf("it cosigned %d and knows %s", cosigned, body)
	}
}

func TestServerServesUntilToldToEnd(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s, err := witness.NewServer(witness.ServerOptions{Key: newKey(t, "w"), Logs: []string{g.vkey}, Dir: t.TempDir(), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer s.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln, nil) }()
	signed, _ := g.grow(t, 1)
	res, err := http.Post("http://"+ln.Addr().String()+"/add-checkpoint", "", strings.NewReader(bodyOf(0, nil, signed))) //nolint:noctx // a test
	must(t, err)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil || res.StatusCode != 200 {
		t.Errorf("%d %v", res.StatusCode, err)
	}
}

func TestServerRefusesOptions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	g := newGateway(t)
	for name, tc := range map[string]struct {
		logs []string
		dir  string
		kind sallyport.Kind
	}{
		"no logs":         {nil, t.TempDir(), sallyport.Invalid},
		"no key":          {[]string{"x"}, t.TempDir(), sallyport.Invalid},
		"not a directory": {[]string{g.vkey}, file, sallyport.Unavailable},
	} {
		_, err := witness.NewServer(witness.ServerOptions{Key: newKey(t, "w"), Logs: tc.logs, Dir: tc.dir, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || sallyport.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.key")
	k, err := witness.CreateKey(path, "witness.example/w1", rand.Reader)
	must(t, err)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	same, err := witness.LoadKey(path)
	if err != nil || same.VerifierKey() != k.VerifierKey() || same.Name() != "witness.example/w1" {
		t.Errorf("%v", err)
	}
	secret, err := os.ReadFile(path)
	must(t, err)
	if _, err := witness.CreateKey(path, "x", rand.Reader); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("over a key: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, secret) {
		t.Error("the key was touched")
	}
	if text := fmt.Sprintf("%v %+v", k.VerifierKey(), k.Name()); strings.Contains(text, "PRIVATE") {
		t.Error(text)
	}
	must(t, os.Chmod(path, 0o640))
	if _, err := witness.LoadKey(path); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a key that others may read: %v", err)
	}
	if _, err := witness.LoadKey(path + "x"); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("no key: %v", err)
	}
	for name, text := range map[string]string{"empty": "", "a vkey": k.VerifierKey(), "cut": string(secret[:40]), "huge": strings.Repeat("x", 1<<16)} {
		bad := filepath.Join(t.TempDir(), "k")
		must(t, os.WriteFile(bad, []byte(text), 0o600))
		_, err := witness.LoadKey(bad)
		if sallyport.KindOf(err) != sallyport.Invalid || strings.Contains(fmt.Sprint(err), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := witness.CreateKey(filepath.Join(t.TempDir(), "k"), "a b", rand.Reader); err == nil {
		t.Error("a name with a space is taken")
	}
	if _, err := witness.CreateKey(filepath.Join(t.TempDir(), "k"), "a", errReader{}); err == nil {
		t.Error("a key without randomness")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

// FuzzAddCheckpoint checks that no request ends the witness or makes it cosign
// anything but what its log signed.
func FuzzAddCheckpoint(f *testing.F) {
	g := newGateway(f)
	k := newKey(f, "w")
	signed, _ := g.grow(f, 4)
	f.Add(bodyOf(0, nil, signed))
	f.Add(bodyOf(4, make(tlog.TreeProof, 3), signed))
	f.Add("old 0\n\n" + origin + "\n4\nAAAA\n\n\u2014 x AAAA\n")
	s, err := witness.NewServer(witness.ServerOptions{Key: k, Logs: []string{g.vkey}, Dir: f.TempDir(), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	must(f, err)
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, body string) {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
		switch rec.Code {
		case 200:
			if !strings.Contains(body, string(signed[:bytes.Index(signed, []byte("\n\n"))])) {
				t.Fatalf("it cosigned %q", body)
			}
		case 400, 403, 404, 409, 422:
		default:
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}
