// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// A bundle proves all of its leaves at once. Beside the leaves it has the hashes
// of the largest whole subtrees between them (RFC 6962, section 2.1), from the
// left to the right, so that leaves and subtrees together are the whole tree and
// whoever goes through both in order comes to the root. In between, lines that
// name a size ask for the root of the tree as it was when it had that many
// leaves: seals and older checkpoints are compared with those.

// treeLine is a line of [TreeName]: a subtree of 2^Level leaves that begins with
// the leaf Index*2^Level, or the size of an earlier tree.
type treeLine struct {
	Level  int        `json:"level"`
	Index  uint64     `json:"index"`
	Hash   *tlog.Hash `json:"hash,omitempty"`
	RootOf *uint64    `json:"root_of,omitempty"`
}

// maxLevel is the highest level of a tree of at most 2^63 leaves.
const maxLevel = 62

// TreeWriter writes [TreeName].
type TreeWriter struct {
	w     *bufio.Writer
	size  uint64
	roots []uint64
	hash  func(level int, index uint64) (tlog.Hash, error)
	pos   uint64 // leaves that are accounted for
}

// NewTreeWriter begins the proof of leaves in a tree of size leaves. roots are
// the sizes of earlier trees, ascending; hash returns the hash of a whole
// subtree.
func NewTreeWriter(w io.Writer, size uint64, roots []uint64, hash func(level int, index uint64) (tlog.Hash, error)) *TreeWriter {
	return &TreeWriter{w: bufio.NewWriter(w), size: size, roots: roots, hash: hash}
}

// Leaf accounts for a leaf that the bundle has. Leaves come in order.
func (t *TreeWriter) Leaf(index uint64) error {
	if index < t.pos || index >= t.size {
		return fmt.Errorf("bundle write: leaf %d is out of order", index)
	}
	if err := t.fill(index); err != nil {
		return err
	}
	t.pos++
	return nil
}

// Close accounts for the rest of the tree.
func (t *TreeWriter) Close() error {
	if err := t.fill(t.size); err != nil {
		return err
	}
	return t.w.Flush()
}

// fill writes the subtrees up to a leaf, and the sizes that lie there.
func (t *TreeWriter) fill(to uint64) error {
	for len(t.roots) > 0 && t.roots[0] <= to {
		size := t.roots[0]
		t.roots = t.roots[1:]
		if size < t.pos || size == 0 {
			continue
		}
		if err := t.subtrees(size); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(t.w, "{\"root_of\":%d}\n", size); err != nil {
			return err
		}
	}
	return t.subtrees(to)
}

func (t *TreeWriter) subtrees(to uint64) error {
	for t.pos < to {
		level := 0
		for level < maxLevel && t.pos&(1<<(level+1)-1) == 0 && t.pos+1<<(level+1) <= to {
			level++
		}
		h, err := t.hash(level, t.pos>>level)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(t.w, "{\"level\":%d,\"index\":%d,\"hash\":\"%s\"}\n", level, t.pos>>level, h); err != nil {
			return err
		}
		t.pos += 1 << level
	}
	return nil
}

// treeNode is the root of a whole subtree.
type treeNode struct {
	level int
	hash  tlog.Hash
}

// treeCheck goes through leaves and subtrees to the root.
type treeCheck struct {
	lines *lineReader
	next  *treeLine // read and not used yet
	pos   uint64
	stack []treeNode           // of descending levels: the tree of pos leaves
	roots map[uint64]tlog.Hash // of earlier trees, by size
}

func newTreeCheck(r io.Reader) *treeCheck {
	return &treeCheck{lines: newLineReader(r, 256), roots: map[uint64]tlog.Hash{}}
}

// leaf takes the next leaf of the bundle.
func (t *treeCheck) leaf(index uint64, h tlog.Hash) error {
	if err := t.advance(index); err != nil {
		return err
	}
	if t.pos != index {
		return fmt.Errorf("what lies between leaf %d and leaf %d is missing", t.pos, index)
	}
	t.push(0, h)
	return nil
}

// finish takes what follows the last leaf and returns the root of the tree.
func (t *treeCheck) finish(size uint64) (tlog.Hash, error) {
	if err := t.advance(size); err != nil {
		return tlog.Hash{}, err
	}
	if t.pos != size || t.next != nil {
		return tlog.Hash{}, fmt.Errorf("it ends at leaf %d, the log has %d", t.pos, size)
	}
	return t.root(), nil
}

// advance uses the lines up to a leaf.
func (t *treeCheck) advance(to uint64) error {
	for {
		if t.next == nil {
			line, err := t.read()
			if err != nil || line == nil {
				return err
			}
			t.next = line
		}
		l := t.next
		switch {
		case l.RootOf != nil && *l.RootOf == t.pos:
			t.roots[t.pos] = t.root()
		case l.RootOf != nil:
			return nil // further on, or never: finish finds it
		case l.Index<<l.Level != t.pos || t.pos == to:
			return nil
		case t.pos+1<<l.Level > to:
			return fmt.Errorf("a subtree reaches over leaf %d", to)
		default:
			t.push(l.Level, *l.Hash)
		}
		t.next = nil
	}
}

// read returns the next line, nil at the end.
func (t *treeCheck) read() (*treeLine, error) {
	text, err := t.lines.next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	var l treeLine
	if err != nil || strictJSON(text, &l) != nil {
		return nil, fmt.Errorf("a line is malformed")
	}
	switch {
	case l.RootOf != nil && l.Hash == nil && l.Level == 0 && l.Index == 0:
	case l.RootOf == nil && l.Hash != nil && l.Level >= 0 && l.Level <= maxLevel && l.Index < 1<<(63-l.Level):
	default:
		return nil, fmt.Errorf("a line is neither a subtree nor a size")
	}
	return &l, nil
}

// push adds a whole subtree at pos and joins what is whole with it.
func (t *treeCheck) push(level int, h tlog.Hash) {
	t.pos += 1 << level
	for n := len(t.stack); n > 0 && t.stack[n-1].level == level; n = len(t.stack) {
		h = tlog.NodeHash(t.stack[n-1].hash, h)
		t.stack = t.stack[:n-1]
		level++
	}
	t.stack = append(t.stack, treeNode{level, h})
}

// root returns the root of the tree of pos leaves.
func (t *treeCheck) root() tlog.Hash {
	if len(t.stack) == 0 {
		h, err := tlog.TreeHash(0, nil)
		if err != nil {
			return tlog.Hash{}
		}
		return h
	}
	h := t.stack[len(t.stack)-1].hash
	for i := len(t.stack) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.stack[i].hash, h)
	}
	return h
}

// lineReader reads lines of bounded length.
type lineReader struct {
	r   *bufio.Reader
	max int
	buf []byte
}

func newLineReader(r io.Reader, most int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), max: most}
}

var errLongLine = errors.New("a line is longer than the format allows")

// next returns the next line with its newline, which is valid until the next
// call; io.EOF at the end. A last line may lack its newline.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(piece) > l.max {
			return nil, errLongLine
		}
		if err == nil && len(l.buf) == 0 {
			return piece, nil
		}
		l.buf = append(l.buf, piece...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(l.buf) > 0:
			return l.buf, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
