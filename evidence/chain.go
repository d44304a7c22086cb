// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

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
		parsed, err := ParseLeaf(leaf)
		if err != nil {
			return false, err
		}
		if err := c.next(leaf, parsed); err != nil {
			return false, sallyport.E(sallyport.Integrity, "chain verify", fmt.Sprintf("leaf %d of the session: %v", i+1, err))
		}
	}
	return c.closed, nil
}

// sessionCheck follows one session's chain.
type sessionCheck struct {
	chain    Chain
	closed   bool
	intents  map[uint64]bool // statement numbers
	numbers  map[uint64]bool // of intents and denials
	denials  uint64
	chunks   uint64
	recorded []byte // raw digests of the chunks
}

// next checks the session's next leaf.
func (c *sessionCheck) next(raw []byte, leaf parsedLeaf) error {
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
		c.intents, c.numbers = map[uint64]bool{}, map[uint64]bool{}
	}
	switch {
	case leaf.Session != c.chain.session:
		return fmt.Errorf("it belongs to another session")
	case leaf.Seq != c.chain.seq+1:
		return fmt.Errorf("its number is %d where %d should be", leaf.Seq, c.chain.seq+1)
	case leaf.Prev != c.chain.head:
		return fmt.Errorf("it does not name the digest of the leaf before it")
	}
	if err := c.count(leaf); err != nil {
		return err
	}
	c.chain.Add(raw)
	return nil
}

func (c *sessionCheck) count(leaf parsedLeaf) error {
	switch leaf.Type {
	case TypeIntent:
		b, err := Body[Intent](leaf)
		if err != nil {
			return err
		}
		if b.Phase == "execute" {
			c.intents[b.Stmt] = true
		}
		c.numbers[b.Stmt] = true
	case TypeDenial:
		b, err := Body[Denial](leaf)
		if err != nil {
			return err
		}
		c.denials++
		c.numbers[b.Stmt] = true
	case TypeRecording:
		b, err := Body[Recording](leaf)
		if err != nil {
			return err
		}
		c.chunks++
		if b.Chunk != c.chunks {
			return fmt.Errorf("it is chunk %d of the recording where %d should be", b.Chunk, c.chunks)
		}
		sum, err := hex.DecodeString(b.Sealed.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("the digest of a chunk of the recording is malformed")
		}
		c.recorded = append(c.recorded, sum...)
	case TypeSessionClose:
		b, err := Body[SessionClose](leaf)
		if err != nil {
			return err
		}
		c.closed = true
		return c.checkClose(b, leaf.Prev)
	}
	return nil
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
	case b.Statements < uint64(len(c.intents)) || b.Statements > uint64(len(c.numbers)):
		return fmt.Errorf("the close counts %d statements, the leaves have %d to %d", b.Statements, len(c.intents), len(c.numbers))
	case b.Chunks != c.chunks:
		return fmt.Errorf("the close counts %d chunks of the recording where there are %d", b.Chunks, c.chunks)
	case b.Recording != recording:
		return fmt.Errorf("the close names another digest of the recording")
	}
	return nil
}
