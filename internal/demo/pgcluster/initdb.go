// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgcluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	sallyport "github.com/sallyport-dev/sallyport"
)

// InitDB runs initdb with the binaries of binDir and leaves the data directory,
// owned by the caller, at dst, which must not exist. Such a directory serves
// as [Options.Template].
func InitDB(ctx context.Context, binDir, dst, superuser, password string) (err error) {
	acct, err := serverAccount()
	if err != nil {
		return err
	}
	dir, lock, err := makeDir("", acct)
	if err != nil {
		return err
	}
	defer func() {
		rerr := removeAll(dir)
		if cerr := lock.Close(); rerr == nil {
			rerr = cerr
		}
		if err == nil && rerr != nil {
			err = sallyport.E(sallyport.Internal, op, "cannot remove initdb's directory").Because(rerr)
		}
	}()
	data := filepath.Join(dir, "data")
	if err := initDB(ctx, binDir, data, dir, superuser, password, acct); err != nil {
		return err
	}
	if err := copyTree(data, dst, account{}); err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot copy initdb's result").Because(err)
	}
	return nil
}

// initDB makes a data directory as acct. WAL segments of 1 MiB keep it, and
// every copy of it, small.
func initDB(ctx context.Context, binDir, data, work, superuser, password string, acct account) error {
	pwFile := filepath.Join(work, "password")
	if err := os.WriteFile(pwFile, []byte(password+"\n"), 0o600); err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot write the password for initdb").Because(err)
	}
	defer os.Remove(pwFile)
	if err := acct.own(pwFile); err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot hand the password file over").Because(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, "initdb"), "-D", data, "-U", superuser,
		"--pwfile="+pwFile, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--wal-segsize=1")
	cmd.Dir = work
	cmd.Env = serverEnv(work)
	cmd.SysProcAttr = acct.procAttr()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return sallyport.E(sallyport.Unavailable, op, "initdb failed").
			WithHint("the account that runs the server must be able to read " + binDir).
			Because(fmt.Errorf("%w; it said: %s", err, lastLines(out.String(), 5)))
	}
	return nil
}
