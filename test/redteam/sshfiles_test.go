// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// sftpTalk is one channel of sftp.
type sftpTalk struct {
	a   *sshArena
	in  io.Writer
	out io.Reader
	id  uint32
}

func (a *sshArena) sftp(c *ssh.Client) (*sftpTalk, error) {
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	go ssh.DiscardRequests(reqs)
	go func() {
		b, _ := io.ReadAll(ch.Stderr())
		a.see(b)
	}()
	if ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(sshText{"sftp"})); err != nil || !ok {
		return nil, fmt.Errorf("no sftp: %w", err)
	}
	k := &sftpTalk{a: a, in: ch, out: ch}
	_, err = k.ask(wire.Request{Type: wire.Init, ID: wire.Version})
	return k, err
}

func (k *sftpTalk) ask(q wire.Request) (wire.Reply, error) {
	if q.Type != wire.Init {
		k.id++
		q.ID = k.id
	}
	if _, err := k.in.Write(wire.AppendRequest(nil, q)); err != nil {
		return wire.Reply{}, err
	}
	b, err := wire.ReadPacket(k.out, nil)
	if err != nil {
		return wire.Reply{}, err
	}
	k.a.see(b)
	return wire.ParseReply(wire.Body(b))
}

// files is an attempt by requests of sftp, none of which may be answered but by an
// error.
func filesAttempt(id, tries, by string, denial bool, requests func(path func(string) []byte) []wire.Request) sshRow {
	return sshRow{id, tries, by, denial, func(a *sshArena) error {
		c := a.login("box+ops")
		defer c.Close() //nolint:errcheck // it has ended
		k, err := a.sftp(c)
		if err != nil {
			return err
		}
		for i, q := range requests(func(s string) []byte { return []byte(filepath.Join(a.dir) + "/" + s) }) {
			r, aerr := k.ask(q)
			err = errors.Join(err, aerr, unless(r.Type == wire.StatusReply && r.Code != wire.OK, "request %d (%d %s): %+v", i, q.Type, strings.ReplaceAll(string(q.Path), a.dir, ""), r))
		}
		return errors.Join(err, a.unharmed())
	}}
}

// unharmed reports what is not as it was at the target.
func (a *sshArena) unharmed() (err error) {
	for name, want := range map[string]string{
		"data/secret/n.txt": "Seen today. SSN " + sshCanary + ".\n", "elsewhere/n.txt": "Seen today. SSN " + sshCanary + ".\n", "data/n.txt": "Seen today. SSN " + sshCanary + ".\n", "public/a.txt": "hello\n",
	} {
		b, rerr := os.ReadFile(filepath.Join(a.dir, name))
		i, serr := os.Stat(filepath.Join(a.dir, name))
		if err = errors.Join(err, rerr, serr); err == nil {
			err = unless(string(b) == want && i.Mode() == 0o600, "%s was changed: %v", name, i.Mode())
		}
	}
	left, gerr := filepath.Glob(filepath.Join(a.dir, "elsewhere/*"))
	return errors.Join(err, gerr, unless(len(left) == 1, "elsewhere are %q", left))
}

func open(path []byte, flags uint32) wire.Request {
	return wire.Request{Type: wire.Open, Path: path, Flags: flags}
}

func sshFiles() []sshRow {
	const judged = "analyze/files Layout.Statement"
	const found = "connector/ssh/sftp serving.find"
	return []sshRow{
		filesAttempt("S59", "files that are not shown: by name, by `..`, twice slashed, relative, by /proc", judged, true, func(p func(string) []byte) []wire.Request {
			var out []wire.Request
			for _, name := range []string{
				"data/secret/n.txt", "public/../data/secret/n.txt", "public//../data/./secret//n.txt", "elsewhere/n.txt", "public/../elsewhere/n.txt", "../../../../../../etc/shadow", "../../../../../../proc/self/environ",
				"../../../../../../proc/1/cwd/etc/shadow", "../../../../../../dev/zero", "../../../../../../dev/fd/0",
			} {
				out = append(out, open(p(name), wire.FlagRead))
			}
			return append(out, open([]byte("data/secret/n.txt"), wire.FlagRead), open([]byte("/etc/shadow"), wire.FlagRead), open([]byte("a\x00b"), wire.FlagRead), open([]byte("\xff"), wire.FlagRead))
		}),
		{"S60", "links, made before and made here, to what is not shown", found, true, func(a *sshArena) error {
			for name, to := range map[string]string{"public/l1": "../data/secret/n.txt", "public/l2": "../elsewhere", "public/l3": "/etc", "drop/l4": "../elsewhere/new.txt", "public/l5": "l5", "public/l6": "../data"} {
				if err := os.Symlink(to, filepath.Join(a.dir, name)); err != nil {
					return err
				}
			}
			return filesAttempt("", "", "", true, func(p func(string) []byte) []wire.Request {
				var out []wire.Request
				for _, name := range []string{"public/l1", "public/l2/n.txt", "public/l3/passwd", "public/l5", "public/l6/secret/n.txt"} {
					out = append(out, open(p(name), wire.FlagRead), wire.Request{Type: wire.Stat, Path: p(name)})
				}
				return append(out,
					open(p("drop/l4"), wire.FlagWrite|wire.FlagCreate), open(p("public/l2/new.txt"), wire.FlagWrite|wire.FlagCreate),
					wire.Request{Type: wire.Symlink, Path: p("data/secret/n.txt"), To: p("drop/made")}, wire.Request{Type: wire.Symlink, Path: []byte("../elsewhere"), To: p("drop/made")},
					wire.Request{Type: wire.Symlink, Path: []byte("/"), To: p("drop/made")},
				)
			}).try(a)
		}},
		filesAttempt("S61", "hard links, copies and renames out of what is not shown or is masked", judged, true, func(p func(string) []byte) []wire.Request {
			return []wire.Request{
				{Type: wire.Extended, Extension: []byte(wire.ExtHardlink), Path: p("data/secret/n.txt"), To: p("drop/h")},
				{Type: wire.Extended, Extension: []byte(wire.ExtHardlink), Path: p("data/n.txt"), To: p("drop/h")},
				{Type: wire.Rename, Path: p("data/secret/n.txt"), To: p("drop/r")},
				{Type: wire.Rename, Path: p("data/n.txt"), To: p("drop/r")},
				{Type: wire.Rename, Path: p("data"), To: p("drop/r")},
				{Type: wire.Rename, Path: p("drop"), To: p("elsewhere/r")},
				{Type: wire.Extended, Extension: []byte(wire.ExtPosixRename), Path: p("data/secret"), To: p("drop/r")},
				{Type: wire.Extended, Extension: []byte(wire.ExtPosixRename), Path: p("drop"), To: p("public/a.txt")},
			}
		}),
		filesAttempt("S62", "rights, owners, times and sizes of what may not be changed", judged, true, func(p func(string) []byte) (out []wire.Request) {
			for _, attrs := range []wire.Attrs{{Flags: wire.AttrPermissions, Permissions: 0o666}, {Flags: wire.AttrPermissions, Permissions: 0o4755}, {Flags: wire.AttrOwner}, {Flags: wire.AttrSize}, {Flags: wire.AttrTimes}} {
				for _, name := range []string{"public/a.txt", "data/n.txt", "data/secret/n.txt", "elsewhere"} {
					out = append(out, wire.Request{Type: wire.Setstat, Path: p(name), Attrs: attrs}, wire.Request{Type: wire.Extended, Extension: []byte(wire.ExtLsetstat), Path: p(name), Attrs: attrs})
				}
			}
			return out
		}),
		filesAttempt("S63", "truncation, creation and appending by flags of open, on what may only be read", judged, true, func(p func(string) []byte) (out []wire.Request) {
			for _, flags := range []uint32{wire.FlagRead | wire.FlagTrunc, wire.FlagWrite, wire.FlagWrite | wire.FlagTrunc, wire.FlagRead | wire.FlagWrite, wire.FlagWrite | wire.FlagAppend, wire.FlagRead | wire.FlagCreate | wire.FlagTrunc} {
				for _, name := range []string{"public/a.txt", "data/n.txt", "data/secret/n.txt"} {
					out = append(out, open(p(name), flags))
				}
			}
			return append(out, open(p("public/new"), wire.FlagWrite|wire.FlagCreate), open(p("elsewhere/new"), wire.FlagWrite|wire.FlagCreate))
		}),
		filesAttempt("S64", "whether something is there, asked by stat, readlink, statvfs, realpath and homes", judged, true, func(p func(string) []byte) []wire.Request {
			return []wire.Request{
				{Type: wire.Stat, Path: p("elsewhere/n.txt")},
				{Type: wire.Lstat, Path: p("data/secret/n.txt")},
				{Type: wire.Stat, Path: []byte("/etc/shadow")},
				{Type: wire.Readlink, Path: p("elsewhere/n.txt")},
				{Type: wire.Readlink, Path: []byte("/proc/self/exe")},
				{Type: wire.Opendir, Path: p("elsewhere")},
				{Type: wire.Opendir, Path: p("data/secret")},
				{Type: wire.Opendir, Path: []byte("/etc")},
				{Type: wire.Extended, Extension: []byte(wire.ExtStatvfs), Path: []byte("/etc")},
				{Type: wire.Extended, Extension: []byte(wire.ExtExpandPath), Path: []byte("~root/x")},
				{Type: wire.Extended, Extension: []byte(wire.ExtHome), Path: []byte("root")},
				{Type: wire.Extended, Extension: []byte("exec@made-up"), Rest: sshStrings("touch")},
			}
		}),
		{"S65", "the answers for what is there and what is not are the same", judged, true, func(a *sshArena) error {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			k, err := a.sftp(c)
			if err != nil {
				return err
			}
			for _, pair := range [][2]string{{"elsewhere/n.txt", "elsewhere/none"}, {"data/secret/n.txt", "data/secret/none"}} {
				x, xerr := k.ask(wire.Request{Type: wire.Stat, Path: []byte(a.dir + "/" + pair[0])})
				y, yerr := k.ask(wire.Request{Type: wire.Stat, Path: []byte(a.dir + "/" + pair[1])})
				err = errors.Join(err, xerr, yerr, unless(x.Code == y.Code && string(x.Message) == string(y.Message), "%q and %q", x.Message, y.Message))
			}
			return err
		}},
		{"S66", "a handle of another channel, of another session, and made-up ones", "connector/ssh/sftp serving.handle", false, strangersHandles},
		{"S67", "copy-data out of a masked file", "connector/ssh/sftp", true, func(a *sshArena) error {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			k, err := a.sftp(c)
			if err != nil {
				return err
			}
			from, ferr := k.ask(open([]byte(a.dir+"/data/n.txt"), wire.FlagRead))
			to, terr := k.ask(open([]byte(a.dir+"/drop/copied"), wire.FlagWrite|wire.FlagCreate))
			r, rerr := k.ask(wire.Request{Type: wire.Extended, Extension: []byte(wire.ExtCopyData), Handle: from.Handle, ToHandle: to.Handle})
			b, _ := os.ReadFile(filepath.Join(a.dir, "drop/copied"))
			return errors.Join(ferr, terr, rerr, unless(r.Code != wire.OK && len(b) == 0, "%+v", r))
		}},
		{"S68", "a masked file read backwards, byte by byte, and past its end", "connector/ssh/sftp, internal/derived", false, maskedReads},
		{"S69", "names of files that hold identifiers, in listings and long names", "connector/ssh/sftp listing", false, func(a *sshArena) error {
			ans, err := a.openssh("box+ops", "ls -la "+a.dir+"/data\nls "+a.dir+"\n", "sftp", "-b", "-", "target")
			return errors.Join(err, unless(ans.code == 0 && !strings.Contains(ans.out, "elsewhere"), "%+v", ans))
		}},
		{"S70", "packets that are cut, too long, of no type, and numbers out of order", "wire/sftp", false, func(a *sshArena) (err error) {
			for _, b := range [][]byte{
				{0xff, 0xff, 0xff, 0xff},
				{0, 0, 0, 0},
				{0, 0, 0, 1, 3},
				{0, 0, 0, 5, 77, 0, 0, 0, 1},
				append([]byte{0, 0, 0, 30, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf0}, make([]byte, 21)...),
				{0, 0, 0, 5, 1, 0, 0, 0, 3},
				append(binary.BigEndian.AppendUint32(nil, 1<<20), make([]byte, 1<<20)...),
			} {
				c := a.login("box+ops")
				k, serr := a.sftp(c)
				if serr == nil {
					_, _ = k.in.Write(b)
					_, _ = k.in.Write(wire.AppendRequest(nil, open([]byte(a.dir+"/data/secret/n.txt"), wire.FlagRead)))
				}
				err = errors.Join(err, serr, c.Close())
			}
			return errors.Join(err, a.works())
		}},
		{"S71", "a link that is swapped while files are opened", found, false, swappedLink},
	}
}

func strangersHandles(a *sshArena) error {
	c, d := a.login("box+ops"), a.login("box+ops")
	defer c.Close() //nolint:errcheck // it has ended
	defer d.Close() //nolint:errcheck // as above
	k, err := a.sftp(c)
	l, lerr := a.sftp(c)
	m, merr := a.sftp(d)
	if err = errors.Join(err, lerr, merr); err != nil {
		return err
	}
	h, err := k.ask(open([]byte(a.dir+"/public/a.txt"), wire.FlagRead))
	if err != nil || h.Type != wire.HandleReply {
		return fmt.Errorf("%+v %w", h, err)
	}
	if r, werr := k.ask(wire.Request{Type: wire.Write, Handle: h.Handle, Data: []byte("x")}); werr != nil || r.Code == wire.OK {
		err = fmt.Errorf("a write to what is read: %+v %w", r, werr)
	}
	for _, handle := range []string{string(h.Handle), "", "\x00\x00\x00\x00", "\x00\x00\x00\x01", "0", "1", strings.Repeat("x", 256)} {
		for _, other := range []*sftpTalk{l, m} {
			r, rerr := other.ask(wire.Request{Type: wire.Read, Handle: []byte(handle), Length: 100})
			err = errors.Join(err, rerr, unless(r.Type == wire.StatusReply && r.Code != wire.OK, "%q: %+v", handle, r))
		}
	}
	return errors.Join(err, a.unharmed())
}

func maskedReads(a *sshArena) error {
	c := a.login("box+ops")
	defer c.Close() //nolint:errcheck // it has ended
	k, err := a.sftp(c)
	if err != nil {
		return err
	}
	h, err := k.ask(open([]byte(a.dir+"/data/n.txt"), wire.FlagRead))
	if err != nil || h.Type != wire.HandleReply {
		return fmt.Errorf("%+v %w", h, err)
	}
	got := make([]byte, 200)
	for at := len(got) - 1; at >= 0; at-- {
		r, err := k.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Offset: uint64(at), Length: 1})
		if err != nil {
			return err
		}
		if len(r.Data) > 0 {
			got[at] = r.Data[0]
		}
	}
	a.see(got)
	_, err = k.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Offset: 1<<64 - 1, Length: 1<<32 - 1})
	return errors.Join(err, unless(strings.HasPrefix(string(got), "Seen today."), "%q", got))
}

// swappedLink has a name lead now to one file and now to another. Whichever is
// opened is judged for what it is.
func swappedLink(a *sshArena) error {
	name := filepath.Join(a.dir, "public/swap")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Remove(name + ".new")
			_ = os.Symlink([]string{"a.txt", "../data/secret/n.txt"}[i%2], name+".new")
			_ = os.Rename(name+".new", name)
		}
	}()
	c := a.login("box+ops")
	k, err := a.sftp(c)
	for i := 0; err == nil && i < 300; i++ {
		var h wire.Reply
		if h, err = k.ask(open([]byte(name), wire.FlagRead)); err == nil && h.Type == wire.HandleReply {
			_, err = k.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Length: 100})
			_, _ = k.ask(wire.Request{Type: wire.Close, Handle: h.Handle})
		}
	}
	close(stop)
	<-done
	return errors.Join(err, c.Close(), os.RemoveAll(name), os.RemoveAll(name+".new"))
}
