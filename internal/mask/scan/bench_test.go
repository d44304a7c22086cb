// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/test/phigen"
)

// corpora are what the benchmarks scan, value by value.
func corpora() map[string][][]byte {
	out := map[string][][]byte{
		"clean-columns": phigen.CleanColumns(20000),
		"clean-notes":   notes(phigen.CleanText(1 << 20)),
		"dense-columns": phigen.DenseColumns(20000),
		"dense-notes":   notes(phigen.DenseText(1 << 20)),
	}
	maps.Copy(out, logs())
	return out
}

// logs are lines of logs as programs write them, value by value 32 KiB of them.
func logs() map[string][][]byte {
	forms := map[string]func(i int) string{
		"log-keys": func(i int) string {
			return fmt.Sprintf("2026-01-02T03:04:%02dZ INFO claims request=%x status=200 duration=%dms path=/v1/claims/list ssn 219-09-9991", i%60, i*7919, i%90)
		},
		"log-json": func(i int) string {
			return fmt.Sprintf(`{"level":"info","ts":"2026-01-02T03:04:%02d.%03dZ","caller":"claims/handler.go:%d","msg":"request finished","status":200,"latency":0.%d,"trace":"%016x"}`, i%60, i%1000, i%900, i, uint64(i)*0x9e3779b97f4a7c15)
		},
		"log-klog": func(i int) string {
			return fmt.Sprintf("I0102 03:04:%02d.%06d       1 reconciler.go:%d] \"Volume mounted for pod\" pod=\"kube-system/worker-%x-abcde\" took=\"%d.%dms\"", i%60, i, i%900, i*7919, i%90, i%900)
		},
		"log-access": func(i int) string {
			return fmt.Sprintf("10.2.%d.%d - - [02/Jan/2026:03:04:%02d +0000] \"GET /v1/claims/%d?page=%d HTTP/1.1\" 200 %d \"-\" \"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\"", i%256, i*7%256, i%60, i%10000, i%90, i*31)
		},
		"log-trace": func(i int) string {
			return fmt.Sprintf("java.lang.IllegalStateException: queue is full\n\tat org.example.claims.ClaimsHandler.handle(ClaimsHandler.java:%d)\n\tat java.base/java.lang.Thread.run(Thread.java:833)", i%900)
		},
	}
	out := map[string][][]byte{}
	for name, form := range forms {
		var b bytes.Buffer
		for i := 0; b.Len() < 32<<10; i++ {
			b.WriteString(form(i) + "\n")
		}
		out[name] = [][]byte{b.Bytes()}
	}
	return out
}

// notes cuts a text into values of about 700 bytes.
func notes(text []byte) [][]byte {
	var out [][]byte
	for len(text) > 700 {
		out = append(out, text[:700])
		text = text[700:]
	}
	return append(out, text)
}

func size(values [][]byte) (n int64) {
	for _, v := range values {
		n += int64(len(v))
	}
	return n
}

// BenchmarkScan measures the scanner without names. Its figures mean something
// beside those of BenchmarkCopy and BenchmarkRegexp in the same run.
func BenchmarkScan(b *testing.B) {
	s := scanner(b, scan.Options{})
	dst := make([]scan.Span, 0, 1024)
	for name, values := range corpora() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size(values))
			b.ReportAllocs()
			found := 0
			for b.Loop() {
				found = 0
				for _, v := range values {
					found += len(s.Scan(dst[:0], v, nil))
				}
			}
			b.ReportMetric(float64(found)/(float64(size(values))/1e6), "findings/MB")
		})
	}
}

// BenchmarkCopy copies the same values.
func BenchmarkCopy(b *testing.B) {
	buf := make([]byte, 1<<16)
	for name, values := range corpora() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size(values))
			for b.Loop() {
				for _, v := range values {
					copy(buf, v)
				}
			}
		})
	}
}

// BenchmarkRegexp finds the plainest forms of a tenth of the entities, one
// expression after the other, as scanners made of expressions do.
func BenchmarkRegexp(b *testing.B) {
	var res []*regexp.Regexp
	for _, e := range []string{
		`\b\d{3}-\d{2}-\d{4}\b`, `(?:\+?1[-. ])?\(?[2-9]\d{2}\)?[-. ][2-9]\d{2}[-. ]\d{4}\b`, `[\w.+-]+@[\w-]+\.[\w.]+`, `https?://\S+`,
		`\b(?:\d{1,3}\.){3}\d{1,3}\b`, `\b\d{4}-\d{2}-\d{2}\b`, `\b\d{1,2}/\d{1,2}/\d{2,4}\b`, `(?i)\bMRN:?\s*\w{5,12}`, `\b[12]\d{9}\b`,
		`\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y]{2}\d{2}\b`, `\b[A-Z]{2}\d{7}\b`,
		`\b(?:\d[ -]?){13,19}\b`, `\b[A-HJ-NPR-Z0-9]{17}\b`, `\b\d{5}-\d{4}\b`, `\b(?:9\d|1[0-4]\d)[- ]years?[- ]old\b`,
	} {
		res = append(res, regexp.MustCompile(e))
	}
	for name, values := range corpora() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size(values))
			for b.Loop() {
				for _, v := range values {
					for _, re := range res {
						re.FindAllIndex(v, -1)
					}
				}
			}
		})
	}
}

func scanner(tb testing.TB, o scan.Options) *scan.Scanner {
	tb.Helper()
	s, err := scan.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
