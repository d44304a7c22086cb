// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/archive"
)

// pack makes an archive of headers with as many bytes as they say.
func pack(tb testing.TB, headers ...tar.Header) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// copied passes an archive through, and returns the names and the sizes of it.
func copied(in io.Reader, base string) (out []byte, entries []archive.Entry, err error) {
	var b bytes.Buffer
	r, w := archive.NewReader(in, base), archive.NewWriter(&b, base)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.Bytes(), entries, w.Close()
		}
		if err == nil {
			entries = append(entries, e)
			err = w.Begin(e)
		}
		if err == nil {
			_, err = io.Copy(w, r)
		}
		if err != nil {
			return b.Bytes(), entries, err
		}
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 5)
	long := strings.Repeat("d/", 80) + "naïve.txt"
	in := pack(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./data/", Mode: 0o4755, ModTime: at, Uname: "ann"},
		tar.Header{Typeflag: tar.TypeReg, Name: "data/a.csv", Size: 1000, Mode: 0o6644, ModTime: at, Uid: 7, Gid: 1 << 30, PAXRecords: map[string]string{"VENDOR.note": "secret"}, Format: tar.FormatPAX},
		tar.Header{Typeflag: tar.TypeReg, Name: long, Size: 3})
	for _, base := range []string{"/", "/srv"} {
		out, got, err := copied(bytes.NewReader(append(bytes.Clone(in), make([]byte, 9000)...)), base)
		if err != nil || len(got) != 3 {
			t.Fatal(got, err)
		}
		r := tar.NewReader(bytes.NewReader(out))
		for i, want := range []string{"data/", "data/a.csv", long} {
			h, err := r.Next()
			if err != nil || h.Name != want || h.Mode&0o7000 != 0 || h.Uname != "" || h.PAXRecords["VENDOR.note"] != "" {
				t.Fatalf("%+v, %v", h, err)
			}
			if p := strings.TrimSuffix(base, "/") + "/" + strings.TrimSuffix(want, "/"); got[i].Path != p {
				t.Errorf("path %q, want %q", got[i].Path, p)
			}
		}
		if got[1].Size != 1000 || got[1].UID != 7 || got[1].GID != 0 || !got[1].At.Equal(at.Truncate(time.Second)) || !got[0].Dir {
			t.Errorf("%+v", got)
		}
		if bytes.Contains(out, []byte("secret")) {
			t.Error("a record of the archive's own has passed")
		}
	}
}

// TestRefused says what no archive may hold.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]tar.Header{
		"a symbolic link": {Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc/passwd"}, "a link": {Typeflag: tar.TypeLink, Name: "a", Linkname: "b"},
		"a device": {Typeflag: tar.TypeBlock, Name: "a"}, "a pipe": {Typeflag: tar.TypeFifo, Name: "a"},
		"absolute": {Typeflag: tar.TypeReg, Name: "/a"}, "upwards": {Typeflag: tar.TypeReg, Name: "../a"}, "upwards within": {Typeflag: tar.TypeReg, Name: "a/../../b"},
		"upwards at last": {Typeflag: tar.TypeDir, Name: "a/.."}, "itself": {Typeflag: tar.TypeDir, Name: "./"}, "a line": {Typeflag: tar.TypeReg, Name: "a\nb"},
		"too long": {Typeflag: tar.TypeReg, Name: strings.Repeat("x", 300)}, "no text": {Typeflag: tar.TypeReg, Name: "a\xff"},
		"for all": {Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "b"}},
	} {
		if _, got, err := copied(bytes.NewReader(pack(t, h)), "/srv"); sallyport.KindOf(err) != sallyport.Denied || len(got) > 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	whole := pack(t, tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 2000})
	for name, b := range map[string][]byte{"cut": whole[:1500], "no archive": bytes.Repeat([]byte("x"), 2000), "no end": append(bytes.Clone(whole), make([]byte, 2<<20)...)} {
		if _, _, err := copied(bytes.NewReader(b), "/srv"); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReader holds that what passes an archive lies where it may, and passes once more
// as it is.
func FuzzReader(f *testing.F) {
	f.Add(pack(f, tar.Header{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755}, tar.Header{Typeflag: tar.TypeReg, Name: "data/a.csv", Size: 10}))
	f.Add(pack(f, tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("d/", 80) + "ä", Size: 1}))
	f.Add(pack(f, tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		out, got, err := copied(io.LimitReader(bytes.NewReader(b), 1<<16), "/srv/data")
		for _, e := range got {
			if !strings.HasPrefix(e.Path, "/srv/data/") || strings.Contains(e.Path, "/../") || e.Mode&^0o777 != 0 {
				t.Fatalf("%+v", e)
			}
		}
		if err != nil {
			return
		}
		again, same, err := copied(bytes.NewReader(out), "/srv/data")
		if err != nil || len(same) != len(got) || !bytes.Equal(again, out) {
			t.Fatalf("%v, %+v", err, same)
		}
	})
}
