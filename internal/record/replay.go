// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"github.com/klauspost/compress/zstd"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Source is where sealed chunks lie.
type Source interface {
	// Get returns the blob with the given hex SHA-256.
	Get(ctx context.Context, digest string) ([]byte, error)
}

// Opener decrypts chunks. An unwrapped data key of the vault is one.
type Opener interface {
	// Open appends the plain text of sealed, which begins with the nonce, to dst.
	Open(dst, sealed, aad []byte) ([]byte, error)
}

// Digest returns the digest over a session's chunks that its session-close leaf
// must carry, "" for none.
func Digest(chunks []evidence.Recording) (string, error) {
	if len(chunks) == 0 {
		return "", nil
	}
	h := sha256.New()
	for _, c := range chunks {
		sum, err := hex.DecodeString(c.Sealed.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return "", damaged(c.Chunk, "its leaf holds no digest", nil)
		}
		h.Write(sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Read yields the frames of a session's recording in order. chunks are the
// bodies of the session's recording leaves, in the order of its chain.
//
// A chunk that is missing, damaged or sealed under another key yields one frame
// of kind [KindGap] with an error that names the chunk, and reading goes on with
// the next: a replay shows its holes and is not ended by them. Whether chunks
// are missing at the end shows only against the session-close leaf; see
// [Digest].
func Read(ctx context.Context, src Source, key Opener, session sallyport.SessionID, chunks []evidence.Recording) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxChunk), zstd.WithDecoderMaxWindow(maxChunk))
		if err != nil {
			yield(Frame{Kind: KindGap}, sallyport.E(sallyport.Internal, "read recording", "the decompressor cannot be made").Because(err))
			return
		}
		defer dec.Close()
		next := uint64(1)
		for _, c := range chunks {
			if c.Chunk != next && !yield(Frame{Chunk: min(next, c.Chunk), Kind: KindGap}, disorder(next, c.Chunk)) {
				return
			}
			next = max(next, c.Chunk+1)
			plain, err := open(ctx, src, key, dec, session, c)
			if err != nil {
				if ctx.Err() != nil || !yield(Frame{Chunk: c.Chunk, Stmt: c.First, Kind: KindGap}, err) {
					return
				}
				continue
			}
			for f, err := range Frames(plain) {
				f.Chunk = c.Chunk
				if err != nil {
					f.Kind = KindGap
				}
				if !yield(f, err) {
					return
				}
			}
		}
	}
}

// open fetches, checks, decrypts and expands one chunk.
func open(ctx context.Context, src Source, key Opener, dec *zstd.Decoder, session sallyport.SessionID, c evidence.Recording) ([]byte, error) {
	sealed := c.Sealed.Data
	if sealed == nil {
		var err error
		if sealed, err = src.Get(ctx, c.Sealed.SHA256); err != nil {
			return nil, damaged(c.Chunk, "it cannot be fetched", err)
		}
	}
	sum := sha256.Sum256(sealed)
	if len(sealed) != c.Sealed.Len || hex.EncodeToString(sum[:]) != c.Sealed.SHA256 {
		return nil, damaged(c.Chunk, "it is not what its leaf commits to", nil)
	}
	plain, err := key.Open(nil, sealed, evidence.AppendAAD(nil, session, c.Chunk, purpose))
	if err != nil {
		return nil, damaged(c.Chunk, "it does not open", err)
	}
	if !c.Sealed.Zstd {
		return plain, nil
	}
	if plain, err = dec.DecodeAll(plain, nil); err != nil {
		return nil, damaged(c.Chunk, "it does not expand", err)
	}
	return plain, nil
}

func damaged(chunk uint64, msg string, err error) error {
	e := sallyport.E(sallyport.Integrity, "read recording", fmt.Sprintf("chunk %d of the recording is lost: %s", chunk, msg)).
		WithHint("restore the recordings' blobs from a backup; the ledger says what each chunk must be")
	if err != nil {
		return e.Because(err)
	}
	return e
}

func disorder(want, got uint64) error {
	msg := fmt.Sprintf("chunks %d to %d of the recording are missing", want, got-1)
	if got < want {
		msg = fmt.Sprintf("chunk %d of the recording comes after chunk %d", got, want-1)
	}
	return sallyport.E(sallyport.Integrity, "read recording", msg).
		WithHint("verify the session's chain with `sallyport audit verify`")
}
