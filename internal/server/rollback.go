// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

const opRollback = "ledger rollback"

// RolledBack says what [Rollback] did.
type RolledBack struct {
	Origin  string `json:"origin"`  // of the new log
	Old     string `json:"old"`     // of the one whose end was lost
	Kept    string `json:"kept"`    // where what is left of it lies now
	Size    uint64 `json:"size"`    // leaves of it that are left, by its own checkpoint
	Claimed uint64 `json:"claimed"` // leaves that it had, by its head; zero when that is not known
}

// Rollback begins a new log in the place of one whose end was lost, because an
// older state was put back or its key is gone. The first leaf of the new log
// says so. What is left of the old one is set aside, unchanged, with its head
// and its key. The new log needs an origin of its own: two histories under one
// name would be what the ledger exists to rule out. The gateway must not run.
func Rollback(ctx context.Context, cfg *config.Config, deps Deps, reason, by string) (done RolledBack, err error) {
	lock, err := ledger.OS{}.Lock(filepath.Join(LedgerPath(cfg), "lock"))
	if errors.Is(err, fs.ErrNotExist) && noPlan(cfg) != nil {
		lock, err = io.NopCloser(nil), nil // the old one is aside already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return done, sallyport.E(sallyport.NotFound, opRollback, "there is no ledger at "+LedgerPath(cfg)).WithHint("a new one begins by itself when the gateway starts")
	case errors.Is(err, syscall.EWOULDBLOCK):
		return done, sallyport.E(sallyport.Unavailable, opRollback, "a gateway has this ledger open").WithHint("stop it first")
	case err != nil:
		return done, sallyport.E(sallyport.Unavailable, opRollback, "the ledger cannot be locked").Because(err)
	}
	plan, err := planOf(cfg, deps, reason, by)
	if err = errors.Join(err, lock.Close()); err != nil {
		return done, err
	}
	done = RolledBack{Origin: cfg.Origin, Old: plan.Body.Origin, Kept: plan.Kept, Size: plan.Body.Size, Claimed: claimed(plan.Body.Head)}
	if err := setAside(cfg, plan.Kept); err != nil {
		return done, sallyport.E(sallyport.Unavailable, opRollback, "the old ledger cannot be set aside").Because(err)
	}
	if err := begin(ctx, cfg, deps, plan.Body); err != nil {
		return done, err
	}
	if err := errors.Join(os.Remove(planPath(cfg)), ledger.OS{}.SyncDir(string(cfg.Data))); err != nil {
		return done, sallyport.E(sallyport.Unavailable, opRollback, "the plan of the rollback cannot be removed").Because(err)
	}
	return done, nil
}

// plan is what a rollback is going to do. It lies on disk until all of it is
// done, so that one that was cut short is finished, and no gateway starts in the
// middle of it.
type plan struct {
	Body evidence.Rollback `json:"body"`
	Kept string            `json:"kept"`
}

func planPath(cfg *config.Config) string { return filepath.Join(string(cfg.Data), "rollback.json") }

// planOf makes the plan, or reads the one of a rollback that was cut short.
func planOf(cfg *config.Config, deps Deps, reason, by string) (p plan, err error) {
	b, err := readSome(planPath(cfg))
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &p); err != nil || p.Kept == "" {
			return p, sallyport.E(sallyport.Integrity, opRollback, "the plan "+planPath(cfg)+" cannot be read").Because(err)
		}
		return p, nil
	case !errors.Is(err, fs.ErrNotExist):
		return p, sallyport.E(sallyport.Unavailable, opRollback, "the plan "+planPath(cfg)+" cannot be read").Because(err)
	}
	if p.Body, err = lost(cfg); err != nil {
		return p, err
	}
	if p.Body.Origin == cfg.Origin {
		return p, sallyport.E(sallyport.Invalid, opRollback, "the configuration still names the old log's origin, "+strconv.Quote(cfg.Origin)).
			WithHint("choose a new origin, for example the old one with a number behind it")
	}
	p.Body.Reason, p.Body.By = reason, by
	p.Kept = filepath.Join(string(cfg.Data), "ledger-lost-"+deps.Now().UTC().Format("20060102T150405Z"))
	if b, err = json.Marshal(p); err == nil {
		err = ledger.OS{}.Replace(planPath(cfg), b)
	}
	if err != nil {
		return p, sallyport.E(sallyport.Unavailable, opRollback, "the plan of the rollback cannot be written").Because(err)
	}
	return p, nil
}

// noPlan refuses to start in the middle of a rollback.
func noPlan(cfg *config.Config) error {
	if _, err := os.Stat(planPath(cfg)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return sallyport.E(sallyport.Unavailable, opRollback, "a rollback of the ledger was begun and not finished").
		WithHint("run `sallyport ledger rollback` again with the same configuration; it goes on where it was")
}

// lost reads what is left of a log, which need not verify any more: it is a
// note for people, and what it is worth shows when it is compared with what
// others have seen.
func lost(cfg *config.Config) (evidence.Rollback, error) {
	bad := func(msg string, err error) (evidence.Rollback, error) {
		return evidence.Rollback{}, sallyport.E(sallyport.Unavailable, opRollback, msg).Because(err)
	}
	signed, err := readSome(filepath.Join(LedgerPath(cfg), "tiles", "checkpoint"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return bad("the old checkpoint cannot be read", err)
	}
	head, err := readSome(HeadPath(cfg))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return bad("the ledger's head cannot be read", err)
	}
	body := evidence.Rollback{Head: string(head)}
	for _, text := range [][]byte{head, signed} { // the checkpoint has the last word
		lines := strings.SplitN(string(text), "\n", 4)
		if len(lines) < 4 {
			continue
		}
		body.Origin = lines[0]
		body.Size, body.Root = 0, ""
		if size, err := strconv.ParseUint(lines[1], 10, 63); err == nil && string(text) == string(signed) {
			if root, err := tlog.ParseHash(lines[2]); err == nil {
				body.Size, body.Root = size, root.String()
			}
		}
	}
	if body.Origin == "" {
		return bad("neither the ledger nor its head has a checkpoint", errors.New("nothing to refer to"))
	}
	return body, nil
}

// claimed is the size that a head names.
func claimed(head string) uint64 {
	lines := strings.SplitN(head, "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	n, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return 0
	}
	return n
}

// readSome reads a small file.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 1<<16))
	return b, errors.Join(err, f.Close())
}

// setAside moves the old ledger, its head and its own key into a directory of
// their own. What is there already was moved before.
func setAside(cfg *config.Config, kept string) error {
	if err := (ledger.OS{}).MkdirAll(kept); err != nil {
		return err
	}
	keys := filepath.Join(string(cfg.Data), "keys")
	for _, move := range [][2]string{
		{LedgerPath(cfg), "ledger"},
		{HeadPath(cfg), "head"},
		{filepath.Join(keys, "ledger.key"), "ledger.key"},
		{filepath.Join(keys, "ledger.vkey"), "ledger.vkey"},
	} {
		to := filepath.Join(kept, move[1])
		if _, err := os.Stat(to); err == nil {
			continue
		}
		if err := os.Rename(move[0], to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var errs []error
	for _, dir := range []string{kept, keys, filepath.Dir(HeadPath(cfg)), string(cfg.Data)} {
		if err := (ledger.OS{}).SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// begin makes the new log with its first leaf, and empties the search index,
// which is that of the old one.
func begin(ctx context.Context, cfg *config.Config, deps Deps, body evidence.Rollback) (err error) {
	keys, err := openKeys(cfg, deps)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, ledger.Options{
		Dir: LedgerPath(cfg), Origin: cfg.Origin, Signers: keys.signers(), Verifiers: keys.verifiers(),
		Head: ledger.FileHead{FS: ledger.OS{}, Name: HeadPath(cfg)}, Now: deps.Now,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	if l.Size() == 0 {
		if err := session.NewEvents(l, cfg.Origin, deps.Now).Rollback(ctx, body); err != nil {
			return err
		}
	}
	s, err := sqlite.Open(ctx, filepath.Join(string(cfg.Data), "store.db"))
	if err != nil {
		return err
	}
	return errors.Join(s.Index().Reset(ctx), s.Close())
}
