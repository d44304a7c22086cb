// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// ErrCredential says that an answer holds the credential that it was asked with.
var ErrCredential = errors.New("the target's answer holds the gateway's credential")

// Guard returns the body of an answer, which ends with [ErrCredential] before the
// credential of the request would pass: a target that echoes what it was sent, as
// some do for debugging, must not give it to the caller. body has to be unpacked.
func Guard(req *http.Request, names []string, body io.Reader) io.Reader {
	for _, name := range names {
		_, secret, ok := strings.Cut(req.Header.Get(name), " ")
		if !ok {
			secret = req.Header.Get(name)
		}
		if len(secret) >= minSecret {
			body = &guard{r: body, secret: []byte(secret)}
		}
	}
	return body
}

// minSecret is the shortest credential that is looked for, in bytes: a shorter one
// is found everywhere.
const minSecret = 8

// guard holds back no more than what may be the beginning of the secret, and reads into
// the memory of who asks, unless that is little.
type guard struct {
	r      io.Reader
	secret []byte
	ready  []byte // may leave, from buf
	held   []byte // may be the beginning of the secret
	err    error
	buf    []byte // for those who ask for little at a time
}

// little is less than what a guard reads at once for its own sake, in bytes.
const little = 4 << 10

// Read implements [io.Reader].
func (g *guard) Read(p []byte) (int, error) {
	if len(p) >= little+len(g.secret) && len(g.ready) == 0 {
		return g.fill(p)
	}
	if len(g.ready) == 0 {
		if g.buf == nil {
			g.buf = make([]byte, little+len(g.secret))
		}
		n, err := g.fill(g.buf)
		if err != nil {
			return 0, err
		}
		g.ready = g.buf[:n]
	}
	n := copy(p, g.ready)
	g.ready = g.ready[n:]
	return n, nil
}

// fill reads what may leave into b, which has room for more than the secret. It returns
// bytes or an error.
func (g *guard) fill(b []byte) (int, error) {
	for g.err == nil {
		n, err := g.r.Read(b[copy(b, g.held):])
		n += len(g.held)
		g.held = g.held[:0]
		if bytes.Contains(b[:n], g.secret) {
			clear(b[:n])
			g.err = ErrCredential
			break
		}
		if g.err = err; err == nil {
			keep := beginning(b[:n], g.secret)
			g.held = append(g.held, b[n-keep:n]...)
			n -= keep
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, g.err
}

// beginning returns how many bytes at the end of b are the beginning of secret.
func beginning(b, secret []byte) int {
	b = b[max(0, len(b)-len(secret)+1):]
	for {
		i := bytes.IndexByte(b, secret[0])
		if i < 0 {
			return 0
		}
		if b = b[i:]; bytes.HasPrefix(secret, b) {
			return len(b)
		}
		b = b[1:]
	}
}
