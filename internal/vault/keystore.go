// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The key store is a directory with one file for each session's key:
//
//	YYYY-MM/sk_YYYY-MM_RANDOM       the key, sealed by the vault, and its terms
//	YYYY-MM/sk_YYYY-MM_RANDOM.doom  that it is to be destroyed, and why
//
// The month is the one in which the key's retention ends, so that looking for
// what has expired reads no key that has not. A key with a doom is not used any
// more. The doom is removed last, when everything that the key opened is gone.
const (
	keyPrefix   = "sk_"
	monthForm   = "2006-01"
	doomSuffix  = ".doom"
	maxKeyFile  = 16 << 10
	keyIDLength = len(keyPrefix) + len(monthForm) + 1 + 20
)

type keyStore struct{ dir string }

// path returns where a key lies; false for what is no name of one.
func (s keyStore) path(id string) (string, bool) {
	if len(id) != keyIDLength || !strings.HasPrefix(id, keyPrefix) {
		return "", false
	}
	month, random, ok := strings.Cut(id[len(keyPrefix):], "_")
	if !ok || !validMonth(month) || strings.Trim(random, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return filepath.Join(s.dir, month, id), true
}

func validMonth(s string) bool {
	t, err := time.Parse(monthForm, s)
	return err == nil && t.Format(monthForm) == s
}

func keyStoreFailed(err error) error {
	return sallyport.E(sallyport.Unavailable, "key store", "the key store cannot be used").
		WithHint("check that its directory exists, that the gateway may write in it and that the disk is not full").Because(err)
}

// put makes a key's file durable.
func (s keyStore) put(id string, b []byte) error {
	path, _ := s.path(id)
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return keyStoreFailed(err)
		}
		for _, d := range []string{s.dir, filepath.Dir(s.dir)} {
			if err := syncDir(d); err != nil {
				return keyStoreFailed(err)
			}
		}
	}
	if err := replaceFile(path, b); err != nil {
		return keyStoreFailed(err)
	}
	return nil
}

func destroyed(id string) error {
	return sallyport.E(sallyport.NotFound, "key store", "the session's key "+id+" is not in the key store").
		WithHint("it was destroyed, which is on record, or the key store is not the one it was made in")
}

// get reads a key that may be used.
func (s keyStore) get(id string) (keyFile, Terms, error) {
	path, ok := s.path(id)
	if !ok {
		return keyFile{}, Terms{}, destroyed("that is named")
	}
	if _, err := os.Lstat(path + doomSuffix); err == nil {
		return keyFile{}, Terms{}, destroyed(id)
	}
	return s.read(path, id)
}

func (s keyStore) read(path, id string) (f keyFile, t Terms, err error) {
	b, err := readPrivate("key store", path, maxKeyFile)
	if sallyport.KindOf(err) == sallyport.NotFound && err != nil {
		return f, t, destroyed(id)
	}
	if err != nil {
		return f, t, err
	}
	err = json.Unmarshal(b, &f)
	if err == nil {
		err = json.Unmarshal(f.Terms, &t)
	}
	if err != nil || f.Version != keyStoreVersion {
		return f, t, sallyport.E(sallyport.Integrity, "key store", "the file of the session's key "+id+" is damaged").
			WithHint("restore it from a backup of the key store")
	}
	return f, t, nil
}

// KeyInfo is a key of the key store, without the key.
type KeyInfo struct {
	ID    string
	Terms Terms
	// Doom is what [Vault.DoomKey] noted; nil while the key is in use.
	Doom []byte
	// Gone is true when the key itself was destroyed already.
	Gone bool
	// Damaged says why the key's file cannot be read; there are no terms then.
	Damaged error
}

// SessionKeys calls fn for each session's key that expires in the month of until
// or earlier, and for each that is doomed whenever it expires, in the order of
// their months. The zero time is no bound. Terms are missing of keys that are
// gone.
func (v *Vault) SessionKeys(until time.Time, fn func(KeyInfo) error) error {
	months, err := os.ReadDir(v.keys.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return keyStoreFailed(err)
	}
	last := "9999-99"
	if !until.IsZero() {
		last = until.UTC().Format(monthForm)
	}
	for _, m := range months { // sorted by name
		if !validMonth(m.Name()) {
			continue
		}
		if err := v.keys.month(m.Name(), m.Name() > last, fn); err != nil {
			return err
		}
	}
	return nil
}

// month calls fn for the keys of a month, or only for those that are doomed.
func (s keyStore) month(month string, doomed bool, fn func(KeyInfo) error) error {
	files, err := os.ReadDir(filepath.Join(s.dir, month))
	if err != nil {
		return keyStoreFailed(err)
	}
	dooms := map[string]bool{}
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.Name(), doomSuffix); ok {
			dooms[id] = true
		}
	}
	seen := map[string]bool{}
	for _, f := range files {
		id := strings.TrimSuffix(f.Name(), doomSuffix)
		path, ok := s.path(id)
		if !ok || seen[id] || doomed && !dooms[id] {
			continue // such as what an interrupted write left
		}
		seen[id] = true
		k := KeyInfo{ID: id}
		if dooms[id] {
			if k.Doom, err = readPrivate("key store", path+doomSuffix, maxKeyFile); err != nil {
				return err
			}
		}
		_, k.Terms, err = s.read(path, id)
		switch {
		case err == nil:
		case sallyport.KindOf(err) == sallyport.NotFound && dooms[id]:
			k.Gone = true
		default:
			k.Damaged = err
		}
		if err := fn(k); err != nil {
			return err
		}
	}
	return nil
}

// SessionTerms returns the terms of a session's key; NotFound when it was
// destroyed or is doomed.
func (v *Vault) SessionTerms(id string) (Terms, error) {
	_, t, err := v.keys.get(id)
	return t, err
}

// DoomKey notes durably that a session's key is to be destroyed, and why. The
// key is not used from then on. What is noted is given back by
// [Vault.SessionKeys], so that a destruction that was interrupted is completed.
func (v *Vault) DoomKey(id string, note []byte) error {
	path, ok := v.keys.path(id)
	if !ok {
		return destroyed("that is named")
	}
	if _, err := os.Lstat(path); err != nil {
		return destroyed(id)
	}
	if err := replaceFile(path+doomSuffix, note); err != nil {
		return keyStoreFailed(err)
	}
	return nil
}

// SpareKey takes a doom back, or forgets it after the destruction.
func (v *Vault) SpareKey(id string) error {
	path, ok := v.keys.path(id)
	if !ok {
		return destroyed("that is named")
	}
	if err := os.Remove(path + doomSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return keyStoreFailed(err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return keyStoreFailed(err)
	}
	return nil
}

// DestroyKey overwrites the file of a doomed key, removes it, and returns when
// both are durable. A key that is gone already is no error. What a file system
// or a disk keeps of overwritten blocks is out of reach; see docs/limits.md.
func (v *Vault) DestroyKey(id string) error {
	path, ok := v.keys.path(id)
	if !ok {
		return destroyed("that is named")
	}
	if _, err := os.Lstat(path + doomSuffix); err != nil {
		return sallyport.E(sallyport.Internal, "key store", "the session's key "+id+" is not to be destroyed").Because(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return keyStoreFailed(err)
	}
	st, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, min(st.Size(), maxKeyFile)), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return keyStoreFailed(err)
	}
	return nil
}
