// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger keeps the record that everything else waits for: a write-ahead
// log in front, and behind it a Merkle log in the layout of C2SP tlog-tiles.
//
// # Write-ahead log
//
// The directory wal/ holds numbered segments that are filled with zeros before
// they are used. Leaves are gathered into frames; one frame is one write that is
// durable when it returns. [Log.Append] returns when its leaves are durable.
// There is no writer goroutine and no timer on that way: the first waiter writes
// what has gathered, and what arrives during the write forms the next frame.
//
// A frame is, with all integers big-endian:
//
//	 0  8  magic "SPLYWAL2"
//	 8  4  length of header and records in bytes, without what follows
//	12  4  number of records
//	16  8  index of the first record
//	24  8  number of the segment
//	32 32  SHA-256 of the previous frame's header and records
//	64  4  CRC-32C of the records and the padding
//	68  4  CRC-32C of bytes 0 to 68 and 72 to 96
//	72  8  id of the epoch's keys, zeros when there are none
//	80  8  number of the interval, which a seal ends
//	88  4  number of the frame in the interval
//	92  4  zero
//	96     records: unsigned varint length, then the bytes of the leaf
//	   32  HMAC-SHA-256 of the SHA-256 of header and records, under the frame's key
//	    4  CRC-32C of the MAC
//	       padding with 0xff to a multiple of 4096
//
// Frames with the magic "SPLYWAL1" have no key: their header ends at 72 and
// nothing stands between the records and the padding. They are read, not written.
//
// The previous frame of a log's very first frame is the text "sallyport wal\n"
// and the origin.
//
// # Recovery
//
// Segments are zeros before they are written and a block is written once, so a
// write that was cut short leaves whole 512-byte sectors of zeros, and nothing
// else does. [Open] drops such a torn frame only if no valid frame follows it
// anywhere and no checkpoint covers it. Every other fault (a changed byte, a
// missing frame, a frame out of order) makes Open refuse with the kind
// Integrity, and nothing is moved or cut.
//
// # Keys that are forgotten
//
// Each frame is authenticated with a key of its own, which is replaced by its
// hash as soon as the frame is made ([Ratchet]). An interval of frames ends with
// a seal ([Log.Seal]), a MAC over the tree's root with a key that is forgotten
// right after; it stands in the log itself, in heartbeats, so that it outlives
// the segments. The first key of an epoch is sealed to the auditors, who can
// derive all the others ([VerifyFrames], [evidence.SealKey]). So whoever takes
// the gateway's machine, with the key that signs checkpoints, cannot rewrite what
// was there before, though nobody witnessed it; what was cut off at the end shows
// by its missing seals.
//
// # Merkle log
//
// An owned goroutine gives each durable leaf its RFC 6962 hash in the order of
// the write-ahead log (a leaf's index is its position in it) and writes tiles,
// entry bundles and a signed checkpoint below tiles/. The checkpoint is written
// last and names only what is durable. The tiles are a pure function of the
// leaves, so that writing them again after a crash changes nothing.
//
// # Pruning
//
// [Log.Prune] gives up leaves below a minimum index as C2SP tlog-tiles has it;
// see prune.go.
//
// # Failure
//
// Any error of a write poisons the log: every waiter and every later call fails,
// the file is not written again, and the gateway has to stop. After a failed
// write nobody can know what the disk holds, so a leaf that was refused may
// still be found after a restart; readers treat an intent without an outcome as
// one that may have executed.
package ledger
