// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/cloudkms"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// withConfig adds the flag that names the configuration file.
func withConfig(cmd *cobra.Command, path *string) *cobra.Command {
	cmd.Flags().StringVar(path, "config", "", "the gateway's configuration file")
	return cmd
}

func loadConfig(path string) (*config.Config, error) {
	if path == "" {
		return nil, usage("name the configuration file with --config FILE")
	}
	return readConfig(path)
}

// readConfig reads a configuration. Its name is made absolute, so that what it
// names lies where it says, whichever directory a command runs in.
func readConfig(path string) (*config.Config, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "config", "the configuration's path cannot be made absolute").Because(err)
	}
	return config.Load(abs)
}

func (a *app) serveCommand() *cobra.Command {
	var path string
	return withConfig(a.command("serve", "Run the gateway", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		cfg, err := loadConfig(path)
		if err != nil {
			return err
		}
		return a.serve(ctx, cfg)
	}), &path)
}

// serve runs a gateway until ctx ends.
func (a *app) serve(ctx context.Context, cfg *config.Config) error {
	log, err := logger(cfg.Log, a.Stderr)
	if err != nil {
		return err
	}
	g, err := server.Open(ctx, cfg, a.deps(ctx, log))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "api       https://%s\n", g.APIAddress())
	if address := g.PostgresAddress(); address != "" {
		fmt.Fprintf(a.Stdout, "postgres  %s\n", address)
	}
	if address := g.HTTPAddress(); address != "" {
		fmt.Fprintf(a.Stdout, "http      https://%s\n", address)
	}
	if address := g.ConnectAddress(); address != "" {
		fmt.Fprintf(a.Stdout, "connect   %s\n", address)
	}
	if address := g.SSHAddress(); address != "" {
		fmt.Fprintf(a.Stdout, "ssh       %s\n", address)
	}
	fmt.Fprintf(a.Stdout, "verifier  %s\n", strings.Join(g.VerifierKeys(), "\nverifier  "))
	return g.Run(ctx)
}

// deps is what a gateway takes from this process. Its keys are used until it has
// signed the last checkpoint, which is after the end of ctx.
func (a *app) deps(ctx context.Context, log *slog.Logger) server.Deps {
	return server.Deps{
		Now: a.Now, Rand: a.Rand, Getenv: a.Getenv, Log: log, Version: a.Version,
		KMS: []server.KMS{cloudkms.New(context.WithoutCancel(ctx), a.Getenv)},
	}
}

// logger makes the operator's log.
func logger(c config.Log, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, sallyport.E(sallyport.Invalid, "log", "log.level is not known").Because(err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}

func (a *app) configCommand() *cobra.Command {
	check := a.command("check FILE", "Check a configuration and the files that it names", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.configCheck(ctx, args[0]) })
	var redact bool
	show := a.command("print FILE", "Print the effective configuration, defaults included", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error {
			cfg, err := readConfig(args[0])
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := cfg.Print(&b, redact); err != nil {
				return err
			}
			_, err = b.WriteTo(a.Stdout)
			return err
		})
	show.Flags().BoolVar(&redact, "redact", false, "hide the references to secrets too")
	return a.group("config", "Check and print configurations", check, show)
}

// configCheck finds whatever would keep a gateway from starting, without
// starting one: the configuration, the policies, the labels and authorities.
func (a *app) configCheck(ctx context.Context, path string) error {
	cfg, err := readConfig(path)
	if err != nil {
		return err
	}
	set, err := a.compile(cfg.Policy.Files)
	if err != nil {
		return err
	}
	if _, err := server.ReadTrustPolicy(cfg.Witness.Policy); err != nil {
		return err
	}
	src := server.Sources{Lexicon: sync.OnceValues(lexicon.Load), Log: slog.New(slog.DiscardHandler)}
	for _, r := range cfg.Resources {
		if err := server.CheckResource(ctx, r, src, a.deps(ctx, slog.New(slog.DiscardHandler))); err != nil {
			return err
		}
	}
	if err := server.CheckShipping(cfg, a.Now); err != nil {
		return err
	}
	return a.show(map[string]any{
		"file": path, "valid": true, "resources": len(cfg.Resources), "roles": len(cfg.Roles), "policies": set.Len(), "policy": set.Digest(),
		"shipping": len(cfg.Shipping),
	}, table{
		head: []string{"FILE", "RESOURCES", "ROLES", "POLICIES", "POLICY"}, rows: [][]string{{
			path, fmt.Sprint(len(cfg.Resources)), fmt.Sprint(len(cfg.Roles)), fmt.Sprint(set.Len()), string(set.Digest()),
		}},
	})
}

// compile reads and compiles policies as the gateway does, and tells warnings.
func (a *app) compile(patterns []config.Path) (*policy.Set, error) {
	files, err := server.ReadPolicies(patterns)
	if err != nil {
		return nil, err
	}
	set, diags := policy.Compile(files)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	for _, d := range diags {
		fmt.Fprintln(a.Stderr, clean(d.String()))
	}
	return set, nil
}

func (a *app) vaultCommand() *cobra.Command {
	var path, username string
	initial := withConfig(a.command("init", "Make the master key and an empty vault", cobra.NoArgs,
		func(context.Context, []string) error { return a.vaultInit(path) }), &path)
	put := withConfig(a.command("put NAME", "Store a credential; the password is read from standard input", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error { return a.vaultPut(path, args[0], username) }), &path)
	put.Flags().StringVar(&username, "username", "", "account that the password belongs to, when the configuration does not name it")
	list := withConfig(a.command("list", "List the names of stored credentials", cobra.NoArgs,
		func(context.Context, []string) error { return a.vaultList(path) }), &path)
	remove := withConfig(a.command("delete NAME", "Remove a credential", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error {
			v, err := a.openVault(path)
			if err != nil {
				return err
			}
			return v.Delete(args[0])
		}), &path)
	return a.group("vault", "Keep the credentials of targets", initial, put, list, remove)
}

// openVault opens the vault of a configuration.
func (a *app) openVault(path string) (*vault.Vault, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	return a.vaultOf(cfg)
}

func (a *app) vaultOf(cfg *config.Config) (*vault.Vault, error) {
	if err := os.MkdirAll(string(cfg.Data), 0o700); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, "vault", "the data directory cannot be made").Because(err)
	}
	return vault.Open(vault.Options{
		Path: filepath.Join(string(cfg.Data), "vault.json"), Master: vault.Ref(cfg.Vault.Key), Recipients: cfg.Auditors,
		Getenv: a.Getenv, Now: a.Now, Rand: a.Rand,
	})
}

func (a *app) vaultInit(path string) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	file, ok := strings.CutPrefix(string(cfg.Vault.Key), "file:")
	if !ok {
		return sallyport.E(sallyport.Invalid, "vault", "vault.key refers to no file, so there is nothing to make").
			WithHint("32 random bytes in base64 make a master key: openssl rand -base64 32")
	}
	if err := vault.CreateMaster(file, a.Rand); err != nil {
		return err
	}
	if _, err := a.vaultOf(cfg); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "made the master key %s and the vault; keep a copy of the key apart from the data\n", clean(file))
	return nil
}

func (a *app) vaultPut(path, name, username string) error {
	v, err := a.openVault(path)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(a.Stdin, maxSmall))
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "vault", "the password cannot be read").Because(err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return sallyport.E(sallyport.Invalid, "vault", "there is no password on standard input").
			WithHint("for example: sallyport vault put NAME --config FILE < password-file")
	case bytes.ContainsAny(b, "\r\n\x00"):
		return sallyport.E(sallyport.Invalid, "vault", "a password is one line")
	}
	if err := v.Put(name, vault.Credential{Username: username, Secret: vault.NewSecret(b)}); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "stored; refer to it as vault:%s\n", clean(name))
	return nil
}

func (a *app) vaultList(path string) error {
	v, err := a.openVault(path)
	if err != nil {
		return err
	}
	entries, err := v.Entries()
	if err != nil {
		return err
	}
	t := table{head: []string{"NAME", "UPDATED"}, empty: "the vault is empty"}
	for _, e := range entries {
		t.rows = append(t.rows, []string{e.Name, stamp(e.Updated)})
	}
	if entries == nil {
		entries = []vault.Entry{}
	}
	return a.show(entries, t)
}

// readAll reads a file that a person named, bounded, and says so when it cannot.
func readAll(path string) ([]byte, error) {
	b, _, err := readSmall(path)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "read", "a file cannot be read").Because(err)
	}
	return b, nil
}
