// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// entries is how many entries are logged, one after the other, each awaited
// until it is under a checkpoint that the witnesses cosigned.
const entries = 4

// runLog runs a log of Tessera in a directory, whose checkpoints are published
// only when the witnesses of the policy have cosigned them. It prints the log's
// verifier key, reads the policy from standard input, and prints the last
// checkpoint.
func runLog(ctx context.Context, dir, name string) error {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	fmt.Println(vkey)
	policy, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	group, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return err
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).WithCheckpointInterval(200*time.Millisecond).WithBatching(1, 10*time.Millisecond).
		WithWitnesses(group, &tessera.WitnessOptions{Timeout: 5 * time.Second}))
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
	var checkpoint []byte
	for i := range entries {
		_, cp, err := awaiter.Await(ctx, appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "entry %d", i))))
		if err != nil {
			return errors.Join(err, shutdown(ctx))
		}
		checkpoint = cp
	}
	if err := shutdown(ctx); err != nil {
		return err
	}
	_, err = os.Stdout.Write(checkpoint)
	return err
}
