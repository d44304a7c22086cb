// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

func (a *app) witnessCommand() *cobra.Command {
	var path, initPath string
	initial := a.command("init", "Make a witness's key, and print its verifier key", cobra.NoArgs,
		func(context.Context, []string) error { return a.witnessInit(initPath) })
	initial.Flags().StringVar(&initPath, "config", "", "the witness's configuration file")
	run := a.command("witness", "Run a witness, which cosigns the checkpoints of others' ledgers", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.witnessRun(ctx, path) })
	run.Long = "Run a witness (C2SP tlog-witness), which cosigns the checkpoints of others' ledgers. It belongs to another domain than\n" +
		"the gateways that it cosigns for. The line that it prints goes into their policies."
	run.Flags().StringVar(&path, "config", "", "the witness's configuration file")
	run.AddCommand(initial)
	return run
}

func loadWitness(path string) (*config.WitnessServer, error) {
	if path == "" {
		return nil, usage("name the witness's configuration file with --config FILE")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "config", "the configuration's path cannot be made absolute").Because(err)
	}
	return config.LoadWitness(abs)
}

func (a *app) witnessInit(path string) error {
	cfg, err := loadWitness(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(cfg.Key)), 0o700); err != nil {
		return sallyport.E(sallyport.Unavailable, "witness", "the key's directory cannot be made").Because(err)
	}
	key, err := witness.CreateKey(string(cfg.Key), cfg.Name, a.Rand)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "made the key %s; it never leaves the witness's machine\n", clean(string(cfg.Key)))
	return a.show(map[string]string{"key": key.VerifierKey()}, table{head: []string{"KEY"}, rows: [][]string{{key.VerifierKey()}}, plain: true})
}

// witnessRun serves until ctx ends.
func (a *app) witnessRun(ctx context.Context, path string) error {
	cfg, err := loadWitness(path)
	if err != nil {
		return err
	}
	key, err := witness.LoadKey(string(cfg.Key))
	if err != nil {
		return err
	}
	if key.Name() != cfg.Name {
		return sallyport.E(sallyport.Invalid, "witness", "the key belongs to a witness of another name").
			WithHint("a witness has one name and one key for its life; name: " + key.Name())
	}
	conf, err := witnessTLS(cfg.Listen.TLS)
	if err != nil {
		return err
	}
	log, err := logger(config.Log{Level: "info", Format: "text"}, a.Stderr)
	if err != nil {
		return err
	}
	s, err := witness.NewServer(witness.ServerOptions{Key: key, Logs: cfg.Logs, Dir: string(cfg.State), Now: a.Now, Logger: log})
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen.Address)
	if err != nil {
		err = sallyport.E(sallyport.Unavailable, "witness", "cannot listen on "+cfg.Listen.Address).
			WithHint("stop what uses the address, or choose another").Because(err)
		return errors.Join(err, s.Close())
	}
	url := cfg.URL
	switch {
	case url != "":
	case conf != nil:
		url = "https://" + ln.Addr().String()
	default:
		url = "http://" + ln.Addr().String()
	}
	fmt.Fprintf(a.Stdout, "listening  %s\nverifier   %s\npolicy     witness %s %s %s\n", ln.Addr(), key.VerifierKey(), cfg.Name, key.VerifierKey(), url)
	return errors.Join(s.Serve(ctx, ln, conf), s.Close())
}

func witnessTLS(pair *config.KeyPair) (*tls.Config, error) {
	if pair == nil {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(string(pair.Cert), string(pair.Key))
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "witness", "listen.tls: the certificate or its key cannot be read").
			WithHint("give both as PEM files").Because(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
