// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the gateway beside PgBouncer and beside no proxy at
// all, the masks beside a copy and regular expressions, and the verification of
// a bundle beside unpacking it, each in one run on one machine, and prints one
// JSON object per line.
//
//	go run ./test/bench postgres [flags]
//	go run ./test/bench mask [flags]
//	go run ./test/bench bundle [flags]
//
// docs/benchmarks.md says what each figure means and how it is taken. The
// command ends 0 whatever the figures are: whether they meet the targets is its
// last line. It ends 1 only when it cannot measure, which includes a gateway that
// does not mask what it must.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	// Children ask the kernel to end them with the thread that started them; this
	// is the one that lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "postgres":
			return benchPostgres(ctx, args[1:], out, diag)
		case "mask":
			return benchMask(args[1:], out, diag)
		case "bundle":
			return benchBundle(ctx, args[1:], out, diag)
		case bundleCommand:
			return bundleMain(ctx, args[1:], out)
		case gatewayCommand:
			return gatewayMain(ctx, args[1:])
		}
	}
	return errors.New("usage: bench postgres|mask|bundle [flags]; -h lists them")
}

// settings are the flags of "bench postgres".
type settings struct {
	rounds     int
	seconds    int
	clients    []int
	modes      []string
	subjects   []string
	scale      int
	bulkRounds int
	bulkRows   int
	flushes    int
	data       string // directory for the ledger and the rest of the gateway's data
	binary     string // of the gateway; empty: this one
	tlsTarget  bool
	profiles   string // directory for profiles; empty: none
	verbose    bool
}

func parseSettings(args []string, diag io.Writer) (settings, error) {
	s := settings{}
	fs := flag.NewFlagSet("bench postgres", flag.ContinueOnError)
	fs.SetOutput(diag)
	fs.IntVar(&s.rounds, "rounds", 3, "rounds of point selects; medians over them are printed")
	fs.IntVar(&s.seconds, "seconds", 4, "measured seconds of each run, after one that is not")
	clients := fs.String("clients", "1,8,32", "numbers of clients")
	modes := fs.String("modes", "simple,prepared", "of pgbench's protocols: simple, extended, prepared")
	subjects := fs.String("subjects", strings.Join(allSubjects(), ","), "what to measure")
	fs.IntVar(&s.scale, "scale", 10, "scale of pgbench's tables")
	fs.IntVar(&s.bulkRounds, "bulk-rounds", 3, "rounds of the bulk select; 0 leaves it out")
	fs.IntVar(&s.bulkRows, "bulk-rows", 1_000_000, "rows of the bulk select")
	fs.IntVar(&s.flushes, "flushes", 1000, "writes of the flush measurement; 0 leaves it out")
	fs.StringVar(&s.data, "data", os.Getenv("SALLYPORT_CACHE"), "directory on the disk that the ledger is to be measured on (default: that of temporary files)")
	fs.StringVar(&s.binary, "gateway", "", "binary whose \"serve --config FILE\" is the gateway (default: this one, which runs the same packages)")
	fs.BoolVar(&s.tlsTarget, "tls-target", false, "TLS also between gateway or PgBouncer and PostgreSQL")
	fs.StringVar(&s.profiles, "profile", "", "directory to write profiles of the gateway to, one per kind of load; profiling costs speed")
	fs.BoolVar(&s.verbose, "v", false, "print every run to standard error as it ends")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 {
		return s, fmt.Errorf("what is %q?", fs.Arg(0))
	}
	for c := range strings.SplitSeq(*clients, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 || n > 150 {
			return s, fmt.Errorf("-clients: %q is not a number from 1 to 150", c)
		}
		s.clients = append(s.clients, n)
	}
	s.modes = strings.Split(*modes, ",")
	s.subjects = strings.Split(*subjects, ",")
	for _, name := range s.subjects {
		if !slices.Contains(allSubjects(), name) {
			return s, fmt.Errorf("-subjects: %q is none of %s", name, strings.Join(allSubjects(), ", "))
		}
	}
	if s.rounds < 1 || s.seconds < 1 || s.scale < 1 || s.bulkRows < 1 {
		return s, errors.New("rounds, seconds, scale and rows start at 1")
	}
	if s.profiles != "" && s.binary != "" {
		return s, errors.New("-profile needs the gateway of this binary, so it goes without -gateway")
	}
	if s.data == "" {
		s.data = os.TempDir()
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return s, err
	}
	var err error
	if s.data, err = filepath.Abs(s.data); err != nil {
		return s, err
	}
	return s, nil
}

// benchPostgres sets everything up, measures, and takes everything down.
func benchPostgres(ctx context.Context, args []string, out, diag io.Writer) (err error) {
	s, err := parseSettings(args, diag)
	if err != nil {
		return err
	}
	rep := newReport(out)
	b, err := setUp(ctx, s, diag)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := rep.environment(b); err != nil {
		return err
	}
	if err := b.checkMasks(ctx); err != nil {
		return err
	}
	if err := b.measureFlush(rep); err != nil {
		return err
	}
	for _, mode := range s.modes {
		for _, clients := range s.clients {
			if err := b.measurePoint(ctx, rep, mode, clients); err != nil {
				return err
			}
		}
	}
	if err := b.measureBulk(ctx, rep); err != nil {
		return err
	}
	return rep.targets()
}
