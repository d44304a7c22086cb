// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command sallyport is the gateway and the command line to it.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks to end in order; once it came, a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader, Version: version(),
		Terminal: term.IsTerminal(int(os.Stdout.Fd())), Demo: tour,
	}, os.Args[1:])
}

// version is what the Go toolchain put into the binary about the main module.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
