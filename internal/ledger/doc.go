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
//	 0  8  magic "SPLYWAL1"
//	 8  4  length of header and records in bytes, without the padding
//	12  4  number of records
//	16  8  index of the first record
//	24  8  number of the segment
//	32 32  SHA-256 of the previous frame's header and records
//	64  4  CRC-32C of everything from byte 72 to the end of the padding
//	68  4  CRC-32C of bytes 0 to 68
//	72     records: unsigned varint length, then the bytes of the leaf
//	       padding with 0xff to a multiple of 4096
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
