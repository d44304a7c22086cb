// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// opponent speaks SFTP as no client does.
type opponent struct {
	t    *testing.T
	conn *ssh.Client
}

// dial logs in with a token in place of a password.
func (s *share) dial() *opponent {
	s.t.Helper()
	token := s.Exchange(s.t, s.http.http, "box", "ops")
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.hostKey))
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := ssh.Dial("tcp", s.SSHAddress(), &ssh.ClientConfig{User: "box+ops", Auth: []ssh.AuthMethod{ssh.Password(token)}, HostKeyCallback: ssh.FixedHostKey(key), Timeout: time.Minute})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return &opponent{s.t, c}
}

// talk is one channel.
type talk struct {
	t   *testing.T
	in  io.WriteCloser
	out io.Reader
	id  uint32
}

func (o *opponent) open() *talk {
	o.t.Helper()
	sess, err := o.conn.NewSession()
	if err != nil {
		o.t.Fatal(err)
	}
	k := &talk{t: o.t}
	if k.in, err = sess.StdinPipe(); err == nil {
		k.out, err = sess.StdoutPipe()
	}
	if err == nil {
		err = sess.RequestSubsystem("sftp")
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return k
}

func (o *opponent) begin() *talk {
	o.t.Helper()
	k := o.open()
	if r := k.ask(wire.Request{Type: wire.Init, ID: wire.Version}); r.Type != wire.VersionReply || r.ID != wire.Version || r.Extensions[wire.ExtPosixRename] != "1" {
		o.t.Fatalf("the version is %+v", r)
	}
	return k
}

func (k *talk) send(b []byte) {
	k.t.Helper()
	if _, err := k.in.Write(b); err != nil {
		k.t.Fatal(err)
	}
}

func (k *talk) receive() wire.Reply {
	k.t.Helper()
	b, err := wire.ReadPacket(k.out, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	r, err := wire.ParseReply(wire.Body(b))
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

func (k *talk) ask(q wire.Request) wire.Reply {
	k.t.Helper()
	if q.Type != wire.Init {
		k.id++
		q.ID = k.id
	}
	k.send(wire.AppendRequest(nil, q))
	r := k.receive()
	if q.Type != wire.Init && r.ID != q.ID {
		k.t.Fatalf("the answer is to %d, not to %d", r.ID, q.ID)
	}
	return r
}

// ended fails the test unless the gateway has ended the channel.
func (k *talk) ended(what string) {
	k.t.Helper()
	if _, err := io.Copy(io.Discard, k.out); err != nil {
		k.t.Errorf("%s: %v", what, err)
	}
}

func str(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }

// What cannot be understood ends its channel, and no other.
func TestSFTPGarbage(t *testing.T) {
	s := startShare(t)
	s.file("public/a.txt", "hello\n")
	o := s.dial()
	kept := o.begin()
	for name, b := range map[string]string{
		"no packet": "\x00\x00\x00\x00", "a packet of 4 GiB": "\xff\xff\xff\xff\x01", "a packet beyond the limit": "\x00\x04\x00\x01\x05",
		"a second begin": "\x00\x00\x00\x05\x01\x00\x00\x00\x03", "a handle of 4 GiB": "\x00\x00\x00\x09\x04\x00\x00\x00\x01\xff\xff\xff\xff",
		"a cut packet": "\x00\x00\x00\x06\x05\x00\x00\x00\x01\x00", "bytes behind the last field": "\x00\x00\x00\x0b\x10\x00\x00\x00\x01\x00\x00\x00\x01.x",
		"text": "SSH-2.0-OpenSSH_9.2\r\n",
	} {
		k := o.begin()
		k.send([]byte(b))
		k.ended(name)
	}
	k := o.open()
	k.send(wire.AppendRequest(nil, wire.Request{Type: wire.Stat, ID: 1, Path: []byte("/")}))
	k.ended("no begin")
	if r := kept.ask(wire.Request{Type: wire.Stat, Path: []byte(s.dir + "/public/a.txt")}); r.Type != wire.AttrsReply || r.Attrs.Size != 6 {
		t.Errorf("another channel: %+v", r)
	}
}

// Handles are a channel's own, and good for what they were opened for.
func TestSFTPHandles(t *testing.T) {
	s := startShare(t)
	s.file("public/a.txt", "hello\n")
	s.file("data/p.csv", "mrn,ssn\n1,"+canary+"\n")
	o := s.dial()
	one, two := o.begin(), o.begin()
	path := []byte(s.dir + "/public/a.txt")
	h := one.ask(wire.Request{Type: wire.Open, Path: path, Flags: wire.FlagRead})
	if h.Type != wire.HandleReply {
		t.Fatalf("%+v", h)
	}
	for _, name := range []string{string(h.Handle), "", "\x00\x00\x00\x00", "\x00\x00\x00\x01", strings.Repeat("h", 256)} {
		if r := two.ask(wire.Request{Type: wire.Read, Handle: []byte(name), Length: 100}); r.Type != wire.StatusReply || r.Code != wire.Failure {
			t.Errorf("a handle of another channel: %+v", r)
		}
	}
	for _, q := range []wire.Request{
		{Type: wire.Write, Handle: h.Handle, Data: []byte("x")},
		{Type: wire.Readdir, Handle: h.Handle},
		{Type: wire.Fsetstat, Handle: h.Handle, Attrs: wire.Attrs{Flags: wire.AttrPermissions, Permissions: 0o600}},
		{Type: wire.Extended, Extension: []byte(wire.ExtCopyData), Handle: h.Handle, ToHandle: h.Handle},
		{Type: wire.Extended, Extension: []byte(wire.ExtFstatvfs), Handle: []byte("none")},
		{Type: 77},
		{Type: wire.Extended, Extension: []byte("vendor-id"), Rest: str("x")},
		{Type: wire.Extended, Extension: []byte(wire.ExtExpandPath), Path: []byte("~root/x")},
		{Type: wire.Extended, Extension: []byte(wire.ExtHome), Path: []byte("root")},
		{Type: wire.Open, Path: []byte("a\x00b"), Flags: wire.FlagRead},
		{Type: wire.Open, Path: []byte("/" + strings.Repeat("a/", 5000)), Flags: wire.FlagRead},
		{Type: wire.Open, Path: []byte("\xff\xfe"), Flags: wire.FlagRead},
		{Type: wire.Opendir, Path: path},
		{Type: wire.Open, Path: []byte(s.dir + "/public"), Flags: wire.FlagRead},
		{Type: wire.Open, Path: []byte(s.dir + "/data/p.csv"), Flags: wire.FlagRead | wire.FlagWrite},
		{Type: wire.Open, Path: []byte(s.dir + "/data/p.csv"), Flags: wire.FlagRead | wire.FlagTrunc},
		{Type: wire.Stat, Path: []byte(s.dir + "/public/none")},
		{Type: wire.Readlink, Path: path},
	} {
		if r := one.ask(q); r.Type != wire.StatusReply || r.Code == wire.OK {
			t.Errorf("%+v: %+v", q, r)
		}
	}
	if r := one.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Length: 1<<32 - 1}); string(r.Data) != "hello\n" {
		t.Errorf("a read of 4 GiB: %+v", r)
	}
	if r := one.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Offset: 1<<64 - 1, Length: 10}); r.Type != wire.StatusReply || r.Code == wire.OK {
		t.Errorf("a read from the end of numbers: %+v", r)
	}
	if r := one.ask(wire.Request{Type: wire.Close, Handle: h.Handle}); r.Code != wire.OK {
		t.Errorf("a close: %+v", r)
	}
	if r := one.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Length: 100}); r.Type != wire.StatusReply || r.Code == wire.OK {
		t.Errorf("a closed handle: %+v", r)
	}
	s.is(filepath.Join(s.dir, "public/a.txt"), "hello\n")
	s.is(filepath.Join(s.dir, "data/p.csv"), "mrn,ssn\n1,"+canary+"\n")
	// Thousands of opens: the channel has so many and no more.
	n := 0
	for range 2000 {
		if r := one.ask(wire.Request{Type: wire.Open, Path: path, Flags: wire.FlagRead}); r.Type == wire.HandleReply {
			n++
		} else if r.Code != wire.Failure || !strings.Contains(string(r.Message), "too many") {
			t.Fatalf("%+v", r)
		}
	}
	if n != 128 {
		t.Errorf("%d files were open at once", n)
	}
}

// Masked content and sizes are the same whichever way they are asked for.
func TestSFTPMaskedPackets(t *testing.T) {
	s := startShare(t)
	var rows strings.Builder
	rows.WriteString("mrn,ssn,note\n")
	for range 20_000 {
		rows.WriteString("1001," + canary + ",came by\n")
	}
	s.file("data/p.csv", rows.String())
	k := s.dial().begin()
	path := []byte(s.dir + "/data/p.csv")
	size := k.ask(wire.Request{Type: wire.Stat, Path: path}).Attrs.Size
	h := k.ask(wire.Request{Type: wire.Open, Path: path, Flags: wire.FlagRead})
	if got := k.ask(wire.Request{Type: wire.Fstat, Handle: h.Handle}).Attrs.Size; got != size || size == 0 || size == uint64(rows.Len()) {
		t.Errorf("the sizes are %d and %d; the file has %d", size, got, rows.Len())
	}
	var whole []byte
	for {
		r := k.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Offset: uint64(len(whole)), Length: 200_000})
		if r.Type == wire.StatusReply && r.Code == wire.EOF {
			break
		}
		if r.Type != wire.DataReply || len(r.Data) == 0 {
			t.Fatalf("%+v", r)
		}
		whole = append(whole, r.Data...)
	}
	if uint64(len(whole)) != size || bytes.Contains(whole, []byte(canary)) || bytes.Count(whole, []byte("\n")) != 20_001 {
		t.Errorf("%d bytes came, %q", len(whole), whole[:100])
	}
	if r := k.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Offset: 70_000, Length: 10}); !bytes.Equal(r.Data, whole[70_000:70_010]) {
		t.Errorf("a piece is %q", r.Data)
	}
	s.nothing()
}

// Where a link leads is a name as any other.
func TestSFTPReadlink(t *testing.T) {
	s := startShare(t)
	s.link("visit-"+canary+".txt", "data/one")
	s.link("a.txt", "public/two")
	s.link("../elsewhere/x", "public/three")
	k := s.dial().begin()
	for name, want := range map[string]string{"data/one": "", "public/two": "a.txt", "public/three": "", "data/secret/none": ""} {
		r := k.ask(wire.Request{Type: wire.Readlink, Path: []byte(s.dir + "/" + name)})
		got := ""
		if len(r.Names) == 1 {
			got = string(r.Names[0].Name)
		}
		if want != "" && got != want || strings.Contains(got, canary) || want == "" && got != "" && name != "data/one" {
			t.Errorf("%s leads to %q, %+v", name, got, r)
		}
	}
	s.nothing()
}

// A client that asks for much and reads nothing holds up itself alone, and leaves
// nothing behind when it goes.
func TestSFTPSlowReader(t *testing.T) {
	s := startShare(t)
	s.file("public/big", strings.Repeat("0123456789abcdef", 1<<16))
	o := s.dial()
	k := o.begin()
	h := k.ask(wire.Request{Type: wire.Open, Path: []byte(s.dir + "/public/big"), Flags: wire.FlagRead})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range 5000 {
			if _, err := k.in.Write(wire.AppendRequest(nil, wire.Request{Type: wire.Read, ID: uint32(i), Handle: h.Handle, Length: 200_000})); err != nil {
				return
			}
		}
	}()
	other := o.begin()
	for range 20 {
		if r := other.ask(wire.Request{Type: wire.Stat, Path: []byte(s.dir + "/public/big")}); r.Attrs.Size != 1<<20 {
			t.Fatalf("another channel: %+v", r)
		}
	}
	if err := o.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	<-sent
	s.Stop(t) // waits for every goroutine of the session
	if _, err := os.Stat(filepath.Join(s.dir, "public/big")); err != nil {
		t.Error(err)
	}
}
