// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The schemes of references.
const (
	schemeVault = "vault"
	schemeEnv   = "env"
	schemeFile  = "file"
)

// maxSecret is the largest secret in bytes that a file may hold.
const maxSecret = 64 << 10

// Ref says where a secret lies: "vault:NAME", "env:NAME" or "file:PATH". There
// is no form that holds the secret itself.
type Ref string

// ParseRef checks that s is a reference. The error never repeats s, since s may
// be a password that somebody wrote in the wrong place.
func ParseRef(s string) (Ref, error) {
	r := Ref(s)
	if _, _, err := r.split(); err != nil {
		return "", err
	}
	return r, nil
}

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseRef], so that a
// configuration with a literal password does not load.
func (r *Ref) UnmarshalText(text []byte) error {
	p, err := ParseRef(string(text))
	if err != nil {
		return err
	}
	*r = p
	return nil
}

// split returns the scheme and the rest of a valid reference.
func (r Ref) split() (scheme, rest string, err error) {
	scheme, rest, ok := strings.Cut(string(r), ":")
	switch {
	case !ok:
	case scheme == schemeVault && validName(rest),
		scheme == schemeEnv && validEnv(rest),
		scheme == schemeFile && filepath.IsAbs(rest) && !strings.ContainsRune(rest, 0):
		return scheme, rest, nil
	}
	return "", "", sallyport.E(sallyport.Invalid, "vault reference", "this is no reference to a secret").
		WithHint("write vault:NAME, env:NAME or file:/absolute/path; a secret itself is never written into a configuration")
}

// validEnv reports whether name is a portable name of an environment variable.
func validEnv(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != "" && len(name) <= 128
}

// readSecret reads what an "env:" or "file:" reference names, without a line
// break at its end.
func readSecret(ref Ref, getenv func(string) string) ([]byte, error) {
	const op = "vault secret"
	scheme, name, err := ref.split()
	if err != nil {
		return nil, err
	}
	var b []byte
	switch scheme {
	case schemeEnv:
		b = []byte(getenv(name))
	case schemeFile:
		if b, err = readPrivate(op, name, maxSecret); err != nil {
			return nil, err
		}
	default:
		return nil, sallyport.E(sallyport.Invalid, op, "this secret must come from env:NAME or file:PATH")
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	if len(b) == 0 {
		return nil, sallyport.E(sallyport.NotFound, op, string(ref)+" is empty or not set").
			WithHint("set it before the gateway starts")
	}
	return b, nil
}

// readPrivate reads a regular file that nobody but its owner may read.
func readPrivate(op, path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sallyport.E(sallyport.NotFound, op, path+" does not exist").Because(err)
	}
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, path+" cannot be read").Because(err)
	}
	defer func() { _ = f.Close() }() // read only: closing loses nothing
	st, err := f.Stat()
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, path+" cannot be read").Because(err)
	}
	if !st.Mode().IsRegular() {
		return nil, sallyport.E(sallyport.Invalid, op, path+" is not a regular file")
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("%s may be read by others (mode %04o)", path, st.Mode().Perm())).
			WithHint("chmod 600 " + path)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, path+" cannot be read").Because(err)
	}
	if int64(len(b)) > limit {
		return nil, sallyport.E(sallyport.Invalid, op, path+" is larger than such a file may be")
	}
	return b, nil
}

// readMaster reads the master key: 32 bytes, written as base64 or hex.
func readMaster(ref Ref, getenv func(string) string) ([]byte, error) {
	b, err := readSecret(ref, getenv)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	s := strings.TrimSpace(string(b))
	if k, err := hex.DecodeString(s); err == nil && len(k) == keySize {
		return k, nil
	}
	if k, err := base64.StdEncoding.DecodeString(s); err == nil && len(k) == keySize {
		return k, nil
	}
	return nil, sallyport.E(sallyport.Invalid, "vault master", "the master key is not 32 bytes in base64 or hex").
		WithHint("make one with: openssl rand -base64 32")
}

// CreateMaster writes a fresh master key to a new file at path, in base64 with
// mode 0600. A file that is there already stays as it is, and the error has
// kind Conflict.
func CreateMaster(path string, rand io.Reader) error {
	const op = "vault master"
	key := make([]byte, keySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return sallyport.E(sallyport.Internal, op, "no randomness for a master key").Because(err)
	}
	defer clear(key)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return sallyport.E(sallyport.Conflict, op, path+" is there already").Because(err)
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, op, path+" cannot be written").Because(err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, op, path+" cannot be written").Because(err)
	}
	return nil
}
