// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package stream masks what arrives in pieces: bodies of HTTP, files, the output
// of a terminal, sequences of records.
//
// An identifier that is cut in two by the end of a piece is found all the same,
// because nothing is handed on before enough of what follows it is known:
//
//   - [Text] holds back [scan.Right] bytes and cuts at white space outside every
//     finding. It is for running text.
//   - [Terminal] hands on whole lines, and on [Terminal.Idle] the part of a line
//     that cannot be the beginning of a finding. It sees through colours,
//     backspaces and movements of the cursor.
//   - [Records] cuts at the boundaries of records and gives each to a [Format]
//     that knows what it holds. [EventData] is one for server-sent events.
//
// What comes out depends on the bytes alone and not on how they were cut: a
// writer looks at its buffer when the buffer has reached a length or a boundary,
// never because a piece has ended. (Idle is the exception, as time is, and so is
// [Terminal.Bulk].) For texts
// without a token of 64 KiB, Text gives byte for byte what [text.Masker.Append]
// gives for the whole.
//
// All writers fail closed: what is too large to be decided about is replaced by
// [Oversized], what is pending when a stream is aborted is dropped. Each is used
// by one goroutine at a time, owns its [text.Work] while it lives, and has no
// clock. After an error of the sink, after Flush and after Abort, every call
// returns an error.
package stream
