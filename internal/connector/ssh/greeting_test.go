// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/sallyport-dev/sallyport/internal/connector/ssh"
)

// What a client says first is heard however it comes, to its list and no further than
// it may be, and the library reads all of it again.
func FuzzGreeting(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n\x00\x00\x00\x0c\x04\x14abcdef\x00\x00\x00\x00more"))
	f.Add([]byte("a line\nSSH-2.0-x\n\xff\xff\xff\xff\x04\x14"))
	f.Add([]byte("SSH-2.0-x\n\x00\x00\x00\x01\x00\x14"))
	f.Add([]byte("SSH-2.0-x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		heard, list := ssh.Hear(bytes.NewReader(b))
		slowly, again := ssh.Hear(iotest.OneByteReader(bytes.NewReader(b)))
		if !bytes.HasPrefix(b, heard) || !bytes.HasPrefix(heard, slowly) || !bytes.Equal(list, again) || !bytes.Contains(slowly, list) || len(list) > 35000 {
			t.Errorf("of %q %q was heard, and %q slowly; the lists are %q and %q", b, heard, slowly, list, again)
		}
		got := make([]byte, len(heard))
		if _, err := io.ReadFull(ssh.Greeted(nil, heard, 0), got); err != nil && len(heard) > 0 || !bytes.Equal(got, heard) {
			t.Errorf("%q was read again as %q, %v", heard, got, err)
		}
	})
}

// What was said before the library says it is not said twice.
func TestSaidOnce(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	done := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(far)
		done <- string(b)
	}()
	c := ssh.Greeted(near, nil, 5)
	for _, s := range []string{"abc", "defg", "h"} {
		if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
	_ = c.Close()
	if got := <-done; got != "fgh" {
		t.Errorf("%q was said", got)
	}
}

// A client that has AES-GCM gets it where the processor has AES, and one that has not
// gets what it has.
func TestCiphers(t *testing.T) {
	w := start(t, setup{})
	w.config()
	hard := cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	for _, tc := range []struct{ list, want string }{
		{"chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com", "aes256-gcm@openssh.com"},
		{"chacha20-poly1305@openssh.com", "chacha20-poly1305@openssh.com"},
		{"aes128-ctr,chacha20-poly1305@openssh.com", "aes128-ctr"},
	} {
		if !hard {
			tc.want, _, _ = strings.Cut(tc.list, ",")
		}
		a := w.ssh("", "-o", "LogLevel=DEBUG1", "-c", tc.list, "box", "echo", "in")
		for _, way := range []string{"server->client", "client->server"} {
			if !strings.Contains(a.err, "kex: "+way+" cipher: "+tc.want) {
				t.Errorf("%s %s: not %s: %d %s", tc.list, way, tc.want, a.code, a.err)
			}
		}
		if a.out != "in\n" {
			t.Errorf("%s: %q", tc.list, a.out)
		}
	}
}

// A client that says nothing before it has heard what the gateway has hears all of it.
func TestSilentClient(t *testing.T) {
	w := start(t, setup{})
	for _, first := range []string{"", "SSH-2.0-quiet\r\n"} {
		nc, err := net.Dial("tcp", w.SSHAddress())
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write([]byte(first)); err != nil {
			t.Fatal(err)
		}
		var got []byte
		b := make([]byte, 4096)
		for first != "" && !bytes.Contains(got, []byte("chacha20-poly1305@openssh.com")) || !bytes.Contains(got, []byte("SSH-2.0-Sallyport\r\n")) {
			n, err := nc.Read(b)
			if got = append(got, b[:n]...); err != nil {
				t.Fatalf("%v after %q", err, got)
			}
		}
		if n := bytes.Count(got, []byte("SSH-2.0-")); n != 1 {
			t.Errorf("greeted %d times", n)
		}
		_ = nc.Close()
	}
}
