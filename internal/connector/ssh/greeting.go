// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"
)

const (
	// maxGreeting bounds what a client says before the keys are agreed on, as the
	// library does: some lines, and a list of algorithms.
	maxGreeting = 40 << 10
	// maxList is how long a list of algorithms may be (RFC 4253 section 6.1).
	maxList = 35000
	// hearing is how long the gateway waits for a client's list before it gives its own.
	hearing = time.Second
)

// greeted is a connection on which both sides have said who they are. What the client
// has said is read again, and what the gateway has is not written twice.
type greeted struct {
	net.Conn
	heard []byte // and not read again yet
	said  int    // bytes that are still to be left out
}

// Read implements [io.Reader].
func (g *greeted) Read(b []byte) (int, error) {
	if len(g.heard) == 0 {
		return g.Conn.Read(b)
	}
	n := copy(b, g.heard)
	g.heard = g.heard[n:]
	return n, nil
}

// Write implements [io.Writer].
func (g *greeted) Write(b []byte) (int, error) {
	skip := min(g.said, len(b))
	g.said -= skip
	if skip == len(b) {
		return skip, nil
	}
	n, err := g.Conn.Write(b[skip:])
	return skip + n, err
}

// greet greets the client and hears its list of algorithms before it answers with the
// gateway's. The first cipher of the client's that both have is agreed on, and with
// most clients that is ChaCha20, for which the library has no code for any processor:
// it costs as much as all else that a file passes through. Where the processor has AES,
// a client that has AES-GCM is therefore offered nothing else. One that says nothing
// before it has heard the gateway is offered everything.
func (l *login) greet(cfg *ssh.ServerConfig) (net.Conn, error) {
	if !hasAES() {
		return l.nc, nil
	}
	raw := l.nc.Conn // what ends here ends for the library as well
	g := &greeted{Conn: l.nc, said: len(version) + 2}
	if _, err := io.WriteString(raw, version+"\r\n"); err != nil {
		return nil, err
	}
	if err := raw.SetReadDeadline(l.c.o.Now().Add(hearing)); err != nil {
		return nil, err
	}
	var list []byte
	g.heard, list = hear(raw)
	var said algorithmLists
	if ssh.Unmarshal(list, &said) == nil && gcm(said.ToServer) && gcm(said.ToClient) {
		cfg.Ciphers = slices.DeleteFunc(slices.Clone(cfg.Ciphers), func(c string) bool { return !gcm([]string{c}) })
	}
	return g, raw.SetReadDeadline(l.c.o.Now().Add(loginGrace))
}

// hasAES reports whether the processor computes AES-GCM by itself.
func hasAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
}

func gcm(ciphers []string) bool {
	return slices.Contains(ciphers, ssh.CipherAES128GCM) || slices.Contains(ciphers, ssh.CipherAES256GCM)
}

// algorithmLists is SSH_MSG_KEXINIT (RFC 4253 section 7.1).
type algorithmLists struct {
	Cookie             [16]byte `sshtype:"20"`
	Exchanges          []string
	HostKeys           []string
	ToServer, ToClient []string // ciphers
	Rest               []byte   `ssh:"rest"`
}

// hear reads what a client says until its list of algorithms is there, or no more
// comes, and returns all of it, and the list.
func hear(r io.Reader) (heard, list []byte) {
	heard = make([]byte, 0, maxGreeting)
	for len(heard) < cap(heard) {
		n, err := r.Read(heard[len(heard):cap(heard)])
		heard = heard[:len(heard)+n]
		list, more := listIn(heard)
		if !more || err != nil {
			return heard, list
		}
	}
	return heard, nil
}

// listIn finds the first packet behind the version of a client, and reports whether
// more of it is to come.
func listIn(b []byte) (list []byte, more bool) {
	for version := false; !version; {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			return nil, true
		}
		version, b = bytes.HasPrefix(line, []byte("SSH-")), rest
	}
	if len(b) < 5 {
		return nil, true
	}
	n, padding := uint64(binary.BigEndian.Uint32(b)), uint64(b[4])
	switch {
	case n > maxList || padding+1 >= n:
		return nil, false
	case uint64(len(b)) < 4+n:
		return nil, true
	}
	return b[5 : 4+n-padding], false
}
