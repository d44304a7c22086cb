// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package lineage asks cmd/sallyport-bqanalyzer where the columns of GoogleSQL
// statements come from. It owns the processes: it starts them, gives each one
// request at a time and a limit of time, ends one that exceeds it, and starts
// another in its place. When they fail too often it says so at once and starts none
// for a while, so that a text that breaks the engine costs no more than itself.
//
// The processes get no environment, and nothing of the texts but over their pipes.
// What they say on their standard error is dropped.
package lineage

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

const op = "bigquery lineage"

// The defaults of [Config].
const (
	DefaultTimeout   = 10 * time.Second
	DefaultProcesses = 2
)

const (
	// maxRequests is how many requests a process answers before it is replaced: the
	// engine does not give all of its memory back.
	maxRequests = 5000
	// maxStarts processes are started within startWindow, beyond one for each slot.
	maxStarts   = 10
	startWindow = time.Minute
	// memory is what a process tries to keep to, in the Go runtime's notation.
	memory = "1GiB"
)

// Config says which analyser to run and how.
type Config struct {
	Path      string        // of the binary
	Timeout   time.Duration // for one request; 0 = DefaultTimeout
	Processes int           // requests at the same time; 0 = DefaultProcesses
	Now       func() time.Time
}

// Analyser is a running analyser. Its methods may be called from many goroutines.
type Analyser struct {
	config Config
	end    context.CancelFunc
	ctx    context.Context // of the processes
	slots  chan *process   // nil where a process has to be started

	mu     sync.Mutex
	starts []time.Time // within startWindow; guarded by mu
}

// Start starts an analyser, whose processes end with ctx or with Close. It waits
// until the first has answered, so that a binary that does not work is known now.
func Start(ctx context.Context, config Config) (*Analyser, error) {
	if config.Timeout <= 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Processes <= 0 {
		config.Processes = DefaultProcesses
	}
	if config.Path == "" || config.Now == nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the analyser's path is not set").WithHint("set it to the sallyport-bqanalyzer binary")
	}
	a := &Analyser{config: config, slots: make(chan *process, config.Processes)}
	a.ctx, a.end = context.WithCancel(ctx)
	for range config.Processes {
		a.slots <- nil
	}
	if _, err := a.Lineage(ctx, &bqanalyzer.Request{SQL: "SELECT 1"}); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Close ends the processes and waits for them. No request may be under way.
func (a *Analyser) Close() error {
	a.end()
	for range a.config.Processes {
		if p := <-a.slots; p != nil {
			p.stop()
		}
	}
	return nil
}

// Lineage asks for the lineage of a text. A text that is not valid against its
// tables is an error of kind Invalid with a position; an answer with a failure of
// another code says that the lineage cannot be known.
func (a *Analyser) Lineage(ctx context.Context, r *bqanalyzer.Request) (*bqanalyzer.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	var p *process
	select {
	case p = <-a.slots:
	case <-ctx.Done():
		return nil, unavailable("the analyser is busy", ctx.Err())
	}
	// The slot goes back whatever happens, empty when the process is of no more use.
	defer func() { a.slots <- p }()
	if p == nil {
		var err error
		if p, err = a.start(); err != nil {
			return nil, err
		}
	}
	answer, err := p.ask(ctx, r)
	if err != nil {
		p.stop()
		p = nil
		if ctx.Err() != nil {
			return nil, unavailable("the query could not be traced in time", ctx.Err())
		}
		return nil, unavailable("the analyser failed", err)
	}
	if p.answered++; p.answered >= maxRequests {
		p.stop()
		p = nil
	}
	return answer, invalid(answer.Failure)
}

// invalid is the error of a text that is wrong.
func invalid(f *bqanalyzer.Failure) error {
	if f == nil || f.Code != bqanalyzer.FailText {
		return nil
	}
	at := ""
	if f.Line > 0 {
		at = " at line " + strconv.Itoa(f.Line) + ", column " + strconv.Itoa(f.Column)
	}
	return sallyport.E(sallyport.Invalid, op, "the query is not valid"+at).WithHint("look for a name or a type that does not fit there")
}

func unavailable(msg string, err error) error {
	return sallyport.E(sallyport.Unavailable, op, msg).WithHint("try again; simplify the query if it happens again").Because(err)
}

// start starts a process, unless too many were started lately.
func (a *Analyser) start() (*process, error) {
	if err := a.admit(); err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(a.ctx, a.config.Path)}
	p.cmd.Env = []string{"GOMEMLIMIT=" + memory}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, unavailable("the analyser does not start", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, unavailable("the analyser does not start", err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, unavailable("the analyser does not start", err)
	}
	return p, nil
}

// admit counts a start.
func (a *Analyser) admit() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.config.Now()
	recent := a.starts[:0]
	for _, t := range a.starts {
		if now.Sub(t) < startWindow {
			recent = append(recent, t)
		}
	}
	a.starts = recent
	if len(a.starts) >= maxStarts+a.config.Processes {
		return unavailable("the analyser failed too often", nil)
	}
	a.starts = append(a.starts, now)
	return nil
}

// process is one process of the analyser; one goroutine at a time uses it.
type process struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	answered int
}

// ask sends a request and reads its answer. When ctx ends first the process is
// ended, because its answer would be taken for that of the next request.
func (p *process) ask(ctx context.Context, r *bqanalyzer.Request) (*bqanalyzer.Answer, error) {
	kept := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer kept()
	if err := bqanalyzer.Write(p.in, bqanalyzer.MaxRequest, r); err != nil {
		return nil, err
	}
	var answer bqanalyzer.Answer
	if err := bqanalyzer.Read(p.out, bqanalyzer.MaxAnswer, &answer); err != nil {
		return nil, err
	}
	if !kept() {
		return nil, ctx.Err() // the process is being ended
	}
	return &answer, nil
}

// stop ends the process and waits for it. How it ended tells nothing more.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
