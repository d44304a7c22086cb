// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package asciicast knows how programs at a target are recorded: the frames of
// their streams, and what is made of them for players of asciicast, versions 2
// and 3 (docs.asciinema.org/manual/asciicast).
package asciicast
