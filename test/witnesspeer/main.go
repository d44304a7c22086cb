// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command witnesspeer runs the counterparts that our witness and our client are
// tested against, which share nothing with them.
//
//	witnesspeer witness DATABASE NAME LOGVKEY   the witness of transparency-dev/witness
//	witnesspeer log DIRECTORY NAME              a log of Tessera that wants to be cosigned
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/persistence/sqlite"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "witnesspeer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "witness":
		return runWitness(ctx, args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "log":
		return runLog(ctx, args[1], args[2])
	}
	return errors.New("want: witnesspeer witness DATABASE NAME LOGVKEY, or witnesspeer log DIRECTORY NAME")
}

// runWitness runs a witness on a free loopback port. It prints its verifier key
// and its URL and serves until its standard input ends.
func runWitness(ctx context.Context, database, name, logKey string) (err error) {
	known, err := note.NewVerifier(logKey)
	if err != nil {
		return err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	signer, err := fnote.NewSignerForCosignatureV1(skey)
	if err != nil {
		return err
	}
	if vkey, err = fnote.VKeyToCosignatureV1(vkey); err != nil {
		return err
	}
	db, stop, err := sqlite.New(ctx, sqlite.Opts{Path: database})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	w, err := witness.New(ctx, witness.Opts{
		Persistence: db, Signers: []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			return known, origin == known.Name(), nil
		},
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	srv := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	fmt.Printf("%s http://%s\n", vkey, ln.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	err = srv.Close()
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
