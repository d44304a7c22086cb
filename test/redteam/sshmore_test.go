// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

func sshMore() []sshRow {
	return []sshRow{
		{"S97", "512 connections that send their versions letter by letter, and one more", "door.Serve, login's limits", false, slowLoris},
		filesAttempt("S98", "paths with zero bytes, line ends, overlong letters and dots between, for each operation", "analyze/files Canonical", true, func(p func(string) []byte) (out []wire.Request) {
			for _, name := range []string{
				"data/secret\x00/n.txt", "data/secret/n.txt\x00.csv", "data/secret/n.txt\n", "data/secret/n.txt\r", "public/\xc0\xae\xc0\xae/data/secret/n.txt", "data\xc0\xafsecret\xc0\xafn.txt", "public/\xe0\x80\xae\xe0\x80\xae/elsewhere/n.txt",
				"data/secret/\xed\xa0\x80", "elsewhere//n.txt", "drop/.././elsewhere/./n.txt", "drop//..//data//secret//n.txt", "./data/./secret/./n.txt", "drop/x/../../elsewhere/../data/secret/n.txt", "data/secret/n.txt/.", "data/secret/n.txt/",
			} {
				for _, kind := range []wire.Type{wire.Stat, wire.Lstat, wire.Opendir, wire.Remove, wire.Rmdir, wire.Readlink, wire.Setstat} {
					out = append(out, wire.Request{Type: kind, Path: p(name), Attrs: wire.Attrs{Flags: wire.AttrTimes}})
				}
				out = append(out, open(p(name), wire.FlagRead), open(p(name), wire.FlagWrite|wire.FlagCreate|wire.FlagTrunc), wire.Request{Type: wire.Rename, Path: p(name), To: p("drop/out")})
			}
			return out
		}),
		{"S99", "a directory moved to where a part of it would lie at a prefix with other labels", "analyze/files judgement.lands", true, func(a *sshArena) error {
			if err := os.MkdirAll(filepath.Join(a.dir, "drop/notes/x/open"), 0o755); err != nil {
				return err
			}
			a.file("drop/notes/x/open/n.txt", "Seen today. SSN "+sshCanary+".\n")
			err := filesAttempt("", "", "", true, func(p func(string) []byte) []wire.Request {
				return []wire.Request{
					{Type: wire.Rename, Path: p("drop/notes/x"), To: p("drop/hold")},
					{Type: wire.Extended, Extension: []byte(wire.ExtPosixRename), Path: p("drop/notes/x"), To: p("drop/hold")},
					open(p("drop/hold/open/n.txt"), wire.FlagRead),
				}
			}).try(a)
			return errors.Join(err, os.RemoveAll(filepath.Join(a.dir, "drop/notes")), os.RemoveAll(filepath.Join(a.dir, "drop/hold")))
		}},
		{"S100", "10,000 opens, handles that were closed, and 5,000 listings that nobody reads", "connector/ssh/sftp serving.room, serving.handle", false, manyHandles},
	}
}

// slowLoris takes every place at the door, and gives none back by itself.
func slowLoris(a *sshArena) (err error) {
	const places = 512
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for range places {
		c, derr := net.Dial("tcp", a.SSHAddress())
		if derr != nil {
			return derr
		}
		all = append(all, c)
		if _, err := io.ReadFull(c, make([]byte, len("SSH-2.0-"))); err != nil { // it has its place
			return err
		}
	}
	more, err := a.raw(nil)
	if err = errors.Join(err, unless(more == "", "one more was greeted: %q", more)); err != nil {
		return err
	}
	stop := make(chan struct{})
	var slow sync.WaitGroup
	slow.Go(func() {
		for {
			for _, c := range all {
				_, _ = c.Write([]byte("S")) // it may be closed
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	})
	for _, c := range all {
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute))
		var ne net.Error
		if _, rerr := io.Copy(io.Discard, c); errors.As(rerr, &ne) && ne.Timeout() {
			err = errors.New("a connection that never logs in was kept")
		}
	}
	close(stop)
	slow.Wait()
	return errors.Join(err, a.works())
}

func manyHandles(a *sshArena) error {
	c := a.login("box+ops")
	defer c.Close() //nolint:errcheck // it has ended
	k, err := a.sftp(c)
	if err != nil {
		return err
	}
	name := []byte(a.dir + "/public/a.txt")
	var handles [][]byte
	for range 10_000 {
		r, err := k.ask(open(name, wire.FlagRead))
		if err != nil {
			return err
		}
		if r.Type == wire.HandleReply {
			handles = append(handles, r.Handle)
		}
	}
	err = unless(len(handles) == 128, "%d files were open at once", len(handles))
	for _, h := range handles {
		if r, cerr := k.ask(wire.Request{Type: wire.Close, Handle: h}); cerr != nil || r.Code != wire.OK {
			err = errors.Join(err, fmt.Errorf("a close: %+v %w", r, cerr))
		}
		for _, q := range []wire.Request{{Type: wire.Read, Handle: h, Length: 100}, {Type: wire.Fstat, Handle: h}, {Type: wire.Close, Handle: h}, {Type: wire.Readdir, Handle: h}} {
			r, rerr := k.ask(q)
			err = errors.Join(err, rerr, unless(r.Type == wire.StatusReply && r.Code != wire.OK, "a closed handle: %+v", r))
		}
	}
	d, derr := k.ask(wire.Request{Type: wire.Opendir, Path: []byte(a.dir + "/public")})
	if err = errors.Join(err, derr); err != nil {
		return err
	}
	flood := make(chan struct{})
	go func() {
		defer close(flood)
		for i := range 5000 {
			if _, err := k.in.Write(wire.AppendRequest(nil, wire.Request{Type: wire.Readdir, ID: uint32(i), Handle: d.Handle})); err != nil {
				return
			}
		}
	}()
	err = a.works()
	_ = c.Close()
	<-flood
	_, serr := os.Stat(filepath.Join(a.dir, "public/a.txt"))
	return errors.Join(err, serr, a.works())
}
