// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// patience bounds one command; nothing here takes a tenth of it.
	patience = 60 * time.Second
	// parting is how long a program that was told to end may take.
	parting = 5 * time.Second
)

// invocation is a program that somebody runs.
type invocation struct {
	who  string // before the prompt
	name string // as typed
	path string
	args []string
	in   string   // standard input
	env  []string // the whole environment
	err  error    // why it cannot be run
}

// capture keeps what a program prints and tells who waits for it.
type capture struct {
	mu   sync.Mutex
	text []byte
	more chan struct{} // closed with the next write
}

// Write implements io.Writer.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p...)
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
	return len(p), nil
}

// read returns what there is and a channel that is closed when there is more.
func (c *capture) read() (string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more == nil {
		c.more = make(chan struct{})
	}
	return string(c.text), c.more
}

// program is a running invocation. Its starter calls finish.
type program struct {
	stage  *stage
	out    *capture
	shown  int // bytes of out that are on the screen
	most   int // lines to show at once; 0 for all
	done   chan struct{}
	err    error     // set before done is closed
	ended  time.Time // the same
	cancel context.CancelFunc
}

// result is what a program left.
type result struct {
	out  string // standard output and standard error as they came
	code int
}

// start shows a command and runs it in the background.
func (s *stage) start(ctx context.Context, in invocation) *program {
	s.command(in.who, typed(in.name, in.args))
	return s.quietly(ctx, in)
}

// quietly runs a program in the background without showing its command.
func (s *stage) quietly(ctx context.Context, in invocation) *program {
	ctx, cancel := context.WithTimeout(ctx, patience)
	p := &program{stage: s, out: &capture{}, done: make(chan struct{}), cancel: cancel}
	cmd := exec.CommandContext(ctx, in.path, in.args...)
	cmd.Stdin = strings.NewReader(in.in)
	// One writer for both, so that their order is kept.
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = in.env, s.dir, p.out, p.out, parting
	go func() {
		defer close(p.done)
		if p.err = in.err; p.err == nil {
			p.err = cmd.Run()
		}
		p.ended = s.env.Now()
	}()
	return p
}

// wait returns when the program's output contains text.
func (p *program) wait(text string) error {
	for {
		out, more := p.out.read()
		if strings.Contains(out, text) {
			return nil
		}
		select {
		case <-more:
		case <-p.done:
			if out, _ := p.out.read(); strings.Contains(out, text) {
				return nil
			}
			return fmt.Errorf("the program ended without printing %q; it printed:\n%s", text, out)
		}
	}
}

// abandon kills a program that nobody finished.
func (p *program) abandon() {
	p.cancel()
	<-p.done
}

// show writes what the program printed since the last show.
func (p *program) show() {
	out, _ := p.out.read()
	p.stage.output(head(out[p.shown:], p.most))
	p.shown = len(out)
}

// finish waits for the program's end and shows the rest of its output. What it
// printed has been searched for values of the clinic.
func (p *program) finish() (result, error) {
	<-p.done
	p.cancel()
	p.show()
	r, err := p.result()
	if err == nil {
		err = p.stage.search(r.out)
	}
	return r, err
}

func (p *program) result() (result, error) {
	out, _ := p.out.read()
	r := result{out: out}
	var exit *exec.ExitError
	switch {
	case errors.As(p.err, &exit) && exit.Exited():
		r.code = exit.ExitCode()
	case p.err != nil:
		return r, fmt.Errorf("the program did not run to its end: %w", p.err)
	}
	return r, nil
}

// run shows a command, runs it and shows its output.
func (s *stage) run(ctx context.Context, in invocation) (result, error) {
	return s.start(ctx, in).finish()
}

// expect runs a command as run does and checks its exit status and that its
// output holds each text. The status failure stands for all but 0.
func (s *stage) expect(ctx context.Context, in invocation, code int, texts ...string) (result, error) {
	r, err := s.run(ctx, in)
	if err != nil {
		return r, err
	}
	return r, r.check(code, texts...)
}

// fetch runs a command unseen and returns its output, which must be a success's.
func (s *stage) fetch(ctx context.Context, in invocation) (string, error) {
	p := s.quietly(ctx, in)
	<-p.done
	p.cancel()
	r, err := p.result()
	if err == nil {
		err = r.check(0)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w; it printed:\n%s", typed(in.name, in.args), err, r.out)
	}
	return r.out, s.search(r.out)
}

// brief runs a command as expect does and shows at most so many lines of its
// output.
func (s *stage) brief(ctx context.Context, in invocation, lines, code int, texts ...string) (result, error) {
	p := s.start(ctx, in)
	p.most = lines
	r, err := p.finish()
	if err != nil {
		return r, err
	}
	return r, r.check(code, texts...)
}

// failure stands for every exit status but 0.
const failure = -1

func (r result) check(code int, texts ...string) error {
	switch {
	case code == failure && r.code == 0:
		return errors.New("it was expected to fail, and did not")
	case code != failure && r.code != code:
		return fmt.Errorf("it ended with status %d instead of %d", r.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			return fmt.Errorf("its output does not contain %q", text)
		}
	}
	return nil
}

// search fails when a text holds a value of the clinic that must stay behind the
// gateway. The error does not repeat it.
func (s *stage) search(text string) error {
	s.checked++
	for _, v := range s.raw {
		if strings.Contains(text, v) {
			return errors.New("a value of the clinic is in what was printed")
		}
	}
	return nil
}
