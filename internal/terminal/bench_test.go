// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"bytes"
	"io"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// BenchmarkOutput carries lines of a log, as a server of a cluster sends them.
func BenchmarkOutput(b *testing.B) {
	line := []byte("2026-11-02T10:00:00.123456Z INFO request id=7f3a status=200 path=/healthz took=1.2ms remote=10.0.0.7\n")
	w := newWorld(b, 1<<20)
	for name, label := range map[string]sallyport.Label{"scanned": "phi.note", "raw": "public"} {
		for size, n := range map[string]int{"line": 1, "32k": 32 << 10 / len(line)} {
			b.Run(name+"/"+size, func(b *testing.B) {
				r, p := w.start(label, nil)
				out, piece := r.Output(terminal.Stdout, io.Discard), bytes.Repeat(line, n)
				b.SetBytes(int64(len(piece)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := out.Write(piece); err != nil {
						b.Fatal(err)
					}
				}
				w.settle(p, r.Finish(terminal.Exit{}, nil))
			})
		}
	}
}
