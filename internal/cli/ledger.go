// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger/signer"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// ledgerCommand is what an operator does to a ledger on the gateway's machine.
func (a *app) ledgerCommand() *cobra.Command {
	var path, file, reason string
	newKey := withConfig(a.command("new-key", "Make a key that signs the ledger", cobra.NoArgs,
		func(context.Context, []string) error { return a.newKey(path, file) }), &path)
	newKey.Long = "Make a key that signs the ledger's checkpoints, for the origin that the configuration names. To change the key, name the\n" +
		"new one first in ledger.signers and the old one second, and start the gateway again: the change goes on record, signed by both.\n" +
		"Give auditors the verifier key, then take the old one out."
	newKey.Flags().StringVarP(&file, "file", "f", "", "file to write the key to; its verifier key is written beside it")
	rollback := withConfig(a.command("rollback", "Begin a new log in the place of one that lost its end", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.rollback(ctx, path, reason) }), &path)
	rollback.Long = "Begin a new log in the place of one that lost its end: an older state of it was put back, or its key is gone. Choose a new\n" +
		"origin in the configuration first. The old log is set aside, unchanged, and the first event of the new one says what was lost.\n" +
		"The gateway must not run."
	rollback.Flags().StringVar(&reason, "reason", "", "what happened; it goes on record")
	return a.group("ledger", "Keep the ledger", newKey, rollback)
}

func (a *app) newKey(path, file string) error {
	if file == "" {
		return usage("name the file with -f FILE")
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	vkey, err := signer.Create(file, cfg.Origin, a.Rand)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "made the key %s; keep a copy of it apart from the ledger, and give auditors its verifier key:\n", clean(file))
	return a.show(map[string]string{"key": vkey}, table{head: []string{"KEY"}, rows: [][]string{{vkey}}, plain: true})
}

func (a *app) rollback(ctx context.Context, path, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return usage("say what happened with --reason; it goes on record")
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	u, err := user.Current()
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "ledger rollback", "nobody knows who you are on this machine").Because(err)
	}
	log, err := logger(cfg.Log, a.Stderr)
	if err != nil {
		return err
	}
	done, err := server.Rollback(ctx, cfg, a.deps(ctx, log), reason, u.Username)
	if err != nil {
		return err
	}
	return a.show(done, table{
		head: []string{"NEW LOG", "OLD LOG", "LEAVES LEFT", "LEAVES KNOWN", "KEPT IN"},
		rows: [][]string{{done.Origin, done.Old, fmt.Sprint(done.Size), fmt.Sprint(done.Claimed), done.Kept}},
	})
}
