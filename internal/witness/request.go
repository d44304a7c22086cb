// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// maxRequest bounds the body of add-checkpoint in bytes: 63 hashes, and a
	// checkpoint with more signatures than the 16 that every reader of notes takes.
	maxRequest = 64 << 10
	// maxProof is the specification's bound of a proof's lines.
	maxProof = 63
	// sizeType is the content type of an answer that names a size.
	sizeType = "text/x.tlog.size"
)

// request is the body of add-checkpoint (C2SP tlog-witness, "add-checkpoint").
type request struct {
	old        uint64
	proof      tlog.TreeProof
	checkpoint []byte // a signed note
}

func (r request) bytes() []byte {
	b := fmt.Appendf(nil, "old %d\n", r.old)
	for _, h := range r.proof {
		b = fmt.Appendf(b, "%s\n", h)
	}
	return append(append(b, '\n'), r.checkpoint...)
}

// parseRequest is the inverse of bytes. Anything but the canonical form is an
// error.
func parseRequest(b []byte) (request, error) {
	var r request
	if len(b) > maxRequest {
		return r, errors.New("the request is too large")
	}
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	digits, old := bytes.CutPrefix(line, []byte("old "))
	if !ok || !old {
		return r, errors.New("the request does not begin with the old size")
	}
	var err error
	if r.old, err = parseSize(string(digits)); err != nil {
		return r, err
	}
	for {
		if line, rest, ok = bytes.Cut(rest, []byte("\n")); !ok {
			return r, errors.New("the request has no checkpoint")
		}
		if len(line) == 0 {
			break
		}
		if len(r.proof) == maxProof {
			return r, errors.New("the proof is too long")
		}
		h, err := tlog.ParseHash(string(line))
		if err != nil || h.String() != string(line) {
			return r, errors.New("a hash of the proof is malformed")
		}
		r.proof = append(r.proof, h)
	}
	if len(rest) == 0 {
		return r, errors.New("the request has no checkpoint")
	}
	r.checkpoint = rest
	return r, nil
}

// parseSize reads a tree's size: decimal, without leading zeros.
func parseSize(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("a tree's size is malformed")
	}
	return n, nil
}
