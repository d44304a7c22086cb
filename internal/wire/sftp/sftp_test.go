// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// requests are one of each kind.
func requests() []sftp.Request {
	b := func(s string) []byte { return []byte(s) }
	a := sftp.Attrs{Flags: sftp.AttrSize | sftp.AttrOwner | sftp.AttrPermissions | sftp.AttrTimes, Size: 1 << 40, UID: 1, GID: 2, Permissions: 0o100644, Atime: 3, Mtime: 4}
	ext := func(name string, r sftp.Request) sftp.Request {
		r.Type, r.ID, r.Extension = sftp.Extended, 9, b(name)
		return r
	}
	return []sftp.Request{
		{Type: sftp.Init, ID: 3},
		{Type: sftp.Open, ID: 1, Path: b("/a"), Flags: sftp.FlagWrite | sftp.FlagCreate, Attrs: a},
		{Type: sftp.Close, ID: 2, Handle: b("h")},
		{Type: sftp.Fstat, ID: 2, Handle: b("h")},
		{Type: sftp.Readdir, ID: 2, Handle: b("h")},
		{Type: sftp.Read, ID: 3, Handle: b("h"), Offset: 1 << 40, Length: 1<<32 - 1},
		{Type: sftp.Write, ID: 4, Handle: b("h"), Offset: 1 << 40, Data: b("data")},
		{Type: sftp.Lstat, ID: 5, Path: b("/a")},
		{Type: sftp.Stat, ID: 5, Path: b("/a")},
		{Type: sftp.Opendir, ID: 5, Path: b("/a")},
		{Type: sftp.Remove, ID: 5, Path: b("/a")},
		{Type: sftp.Rmdir, ID: 5, Path: b("/a")},
		{Type: sftp.Realpath, ID: 5, Path: b(".")},
		{Type: sftp.Readlink, ID: 5, Path: b("/a")},
		{Type: sftp.Setstat, ID: 6, Path: b("/a"), Attrs: a},
		{Type: sftp.Mkdir, ID: 6, Path: b("/a"), Attrs: sftp.Attrs{}},
		{Type: sftp.Fsetstat, ID: 6, Handle: b("h"), Attrs: a},
		{Type: sftp.Rename, ID: 7, Path: b("/a"), To: b("/b")},
		{Type: sftp.Symlink, ID: 8, Path: b("../a"), To: b("/b")},
		ext(sftp.ExtPosixRename, sftp.Request{Path: b("/a"), To: b("/b")}), ext(sftp.ExtHardlink, sftp.Request{Path: b("/a"), To: b("/b")}),
		ext(sftp.ExtStatvfs, sftp.Request{Path: b("/a")}), ext(sftp.ExtExpandPath, sftp.Request{Path: b("~/a")}), ext(sftp.ExtHome, sftp.Request{Path: b("me")}),
		ext(sftp.ExtFstatvfs, sftp.Request{Handle: b("h")}), ext(sftp.ExtFsync, sftp.Request{Handle: b("h")}), ext(sftp.ExtLsetstat, sftp.Request{Path: b("/a"), Attrs: a}),
		ext(sftp.ExtLimits, sftp.Request{}), ext(sftp.ExtCopyData, sftp.Request{Handle: b("h"), Offset: 1, Length: 2, ToHandle: b("i"), ToOffset: 3}),
		ext(sftp.ExtUsersGroups, sftp.Request{UIDs: []uint32{0, 7}, GIDs: []uint32{1}}), ext("other@example", sftp.Request{Rest: b("xyz")}),
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, want := range requests() {
		packet, err := sftp.ReadPacket(bytes.NewReader(sftp.AppendRequest(nil, want)), nil)
		if err != nil {
			t.Fatal(err)
		}
		packet = sftp.Body(packet)
		got, err := sftp.ParseRequest(packet)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		for i := 1; i < len(packet); i++ {
			if _, err := sftp.ParseRequest(packet[:i]); err == nil && string(want.Extension) != "other@example" {
				t.Errorf("type %d is understood when it is cut to %d bytes", want.Type, i)
			}
		}
		if _, err := sftp.ParseRequest(append(packet, 0)); err == nil && want.Type != sftp.Init && string(want.Extension) != "other@example" {
			t.Errorf("type %d is understood with a byte behind it", want.Type)
		}
	}
}

func replies() [][]byte {
	a := sftp.Attrs{Flags: sftp.AttrSize | sftp.AttrPermissions, Size: 5, Permissions: sftp.ModeDir | 0o755}
	return [][]byte{
		sftp.AppendVersion(nil, sftp.ExtFsync, "1", sftp.ExtLimits, "1"), sftp.AppendStatus(nil, 1, sftp.NoSuchFile, "no"), sftp.AppendHandle(nil, 2, []byte("h")),
		append(sftp.AppendDataHead(nil, 3, 4), "data"...), sftp.AppendAttrsReply(nil, 4, a), sftp.AppendExtendedReply(nil, 5, sftp.AppendLimits(nil, sftp.Limits{Packet: 1, Read: 2, Write: 3, Handles: 4})),
		sftp.AppendNames(nil, 6, sftp.Name{Name: []byte("a"), Long: []byte("-rw a"), Attrs: a}, sftp.Name{Name: []byte("b"), Long: []byte("-rw b")}),
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	a := sftp.Attrs{Flags: sftp.AttrSize | sftp.AttrPermissions, Size: 5, Permissions: sftp.ModeDir | 0o755}
	want := []sftp.Reply{
		{Type: sftp.VersionReply, ID: 3, Extensions: map[string]string{sftp.ExtFsync: "1", sftp.ExtLimits: "1"}},
		{Type: sftp.StatusReply, ID: 1, Code: sftp.NoSuchFile, Message: []byte("no")},
		{Type: sftp.HandleReply, ID: 2, Handle: []byte("h")},
		{Type: sftp.DataReply, ID: 3, Data: []byte("data")},
		{Type: sftp.AttrsReply, ID: 4, Attrs: a},
		{Type: sftp.ExtendedReply, ID: 5, Data: sftp.AppendLimits(nil, sftp.Limits{Packet: 1, Read: 2, Write: 3, Handles: 4})},
		{Type: sftp.NameReply, ID: 6, Names: []sftp.Name{{Name: []byte("a"), Long: []byte("-rw a"), Attrs: a}, {Name: []byte("b"), Long: []byte("-rw b")}}},
	}
	for i, b := range replies() {
		packet, err := sftp.ReadPacket(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		sftp.Renumber(packet, want[i].ID)
		if got, err := sftp.ParseReply(sftp.Body(packet)); err != nil || !reflect.DeepEqual(got, want[i]) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want[i])
		}
	}
	if l, err := sftp.ParseLimits(want[5].Data); err != nil || l != (sftp.Limits{Packet: 1, Read: 2, Write: 3, Handles: 4}) {
		t.Errorf("limits are %+v, %v", l, err)
	}
	if !a.Is(sftp.ModeDir) || a.Is(sftp.ModeRegular) || a.Has(sftp.AttrTimes) || (sftp.Attrs{}).Is(0) {
		t.Error("attributes are taken for others")
	}
	// A status of version 2 has no texts, and extended attributes are left out.
	if got, err := sftp.ParseReply([]byte("\x65\x00\x00\x00\x01\x00\x00\x00\x00")); err != nil || got.Code != sftp.OK {
		t.Errorf("an old status: %+v, %v", got, err)
	}
	if got, err := sftp.ParseReply([]byte("\x69\x00\x00\x00\x01\x80\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01a\x00\x00\x00\x01b")); err != nil || got.Attrs.Flags != 0 {
		t.Errorf("extended attributes: %+v, %v", got, err)
	}
}

// What declares more than it has, or more than there may be, is refused at once.
func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]string{
		"empty": "\x00\x00\x00\x00", "huge": "\xff\xff\xff\xff", "beyond": "\x00\x04\x00\x01",
	} {
		if _, err := sftp.ReadPacket(strings.NewReader(b), nil); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sftp.ReadPacket(strings.NewReader(""), nil); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
	if _, err := sftp.ReadPacket(strings.NewReader("\x00\x00\x00\x02a"), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut packet: %v", err)
	}
	for name, b := range map[string]string{
		"a string of 4 GiB":           "\x11\x00\x00\x00\x01\xff\xff\xff\xff",
		"a handle of 257 bytes":       "\x04\x00\x00\x00\x01\x00\x00\x01\x01" + strings.Repeat("h", 257),
		"flags that are not known":    "\x03\x00\x00\x00\x01\x00\x00\x00\x01a\x00\x00\x00\x41\x00\x00\x00\x00",
		"open for nothing":            "\x03\x00\x00\x00\x01\x00\x00\x00\x01a\x00\x00\x00\x08\x00\x00\x00\x00",
		"extended attributes":         "\x0e\x00\x00\x00\x01\x00\x00\x00\x01a\x80\x00\x00\x00\x00\x00\x00\x00",
		"attributes that are unknown": "\x0e\x00\x00\x00\x01\x00\x00\x00\x01a\x00\x00\x00\x10",
		"nothing":                     "",
		"ids that are cut":            "\xc8\x00\x00\x00\x01\x00\x00\x00\x1eusers-groups-by-id@openssh.com\x00\x00\x00\x03abc\x00\x00\x00\x00",
	} {
		if _, err := sftp.ParseRequest([]byte(b)); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string]string{
		"4 Gi entries":         "\x68\x00\x00\x00\x01\xff\xff\xff\xff",
		"an entry too few":     "\x68\x00\x00\x00\x01\x00\x00\x00\x01",
		"a type of a client's": "\x05\x00\x00\x00\x01",
		"data beyond":          "\x67\x00\x00\x00\x01\x00\x00\x00\x05abc",
	} {
		if _, err := sftp.ParseReply([]byte(b)); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := sftp.ParseRequest([]byte("\x2a\x00\x00\x00\x07xyz")); err != nil || r.Type != 0 || r.ID != 7 {
		t.Errorf("a type that is not known: %+v, %v", r, err)
	}
}

// What is understood is written again as it was.
func FuzzRequest(f *testing.F) {
	for _, r := range requests() {
		f.Add(sftp.AppendRequest(nil, r)[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > sftp.MaxPacket {
			return
		}
		r, err := sftp.ParseRequest(b)
		if err != nil || r.Type == 0 || r.Type == sftp.Init {
			return
		}
		if got := sftp.AppendRequest(nil, r)[4:]; !bytes.Equal(got, b) {
			t.Errorf("%x became %x", b, got)
		}
	})
}

// An answer is understood or refused, whatever it is.
func FuzzReply(f *testing.F) {
	for _, r := range replies() {
		f.Add(r[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > sftp.MaxPacket {
			return
		}
		r, err := sftp.ParseReply(b)
		if err == nil && len(r.Names) > sftp.MaxNames {
			t.Errorf("there are %d names", len(r.Names))
		}
	})
}
