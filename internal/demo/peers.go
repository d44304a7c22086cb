// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// peers is a program that runs stand-ins for what is behind the gateway. It reads a
// line of JSON that says what they hold, prints one that says where they are, and
// ends with its standard input.
type peers struct {
	what string // as in "the stand-ins for Google Cloud"
	*child
	in  io.WriteCloser // the stand-ins end with it
	out *capture
}

// fault is an error that says what the stand-ins did.
func (p *peers) fault(did string, err error) error {
	return sallyport.E(sallyport.Unavailable, op, "the stand-ins for "+p.what+" "+did).WithHint("run: make demo").Because(err)
}

// launchPeers starts stand-ins.
func (s *stage) launchPeers(what, program string) (*peers, error) {
	p := &peers{what: what, out: &capture{}}
	cmd := exec.Command(program)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = s.dir, p.out, p.out, parting
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SALLYPORT_CACHE"} {
		cmd.Env = append(cmd.Env, name+"="+s.env.Getenv(name))
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, p.fault("cannot be run", err)
	}
	p.in = in
	if p.child, err = launch(cmd, true); err != nil {
		return nil, errors.Join(p.fault("cannot be run", err), in.Close())
	}
	return p, nil
}

// greet gives the stand-ins their seed and reads where they are; done says whether
// what was read into at is that.
func (p *peers) greet(ctx context.Context, seed string, at any, done func() bool) error {
	fault := func(did string, err error) error {
		out, _ := p.out.read()
		return fmt.Errorf("%w; they printed:\n%s", p.fault(did, err), out)
	}
	if _, err := io.WriteString(p.in, seed+"\n"); err != nil {
		return fault("ended while they started", err)
	}
	ctx, cancel := context.WithTimeout(ctx, readiness)
	defer cancel()
	for {
		out, more := p.out.read()
		for line := range strings.Lines(out) {
			if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), at) == nil && done() {
				return nil
			}
		}
		select {
		case <-more:
		case <-p.done:
			return fault("ended while they started", p.err)
		case <-ctx.Done():
			return fault("do not answer", ctx.Err())
		}
	}
}

// stop ends the stand-ins and waits; those that do not end are killed.
func (p *peers) stop() error {
	_ = p.in.Close() // fails only when they have ended already
	t := time.NewTimer(readiness)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		return errors.Join(errors.New("the stand-ins for "+p.what+" did not stop when told to"), p.kill())
	}
	if p.err != nil {
		out, _ := p.out.read()
		return fmt.Errorf("the end of the stand-ins for %s: %w\n%s", p.what, p.err, out)
	}
	return nil
}
