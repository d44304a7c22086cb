// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// DirKeys is a [KeyCache] of one file per issuer in a directory. Whoever can
// write there can make keys that the gateway believes, so the directory must be
// the gateway's alone.
type DirKeys struct {
	Dir string
}

type keyFile struct {
	Issuer  string          `json:"issuer"`
	Fetched time.Time       `json:"fetched"`
	Keys    json.RawMessage `json:"keys"`
}

func (d DirKeys) path(issuerURL string) string {
	h := sha256.Sum256([]byte(issuerURL))
	return filepath.Join(d.Dir, "jwks-"+hex.EncodeToString(h[:8])+".json")
}

// LoadKeys implements [KeyCache].
func (d DirKeys) LoadKeys(_ context.Context, issuerURL string) ([]byte, time.Time, error) {
	f, err := os.Open(d.path(issuerURL))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("kept keys: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("kept keys: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, time.Time{}, errors.New("kept keys: others may write the file")
	}
	if info.Size() > 2*maxDocument {
		return nil, time.Time{}, errors.New("kept keys: the file is too large")
	}
	var k keyFile
	if err := json.NewDecoder(f).Decode(&k); err != nil || k.Issuer != issuerURL {
		return nil, time.Time{}, errors.New("kept keys: the file is not one of this issuer")
	}
	return k.Keys, k.Fetched, nil
}

// SaveKeys implements [KeyCache]; the file is replaced as a whole.
func (d DirKeys) SaveKeys(_ context.Context, issuerURL string, jwks []byte, fetched time.Time) error {
	path := d.path(issuerURL)
	if jwks == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget keys: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(keyFile{Issuer: issuerURL, Fetched: fetched.UTC(), Keys: jwks})
	if err != nil {
		return fmt.Errorf("keep keys: %w", err)
	}
	f, err := os.CreateTemp(d.Dir, "jwks-*.tmp")
	if err != nil {
		return fmt.Errorf("keep keys: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep keys: %w", err), os.Remove(f.Name()))
	}
	return nil
}
