// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// Files is what the state of a witness needs of a file system; [ledger.OS] is
// one. Replace is atomic, and durable with its directory when it returns.
type Files interface {
	MkdirAll(dir string) error
	ReadFile(name string) ([]byte, error)
	Replace(name string, data []byte) error
	Lock(name string) (io.Closer, error)
}

// state is what a witness knows of one log.
type state struct {
	mu     sync.Mutex // held from the comparison until the new state is durable
	last   evidence.Checkpoint
	failed error // a write failed, so nobody knows what the disk holds
}

// store keeps the last cosigned checkpoint of each log in a file.
type store struct {
	files Files
	dir   string
	lock  io.Closer
	logs  map[string]*state // by origin; the map itself never changes
}

// openStore takes the state directory for this process and reads what is known
// of the logs.
func openStore(files Files, dir string, key *Key, origins []string) (*store, error) {
	const op = "witness open"
	s := &store{files: files, dir: dir, logs: map[string]*state{}}
	if err := files.MkdirAll(dir); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the state directory cannot be used").
			WithHint("give the witness a writable directory of its own").Because(err)
	}
	lock, err := files.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the state directory is in use by another process, or cannot be written").
			WithHint("one state directory has one witness").Because(err)
	}
	s.lock = lock
	for _, origin := range origins {
		st, err := s.read(key, origin)
		if err != nil {
			return nil, errors.Join(err, lock.Close())
		}
		s.logs[origin] = st
	}
	return s, nil
}

func (s *store) name(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:])+".checkpoint")
}

// read recognises the state by the witness's own cosignature.
func (s *store) read(key *Key, origin string) (*state, error) {
	b, err := s.files.ReadFile(s.name(origin))
	if errors.Is(err, fs.ErrNotExist) {
		return &state{last: evidence.Checkpoint{Origin: origin}}, nil
	}
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, "witness open", "the state of a log cannot be read").Because(err)
	}
	cp, err := evidence.OpenCheckpoint(b, note.VerifierList(key.cosigner))
	if err != nil || cp.Origin != origin {
		return nil, sallyport.E(sallyport.Integrity, "witness open", "the state of the log "+origin+" is not what this witness wrote").
			WithHint("bring the newest state back from a copy; never remove it: a witness that forgets would cosign a log that was cut. " +
				"A witness with another key needs a state directory of its own").Because(err)
	}
	return &state{last: cp}, nil
}

// keep makes the new state durable. The caller holds st.mu. After a failed write
// the log is not served again before a restart.
func (s *store) keep(st *state, cp evidence.Checkpoint, cosigned []byte) error {
	if err := s.files.Replace(s.name(cp.Origin), cosigned); err != nil {
		st.failed = sallyport.E(sallyport.Unavailable, "witness", "the state cannot be written").
			WithHint("look after the witness's disk, then start it again").Because(err)
		return st.failed
	}
	st.last = cp
	return nil
}

func (s *store) close() error { return s.lock.Close() }

var _ Files = ledger.OS{}
