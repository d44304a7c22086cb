// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command ledgerbench measures how many records a second the ledger makes
// durable, beside a bare loop of the same writes, Pebble and etcd's write-ahead
// log, in one run on one disk, and prints one JSON object per line.
//
//	cd test/ledgerbench && go run . [flags]
//
// docs/benchmarks.md says what each figure means and how it is taken. The
// command ends 0 whatever the figures are: whether they meet the bar is its last
// line. It ends 1 only when it cannot measure.
//
// It is a module of its own, so that what is measured against stays out of the
// product's.
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
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "ledgerbench:", err)
		os.Exit(1)
	}
}

// Bounds of the flags, for the size of buffers.
const (
	maxWriters = 256
	maxRecord  = 4000
)

// settings are the flags.
type settings struct {
	rounds   int
	window   time.Duration
	warm     time.Duration
	writers  []int
	subjects []subject
	record   int
	data     string
	profile  string
	verbose  bool
}

func parseSettings(args []string, diag io.Writer) (settings, error) {
	s := settings{}
	fs := flag.NewFlagSet("ledgerbench", flag.ContinueOnError)
	fs.SetOutput(diag)
	fs.IntVar(&s.rounds, "rounds", 5, "rounds; medians over them are printed")
	fs.DurationVar(&s.window, "window", 2*time.Second, "measured time of each run")
	fs.DurationVar(&s.warm, "warm", 500*time.Millisecond, "time before it that is not measured")
	writers := fs.String("writers", "1,8,32,128", "numbers of writers")
	names := fs.String("subjects", strings.Join(allSubjects(), ","), "what to measure")
	fs.IntVar(&s.record, "record", 300, "bytes of a record")
	fs.StringVar(&s.data, "data", os.Getenv("SALLYPORT_CACHE"), "directory on the disk that is to be measured (default: that of temporary files)")
	fs.StringVar(&s.profile, "profile", "", "file to write a CPU profile of the measured windows to; profiling costs speed")
	fs.BoolVar(&s.verbose, "v", false, "print every run to standard error as it ends")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 {
		return s, fmt.Errorf("what is %q?", fs.Arg(0))
	}
	for w := range strings.SplitSeq(*writers, ",") {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > maxWriters {
			return s, fmt.Errorf("-writers: %q is not a number from 1 to %d", w, maxWriters)
		}
		s.writers = append(s.writers, n)
	}
	chosen := strings.Split(*names, ",")
	for _, sub := range subjects() {
		if slices.Contains(chosen, sub.name) {
			s.subjects = append(s.subjects, sub)
		}
	}
	if len(s.subjects) != len(chosen) {
		return s, fmt.Errorf("-subjects: %s are not all of %s", *names, strings.Join(allSubjects(), ", "))
	}
	if s.rounds < 1 || s.window <= 0 || s.warm < 0 || s.record < 128 || s.record > maxRecord {
		return s, errors.New("rounds start at 1, the window above 0, records at 128 bytes")
	}
	if s.data == "" {
		s.data = os.TempDir()
	}
	return s, os.MkdirAll(s.data, 0o700)
}

// run measures everything in a directory of its own, which it removes.
func run(ctx context.Context, args []string, out, diag io.Writer) (err error) {
	s, err := parseSettings(args, diag)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.data, "ledgerbench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rep := newReport(out)
	if err := rep.environment(s, dir); err != nil {
		return err
	}
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, writers := range s.writers {
		if err := measure(ctx, s, dir, writers, rep, diag); err != nil {
			return err
		}
	}
	return rep.bar()
}

// measure runs every subject in turn, round after round, in reverse order every
// other round, so that what drifts on the machine falls on all of them.
func measure(ctx context.Context, s settings, dir string, writers int, rep *report, diag io.Writer) error {
	runs := make([][]window, len(s.subjects))
	for round := range s.rounds {
		for i := range s.subjects {
			if round%2 == 1 {
				i = len(s.subjects) - 1 - i
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			w, err := one(ctx, s, s.subjects[i], filepath.Join(dir, fmt.Sprintf("%s-%d-%d", s.subjects[i].name, writers, round)), writers)
			if err != nil {
				return fmt.Errorf("%s: %w", s.subjects[i].name, err)
			}
			if s.verbose {
				_, _ = fmt.Fprintf(diag, "%s writers=%d round=%d per_s=%.0f p50=%s p99=%s batch=%.1f cpu=%s\n",
					s.subjects[i].name, writers, round, w.rate, w.p50, w.p99, w.batch, w.cpu) // for the eye alone
			}
			runs[i] = append(runs[i], w)
		}
	}
	return rep.writers(s, writers, runs)
}

// one runs one subject in a new directory. Its large files are removed at once and
// that is waited for, so that the next subject does not pay for it. Small files
// stay until the end: for half a minute ext4 goes around the inodes of removed
// files one by one, and a run that came after the removal of thousands would
// measure that.
func one(ctx context.Context, s settings, sub subject, dir string, writers int) (w window, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return window{}, err
	}
	defer func() { err = errors.Join(err, removeLarge(dir), settle(dir)) }()
	runtime.GC() // the garbage of the one before is not this one's
	st, err := sub.open(dir)
	if err != nil {
		return window{}, err
	}
	w, err = load(ctx, s, st, writers)
	return w, errors.Join(err, st.close())
}

func removeLarge(dir string) error {
	const large = 1 << 20
	return filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < large {
			return err
		}
		return os.Remove(name)
	})
}
