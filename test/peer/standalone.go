// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
)

// T is what counterparts want of the test that runs them. Every testing.TB is
// one; [Standalone] has one for programs.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	TempDir() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}

// Standalone runs f for a program that is no test, and what f wants cleaned up
// afterwards. It returns what failed. What is logged goes to w.
func Standalone(ctx context.Context, w io.Writer, f func(T)) error {
	s := &standalone{w: w}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	s.alone(func() { f(s) })
	cancel() // as a test's context is over when its clean-up runs
	for {
		next := s.last()
		if next == nil {
			return s.err()
		}
		s.alone(next)
	}
}

// Main is the main function of a counterpart that is a program of its own: with the
// argument "install" it fills the cache, else it serves until the end of standard input.
// It returns the code to exit with.
func Main(name string, install func(context.Context, io.Writer) error, serve func(t T, in io.Reader, out io.Writer)) int {
	ctx := context.Background()
	var err error
	if len(os.Args) == 2 && os.Args[1] == "install" {
		err = install(ctx, os.Stderr)
	} else {
		err = Standalone(ctx, os.Stderr, func(t T) { serve(t, os.Stdin, os.Stdout) })
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// Seed reads the first line of in, which is what a counterpart begins with, in JSON. It
// returns what comes after it.
func Seed(t T, in io.Reader, with any) io.Reader {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, with)
	}
	if err != nil {
		t.Fatalf("the first line of standard input is no seed: %v", err)
	}
	return lines
}

// standalone is the T of a program.
type standalone struct {
	ctx context.Context
	w   io.Writer

	mu       sync.Mutex
	cleanups []func() // guarded by mu
	errs     []error  // guarded by mu
}

// alone runs f in a goroutine that Fatal may end.
func (s *standalone) alone(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// last takes the clean-up function that was added last; nil when none is left.
func (s *standalone) last() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cleanups) == 0 {
		return nil
	}
	f := s.cleanups[len(s.cleanups)-1]
	s.cleanups = s.cleanups[:len(s.cleanups)-1]
	return f
}

func (s *standalone) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(slices.Clone(s.errs)...)
}

func (s *standalone) add(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// Helper does nothing: no place in a file is reported.
func (s *standalone) Helper() {}

// Context is over when the clean-up begins.
func (s *standalone) Context() context.Context { return s.ctx }

// Cleanup adds what is done at the end, the last first.
func (s *standalone) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// TempDir makes a directory that is removed at the end.
func (s *standalone) TempDir() string {
	dir, err := os.MkdirTemp("", "sallyport-peer-")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			s.add(err)
		}
	})
	return dir
}

// Logf writes a line.
func (s *standalone) Logf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format+"\n", args...) // whoever reads it may be gone
}

// Errorf notes a failure.
func (s *standalone) Errorf(format string, args ...any) { s.add(fmt.Errorf(format, args...)) }

// Fatal notes a failure and ends what runs.
func (s *standalone) Fatal(args ...any) {
	s.add(errors.New(fmt.Sprint(args...)))
	runtime.Goexit()
}

// Fatalf notes a failure and ends what runs.
func (s *standalone) Fatalf(format string, args ...any) {
	s.add(fmt.Errorf(format, args...))
	runtime.Goexit()
}

// Failed reports whether something has failed.
func (s *standalone) Failed() bool { return s.err() != nil }
