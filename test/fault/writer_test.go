// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// The environment of the writer, which is this test binary run again.
const (
	childDir      = "FAULT_DIR"
	childWriters  = "FAULT_WRITERS"
	childCount    = "FAULT_COUNT" // of leaves per writer
	childBuffered = "FAULT_BUFFERED"
	childCheck    = "FAULT_CHECK"    // print what the log holds instead
	childLife     = 30 * time.Second // and not longer, whatever happens
)

// Exit codes of the writer.
const (
	exitDone     = 0
	exitRefused  = 3 // the log did not open
	exitPoisoned = 4 // the log failed and stayed failed
	exitRevived  = 5 // the log failed and then took something
)

// child is the writer: it appends and prints the index of each acknowledged leaf.
// When the log fails it makes sure that it stays so.
func child() int {
	ctx, cancel := context.WithTimeout(context.Background(), childLife)
	defer cancel()
	var fs ledger.FS
	if os.Getenv(childBuffered) != "" {
		fs = ledger.OS{Buffered: true}
	}
	opt, err := options(os.Getenv(childDir), fs)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	l, err := ledger.Open(ctx, opt)
	if err != nil {
		fmt.Printf("refused %s: %v\n", sallyport.KindOf(err), err)
		return exitRefused
	}
	fmt.Printf("open %d\n", l.Size())
	if os.Getenv(childCheck) != "" {
		return check(ctx, l)
	}
	writers, _ := strconv.Atoi(os.Getenv(childWriters)) // zero for nonsense, and then nothing is acknowledged
	count, _ := strconv.ParseUint(os.Getenv(childCount), 10, 64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range count {
				leaf := leafOf(w, n, int(n%7)*500+40)
				first, err := l.Append(ctx, leaf)
				if err != nil {
					return
				}
				line := fmt.Appendf(nil, "ack %d %s\n", first, leaf)
				mu.Lock()
				_, _ = os.Stdout.Write(line) // the parent may be gone
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := l.Close(ctx); err == nil && l.Err() == nil {
		fmt.Println("done")
		return exitDone
	}
	return stuck(ctx, l)
}

// check prints the digest of every leaf, and that the log verifies.
func check(ctx context.Context, l *ledger.Log) int {
	leaves, err := contents(ctx, l)
	for i, leaf := range leaves {
		fmt.Printf("leaf %d %x\n", i, sha256.Sum256([]byte(leaf)))
	}
	n, verr := l.Verify(ctx)
	if err := errors.Join(err, verr, l.Close(ctx)); err != nil {
		fmt.Println("damaged", err)
		return exitPoisoned
	}
	fmt.Printf("verified %d\n", n)
	return exitDone
}

// stuck tries every way to write to a log that has failed.
func stuck(ctx context.Context, l *ledger.Log) int {
	fmt.Printf("poisoned %v\n", l.Err())
	for range 3 {
		_, aerr := l.Append(ctx, []byte("after the failure"))
		_, perr := l.Publish(ctx)
		if aerr == nil || perr == nil || l.Post([]byte("after the failure")) == nil || l.Sync(ctx) == nil {
			return exitRevived
		}
	}
	return exitPoisoned
}

// result is what a run of the writer came to.
type result struct {
	opened bool
	acked  map[uint64]string
	text   string // what it said besides
	code   int    // -1 when it was killed
}

// writer is a run to be made of the writer.
type writer struct {
	dir      string
	writers  int
	count    int
	buffered bool
	wrap     []string // command in front of it
}

func (w writer) command(ctx context.Context) *exec.Cmd {
	args := append(append([]string{}, w.wrap...), os.Args[0])
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+w.dir, childWriters+"="+strconv.Itoa(w.writers), childCount+"="+strconv.Itoa(w.count))
	if w.buffered {
		cmd.Env = append(cmd.Env, childBuffered+"=1")
	}
	dieWithParent(cmd)
	return cmd
}

// run runs the writer to its end, which after life is by kill -9 unless life is
// zero.
func (w writer) run(t *testing.T, life time.Duration, acked map[uint64]string) result {
	t.Helper()
	res := result{acked: acked}
	cmd := w.command(t.Context())
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		word, rest, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "open":
			res.opened = true
			if life > 0 {
				kill := time.AfterFunc(life, func() { _ = cmd.Process.Kill() }) // Wait says whether it died
				defer kill.Stop()
			}
		case "ack":
			index, leaf, _ := strings.Cut(rest, " ")
			i, err := strconv.ParseUint(index, 10, 64)
			if err != nil {
				continue // cut short by the kill
			}
			res.acked[i] = leaf
		default:
			res.text += in.Text() + "\n"
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	res.code = cmd.ProcessState.ExitCode()
	res.text += diag.String()
	return res
}

// injection is a fault in a system call.
type injection struct {
	call string
	what string // as strace has it: error=EIO, signal=SIGKILL
	when int    // the call of each thread
	// on are the files that the call has to be about; none for any. Go's runtime
	// makes calls of its own.
	on []string
}

// tracer returns the command that injects, and a function that says how often it
// did. strace can be made to inject nothing and say nothing, so its log is what
// counts.
func (i injection) tracer(t *testing.T) (wrap []string, fired func() int) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace belongs to the tools of the tests: test/scripts/install-system test")
	}
	log := filepath.Join(t.TempDir(), "strace.log")
	wrap = []string{
		strace, "-f", "-o", log, "-e", "trace=" + i.call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", i.call, i.what, i.when),
	}
	for _, name := range i.on {
		wrap = append(wrap, "-P", name)
	}
	kill := strings.HasPrefix(i.what, "signal=SIGKILL")
	killed := regexp.MustCompile(`\+\+\+ killed by SIGKILL \+\+\+`)
	return wrap, func() int {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if kill {
			if killed.Match(text) && bytes.Contains(text, []byte(i.call+"(")) {
				return 1
			}
			return 0
		}
		return bytes.Count(text, []byte("(INJECTED)"))
	}
}

// dieWithParent has the kernel end a child when this process ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
