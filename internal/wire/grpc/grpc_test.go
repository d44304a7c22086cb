// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grpc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// TestFramesComeBack in whatever pieces they arrive, up to the limit and not above.
func TestFramesComeBack(t *testing.T) {
	t.Parallel()
	msgs := [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 300<<10), []byte("c")}
	var body []byte
	for _, m := range msgs {
		body = grpc.Append(body, m)
	}
	for _, src := range []io.Reader{bytes.NewReader(body), iotest.HalfReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
		r := grpc.NewReader(src, 300<<10)
		for i, m := range msgs {
			if got, err := r.Next(); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the end: %v", err)
		}
	}
	r := grpc.NewReader(bytes.NewReader(grpc.Append(nil, make([]byte, 11))), 10)
	if _, err := r.Next(); sallyport.KindOf(err) != sallyport.Exhausted {
		t.Errorf("above the limit: %v", err)
	}
}

// TestHostileFrames are refused: packed ones, unknown ones, and half ones, whatever
// length they announce.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	_, err := grpc.NewReader(strings.NewReader("\x01\x00\x00\x00\x01x"), 10).Next()
	if got := grpc.StatusOf(err); got.Code != grpc.Unimplemented {
		t.Errorf("a packed message: %v", got)
	}
	_, err = grpc.NewReader(strings.NewReader("\x80\x00\x00\x00\x01x"), 10).Next()
	if sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("an unknown flag: %v", err)
	}
	for _, s := range []string{"\x00\x00", "\x00\x00\x00\x00\x05abc", "\x00\x07\xff\xff\xffabc"} {
		if _, err := grpc.NewReader(strings.NewReader(s), 128<<20).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, want := range map[string]sallyport.Kind{"": sallyport.Invalid, "\x00\x00": sallyport.Invalid, "\x00\x00\x00\x00\x01a\x00": sallyport.Invalid} {
		if _, err := grpc.One(strings.NewReader(s), 10); sallyport.KindOf(err) != want {
			t.Errorf("one of %q: %v", s, err)
		}
	}
	if got, err := grpc.One(strings.NewReader("\x00\x00\x00\x00\x01a"), 10); err != nil || string(got) != "a" {
		t.Errorf("one: %q, %v", got, err)
	}
}

// TestStatuses tell each kind, and no cause.
func TestStatuses(t *testing.T) {
	t.Parallel()
	want := map[sallyport.Kind]grpc.Code{
		sallyport.Invalid: grpc.InvalidArgument, sallyport.Unauthenticated: grpc.Unauthenticated, sallyport.Denied: grpc.PermissionDenied,
		sallyport.Held: grpc.PermissionDenied, sallyport.NotFound: grpc.NotFound, sallyport.Conflict: grpc.FailedPrecondition,
		sallyport.Exhausted: grpc.ResourceExhausted, sallyport.Unavailable: grpc.Unavailable, sallyport.Internal: grpc.Internal, sallyport.Integrity: grpc.Internal,
	}
	for k, code := range want {
		s := grpc.StatusOf(sallyport.E(k, "test", "it did not work: 50 %").WithHint("look → there").Because(errors.New("secret")))
		if s.Code != code || s.Message != "it did not work: 50 % (to do: look → there)" {
			t.Errorf("%s: %v", k, s)
		}
		c, m := s.Header()
		if strings.Trim(m, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
			t.Errorf("%q", m)
		}
		if back, ok := grpc.ParseStatus(c, m); !ok || back != s {
			t.Errorf("%v came back as %v", s, back)
		}
	}
	for c := grpc.InvalidArgument; c <= grpc.Unauthenticated; c++ {
		if got := grpc.StatusOf(fmt.Errorf("x: %w", grpc.Error(c, "x"))); got.Code != c {
			t.Errorf("%s is told as %s", c, got.Code)
		}
	}
	if s := grpc.StatusOf(nil); s.Code != grpc.OK || s.Code.String() != "OK" || grpc.Unauthenticated.String() != "UNAUTHENTICATED" {
		t.Errorf("%v", s)
	}
	for _, c := range []string{"", "x", "-1", "1234"} {
		if _, ok := grpc.ParseStatus(c, ""); ok {
			t.Errorf("%q is a status", c)
		}
	}
	if s, ok := grpc.ParseStatus("99", "%zz%4"); !ok || s.Code != grpc.Unknown || s.Message != "%zz%4" {
		t.Errorf("%v", s)
	}
}

// TestTimeouts are read and written.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"": 0, "1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond,
		"5u": 5 * time.Microsecond, "6n": 6, "0S": 1, "99999999H": 30 * 24 * time.Hour,
	} {
		if got, err := grpc.ParseTimeout(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"S", "1", "1x", "+1S", "-1S", "123456789S", " 1S", "1.5S"} {
		if _, err := grpc.ParseTimeout(s); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", s, err)
		}
	}
	for d, want := range map[time.Duration]string{0: "", 1: "1u", time.Second: "1000000u", time.Hour: "3600S"} {
		if got := grpc.FormatTimeout(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}

// TestContentTypes of calls.
func TestContentTypes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "Application/gRPC; x=y": true,
		"application/grpc+json": false, "application/grpc-web": false, "application/json": false, "": false,
	} {
		if grpc.Is(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// TestFields of a message, and of what is none.
func TestFields(t *testing.T) {
	t.Parallel()
	b := grpc.AppendString(nil, 1, "text")
	b = grpc.AppendVarint(b, 2, 300)
	b = grpc.AppendMessage(b, 3, nil)
	b = grpc.AppendVarint(grpc.AppendString(b, 4, ""), 5, 0)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 6, protowire.Fixed64Type), 7)
	b = protowire.AppendFixed32(protowire.AppendTag(b, 7, protowire.Fixed32Type), 8)
	var got []string
	err := grpc.Fields(b, func(f grpc.Field) error {
		got = append(got, fmt.Sprintf("%d=%d%q", f.Number, f.Uint, f.Bytes))
		return nil
	})
	if want := `[1=0"text" 2=300"" 3=0"" 6=7"" 7=8""]`; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, b := range []string{"\x0a\x05a", "\x08", "\x0b\x0c", "\xff", "\x09a", "\x0da"} {
		if err := grpc.Fields([]byte(b), func(grpc.Field) error { return nil }); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", b, err)
		}
	}
	number, text := grpc.Field{Type: protowire.VarintType, Uint: 3}, grpc.Field{Type: protowire.BytesType, Bytes: []byte("\xff")}
	if _, err := number.String(); err == nil {
		t.Error("a number is a text")
	}
	if _, err := number.Message(); err == nil {
		t.Error("a number is a message")
	}
	if _, err := text.Varint(); err == nil {
		t.Error("a text is a number")
	}
	if _, err := text.String(); err == nil {
		t.Error("a text is no UTF-8")
	}
	if v, err := number.Varint(); err != nil || v != 3 {
		t.Errorf("%d, %v", v, err)
	}
	if sallyport.KindOf(grpc.UnknownField("Request")) != sallyport.Invalid {
		t.Error("an unknown field is not refused")
	}
}

// FuzzFrames cuts a body into messages, which come out as they went in.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x01a"), 16)
	f.Add([]byte("\x01\x00\x00\x00\x01a"), 16)
	f.Add([]byte("\x00\xff\xff\xff\xff"), 1<<20)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = min(max(limit, 0), 1<<20)
		r := grpc.NewReader(bytes.NewReader(b), limit)
		var again []byte
		for {
			m, err := r.Next()
			if err != nil {
				break
			}
			if len(m) > limit {
				t.Fatalf("%d bytes are above %d", len(m), limit)
			}
			again = grpc.Append(again, m)
		}
		if !bytes.HasPrefix(b, again) {
			t.Fatal("the messages are others than those that were sent")
		}
	})
}

// FuzzHeaders reads what stands in headers: what is read is written and read alike.
func FuzzHeaders(f *testing.F) {
	f.Add("5", "a%20b", "3S")
	f.Add("99", "%E2%86%92%", "99999999H")
	f.Fuzz(func(t *testing.T, code, message, timeout string) {
		if s, ok := grpc.ParseStatus(code, message); ok {
			back, ok := grpc.ParseStatus(s.Header())
			if !ok || back.Code != s.Code || len(s.Message) < 4<<10 && back.Message != s.Message {
				t.Fatalf("%q came back as %q", s, back)
			}
		}
		if d, err := grpc.ParseTimeout(timeout); err == nil && d < 0 {
			t.Fatalf("%q is %v", timeout, d)
		}
	})
}

// FuzzFields walks a message to its end.
func FuzzFields(f *testing.F) {
	f.Add([]byte("\x0a\x01a\x10\x01"))
	f.Add([]byte("\x0b\x0c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		_ = grpc.Fields(b, func(f grpc.Field) error {
			if total += len(f.Bytes) + 1; f.Number < 1 || total > len(b) {
				t.Fatalf("field %d of %d bytes", f.Number, len(f.Bytes))
			}
			return nil
		})
	})
}
