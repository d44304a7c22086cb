// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// Path is a file or directory. In a file it is relative to the file's
// directory.
type Path string

// in resolves a relative path against a directory.
func (p Path) in(dir string) Path {
	if p == "" || filepath.IsAbs(string(p)) {
		return p
	}
	return Path(filepath.Join(dir, string(p)))
}

// Bytes is a number of bytes, written as "1MiB", "64KiB", "512B" or "1024".
type Bytes int64

// byteUnits from the largest, so that formatting takes the largest that
// divides.
var byteUnits = [...]struct {
	name string
	size Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText reads a size. Units are powers of 1024; "MB" is refused rather
// than guessed at.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	unit := Bytes(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return errors.New(`want a size such as "64MiB" (units: B, KiB, MiB, GiB)`)
	}
	if n > math.MaxInt64/int64(unit) {
		return errors.New("the size is too large")
	}
	*b = Bytes(n) * unit
	return nil
}

// MarshalText writes the size in the largest unit that divides it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return "0B"
}

// SecretRef says where a secret is: "vault:NAME", "env:NAME" or "file:PATH".
// It is not secret itself.
type SecretRef string

// UnmarshalText accepts a reference and nothing else. Its errors never repeat
// the text, which may be a password that somebody wrote into the file.
func (r *SecretRef) UnmarshalText(text []byte) error {
	scheme, rest, ok := strings.Cut(string(text), ":")
	if !ok || (scheme != "vault" && scheme != "env" && scheme != "file") {
		return errors.New(`a secret itself must not stand in the file; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
	}
	if rest == "" {
		return fmt.Errorf("the reference names nothing after %q", scheme+":")
	}
	*r = SecretRef(text)
	return nil
}

// Scheme returns "vault", "env" or "file", and Name what follows it.
func (r SecretRef) Scheme() string { s, _, _ := strings.Cut(string(r), ":"); return s }

// Name returns the reference's part after the scheme.
func (r SecretRef) Name() string { _, n, _ := strings.Cut(string(r), ":"); return n }

// in resolves the path of a "file:" reference against a directory.
func (r SecretRef) in(dir string) SecretRef {
	if r.Scheme() != "file" {
		return r
	}
	return SecretRef("file:" + string(Path(r.Name()).in(dir)))
}
