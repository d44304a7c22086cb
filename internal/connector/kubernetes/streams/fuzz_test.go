// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
)

// wire is a connection that brings bytes, and then nothing any more.
type wire struct {
	net.Conn // nil: nothing else of it is used
	in       io.Reader
	mu       sync.Mutex
	out      bytes.Buffer // guarded by mu
}

func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (*wire) Close() error                     { return nil }
func (*wire) SetReadDeadline(time.Time) error  { return nil }
func (*wire) SetWriteDeadline(time.Time) error { return nil }

// hijacked is an answer that gives its connection away.
type hijacked struct {
	http.ResponseWriter
	w *wire
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.w, bufio.NewReadWriter(bufio.NewReader(h.w), bufio.NewWriter(h.w)), nil
}

// FuzzAccept holds that whatever a client sends ends, and that no more of it is read on
// a stream than it has sent.
func FuzzAccept(f *testing.F) {
	f.Add([]byte("\x82\x83\x00\x00\x00\x00\x00ab\x82\x82\x00\x00\x00\x00\xff\x00"), false)
	f.Add([]byte("\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"), true)
	f.Add([]byte("\x80\x03\x00\x01\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), true)
	read := func(hello string) *streams.Offer {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(hello)))
		if err != nil {
			f.Fatal(err)
		}
		o, err := streams.Read(r)
		if err != nil {
			f.Fatal(err)
		}
		return o
	}
	web, spdy := read(webHello+"v5.channel.k8s.io\r\n\r\n"), read(spdyHello)
	f.Fuzz(func(t *testing.T, b []byte, overSPDY bool) {
		if len(b) > 1<<16 {
			return
		}
		o := web
		if overSPDY {
			o = spdy
		}
		c, err := o.Accept(hijacked{w: &wire{in: bytes.NewReader(b)}}, streams.Wish{Stdin: true, Stdout: true}, time.Now)
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, c.Reader(streams.Stdin))
		<-c.Gone()
		c.Close("")
		if n > int64(len(b)) {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
	})
}
