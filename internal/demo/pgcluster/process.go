// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package pgcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// account is whom the server runs as; the zero value is the caller.
type account struct {
	switched bool
	uid, gid int
}

// serverAccount chooses the account: the caller's own, or, for root, one of
// the accounts that PostgreSQL may run as.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.Atoi(u.Uid)
		gid, gerr := strconv.Atoi(u.Gid)
		if uerr == nil && gerr == nil {
			return account{switched: true, uid: uid, gid: gid}, nil
		}
	}
	return account{}, sallyport.E(sallyport.NotFound, op, "PostgreSQL refuses to run as root, and there is no account postgres or nobody").
		WithHint("run as an ordinary account")
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

func (a account) procAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// serverEnv is all that initdb and postgres see of the environment: nothing
// of the caller's PG* variables or secrets.
func serverEnv(home string) []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + home}
}

const (
	dirPrefix = "sallyport-pg-"
	lockName  = "owner.lock"
)

// makeDir makes a cluster's directory, owned by acct, with a locked file in it
// that shows [Sweep] that its owner lives.
func makeDir(parent string, acct account) (string, *os.File, error) {
	dir, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return "", nil, sallyport.E(sallyport.Internal, op, "cannot make a directory for the cluster").Because(err)
	}
	lock, err := lockDir(dir)
	if err == nil {
		err = acct.own(dir)
	}
	if err != nil {
		return "", nil, sallyport.E(sallyport.Internal, op, "cannot take over the cluster's directory").Because(errors.Join(err, os.RemoveAll(dir)))
	}
	return dir, lock, nil
}

// lockDir makes the lock file. It gets its name only once it is locked, so that
// a [Sweep] at the same moment never sees it free.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Sweep removes the directories that clusters of killed processes left below
// parent (empty: the system's directory for temporary files), and returns how
// many. A directory whose owner lives is left alone.
func Sweep(parent string) (int, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	// Glob fails only for a malformed pattern.
	locks, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*", lockName))
	n := 0
	for _, lock := range locks {
		f, err := os.OpenFile(lock, os.O_RDWR, 0)
		if err != nil {
			continue // another account's, or just removed
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			if err := os.RemoveAll(filepath.Dir(lock)); err != nil {
				return n, errors.Join(fmt.Errorf("sweep: %w", err), f.Close())
			}
			n++
		}
		if err := f.Close(); err != nil {
			return n, fmt.Errorf("sweep: %w", err)
		}
	}
	return n, nil
}

// process is one run of the postmaster. The goroutine that starts it also
// waits for it and closes done.
type process struct {
	proc    *os.Process // set before startProcess returns
	done    chan struct{}
	waitErr error // set before done is closed
}

// startProcess runs path with its output appended to logFile.
func startProcess(path string, args []string, dir, logFile string, acct account) (*process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }() // the child has its own descriptor
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, serverEnv(dir), out, out
	cmd.SysProcAttr = acct.procAttr()
	dieWithParent(cmd.SysProcAttr)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the signal of dieWithParent when the starting thread
		// ends, so this goroutine keeps its thread until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		if err == nil {
			p.proc = cmd.Process
		}
		started <- err
		if err == nil {
			p.waitErr = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// err says how the process ended; only after done.
func (p *process) err() error {
	if p.waitErr == nil {
		return errors.New("exit status 0")
	}
	return p.waitErr
}

// stop asks for PostgreSQL's fast shutdown, then for its immediate one, then
// kills, and returns when the process has ended.
func (p *process) stop() {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if p.signal(sig, stopTimeout) {
			return
		}
	}
	p.kill()
}

// kill ends the process as a crash would.
func (p *process) kill() {
	_ = p.proc.Kill() // fails only when it has ended already
	<-p.done
}

// signal sends sig and reports whether the process ended in time.
func (p *process) signal(sig syscall.Signal, within time.Duration) bool {
	if p.exited() {
		return true
	}
	_ = p.proc.Signal(sig) // fails only when it has ended already
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}
