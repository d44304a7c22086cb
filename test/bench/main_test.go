// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// answer is a peer that reads nothing and sends one answer.
type answer struct{ io.Reader }

func (answer) Write(p []byte) (int, error) { return len(p), nil }

func message(typ byte, body string) []byte {
	n := len(body) + 4
	return append([]byte{typ, 0, 0, byte(n >> 8), byte(n)}, body...)
}

func TestRawSelectCountsRows(t *testing.T) {
	t.Parallel()
	// A row that is full of other messages' letters must not be taken for them.
	all := bytes.Join([][]byte{
		message('T', "x"), message('D', strings.Repeat("ZED", 300)), message('D', ""), message('D', "Z"), message('C', "SELECT 3\x00"), message('Z', "I"),
	}, nil)
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(all), "by bytes": iotest.OneByteReader(bytes.NewReader(all))} {
		rows, n, err := rawSelect(answer{r}, "SELECT 1")
		// What follows the header of ReadyForQuery is not waited for.
		if err != nil || rows != 3 || n < int64(len(all)-1) {
			t.Errorf("%s: %d rows in %d bytes of %d, %v; want 3", name, rows, n, len(all), err)
		}
	}
	if _, _, err := rawSelect(answer{bytes.NewReader(message('E', "SERROR"))}, "SELECT 1"); err == nil {
		t.Error("an error for an answer was taken for rows")
	}
	if _, _, err := rawSelect(answer{bytes.NewReader(all[:20])}, "SELECT 1"); err == nil {
		t.Error("half an answer was taken for one")
	}
}

func TestProgressLeavesTheFirstSecondOut(t *testing.T) {
	t.Parallel()
	warm := 0
	p, err := watchProgress(strings.NewReader(`pgbench (15.20)
progress: 1.0 s, 10.0 tps, lat 1.0 ms stddev 0.1, 0 failed
progress: 2.0 s, 100.0 tps, lat 1.0 ms stddev 0.1, 0 failed
progress: 3.0 s, 200.5 tps, lat 1.0 ms stddev 0.1, 0 failed
`), 0, func() { warm++ })
	if err != nil || warm != 1 {
		t.Fatalf("err %v, warm %d times; want nil, once", err, warm)
	}
	if w, err := p.window(); err != nil || w.tps != 150.25 {
		t.Errorf("%v tps, %v; want 150.25", w.tps, err)
	}
	if _, err := (progress{}).window(); err == nil {
		t.Error("no progress made a window")
	}
}

func TestLatenciesAreOfTheWindow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := "0 1 9000 0 100 500000\n0 2 100 0 101 500000\n1 2 300 0 102 0\n0 3 200 0 102 999999\n1 3 7000 0 103 1\n"
	if err := os.WriteFile(filepath.Join(dir, "tx.1"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	p50, p99, err := latencies(dir, time.Unix(101, 0), time.Unix(103, 0))
	if err != nil || p50 != 200*time.Microsecond || p99 != 300*time.Microsecond {
		t.Errorf("%v, %v, %v; want 200µs, 300µs", p50, p99, err)
	}
	if _, _, err := latencies(dir, time.Unix(200, 0), time.Unix(300, 0)); err == nil {
		t.Error("an empty window has latencies")
	}
}
