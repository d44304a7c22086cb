// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package asciicast knows how programs at a target are recorded: the frames of
// their streams, and what is made of them for players of asciicast, versions 2
// and 3 (docs.asciinema.org/manual/asciicast).
//
// A [Decoder] turns the frames of one statement into events with times from the
// program's start; a [Writer] writes them as a cast. The text of events is UTF-8: a
// character that is cut by the end of a frame is held back until it is whole, bytes
// that are none become U+FFFD. Where the program had no terminal, each line feed gets
// the carriage return that a terminal would have put in front of it.
package asciicast
