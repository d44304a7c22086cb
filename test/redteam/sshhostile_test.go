// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// sshHostile is a target that lets everybody in and says what it should not: the line
// that it is given is the name of what it does.
type sshHostile struct {
	address string
	hostKey string

	mu    sync.Mutex
	taken []string // channels and requests of its own that the gateway took; guarded by mu
}

func sshKeyFile(name string, private ed25519.PrivateKey) (ssh.Signer, error) {
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

func startHostile(t *testing.T) *sshHostile {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &sshHostile{address: ln.Addr().String(), hostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
	cfg := &ssh.ServerConfig{
		ServerVersion:  "SSH-2.0-" + sshCanary,
		BannerCallback: func(ssh.ConnMetadata) string { return "SSN " + sshCanary + "\n" },
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return &ssh.Permissions{}, nil
		},
	}
	cfg.AddHostKey(signer)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer nc.Close() //nolint:errcheck // nobody reads it any more
				h.serve(nc, cfg)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		served.Wait()
	})
	return h
}

func (h *sshHostile) serve(nc net.Conn, cfg *ssh.ServerConfig) {
	conn, chans, reqs, err := ssh.NewServerConn(nc, cfg)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ssh.DiscardRequests(reqs) })
	wg.Go(func() { h.ask(conn) })
	for n := range chans {
		ch, reqs, err := n.Accept()
		if err != nil {
			continue
		}
		wg.Go(func() { h.channel(nc, ch, reqs) })
	}
}

// ask has a target want things of its client.
func (h *sshHostile) ask(conn ssh.Conn) {
	_, _, _ = conn.SendRequest("hostkeys-00@openssh.com", false, []byte("SSN "+sshCanary))
	for _, kind := range []string{"tcpip-forward", "hostkeys-prove-00@openssh.com", "session"} {
		if ok, _, err := conn.SendRequest(kind, true, nil); err == nil && ok {
			h.took("request " + kind)
		}
	}
	for _, kind := range []string{"forwarded-tcpip", "x11", "auth-agent@openssh.com", "session", "direct-tcpip", "forwarded-streamlocal@openssh.com"} {
		if ch, _, err := conn.OpenChannel(kind, nil); err == nil {
			h.took("channel " + kind)
			_ = ch.Close()
		}
	}
}

func (h *sshHostile) took(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken = append(h.taken, what)
}

func (h *sshHostile) took1() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.taken, ", ")
}

func (h *sshHostile) channel(nc net.Conn, ch ssh.Channel, reqs <-chan *ssh.Request) {
	defer ch.Close() //nolint:errcheck // it has ended
	for r := range reqs {
		_ = r.Reply(true, nil)
		switch r.Type {
		case "subsystem":
			sshLyingFiles(ch)
			return
		case "exec":
			h.exec(nc, ch, string(r.Payload[4:]))
			return
		}
	}
}

func (h *sshHostile) exec(nc net.Conn, ch ssh.Channel, line string) {
	status := func(code uint32) {
		_, _ = ch.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, code))
	}
	signal := func(name, message string) {
		_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name    string
			Core    bool
			Message string
			Lang    string
		}{name, false, message, "en"}))
	}
	switch line {
	case "message":
		signal("TERM", "SSN "+sshCanary)
	case "signal-name":
		signal("SSN "+sshCanary, "")
	case "twice":
		status(0)
		status(7)
	case "unknown":
		_, _ = ch.SendRequest("SSN "+sshCanary, false, []byte("SSN "+sshCanary))
		status(0)
	case "cut":
		_, _ = ch.Write([]byte("SSN " + sshCanary))
		_ = nc.Close()
	case "extended": // a stream of a number that nobody knows, which the library refuses
		_, _ = ch.Write([]byte("plain\n"))
		status(0)
	case "flood":
		for range 2000 {
			_, _ = ch.SendRequest("made-up", false, make([]byte, 1000))
		}
		status(0)
	}
}

// sshLyingFiles serves sftp and answers with canaries wherever a text fits.
func sshLyingFiles(ch ssh.Channel) {
	text := []byte("SSN " + sshCanary)
	for {
		b, err := wire.ReadPacket(ch, nil)
		if err != nil {
			return
		}
		q, err := wire.ParseRequest(wire.Body(b))
		if err != nil {
			return
		}
		var out []byte
		switch q.Type {
		case wire.Init:
			out = append(binary.BigEndian.AppendUint32([]byte{byte(wire.VersionReply)}, 3), sshStrings(string(text), string(text))...)
		case wire.Realpath:
			out = binary.BigEndian.AppendUint32([]byte{byte(wire.NameReply)}, q.ID)
			out = binary.BigEndian.AppendUint32(out, 1)
			out = append(append(out, sshStrings("/home", "longname "+string(text))...), 0, 0, 0, 0)
		default:
			out = binary.BigEndian.AppendUint32([]byte{byte(wire.StatusReply)}, q.ID)
			out = binary.BigEndian.AppendUint32(out, 4)
			out = append(out, sshStrings(string(text), string(text))...)
		}
		if _, err := ch.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(out))), out...)); err != nil {
			return
		}
	}
}

func sshStrings(list ...string) (b []byte) {
	for _, s := range list {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}
