// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	const secret = "ababac-secret"
	req := &http.Request{Header: http.Header{"Authorization": {"Bearer " + secret}, "X-Key": {"another-secret"}}}
	names := []string{"Authorization", "X-Key"}
	for text, stops := range map[string]bool{
		"": false, "nothing": false, "abab": false, "abababac-secre": false, "ababac-secre" + "x": false,
		secret: true, "x" + secret: true, "abab" + secret + "y": true, "ababababac-secret": true, "an another-secret here": true,
		strings.Repeat("ab", 20_000): false, strings.Repeat("ab", 20_000) + secret[2:]: true,
	} {
		for _, size := range []int{1, 512, 64 << 10} {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(text), "by bytes": iotest.OneByteReader(strings.NewReader(text)), "by halves": iotest.HalfReader(strings.NewReader(text)),
				"with its end": iotest.DataErrReader(strings.NewReader(text)),
			} {
				var out bytes.Buffer
				_, err := io.CopyBuffer(struct{ io.Writer }{&out}, struct{ io.Reader }{upstream.Guard(req, names, r)}, make([]byte, size))
				b := out.Bytes()
				if stops != errors.Is(err, upstream.ErrCredential) || !stops && (err != nil || string(b) != text) || strings.Contains(string(b), "secret") && stops {
					t.Errorf("%.60q %s by %d: %d bytes, %v", text, name, size, len(b), err)
				}
			}
		}
	}
	if err := iotest.TestReader(upstream.Guard(req, names, strings.NewReader("some plain text")), []byte("some plain text")); err != nil {
		t.Error(err)
	}
}
