// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package asciicast

// The kinds of frame in which the streams of a program are recorded.
const (
	KindStart  = "term.start"  // a [Start], once and first
	KindOut    = "term.out"    // what the program wrote to its output, masked
	KindErr    = "term.err"    // what it wrote to its error output, masked
	KindIn     = "term.in"     // lines that were typed, masked, where that is recorded
	KindResize = "term.resize" // a [Resize]
	KindExit   = "term.exit"   // an [Exit], once and last
)

// FrameVersion is the version of what the frames hold.
const FrameVersion = 1

// Start is the head of a program's frames, in JSON.
type Start struct {
	Version int    `json:"v"`
	TTY     bool   `json:"tty"`
	Columns uint16 `json:"columns,omitempty"`
	Rows    uint16 `json:"rows,omitempty"`
	Title   string `json:"title,omitempty"`
	At      int64  `json:"at"`    // Unix time in seconds
	Input   bool   `json:"input"` // what is typed is recorded
	Raw     bool   `json:"raw"`   // policy shows the output as it is
}

// Resize is a new size of the terminal, in JSON.
type Resize struct {
	Columns uint16 `json:"columns"`
	Rows    uint16 `json:"rows"`
}

// Exit is how a program ended, in JSON. Typed and TypedDigest tell of its input
// what may be told: how much it was, and a keyed fingerprint of its SHA-256.
type Exit struct {
	Code        int    `json:"code"`
	Signal      string `json:"signal,omitempty"`
	Lost        bool   `json:"lost,omitempty"` // how it ended is not known
	Typed       uint64 `json:"typed"`
	TypedDigest string `json:"typed_digest,omitempty"`
}
