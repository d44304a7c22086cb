// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Shape of the tiles, from C2SP tlog-tiles.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// tree is the right edge of an RFC 6962 tree, cut into tiles: what is needed to
// add leaves and to compute the root.
type tree struct {
	size uint64
	// levels holds, for each level of tiles, the hashes of its last tile while
	// that is not full.
	levels [][]tlog.Hash
	// full is called with each tile as it becomes full.
	full func(level int, n uint64, hashes []tlog.Hash) error
}

// add appends a leaf's hash.
func (t *tree) add(h tlog.Hash) error { return t.addAt(0, h) }

// root returns the RFC 6962 hash of the tree.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	var root tlog.Hash
	have := false
	for _, hashes := range t.levels {
		for rest := hashes; len(rest) > 0; {
			w := len(rest) & -len(rest) // the smallest whole subtree, at the right
			h := subtree(rest[len(rest)-w:])
			if have {
				h = tlog.NodeHash(h, root)
			}
			root, have = h, true
			rest = rest[:len(rest)-w]
		}
	}
	return root
}

// subtree returns the hash over a power of two of hashes.
func subtree(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}

// tileSize returns how many hashes tile n of a level has in a tree of size
// leaves; zero when there is none.
func tileSize(level int, n, size uint64) int {
	have := size >> (tileHeight * level)
	if have <= n<<tileHeight {
		return 0
	}
	return int(min(have-n<<tileHeight, tileWidth))
}

// bundleLevel stands for entry bundles where a level of tiles is asked for.
const bundleLevel = -1

// tilePath returns the path of a tile of w hashes (or entries) in the layout of
// C2SP tlog-tiles.
func tilePath(level int, n uint64, w int) string {
	p := tlog.Tile{H: tileHeight, L: level, N: int64(n), W: w}.Path()
	p = strings.TrimPrefix(p, fmt.Sprintf("tile/%d/", tileHeight))
	if rest, ok := strings.CutPrefix(p, "data/"); ok {
		p = "entries/" + rest
	}
	return "tile/" + p
}

// joinHashes is the content of a tile.
func joinHashes(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// appendEntry appends a leaf in the form of an entry bundle: a length of two
// bytes, big-endian, and the leaf.
func appendEntry(dst, leaf []byte) []byte {
	dst = append(dst, byte(len(leaf)>>8), byte(len(leaf)))
	return append(dst, leaf...)
}

// splitEntries returns the leaves of an entry bundle, which must be exactly
// count; they alias it.
func splitEntries(bundle []byte, count int) ([][]byte, error) {
	leaves := make([][]byte, 0, count)
	for range count {
		if len(bundle) < 2 {
			return nil, fmt.Errorf("entry bundle has %d of %d entries", len(leaves), count)
		}
		n := int(bundle[0])<<8 | int(bundle[1])
		if len(bundle)-2 < n {
			return nil, fmt.Errorf("entry %d of an entry bundle is cut short", len(leaves))
		}
		leaves = append(leaves, bundle[2:2+n:2+n])
		bundle = bundle[2+n:]
	}
	if len(bundle) != 0 {
		return nil, fmt.Errorf("%d bytes after the last entry", len(bundle))
	}
	return leaves, nil
}
