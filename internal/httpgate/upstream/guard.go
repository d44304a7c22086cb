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

// guard reads ahead no more than what may be the beginning of the secret.
type guard struct {
	r      io.Reader
	secret []byte
	ready  []byte // may leave
	held   []byte // may be the beginning of the secret
	err    error
	buf    [16 << 10]byte
}

// Read implements [io.Reader].
func (g *guard) Read(p []byte) (int, error) {
	for len(g.ready) == 0 {
		if g.err != nil {
			return 0, g.err
		}
		n, err := g.r.Read(g.buf[:])
		b := append(g.held, g.buf[:n]...)
		if bytes.Contains(b, g.secret) {
			g.held, g.err = nil, ErrCredential
			return 0, g.err
		}
		keep := 0
		if g.err = err; err == nil {
			keep = beginning(b, g.secret)
		}
		g.ready, g.held = b[:len(b)-keep], bytes.Clone(b[len(b)-keep:])
	}
	n := copy(p, g.ready)
	g.ready = g.ready[n:]
	return n, nil
}

// beginning returns how many bytes at the end of b are the beginning of secret.
func beginning(b, secret []byte) int {
	for n := min(len(b), len(secret)-1); n > 0; n-- {
		if bytes.HasSuffix(b, secret[:n]) {
			return n
		}
	}
	return 0
}
