// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tilesDir       = "tiles"
	checkpointName = "checkpoint"
)

// tiles reads the Merkle log's files.
type tiles struct {
	fs  Files
	dir string
}

// bundle returns the leaves of entry bundle n in a log of size leaves.
func (t tiles) bundle(n, size uint64) ([][]byte, error) {
	w := tileSize(0, n, size)
	name := tilePath(bundleLevel, n, w)
	data, err := t.fs.ReadFile(path.Join(t.dir, name))
	if err != nil {
		return nil, err
	}
	leaves, err := splitEntries(data, w)
	if err != nil {
		return nil, broken("ledger read", "%s: %v", name, err)
	}
	return leaves, nil
}

// hashes returns tile n of a level in a log of size leaves.
func (t tiles) hashes(level int, n, size uint64) ([]tlog.Hash, error) {
	w := tileSize(level, n, size)
	name := tilePath(level, n, w)
	data, err := t.fs.ReadFile(path.Join(t.dir, name))
	if err != nil {
		return nil, err
	}
	if len(data) != w*tlog.HashSize {
		return nil, broken("ledger read", "%s has %d bytes instead of %d", name, len(data), w*tlog.HashSize)
	}
	hashes := make([]tlog.Hash, w)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	return hashes, nil
}

// parseTilePath is the inverse of tilePath.
func parseTilePath(path string) (level int, n uint64, w int, ok bool) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || len(path) > 100 {
		return 0, 0, 0, false
	}
	kind, rest, ok := strings.Cut(rest, "/")
	w = tileWidth
	if before, partial, found := strings.Cut(rest, ".p/"); found {
		var err error
		if w, err = strconv.Atoi(partial); err != nil {
			return 0, 0, 0, false
		}
		rest = before
	}
	level = bundleLevel
	if kind != "entries" {
		var err error
		if level, err = strconv.Atoi(kind); err != nil || level < 0 || level > 7 {
			return 0, 0, 0, false
		}
	}
	for part := range strings.SplitSeq(rest, "/") {
		digits, err := strconv.ParseUint(strings.TrimPrefix(part, "x"), 10, 10)
		if err != nil || n > 1<<50 {
			return 0, 0, 0, false
		}
		n = 1000*n + digits
	}
	return level, n, w, ok && w > 0 && tilePath(level, n, w) == path
}

// Tile returns a file of the Merkle log by its path in the layout of C2SP
// tlog-tiles: "checkpoint", or a tile or an entry bundle below "tile/", also a
// partial one of an earlier size. Errors: NotFound for what is not there.
func (l *Log) Tile(path string) ([]byte, error) {
	missing := sallyport.E(sallyport.NotFound, "ledger tile", "there is no such tile")
	if path == checkpointName {
		return l.Checkpoint(), nil
	}
	level, n, w, ok := parseTilePath(path)
	if !ok {
		return nil, missing
	}
	var out []byte
	err := l.retry(func(published uint64) error {
		if tileSize(max(level, 0), n, published) < w {
			return missing
		}
		out = nil
		if level == bundleLevel {
			leaves, err := l.merkle.tiles.bundle(n, published)
			if err != nil {
				return err
			}
			for _, leaf := range leaves[:w] {
				out = appendEntry(out, leaf)
			}
			return nil
		}
		hashes, err := l.merkle.hashes(level, n, published)
		if err == nil {
			out = joinHashes(hashes[:w])
		}
		return err
	})
	return out, err
}

// reader gives the hashes of the tree of size leaves to package tlog.
func (t tiles) reader(size uint64) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(tileHeight, index)
			tile.W = tileSize(tile.L, uint64(tile.N), size)
			hashes, err := t.hashes(tile.L, uint64(tile.N), size)
			if err != nil {
				return nil, err
			}
			if out[i], err = tlog.HashFromTile(tile, joinHashes(hashes), index); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// openCheckpoint verifies a signed checkpoint of an origin.
func openCheckpoint(signed []byte, origin string, known note.Verifiers) (evidence.Checkpoint, error) {
	cp, err := evidence.OpenCheckpoint(signed, known)
	if err == nil && cp.Origin != origin {
		err = fmt.Errorf("the checkpoint belongs to another origin")
	}
	return cp, err
}

// Verify reads the whole Merkle log below dir and checks every leaf against
// every tile and the root against the signed checkpoint. It returns the number
// of leaves. The log may be open or not; what is not under a checkpoint yet is
// not looked at. Of what was pruned, the hashes that are left are checked: they
// give the signed root together with the rest. Errors have the kind Integrity
// and name the file.
func Verify(ctx context.Context, files Files, dir, origin string, known note.Verifiers) (uint64, error) {
	const op = "ledger verify"
	t := tiles{fs: files, dir: path.Join(dir, tilesDir)}
	signed, err := files.ReadFile(path.Join(t.dir, checkpointName))
	if err != nil {
		return 0, broken(op, "the checkpoint cannot be read").Because(err)
	}
	cp, err := openCheckpoint(signed, origin, known)
	if err != nil {
		return 0, broken(op, "the checkpoint does not verify").Because(err)
	}
	compare := func(level int, n uint64, want []tlog.Hash) error {
		name := tilePath(level, n, len(want))
		got, err := files.ReadFile(path.Join(t.dir, name))
		if err != nil {
			return broken(op, "%s cannot be read", name).Because(err)
		}
		if string(got) != string(joinHashes(want)) {
			return broken(op, "%s does not match the leaves", name)
		}
		return nil
	}
	p, err := readMinimum(files, dir)
	if err != nil {
		return 0, err
	}
	if p.minimum > cp.Size {
		return 0, broken(op, "the log is pruned up to leaf %d and has only %d", p.minimum, cp.Size)
	}
	edge := tree{full: compare}
	for n := range p.minimum >> tileHeight {
		if err := edge.skip(t, n, cp.Size); err != nil {
			return 0, err
		}
	}
	for n := p.minimum >> tileHeight; n<<tileHeight < cp.Size; n++ {
		if err := ctx.Err(); err != nil {
			return 0, sallyport.E(sallyport.Unavailable, op, "verification was called off").Because(err)
		}
		name := tilePath(bundleLevel, n, tileSize(0, n, cp.Size))
		leaves, err := t.bundle(n, cp.Size)
		if err != nil {
			return 0, broken(op, "%s cannot be read", name).Because(err)
		}
		for _, leaf := range leaves {
			if err := edge.add(tlog.RecordHash(leaf)); err != nil {
				return 0, err
			}
		}
	}
	for level, hashes := range edge.levels {
		if len(hashes) == 0 {
			continue
		}
		if err := compare(level, edge.size>>(tileHeight*(level+1)), hashes); err != nil {
			return 0, err
		}
	}
	if edge.root() != cp.Root {
		return 0, broken(op, "the leaves do not give the checkpoint's root")
	}
	return cp.Size, nil
}
