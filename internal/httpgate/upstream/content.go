// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Content is a file that is uploaded, counted and summed on its way. It is used by
// one goroutine.
type Content struct {
	r   io.Reader
	n   int64
	sum hash.Hash
}

// NewContent returns the content that r gives.
func NewContent(r io.Reader) *Content { return &Content{r: r, sum: sha256.New()} }

// Read implements [io.Reader].
func (c *Content) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.Add(b[:n])
	return n, err
}

// Add takes in what passes without being read from here.
func (c *Content) Add(b []byte) {
	c.n += int64(len(b))
	c.sum.Write(b)
}

// Note says what has passed, for the record; it is empty when nothing has.
func (c *Content) Note() string {
	if c.n == 0 {
		return ""
	}
	return fmt.Sprintf("(%d bytes of content, sha256 %x)\n", c.n, c.sum.Sum(nil))
}

// Related is a multipart upload as Google's interfaces take it: JSON, and content
// of a type, which may be empty. The first result is the Content-Type of the whole.
// What separates the parts cannot be guessed, so that no content ends before its
// end.
func Related(random io.Reader, json []byte, mediaType string, content io.Reader) (string, io.Reader, error) {
	b := make([]byte, 18)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", nil, sallyport.E(sallyport.Internal, "upload", "no randomness for a boundary").Because(err)
	}
	boundary := "sallyport-" + hex.EncodeToString(b)
	var head bytes.Buffer
	head.WriteString("--" + boundary + "\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n")
	head.Write(json)
	head.WriteString("\r\n--" + boundary + "\r\n")
	if mediaType != "" && !strings.ContainsAny(mediaType, "\r\n") {
		head.WriteString("Content-Type: " + mediaType + "\r\n")
	}
	head.WriteString("\r\n")
	return "multipart/related; boundary=" + boundary, io.MultiReader(&head, content, strings.NewReader("\r\n--"+boundary+"--\r\n")), nil
}
