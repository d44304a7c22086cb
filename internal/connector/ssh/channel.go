// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// Exit codes that are the gateway's own, in a shell's manner: 126 is a command that
// may not run, 255 what ssh itself says when a connection fails.
const (
	codeRefused = 126
	codeFailed  = 255
)

// Limits of what a client may say of a program before it starts.
const (
	maxVariables = 32
	maxVariable  = 4 << 10 // bytes of a value
	maxTerm      = 64      // bytes of a terminal's name
	maxModes     = 1 << 10 // bytes of a terminal's modes
)

// channel is one session of RFC 4254 section 6: at most one program runs in it.
type channel struct {
	k       *connection
	ch      ssh.Channel
	reqs    <-chan *ssh.Request
	env     []variable
	started bool // what is above, and this, does not change any more

	mu      sync.Mutex
	tty     *ptyRequest // nil without a terminal; guarded by mu once started
	program *program    // at work; guarded by mu
}

// exit is how a channel ends.
type exit = terminal.Exit

// Payloads of requests (RFC 4254 sections 6.2 to 6.10).
type (
	ptyRequest struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	variable     struct{ Name, Value string }
	textRequest  struct{ Text string }
	windowChange struct{ Columns, Rows, Width, Height uint32 }
	exitStatus   struct{ Code uint32 }
	exitSignal   struct {
		Name    string
		Core    bool
		Message string
		Lang    string
	}
)

func (p *ptyRequest) size() terminal.Size { return sizeOf(p.Columns, p.Rows) }

func sizeOf(columns, rows uint32) terminal.Size {
	return terminal.Size{Columns: uint16(min(columns, 0xffff)), Rows: uint16(min(rows, 0xffff))} //nolint:gosec // bounded
}

// serve handles what the client asks of the channel until it closes the channel.
func (c *channel) serve(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	var work sync.WaitGroup
	ended := ctx.Done()
	for open := true; open; {
		var r *ssh.Request
		select {
		case r, open = <-c.reqs:
		case <-ended:
			ended = nil // what runs ends by itself, and says why
			if !c.started {
				c.started = true
				c.end(c.said(context.Cause(ctx)))
			}
			continue
		}
		if !open {
			break
		}
		start, ok := c.request(ctx, r)
		if r.WantReply {
			_ = r.Reply(ok, nil) // a client that is gone is noticed here anyway
		}
		if start != nil {
			work.Go(func() { c.end(start(ctx)) })
		}
	}
	cancel(session.ErrCancelled)
	work.Wait()
}

// request answers one request. What starts a program is returned, to run beside the
// requests that follow.
func (c *channel) request(ctx context.Context, r *ssh.Request) (start func(context.Context) exit, ok bool) {
	switch r.Type {
	case "exec", "shell", "subsystem":
		return c.start(r)
	case "env":
		return nil, c.variable(r.Payload)
	case "pty-req":
		return nil, c.terminal(r.Payload)
	case "window-change":
		return nil, c.resized(r.Payload)
	case "signal":
		return nil, c.signalled(r.Payload)
	case "break", "eow@openssh.com", "keepalive@openssh.com":
		return nil, false
	case "x11-req", "auth-agent-req@openssh.com":
		_ = c.k.refuse(ctx, "request "+r.Type, "", forwards, "run commands at the target instead") // the reply has no place for words
	default:
		_ = c.k.refuse(ctx, "channel request", r.Type, "the request is not known", "run commands at the target instead")
	}
	return nil, false
}

// start begins what the channel is for. A refusal is told in the channel itself,
// where the client shows it, so that the request as such succeeds.
func (c *channel) start(r *ssh.Request) (func(context.Context) exit, bool) {
	var t textRequest
	if c.started || r.Type != "shell" && ssh.Unmarshal(r.Payload, &t) != nil {
		return nil, false
	}
	c.started = true
	switch {
	case r.Type == "exec":
		return func(ctx context.Context) exit { return c.exec(ctx, t.Text) }, true
	case r.Type == "shell":
		return c.shell, true
	case t.Text == "sftp":
		return c.sftp, true
	}
	return func(ctx context.Context) exit {
		return c.said(c.k.refuse(ctx, "subsystem", t.Text, "there is no such subsystem", "run commands at the target instead"))
	}, true
}

// variable takes a variable of the environment. One that does not pass is left out,
// as servers do; clients send theirs to whomever they connect to.
func (c *channel) variable(payload []byte) bool {
	var v variable
	if c.started || ssh.Unmarshal(payload, &v) != nil || len(c.env) == maxVariables || len(v.Value) > maxVariable ||
		!slices.Contains(c.k.target.cfg.Env, v.Name) || strings.IndexByte(v.Value, 0) >= 0 {
		return false
	}
	c.env = append(c.env, v)
	return true
}

// environment is the passed variables as part of what is put on record and what an
// approval is for.
func (c *channel) environment() []byte {
	var b []byte
	for _, v := range c.env {
		b = append(append(append(append(b, v.Name...), '='), v.Value...), 0)
	}
	return b
}

func (c *channel) terminal(payload []byte) bool {
	var p ptyRequest
	if c.started || c.tty != nil || ssh.Unmarshal(payload, &p) != nil || len(p.Term) > maxTerm || len(p.Modes) > maxModes ||
		strings.ContainsFunc(p.Term, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	c.tty = &p
	return true
}

func (c *channel) resized(payload []byte) bool {
	var w windowChange
	if c.tty == nil || ssh.Unmarshal(payload, &w) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tty.Columns, c.tty.Rows, c.tty.Width, c.tty.Height = w.Columns, w.Rows, w.Width, w.Height
	return c.program == nil || c.program.resize(w)
}

// signals are those that a client may send (RFC 4254 section 6.10).
func signals() []string {
	return []string{"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"}
}

func (c *channel) signalled(payload []byte) bool {
	var s textRequest
	if ssh.Unmarshal(payload, &s) != nil || !slices.Contains(signals(), s.Text) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.program != nil && c.program.signal(s.Text)
}

// working makes p the program that signals and sizes are for.
func (c *channel) working(p *program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.program = p
}

// say tells the client something, beside what the program prints.
func (c *channel) say(message, hint string) {
	text := line(message, hint)
	if c.tty != nil {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	_, _ = mask.Synthetic([]byte(text)).WriteTo(c.ch.Stderr()) // a client that is gone is noticed elsewhere
}

// said tells the client why something does not go on, and returns the exit for it.
func (c *channel) said(err error) exit {
	c.say(sallyport.Public(err))
	switch sallyport.KindOf(err) {
	case sallyport.Denied, sallyport.Held, sallyport.Invalid:
		return exit{Code: codeRefused}
	}
	return exit{Code: codeFailed}
}

// end tells the client how the channel ended, and closes it.
func (c *channel) end(x exit) {
	// A client that is gone takes none of it.
	if x.Signal != "" {
		_, _ = c.ch.SendRequest("exit-signal", false, ssh.Marshal(exitSignal{Name: x.Signal}))
	} else {
		_, _ = c.ch.SendRequest("exit-status", false, ssh.Marshal(exitStatus{uint32(x.Code)})) //nolint:gosec // the target's own word, or ours
	}
	_ = c.ch.CloseWrite()
	_ = c.ch.Close()
}
