// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// binary stands for what is no text at all.
const binary = "[BINARY]\n"

// texts masks running text in any of the usual encodings, and hands it on in
// UTF-8. Its encoding is told from the beginning: a byte order mark of UTF-16, else
// UTF-8 where the beginning is valid, else Windows-1252, which knows every byte. A
// text with a zero byte is none that a scanner could read: it is masked whole.
type texts struct {
	m      *stream.Text
	in     io.WriteCloser // decodes into m; nil until the beginning is there
	sink   io.Writer
	head   []byte
	failed int
}

func newTexts(m *text.Masker, w *text.Work, sink io.Writer) *texts {
	return &texts{m: stream.NewText(m, w, sink), sink: sink}
}

// Write implements [Writer].
func (t *texts) Write(p []byte) (int, error) {
	if t.in == nil {
		t.head = append(t.head, p...)
		if len(t.head) < HeadLen {
			return len(p), nil
		}
		return len(p), t.begin(false)
	}
	return len(p), t.put(p)
}

// put hands on a piece, and nothing more after a zero byte.
func (t *texts) put(p []byte) error {
	if t.failed > 0 {
		return nil
	}
	_, err := t.in.Write(p)
	return err
}

// begin decides about the encoding. ended says that there is no more to come.
func (t *texts) begin(ended bool) error {
	e := encodingOf(t.head, ended)
	t.in = transform.NewWriter(zeroes{t}, e.NewDecoder())
	head := t.head
	t.head = nil
	if opaque(head) || structured(head, e) {
		return t.fail()
	}
	return t.put(head)
}

// fail masks the whole.
func (t *texts) fail() error {
	t.failed = 1
	t.m.Abort()
	_, err := io.WriteString(t.sink, binary)
	return err
}

// opaque reports whether a payload that may have no zero byte at its beginning is no
// text: a picture, an archive, a document of another program, or base64 of any.
func opaque(head []byte) bool {
	for _, mark := range []string{
		"%PDF-", "%!PS", "{\\rtf", "GIF8", "\x89PNG", "\xff\xd8\xff", "II*\x00", "MM\x00*", "PK\x03\x04", "\x1f\x8b", "BZh", "\xfd7zXZ", "7z\xbc\xaf",
		"\x28\xb5\x2f\xfd", "\xd0\xcf\x11\xe0", "-----BEGIN ",
	} {
		if bytes.HasPrefix(head, []byte(mark)) {
			return true
		}
	}
	return encoded(head)
}

// encoded reports whether all lines but the last are of one length and of the
// letters of base64, as programs write it.
func encoded(head []byte) bool {
	const shortest = 60
	first := -1
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first < 0:
			if first = len(line); first < shortest {
				return false
			}
		case len(line) > first:
			return false
		}
		for _, c := range line {
			if !isWord(c) && c != '+' && c != '/' && c != '=' && c != '-' && c != '_' {
				return false
			}
		}
	}
	return first >= shortest
}

// structured reports whether a text in UTF-16 is of a kind that has a mask of its
// own, which reads UTF-8 only.
func structured(head []byte, e encoding.Encoding) bool {
	if !bytes.HasPrefix(head, []byte{0xff, 0xfe}) && !bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return false
	}
	plain, err := e.NewDecoder().Bytes(head[:len(head)&^1])
	return err != nil || Sniff(plain) != Text
}

// zeroes hands decoded text on until there is a zero byte in it.
type zeroes struct{ t *texts }

// Write implements io.Writer.
func (z zeroes) Write(p []byte) (int, error) {
	t := z.t
	if t.failed > 0 {
		return len(p), nil
	}
	if bytes.IndexByte(p, 0) >= 0 {
		return len(p), t.fail()
	}
	_, err := t.m.Write(p)
	return len(p), err
}

// encodingOf tells the encoding of a text from its beginning.
func encodingOf(head []byte, ended bool) encoding.Encoding {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case bytes.HasPrefix(head, []byte("\uFEFF")):
		return unicode.UTF8BOM // without the mark, which is no boundary of a word
	case utf8.Valid(head), !ended && validBefore(head):
		return unicode.UTF8
	}
	return charmap.Windows1252
}

// validBefore reports whether b is valid UTF-8 but for a character that its end
// cuts.
func validBefore(b []byte) bool {
	for i := 1; i <= min(utf8.UTFMax, len(b)); i++ {
		if c := b[len(b)-i:]; utf8.RuneStart(c[0]) {
			return !utf8.FullRune(c) && utf8.Valid(b[:len(b)-i])
		}
	}
	return false
}

// Flush implements [Writer].
func (t *texts) Flush() error {
	if t.in == nil {
		if err := t.begin(true); err != nil {
			return err
		}
	}
	if err := t.in.Close(); err != nil || t.failed > 0 {
		return err
	}
	return t.m.Flush()
}

// Abort implements [Writer].
func (t *texts) Abort() {
	clear(t.head)
	t.head = nil
	t.m.Abort()
}

// Failed implements [Writer].
func (t *texts) Failed() int { return t.failed }
