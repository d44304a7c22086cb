// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgtest

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

// superuser is the bootstrap role of every test server.
const superuser = "postgres"

//go:embed versions.txt
var versions string

// release is one line of versions.txt.
type release struct {
	source  string // "system" or "npm"
	version string
}

func findRelease(major int) (release, error) {
	for line := range strings.Lines(versions) {
		f := strings.Fields(line)
		if len(f) == 4 && f[0] == strconv.Itoa(major) {
			return release{source: f[1], version: f[2]}, nil
		}
	}
	return release{}, fmt.Errorf("PostgreSQL %d is not one of the releases of versions.txt", major)
}

// template is a data directory to copy and its superuser's password.
type template struct {
	dir, password string
}

// installation returns the directory of a major's binaries, readable by the
// account that runs the server, and its template, made on first use.
func installation(ctx context.Context, major int) (bin string, tmpl template, err error) {
	rel, err := findRelease(major)
	if err != nil {
		return "", tmpl, err
	}
	unlock, err := lockCache()
	if err != nil {
		return "", tmpl, err
	}
	defer unlock()
	// Whatever earlier test binaries were killed over.
	if _, err := pgcluster.Sweep(""); err != nil {
		return "", tmpl, err
	}
	if bin, err = binaries(major, rel); err != nil {
		return "", tmpl, err
	}
	tmpl, err = makeTemplate(ctx, bin, rel)
	return bin, tmpl, err
}

// binaries returns the directory of a release's binaries.
func binaries(major int, rel release) (string, error) {
	if rel.source == "system" {
		if bin, err := pgcluster.Find(major); err == nil {
			return bin, nil
		}
	}
	bin := filepath.Join(cacheDir(), "pg-"+rel.version, "native", "bin")
	if _, err := os.Stat(filepath.Join(bin, "postgres")); err != nil {
		return "", fmt.Errorf("PostgreSQL %s is not in the cache; run: make test-deps", rel.version)
	}
	return reachable(bin, rel.version)
}

// lockCache excludes the other test binaries that fill the cache.
func lockCache() (unlock func(), err error) {
	dir := cacheDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "pgtest.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing frees the lock
}

// makeTemplate runs initdb once for a release and keeps the result.
func makeTemplate(ctx context.Context, bin string, rel release) (template, error) {
	exact, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return template{}, fmt.Errorf("asking %s for its version: %w", bin, err)
	}
	// A minor update of the distribution's package makes a template of its own.
	key := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.TrimSpace(string(exact)))
	dir := filepath.Join(cacheDir(), "pgdata-"+key)
	pwFile := dir + ".password"
	if pw, err := os.ReadFile(pwFile); err == nil { // written last
		return template{dir: dir, password: string(pw)}, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return template{}, err
	}
	pw := rand.Text()
	if err := pgcluster.InitDB(ctx, bin, dir, superuser, pw); err != nil {
		return template{}, err
	}
	return template{dir: dir, password: pw}, os.WriteFile(pwFile, []byte(pw), 0o600)
}

// cacheDir is $SALLYPORT_CACHE, or .cache in the repository's root.
func cacheDir() string {
	if dir := os.Getenv("SALLYPORT_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(Root(), ".cache")
}

// Root returns the repository's root directory: the one above this file's, or,
// in a binary built with -trimpath, the nearest above the working directory
// that has a go.mod.
func Root() string {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		return filepath.Dir(filepath.Dir(filepath.Dir(file)))
	}
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, serr := os.Stat(filepath.Join(dir, "go.mod")); serr == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return "."
}

// reachable returns bin, or the bin of a copy of its installation below the
// directory for temporary files when the server's account, not being root,
// cannot reach the original (a clone in root's home).
func reachable(bin, version string) (string, error) {
	if os.Geteuid() != 0 || openToAll(bin) {
		return bin, nil
	}
	stage := filepath.Join(os.TempDir(), "sallyport-pg-bin-"+version)
	staged := filepath.Join(stage, "native", "bin")
	if st, err := os.Lstat(stage); err == nil {
		sys, ok := st.Sys().(*syscall.Stat_t)
		if !st.IsDir() || !ok || sys.Uid != 0 {
			return "", fmt.Errorf("%s is not a directory of root's; remove it", stage)
		}
		if _, err := os.Stat(filepath.Join(staged, "postgres")); err == nil {
			return staged, nil
		}
	}
	part, err := os.MkdirTemp("", "sallyport-pg-bin-part-")
	if err != nil {
		return "", err
	}
	if err := copyInstallation(filepath.Dir(filepath.Dir(bin)), part); err != nil {
		return "", errors.Join(err, os.RemoveAll(part))
	}
	if err := os.RemoveAll(stage); err != nil {
		return "", err
	}
	if err := os.Rename(part, stage); err != nil {
		return "", err
	}
	return staged, nil
}

// openToAll reports whether every directory down to dir can be passed by
// everybody.
func openToAll(dir string) bool {
	for {
		st, err := os.Stat(dir)
		if err != nil || st.Mode().Perm()&0o001 == 0 {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

// copyInstallation copies directories, files and symbolic links, all readable
// by everybody.
func copyInstallation(src, dst string) error {
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, info.Mode().Perm()|0o444)
	})
	if err != nil {
		return err
	}
	return os.Chmod(dst, 0o755)
}
