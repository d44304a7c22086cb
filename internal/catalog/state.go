// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	sallyport "github.com/sallyport-dev/sallyport"
)

// State keeps what was labelled between two loads. One State serves one
// resource.
type State interface {
	// Load returns what was saved last, or the zero Memory.
	Load(ctx context.Context) (Memory, error)
	// Save replaces what was saved; it returns when the new is durable.
	Save(ctx context.Context, m Memory) error
}

// Memory is what was labelled, by stable id. It holds names of the catalogue,
// labels and digests of function bodies; no data.
type Memory struct {
	// Database tells one database from another, as "oid/name": OIDs mean nothing
	// in another one.
	Database  string               `json:"database"`
	Columns   []RememberedColumn   `json:"columns,omitempty"`   // sorted by OID, attnum
	Functions []RememberedFunction `json:"functions,omitempty"` // sorted by OID
}

// RememberedColumn is a labelled column under the name that it had when the
// labels file named it.
type RememberedColumn struct {
	OID    uint32            `json:"oid"`
	Attnum int16             `json:"attnum"`
	Schema string            `json:"schema"`
	Table  string            `json:"table"`
	Column string            `json:"column"`
	Labels []sallyport.Label `json:"labels"`
}

// RememberedFunction is a function that was listed as pure, with the body that
// it had then.
type RememberedFunction struct {
	OID  uint32 `json:"oid"`
	Body string `json:"body"` // digest of language, source and binary
}

// FileState is a State in one JSON file.
type FileState struct{ Path string }

// Load reads the file; a file that does not exist is the zero Memory.
func (s FileState) Load(context.Context) (Memory, error) {
	var m Memory
	b, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return Memory{}, fmt.Errorf("reading the remembered labels: %w", err)
	}
	return m, nil
}

// Save replaces the file in one step.
func (s FileState) Save(_ context.Context, m Memory) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("saving the remembered labels: %w", err)
		}
	}()
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.Path), filepath.Base(s.Path)+".*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(s.Path))
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
