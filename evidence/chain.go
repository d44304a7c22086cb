// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Chain links the leaves of one session: it gives each its number and the
// digest of the one before. It is not safe for concurrent use. Between Next and
// Add the leaf is encoded; a leaf that is not added does not count.
type Chain struct {
	session sallyport.SessionID
	seq     uint64
	head    string
}

// NewChain begins the chain of a session.
func NewChain(session sallyport.SessionID) Chain { return Chain{session: session} }

// Next sets the three fields of the session's next leaf.
func (c *Chain) Next(session *sallyport.SessionID, seq *uint64, prev *string) {
	*session, *seq, *prev = c.session, c.seq+1, c.head
}

// Add makes the encoded leaf the last of the chain.
func (c *Chain) Add(leaf []byte) {
	c.seq++
	c.head = Digest(leaf)
}

// Seq returns the number of the last leaf; zero when there is none.
func (c *Chain) Seq() uint64 { return c.seq }

// Head returns the digest of the last leaf; "" when there is none.
func (c *Chain) Head() string { return c.head }

// Digest returns the lower-case hex SHA-256 of b.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// VerifyChain checks that leaves are one session, whole from its first leaf and
// in order: the numbers have no gap, each leaf names the digest of the one
// before, the first opens the session, and a leaf that closes it is the last
// and agrees with what came before. closed is false when the session had not
// been closed. Errors have the kind Integrity and count leaves from 1.
func VerifyChain(leaves [][]byte) (closed bool, err error) {
	c := sessionCheck{}
	for i, leaf := range leaves {
		e, err := parseEvent(uint64(i), leaf)
		if err != nil {
			return false, err
		}
		if err := c.next(e); err != nil {
			return false, sallyport.E(sallyport.Integrity, "chain verify", fmt.Sprintf("leaf %d of the session: %v", i+1, err))
		}
	}
	return c.closed, nil
}

// sessionCheck follows one session's chain.
type sessionCheck struct {
	chain    Chain
	closed   bool
	intents  numbers // of statements
	all      numbers // of intents and denials
	denials  uint64
	chunks   uint64
	recorded []byte // raw digests of the chunks
}

// next checks the session's next leaf.
func (c *sessionCheck) next(e event) error {
	leaf := e.leaf
	if c.closed {
		return fmt.Errorf("it follows the close of the session")
	}
	if c.chain.seq == 0 {
		if leaf.Session == "" {
			return fmt.Errorf("it belongs to no session")
		}
		if leaf.Type != TypeSessionOpen {
			return fmt.Errorf("the session begins with %q", leaf.Type)
		}
		c.chain.session = leaf.Session
		c.intents, c.all = numbers{}, numbers{}
	}
	switch {
	case leaf.Session != c.chain.session:
		return fmt.Errorf("it belongs to another session")
	case leaf.Seq != c.chain.seq+1:
		return fmt.Errorf("its number is %d where %d should be", leaf.Seq, c.chain.seq+1)
	case leaf.Prev != c.chain.head:
		return fmt.Errorf("it does not name the digest of the leaf before it")
	}
	if err := c.count(e); err != nil {
		return err
	}
	c.chain.Add(e.raw)
	if c.closed {
		c.intents, c.all, c.recorded = nil, nil, nil
	}
	return nil
}

func (c *sessionCheck) count(e event) error {
	switch b := e.body.(type) {
	case *Intent:
		if b.Phase == "execute" {
			c.intents.add(b.Stmt)
		}
		c.all.add(b.Stmt)
	case *Denial:
		c.denials++
		c.all.add(b.Stmt)
	case *Recording:
		c.chunks++
		if b.Chunk != c.chunks {
			return fmt.Errorf("it is chunk %d of the recording where %d should be", b.Chunk, c.chunks)
		}
		sum, err := hex.DecodeString(b.Sealed.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("the digest of a chunk of the recording is malformed")
		}
		c.recorded = append(c.recorded, sum...)
	case *SessionClose:
		c.closed = true
		return c.checkClose(*b, e.leaf.Prev)
	}
	return nil
}

// numbers is a set of numbers of which most follow each other.
type numbers map[uint64]uint64

func (n numbers) add(i uint64) { n[i/64] |= 1 << (i % 64) }

func (n numbers) count() (c uint64) {
	for _, word := range n {
		c += uint64(bits.OnesCount64(word))
	}
	return c
}

func (c *sessionCheck) checkClose(b SessionClose, prev string) error {
	recording := ""
	if c.chunks > 0 {
		recording = Digest(c.recorded)
	}
	switch {
	case b.Head != prev:
		return fmt.Errorf("the close names another head of the chain")
	case b.Events != c.chain.seq+1:
		return fmt.Errorf("the close counts %d events where there are %d", b.Events, c.chain.seq+1)
	case b.Denials != c.denials:
		return fmt.Errorf("the close counts %d denials where there are %d", b.Denials, c.denials)
	case b.Statements < c.intents.count() || b.Statements > c.all.count():
		return fmt.Errorf("the close counts %d statements, the leaves have %d to %d", b.Statements, c.intents.count(), c.all.count())
	case b.Chunks != c.chunks:
		return fmt.Errorf("the close counts %d chunks of the recording where there are %d", b.Chunks, c.chunks)
	case b.Recording != recording:
		return fmt.Errorf("the close names another digest of the recording")
	}
	return nil
}
