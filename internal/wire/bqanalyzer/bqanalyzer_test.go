// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bqanalyzer_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

func request() *bqanalyzer.Request {
	return &bqanalyzer.Request{
		SQL: "SELECT a FROM d.t",
		Tables: []bqanalyzer.Table{{
			Names: []string{"d.t", "p.d.t"}, View: "SELECT 1 AS a",
			Columns: []bqanalyzer.Field{{Name: "a", Type: "RECORD", Repeated: true, Fields: []bqanalyzer.Field{{Name: "b", Type: "STRING"}}}, {Name: "_x", Type: "DATE", Hidden: true}},
		}},
		Parameters: []bqanalyzer.Field{{Name: "p", Type: "INT64"}},
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for range 2 {
		if err := bqanalyzer.Write(&b, bqanalyzer.MaxRequest, request()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		var got bqanalyzer.Request
		if err := bqanalyzer.Read(&b, bqanalyzer.MaxRequest, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(request(), &got); diff != "" {
			t.Error(diff)
		}
	}
	if err := bqanalyzer.Read(&b, bqanalyzer.MaxRequest, new(bqanalyzer.Request)); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if err := bqanalyzer.Write(io.Discard, 10, request()); err == nil {
		t.Error("a message beyond the limit was written")
	}
	for name, in := range map[string]string{
		"beyond the limit": "\x00\x00\x00\x0b{         }",
		"empty":            "\x00\x00\x00\x00",
		"cut head":         "\x00\x00",
		"cut body":         "\x00\x00\x00\x05{}",
		"not JSON":         "\x00\x00\x00\x06secret",
	} {
		err := bqanalyzer.Read(strings.NewReader(in), 10, new(bqanalyzer.Answer))
		if err == nil || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead looks for messages that end the process, or that are read and cannot
// be written again.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := bqanalyzer.Write(&b, bqanalyzer.MaxRequest, request()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r bqanalyzer.Request
		if err := bqanalyzer.Read(bytes.NewReader(in), 1<<16, &r); err != nil {
			return
		}
		if err := bqanalyzer.Write(io.Discard, 1<<20, &r); err != nil {
			t.Error(err)
		}
	})
}
