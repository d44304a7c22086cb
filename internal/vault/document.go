// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"encoding/json"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	sallyport "github.com/sallyport-dev/sallyport"
)

// maxDocument is the largest vault file in bytes that is read.
const maxDocument = 16 << 20

// readDocument reads the vault file; NotFound when it does not exist yet.
func readDocument(path string) (document, error) {
	const op = "vault read"
	b, err := readPrivate(op, path, maxDocument)
	if err != nil {
		return document{}, err
	}
	var doc document
	if err := json.Unmarshal(b, &doc); err != nil {
		return document{}, sallyport.E(sallyport.Integrity, op, "the vault file is damaged").
			WithHint("restore it from a backup").Because(err)
	}
	if doc.Version != fileVersion {
		return document{}, sallyport.E(sallyport.Integrity, op, "the vault file has a version that this gateway does not know").
			WithHint("use the gateway's release that wrote it, or a later one")
	}
	return doc, nil
}

// writeDocument puts the vault file in place at once and durably.
func writeDocument(path string, doc document) error {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return sallyport.E(sallyport.Internal, "vault write", "the vault file cannot be encoded").Because(err)
	}
	if err := replaceFile(path, append(b, '\n')); err != nil {
		return sallyport.E(sallyport.Unavailable, "vault write", "the vault file cannot be written").
			WithHint("check that the gateway may write in its directory and that the disk is not full").Because(err)
	}
	return nil
}

// replaceFile writes b beside path with mode 0600, flushes it, moves it onto
// path and flushes the directory.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".vault-*") // CreateTemp makes it 0600
	if err != nil {
		return err
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
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

// locked runs f while holding the lock of the vault file, which is a file of
// its own beside it since the vault file is replaced at every change.
func locked(path string, f func() error) error {
	fail := func(err error) error {
		return sallyport.E(sallyport.Unavailable, "vault lock", "the vault cannot be locked").
			WithHint("check that its directory exists and that the gateway may write in it").Because(err)
	}
	l, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = l.Close() }() // closing is what unlocks it
	if err := unix.Flock(int(l.Fd()), unix.LOCK_EX); err != nil {
		return fail(err)
	}
	return f()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}
