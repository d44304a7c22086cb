// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-dev/sallyport/evidence"
)

// copyName is the bundle that is tampered with.
const copyName = "evidence-copy.zip"

func replayed(ctx context.Context, s *stage) error {
	if _, err := s.expect(ctx, s.cliAs(auditor(), "session", "list"), 0, s.session, "ci:acme/claims"); err != nil {
		return err
	}
	_, err := s.expect(ctx, s.cliAs(auditor(), "session", "replay", s.session), 0, "ci:acme/claims", "[phi.name]", "hold-destroy", "human:officer", "DROP DATABASE")
	return err
}

func exported(ctx context.Context, s *stage) error {
	s.bundle = s.path("evidence.zip")
	return s.export(ctx, s.bundle, "quarterly access review")
}

// export writes a bundle of the whole log.
func (s *stage) export(ctx context.Context, name, purpose string) error {
	if _, err := s.expect(ctx, s.cliAs(auditor(), "evidence", "export", "--purpose", purpose, "-f", filepath.Base(name)), 0); err != nil {
		return err
	}
	_, err := os.Stat(name)
	return err
}

// verifierOf is the verifier that an auditor has: a program of its own, or where
// that was not built, the same code in the main one.
func (s *stage) verifierOf(bundle string) invocation {
	in := invocation{who: "auditor", env: s.environment(nil)}
	own := filepath.Join(filepath.Dir(s.env.Self), "sallyport-verify")
	if st, err := os.Stat(own); err == nil && st.Mode().IsRegular() {
		in.name, in.path, in.args = "sallyport-verify", own, []string{"-key", s.verifier, filepath.Base(bundle)}
		return in
	}
	in.name, in.path, in.args = "sallyport", s.env.Self, []string{"evidence", "verify", filepath.Base(bundle), "--key", s.verifier}
	return in
}

func verified(ctx context.Context, s *stage) error {
	_, err := s.expect(ctx, s.verifierOf(s.bundle), 0, "VERIFIED")
	return err
}

// tampered flips one bit in a copy of the bundle, among the events themselves.
func tampered(ctx context.Context, s *stage) error {
	b, err := os.ReadFile(s.bundle)
	if err != nil {
		return err
	}
	at, err := middleOf(s.bundle, evidence.LeavesName)
	if err != nil {
		return err
	}
	b[at] ^= 1
	s.command("auditor", fmt.Sprintf("# %s is a copy with one bit of byte %d of %d flipped", copyName, at, len(b)))
	if err := s.put(copyName, string(b), 0o600); err != nil {
		return err
	}
	// 5 is the exit status for evidence that does not verify.
	_, err = s.brief(ctx, s.verifierOf(s.path(copyName)), 14, 5, "FAILED", "Faults:", evidence.LeavesName)
	return err
}

// middleOf returns the offset of the byte in the middle of a file as it lies in
// an archive.
func middleOf(archive, name string) (int64, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == name })
	if i < 0 {
		return 0, errors.Join(fmt.Errorf("there is no %s in it", name), z.Close())
	}
	from, err := z.File[i].DataOffset()
	return from + int64(z.File[i].CompressedSize64)/2, errors.Join(err, z.Close())
}

func audited(ctx context.Context, s *stage) error {
	if _, err := s.expect(ctx, s.cliAs(auditor(), "audit", "verify"), 0); err != nil {
		return err
	}
	files, size, err := s.atRest()
	if err != nil {
		return err
	}
	s.line("")
	s.say("%d files of the gateway, %d KiB, its log among them, searched for %d values of the clinic: none found.", files, size>>10, len(s.raw))
	return nil
}

// atRest searches everything that the gateway wrote for values of the clinic.
func (s *stage) atRest() (files int, size int64, err error) {
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			// The gateway is running: what is replaced meanwhile is not there.
			return ignoreMissing(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return ignoreMissing(err)
		}
		files++
		size += int64(len(b))
		err = s.search(string(b))
		if err == nil && filepath.Ext(path) == ".zip" && path != s.path(copyName) {
			err = s.searchArchive(path)
		}
		if err != nil {
			rel, _ := filepath.Rel(s.dir, path) // both are absolute
			return fmt.Errorf("%s: %w", rel, err)
		}
		return nil
	})
	return files, size, err
}

// searchArchive searches the contents of a bundle's files.
func (s *stage) searchArchive(path string) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range z.File {
		b, err := fs.ReadFile(z, f.Name)
		if err == nil {
			err = s.search(string(b))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
		}
	}
	return errors.Join(append(errs, z.Close())...)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
