// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// tour runs the demonstration with this binary as the gateway and the command
// line of its story.
func tour(ctx context.Context, env cli.Env, keep bool) error {
	self, err := os.Executable()
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "demo", "the path of this program is not known").Because(err)
	}
	return demo.Run(ctx, demo.Env{
		Stdout: env.Stdout, Stderr: env.Stderr, Getenv: env.Getenv, Now: env.Now, Rand: env.Rand, Self: self,
	}, keep)
}
