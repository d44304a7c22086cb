// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asking returns how a server is asked for a connection, and ends all at the end.
func asking(t *testing.T, url string, spdyOnly bool) streams.Ask {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	return func(verb string, h http.Header) (*http.Response, error) {
		if spdyOnly && verb == http.MethodGet {
			return &http.Response{StatusCode: http.StatusBadRequest, Body: io.NopCloser(strings.NewReader(""))}, nil
		}
		req, err := http.NewRequestWithContext(t.Context(), verb, url, http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header = h
		return tr.RoundTrip(req)
	}
}

// server runs f for each connection that it gives out.
func server(t *testing.T, wish streams.Wish, f func(*streams.Conn)) string {
	t.Helper()
	var wg sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.Add(1)
		defer wg.Done()
		o, err := streams.Read(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c, err := o.Accept(w, wish, time.Now)
		if err != nil {
			return
		}
		f(c)
		c.Close("over")
	}))
	t.Cleanup(func() { s.Close(); wg.Wait() })
	return s.URL
}

func dialer() streams.Dialer { return streams.Dialer{Random: rand.Reader, Now: time.Now} }

// each runs a test over both protocols.
func each(t *testing.T, f func(t *testing.T, spdyOnly bool)) {
	for name, spdyOnly := range map[string]bool{"websocket": false, "spdy": true} {
		t.Run(name, func(t *testing.T) { f(t, spdyOnly) })
	}
}

// TestStreams has a program that answers what it reads on both of its outputs.
func TestStreams(t *testing.T) {
	each(t, func(t *testing.T, spdyOnly bool) {
		wish := streams.Wish{Stdin: true, Stdout: true, Stderr: true, TTY: false}
		url := server(t, wish, func(c *streams.Conn) {
			out, errs, status := c.Writer(streams.Stdout), c.Writer(streams.Stderr), c.Writer(streams.Status)
			n, err := io.Copy(out, c.Reader(streams.Stdin))
			if err != nil || n == 0 {
				t.Errorf("%d bytes in, %v", n, err)
			}
			_, _ = errs.Write([]byte("said"))
			_, _ = status.Write([]byte(`{"status":"Success"}`))
			for _, w := range []io.Closer{out, errs, status} {
				_ = w.Close()
			}
		})
		c, res, err := dialer().Dial(asking(t, url, spdyOnly), wish)
		if err != nil || res != nil {
			t.Fatal(res, err)
		}
		defer c.Close("")
		sent := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
		var wg sync.WaitGroup
		got := map[streams.Stream][]byte{}
		var mu sync.Mutex
		for _, s := range []streams.Stream{streams.Stdout, streams.Stderr, streams.Status} {
			wg.Go(func() {
				b, err := io.ReadAll(c.Reader(s))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got[s] = b
				mu.Unlock()
			})
		}
		in := c.Writer(streams.Stdin)
		if _, err := in.Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if !bytes.Equal(got[streams.Stdout], sent) || string(got[streams.Stderr]) != "said" || string(got[streams.Status]) != `{"status":"Success"}` {
			t.Errorf("%d bytes out, %q, %q", len(got[streams.Stdout]), got[streams.Stderr], got[streams.Status])
		}
	})
}

// TestGone has either side go, and the other hear of it.
func TestGone(t *testing.T) {
	each(t, func(t *testing.T, spdyOnly bool) {
		wish := streams.Wish{Stdin: true, Stdout: true, TTY: true}
		began, heard := make(chan struct{}), make(chan struct{})
		url := server(t, wish, func(c *streams.Conn) {
			b := make([]byte, 64)
			n, _ := c.Reader(streams.Resize).Read(b)
			if string(b[:n]) != `{"Width":80}` {
				t.Errorf("%q", b[:n])
			}
			close(began)
			<-c.Gone()
			if _, err := c.Writer(streams.Stdout).Write(make([]byte, 8<<20)); err == nil {
				t.Error("a client that is gone is written to")
			}
			close(heard)
		})
		c, _, err := dialer().Dial(asking(t, url, spdyOnly), wish)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Writer(streams.Resize).Write([]byte(`{"Width":80}`)); err != nil {
			t.Fatal(err)
		}
		<-began
		c.Close("")
		<-heard
		c.Close("twice is once")
	})
}

// TestSlow has a client that reads nothing hold up who writes, and not for longer than
// the connection lives.
func TestSlow(t *testing.T) {
	each(t, func(t *testing.T, spdyOnly bool) {
		wish := streams.Wish{Stdout: true}
		done := make(chan error, 1)
		url := server(t, wish, func(c *streams.Conn) {
			for {
				if _, err := c.Writer(streams.Stdout).Write(make([]byte, 1<<20)); err != nil {
					done <- err
					return
				}
			}
		})
		c, _, err := dialer().Dial(asking(t, url, spdyOnly), wish)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.Reader(streams.Stdout), make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
		c.Close("")
		if err := <-done; err == nil {
			t.Error("no error")
		}
	})
}

// raw sends bytes to a server behind a handshake, and returns what came of it.
func raw(t *testing.T, url, handshake, after string) string {
	t.Helper()
	d := net.Dialer{}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it was read
	if _, err := conn.Write([]byte(handshake + after)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("%v after %q", err, b)
	}
	return string(b)
}

const (
	webHello = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "
	spdyHello = "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n\r\n"
)

// TestBadInput has peers that break the rules, each of which ends its connection.
func TestBadInput(t *testing.T) {
	ended := make(chan struct{}, 100)
	url := server(t, streams.Wish{Stdin: true, Stdout: true}, func(c *streams.Conn) {
		_, _ = io.Copy(io.Discard, c.Reader(streams.Stdin))
		<-c.Gone()
		ended <- struct{}{}
	})
	key := "\x00\x00\x00\x00"
	for name, tc := range map[string]struct{ hello, after string }{
		"an unknown channel":      {"v5.channel.k8s.io", "\x82\x82" + key + "\x07a"},
		"the server's channel":    {"v5.channel.k8s.io", "\x82\x82" + key + "\x01a"},
		"the end of nothing":      {"v5.channel.k8s.io", "\x82\x82" + key + "\xff\x09"},
		"an end in the fourth":    {"v4.channel.k8s.io", "\x82\x82" + key + "\xff\x00"},
		"a long end":              {"v5.channel.k8s.io", "\x82\x83" + key + "\xff\x00\x00"},
		"an empty message":        {"v5.channel.k8s.io", "\x82\x80" + key},
		"a text":                  {"v5.channel.k8s.io", "\x81\x82" + key + "\x00a"},
		"no mask":                 {"v5.channel.k8s.io", "\x82\x02\x00a"},
		"a giant frame cut off":   {"v5.channel.k8s.io", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + key + "\x00" + strings.Repeat("x", 200_000) + "CUT"},
		"a farewell":              {"v5.channel.k8s.io", "\x88\x82" + key + "\x03\xe8"},
		"farewell in the fourth":  {"v4.channel.k8s.io", "\x88\x80" + key},
		"an end, and then nobody": {"v5.channel.k8s.io", "\x82\x82" + key + "\xff\x00CUT"},
	} {
		t.Run(name, func(t *testing.T) {
			after, cut := strings.CutSuffix(tc.after, "CUT")
			if cut {
				half(t, url, webHello+tc.hello+"\r\n\r\n"+after)
			} else if got := raw(t, url, webHello+tc.hello+"\r\n\r\n", after); !strings.HasPrefix(got, "HTTP/1.1 101") {
				t.Errorf("%q", got)
			}
			<-ended
		})
	}
	for _, refused := range []string{"channel.k8s.io", "v2.channel.k8s.io, v3.channel.k8s.io", "base64.channel.k8s.io"} {
		if got := raw(t, url, webHello+refused+"\r\nConnection: close\r\n\r\n", ""); !strings.HasPrefix(got, "HTTP/1.1 400") {
			t.Errorf("%s: %q", refused, got)
		}
	}
}

// half sends bytes and closes its side.
func half(t *testing.T, url, text string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBadSPDY has the same for SPDY, where a connection begins when its streams are
// open.
func TestBadSPDY(t *testing.T) {
	url := server(t, streams.Wish{Stdout: true}, func(*streams.Conn) { t.Error("a connection without its streams") })
	for name, after := range map[string]string{
		"data of no stream":       "\x00\x00\x00\x00\x00\x00\x00\x01a",
		"a long frame of control": "\x80\x03\x00\x01\x00\xff\xff\xff",
		"a frame too short":       "\x80\x03\x00\x01\x01\x00\x00\x03abc",
		"an unknown frame":        "\x80\x03\x00\x63\x00\x00\x00\x04abcd",
		"headers that are none":   "\x80\x03\x00\x01\x00\x00\x00\x0e\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00abcd",
		"a stream of its own":     "\x80\x03\x00\x02\x00\x00\x00\x08\x00\x00\x00\x01abcd",
		"garbage":                 "GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 100),
		"nothing":                 "CUT",
		"data, and then nobody":   "\x00\x00\x00\x01\x00\x00\xff\xffabcCUT",
	} {
		t.Run(name, func(t *testing.T) {
			if after, cut := strings.CutSuffix(after, "CUT"); cut {
				half(t, url, spdyHello+after)
				return
			}
			if got := raw(t, url, spdyHello, after); !strings.HasPrefix(got, "HTTP/1.1 101") {
				t.Errorf("%q", got)
			}
		})
	}
	for name, hello := range map[string]string{
		"older":      strings.ReplaceAll(spdyHello, "v4.", "v2."),
		"unnamed":    "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: SPDY/3.1\r\n\r\n",
		"by PUT":     strings.Replace(spdyHello, "POST", "PUT", 1),
		"of another": strings.Replace(spdyHello, "SPDY/3.1", "h2c", 1),
	} {
		hello = strings.Replace(hello, "Connection: Upgrade\r\n", "Connection: Upgrade, close\r\n", 1)
		if got := raw(t, url, hello, ""); !strings.HasPrefix(got, "HTTP/1.1 400") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
