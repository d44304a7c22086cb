// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line. Each command is a function of a context, an
// [Env] and arguments; nothing in here touches the process's own environment,
// clock, streams or exit, so that a test runs a command as the binary does. (The
// one exception is net/http's: the proxy of HTTPS_PROXY and NO_PROXY.) The library
// behind the flags, cobra, is known to this package only.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The exit codes. They are part of the command line's contract.
const (
	ExitOK     = 0
	ExitError  = 1
	ExitUsage  = 2 // the command line itself is wrong
	ExitDenied = 3 // the gateway knows the caller or does not, and says no
	ExitHeld   = 4 // a human's decision is awaited, or did not come in time
	ExitFailed = 5 // evidence does not verify, or a test of policies failed
)

// Env is what a command knows of the world. All but Demo are required.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Rand           io.Reader
	Version        string
	// Terminal says that Stdout is one, so that colour is welcome.
	Terminal bool
	// Demo runs the demonstration; without it there is no such command.
	Demo func(ctx context.Context, env Env, keep bool) error
}

// app is one invocation.
type app struct {
	Env
	output   string // as -o gave it
	settings settings
	started  bool // a command's own work began, so the command line was right
}

// Run runs the command that args name, without the program's own name, and
// returns the exit code. Errors are told on env.Stderr.
func Run(ctx context.Context, env Env, args []string) int {
	a := &app{Env: env}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		err = usage("%s", err)
	}
	if err != nil {
		a.tell(err)
	}
	return exitCode(err)
}

// usageError says that the command line is wrong.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func exitCode(err error) int {
	var u *usageError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &u):
		return ExitUsage
	}
	switch sallyport.KindOf(err) {
	case sallyport.Denied, sallyport.Unauthenticated:
		return ExitDenied
	case sallyport.Held:
		return ExitHeld
	case sallyport.Integrity:
		return ExitFailed
	}
	return ExitError
}

// failure is an error under -o json: the form of the API's own errors.
type failure struct {
	Error struct {
		Kind    string `json:"kind"` // "usage", or that of the API
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	} `json:"error"`
}

// tell prints an error, what caused it and what to do about it.
func (a *app) tell(err error) {
	kind, msg, hint := sallyport.KindOf(err).String(), "", ""
	if u := (*usageError)(nil); errors.As(err, &u) {
		kind, msg, hint = "usage", u.msg, "see sallyport --help, or --help of the command"
	} else {
		msg, hint = describe(err)
	}
	if a.output == "json" {
		var p failure
		p.Error.Kind, p.Error.Message, p.Error.Hint = kind, msg, hint
		if b, err := json.Marshal(p); err == nil {
			fmt.Fprintf(a.Stderr, "%s\n", b)
			return
		}
	}
	fmt.Fprintf(a.Stderr, "sallyport: %s\n", cleanLines(msg))
	if hint != "" {
		fmt.Fprintf(a.Stderr, "hint: %s\n", cleanLines(hint))
	}
}

// describe renders an error for whoever runs the command, who may see causes:
// the client's errors carry only what the gateway chose to say.
func describe(err error) (msg, hint string) {
	if errors.Is(err, context.Canceled) {
		return "interrupted", ""
	}
	var e *sallyport.Error
	if !errors.As(err, &e) {
		return err.Error(), ""
	}
	msg, hint = e.Msg, e.Hint
	if e.Err != nil {
		cause, inner := describe(e.Err)
		switch {
		case msg == "":
			msg = cause
		case strings.Contains(cause, "\n"):
			msg += ":\n" + cause
		default:
			msg += ": " + cause
		}
		if hint == "" {
			hint = inner
		}
	}
	if msg == "" {
		msg = e.Kind.String()
	}
	return msg, hint
}

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := a.group("sallyport", "A gateway for machines in front of protected health information")
	root.Long = "Sallyport stands between machines and protected health information: it proves who asks, decides by\n" +
		"policy, masks what may not be seen, asks humans where policy wants one, and keeps tamper-evident evidence.\n\n" +
		"Exit codes: 0 done, 1 error, 2 wrong usage, 3 denied, 4 held or timed out, 5 verification failed."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "", "table, json or csv; some commands have more")
	root.AddCommand(
		a.serveCommand(), a.witnessCommand(), a.configCommand(), a.vaultCommand(), a.versionCommand(),
		a.loginCommand(), a.whoamiCommand(), a.tokenCommand(), a.kubeTokenCommand(), a.envCommand(), a.sshCertCommand(), a.sidecarCommand(), a.caCommand(),
		a.requestCommand(), a.grantCommand(), a.sessionCommand(),
		a.evidenceCommand(), a.auditCommand(), a.identityCommand(), a.ledgerCommand(), a.policyCommand(), a.resourceCommand(), a.maskCommand(), a.shipCommand(),
		a.retentionCommand(),
	)
	if a.Demo != nil {
		root.AddCommand(a.demoCommand())
	}
	return root
}

// command makes a leaf of the tree.
func (a *app) command(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd.Context(), args)
		},
	}
}

// group makes a command that only holds others.
func (a *app) group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				msg := fmt.Sprintf("%q is no command of %q", args[0], cmd.CommandPath())
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					msg += "; near are " + strings.Join(near, ", ")
				}
				return usage("%s", msg)
			}
			fmt.Fprint(a.Stderr, cmd.UsageString())
			return usage("%q needs one of its commands", cmd.CommandPath())
		},
	}
	g.AddCommand(commands...)
	return g
}

func (a *app) demoCommand() *cobra.Command {
	var keep bool
	cmd := a.command("demo", "Run a gateway before a synthetic clinic, and show what it does", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.Demo(ctx, a.Env, keep) })
	cmd.Flags().BoolVar(&keep, "keep", false, "keep running after the tour, until interrupted")
	return cmd
}

func (a *app) versionCommand() *cobra.Command {
	return a.command("version", "Print the version", cobra.NoArgs, func(context.Context, []string) error {
		return a.show(map[string]string{"version": a.Version}, table{head: []string{"VERSION"}, rows: [][]string{{a.Version}}, plain: true})
	})
}
