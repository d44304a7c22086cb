// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command goclient prints the access token that Google's library for Go gets with
// application default credentials, as an object of JSON. With an argument it is the
// ID token for that audience.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/idtoken"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "goclient:", err)
		cancel()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var (
		c   *auth.Credentials
		err error
	)
	if len(args) == 1 {
		c, err = idtoken.NewCredentials(&idtoken.Options{Audience: args[0]})
	} else {
		c, err = credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}})
	}
	if err != nil {
		return err
	}
	t, err := c.Token(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]string{"token": t.Value, "type": t.Type})
}
