// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ports_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/moby/spdystream"
	"github.com/moby/spdystream/spdy"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve has a server echo each stream, and tells the names of those that were opened.
func serve(t *testing.T, raw io.ReadWriteCloser) (*ports.Conn, *sync.WaitGroup) {
	t.Helper()
	var all sync.WaitGroup
	c, err := ports.Serve(raw, bufio.NewReader(raw), func(s *ports.Stream) (func(), error) {
		if s.Header().Get("name") == "refused" {
			return nil, errors.New("no")
		}
		return func() {
			all.Go(func() {
				_, _ = io.Copy(s, s)
				_ = s.CloseWrite()
			})
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, &all
}

func named(name string) http.Header { return http.Header{"Name": {name}} }

// wires returns two ends of a connection over TCP, which has room in it as pipes do not.
func wires(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it has done its work
	client, err = new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestBothSides(t *testing.T) {
	t.Parallel()
	a, b := wires(t)
	server, echoes := serve(t, b)
	client, err := ports.Dial(a)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := client.Open(named("echo"))
			if err != nil {
				t.Error(err)
				return
			}
			echoed(t, s, strings.Repeat("0123456789", 50_000), s.CloseWrite)
		})
	}
	all.Wait()
	if _, err := client.Open(named("refused")); err == nil {
		t.Error("a stream that is refused was opened")
	}
	client.Close()
	<-server.Gone()
	server.Close()
	echoes.Wait()
	if err := server.Err(); !errors.Is(err, io.EOF) {
		t.Errorf("the server's end: %v", err)
	}
	if _, err := client.Open(named("echo")); err == nil {
		t.Error("a closed connection opens a stream")
	}
}

// echoed writes a text and reads it back.
func echoed(t *testing.T, s io.ReadWriter, text string, end func() error) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := io.WriteString(s, text); err != nil {
			t.Error(err)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(s)
	if err != nil || string(got) != text {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(text), err)
	}
	all.Wait()
}

// TestTheirClient has the client of another implementation open streams.
func TestTheirClient(t *testing.T) {
	t.Parallel()
	a, b := wires(t)
	server, echoes := serve(t, b)
	client, err := spdystream.NewConnection(a, false)
	if err != nil {
		t.Fatal(err)
	}
	go client.Serve(spdystream.NoOpStreamHandler)
	for range 3 {
		s, err := client.CreateStream(named("echo"), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(); err != nil {
			t.Fatal(err)
		}
		echoed(t, s, strings.Repeat("x", 100_000), s.Close)
	}
	if _, err := client.Ping(); err != nil {
		t.Errorf("ping: %v", err)
	}
	s, err := client.CreateStream(named("refused"), nil, false)
	if err == nil {
		err = s.Wait()
	}
	if err == nil {
		t.Error("a stream that is refused was opened")
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	<-server.Gone()
	server.Close()
	echoes.Wait()
}

// TestGone holds that whoever waits for a peer that goes away is told.
func TestGone(t *testing.T) {
	t.Parallel()
	a, b := wires(t)
	client, err := ports.Dial(a)
	if err != nil {
		t.Fatal(err)
	}
	hello := make(chan struct{})
	opened := make(chan error, 1)
	go func() {
		<-hello
		_, err := client.Open(named("echo"))
		opened <- err
	}()
	close(hello)
	if _, err := io.ReadFull(b, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	if err := <-opened; err == nil {
		t.Error("a stream was opened by nobody")
	}
	client.Close()
	client.Close() // once more does nothing
}

// frames are what a peer sends in one go.
func frames(t testing.TB, list ...spdy.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	f, err := spdy.NewFramer(&b, &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		if err := f.WriteFrame(x); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// sent is a peer that has sent bytes and takes everything.
type sent struct{ *bytes.Reader }

func (sent) Write(p []byte) (int, error) { return len(p), nil }
func (sent) Close() error                { return nil }

// ended serves what a peer sends until its end, and returns why it ended.
func ended(t testing.TB, b []byte) error {
	t.Helper()
	var all sync.WaitGroup
	raw := sent{bytes.NewReader(b)}
	c, err := ports.Serve(raw, bufio.NewReader(raw), func(s *ports.Stream) (func(), error) {
		return func() {
			all.Go(func() {
				_, _ = io.Copy(io.Discard, s)
				_ = s.Close()
			})
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Gone()
	c.Close()
	all.Wait()
	return c.Err()
}

func cut(b []byte) []byte { return b[:len(b)-1] }

func TestBadFrames(t *testing.T) {
	t.Parallel()
	syn := func(id spdy.StreamId) spdy.Frame { return &spdy.SynStreamFrame{StreamId: id, Headers: named("x")} }
	long := http.Header{}
	for i := range 40 {
		long.Set("h"+string(rune('a'+i%26))+string(rune('a'+i/26)), "x")
	}
	giant := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1), 0xffffff)
	for name, tc := range map[string]struct {
		bytes []byte
		want  error
	}{
		"the end":                {nil, io.EOF},
		"a stream":               {frames(t, syn(1), &spdy.DataFrame{StreamId: 1, Data: []byte("x"), Flags: spdy.DataFlagFin}), io.EOF},
		"half a head":            {[]byte{0x80, 3}, io.ErrUnexpectedEOF},
		"an even number":         {frames(t, syn(2)), ports.ErrProtocol},
		"a number that falls":    {frames(t, syn(3), syn(1)), ports.ErrProtocol},
		"the same number":        {frames(t, syn(3), syn(3)), ports.ErrProtocol},
		"too many headers":       {frames(t, &spdy.SynStreamFrame{StreamId: 1, Headers: long}), ports.ErrProtocol},
		"a long header":          {frames(t, &spdy.SynStreamFrame{StreamId: 1, Headers: http.Header{"X": {strings.Repeat("x", 4096)}}}), ports.ErrProtocol},
		"an answer to nothing":   {frames(t, &spdy.SynReplyFrame{StreamId: 1, Headers: named("x")}), ports.ErrProtocol},
		"data of no stream":      {frames(t, &spdy.DataFrame{StreamId: 9, Data: []byte("x")}), io.EOF},
		"data of stream 0":       {[]byte{0, 0, 0, 0, 0, 0, 0, 1, 'x'}, ports.ErrProtocol},
		"a frame that is cut":    {cut(frames(t, syn(1), &spdy.DataFrame{StreamId: 1, Data: []byte("xyz")})), io.ErrUnexpectedEOF},
		"16 MiB that never come": {giant, io.ErrUnexpectedEOF},
		"a long frame":           {[]byte{0x80, 3, 0, 6, 0, 0xff, 0xff, 0xff}, ports.ErrProtocol},
		"noise":                  {[]byte("GET / HTTP/1.1\r\n\r\n"), nil},
	} {
		if err := ended(t, tc.bytes); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManyStreams has a peer open more streams than a connection has.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	var list []spdy.Frame
	for i := range spdy.StreamId(ports.MaxStreams + 50) {
		list = append(list, &spdy.SynStreamFrame{StreamId: 2*i + 1, Headers: named("x")})
	}
	raw := sent{bytes.NewReader(frames(t, list...))}
	n := 0
	c, err := ports.Serve(raw, bufio.NewReader(raw), func(*ports.Stream) (func(), error) {
		n++
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Gone()
	c.Close()
	if n != ports.MaxStreams {
		t.Errorf("%d streams were let in", n)
	}
}

// FuzzServe holds that whatever a client sends, its connection ends with it.
func FuzzServe(f *testing.F) {
	syn := &spdy.SynStreamFrame{StreamId: 1, Headers: named("x")}
	f.Add(frames(f, syn, &spdy.DataFrame{StreamId: 1, Data: []byte("abc")}, &spdy.DataFrame{StreamId: 1, Flags: spdy.DataFlagFin}))
	f.Add(frames(f, syn, &spdy.RstStreamFrame{StreamId: 1, Status: spdy.Cancel}, &spdy.PingFrame{Id: 1}, &spdy.GoAwayFrame{}))
	f.Add(frames(f, &spdy.SettingsFrame{FlagIdValues: []spdy.SettingsFlagIdValue{{Id: 1, Value: 2}}}, &spdy.WindowUpdateFrame{StreamId: 1, DeltaWindowSize: 1}))
	f.Add([]byte("\x80\x03\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		if err := ended(t, b); err == nil {
			t.Error("there is no reason")
		}
	})
}
