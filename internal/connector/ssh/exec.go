// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// exec runs a command line.
func (c *channel) exec(ctx context.Context, text string) exit {
	if x, is := c.copying(ctx, text); is {
		return x
	}
	return c.run(ctx, c.k.target.cfg.Commands.Line(c.k.target.cfg.Resource, text), text)
}

// shell runs an interactive shell.
func (c *channel) shell(ctx context.Context) exit {
	return c.run(ctx, c.k.target.cfg.Shell.Shell(c.k.target.cfg.Resource), "(an interactive shell)")
}

// run asks for a permit for a command and runs it at the target. The line is "" for
// a shell.
func (c *channel) run(ctx context.Context, m shell.Match, text string) exit {
	sess := c.k.sess
	cmd := session.Command{Statement: m.Statement, Text: []byte(text), Params: c.environment(), Notify: c.say}
	adm, err := sess.Admit(ctx, cmd)
	if err != nil {
		return c.said(err)
	}
	if err := terminal.Readable(adm); err != nil {
		message, hint := sallyport.Public(err)
		return c.said(sess.Refuse(ctx, cmd, message, hint))
	}
	permits, err := sess.Intend(ctx, session.Intent{Admission: adm, Params: cmd.Params})
	if err != nil {
		return c.said(err)
	}
	o := terminal.Options{
		Session: sess, Permit: permits[0], Admission: adm, Title: m.Statement.Readable, Input: c.k.target.cfg.Input, Now: c.k.c.o.Now,
	}
	if c.tty != nil {
		c.mu.Lock()
		o.TTY, o.Size = true, c.tty.size()
		c.mu.Unlock()
	}
	streams, err := c.k.target.masks.Start(o)
	if err != nil {
		return c.said(errors.Join(err, sess.Settle(permits[0], session.Result{Status: "skipped"})))
	}
	x, err := c.launch(ctx, permits[0], streams, m.Line)
	res := streams.Finish(x, err)
	if cause := context.Cause(sess.Context()); cause != nil && err != nil {
		res.Status, err = "cut", cause
	}
	if serr := sess.Settle(permits[0], res); serr != nil {
		return c.said(serr)
	}
	switch {
	case err == nil:
		return x
	case sallyport.KindOf(err) == sallyport.Integrity: // the target is another one
		message, hint := sallyport.Public(err)
		return c.said(errors.Join(sess.Refuse(ctx, cmd, message, hint), err))
	}
	return c.said(err)
}

// program is a command at work at the target.
type program struct {
	c       *channel
	streams *terminal.Run
	ch      ssh.Channel // at the target
	once    sync.Once   // for hangUp
	gone    chan struct{}
	ended   chan struct{} // closed when the target has said all there is to say
	exit    exit          // how the program ended; to be read when ended is closed
	known   bool          // whether the target told
}

// launch starts a program and carries its streams until it has ended, or until
// nobody is there any more whom they could be carried to.
func (c *channel) launch(ctx context.Context, permit session.Permit, streams *terminal.Run, line string) (exit, error) {
	ch, reqs, err := c.k.up.open(ctx, permit)
	if err != nil {
		return exit{}, err
	}
	p := &program{c: c, streams: streams, ch: ch, gone: make(chan struct{}), ended: make(chan struct{})}
	out, errs := streams.Output(terminal.Stdout, c.ch), streams.Output(terminal.Stderr, c.ch.Stderr())
	// A target may keep a channel open for as long as it likes, so that what reads
	// from it ends with the connection at the latest.
	c.k.readers.Go(func() {
		defer close(p.ended)
		var both sync.WaitGroup
		both.Go(func() { p.deliver(out, ch) })
		both.Go(func() { p.deliver(errs, ch.Stderr()) })
		p.exit, p.known = ending(reqs)
		both.Wait()
	})
	defer context.AfterFunc(ctx, p.hangUp)() // it stops waiting; a hang-up that runs does no harm
	if err := p.begin(line); err != nil {
		p.hangUp()
		return exit{}, err
	}
	c.working(p)
	defer c.working(nil)
	c.k.readers.Go(p.feed)
	p.wait()
	_ = ch.Close() // before the client hears of the end: nothing goes to the target after it
	err = errors.Join(out.Close(), errs.Close())
	select {
	case <-p.ended:
		if p.known && err == nil {
			return p.exit, nil
		}
	default:
	}
	switch {
	case ctx.Err() != nil:
		return exit{}, context.Cause(ctx)
	case err != nil:
		return exit{}, err
	}
	return exit{}, sallyport.E(sallyport.Unavailable, "target", "the target did not say how the command ended").
		WithHint("look at the target before you run it again")
}

// wait waits for the end of the program. While a command without a terminal runs,
// which may be silent for long, the session is not taken for idle; at a terminal,
// silence is somebody who went away.
func (p *program) wait() {
	var busy <-chan time.Time
	if idle := p.c.k.sess.Resource().Idle; idle > 0 && p.c.tty == nil {
		tick := time.NewTicker(max(idle/4, time.Millisecond))
		defer tick.Stop()
		busy = tick.C
	}
	for {
		select {
		case <-p.ended:
			return
		case <-p.gone:
			return
		case <-busy:
			p.c.k.sess.Busy()
		}
	}
}

// begin has the target start the program.
func (p *program) begin(line string) error {
	failed := func(what string, err error) error {
		return sallyport.E(sallyport.Unavailable, "target", "the target did not "+what).
			WithHint("the operator must look at the target").Because(err)
	}
	for _, v := range p.c.env {
		if _, err := p.ch.SendRequest("env", false, ssh.Marshal(v)); err != nil {
			return failed("take a variable", err)
		}
	}
	if p.c.tty != nil {
		p.c.mu.Lock()
		payload := ssh.Marshal(*p.c.tty)
		p.c.mu.Unlock()
		if ok, err := p.ch.SendRequest("pty-req", true, payload); err != nil || !ok {
			return failed("give a terminal", err)
		}
	}
	kind, payload := "shell", []byte(nil)
	if line != "" {
		kind, payload = "exec", ssh.Marshal(textRequest{line})
	}
	if ok, err := p.ch.SendRequest(kind, true, payload); err != nil || !ok {
		return failed("start the command", err)
	}
	return nil
}

// ending reads what the target says of the program until it closes the channel.
func ending(reqs <-chan *ssh.Request) (x exit, known bool) {
	for r := range reqs {
		switch r.Type {
		case "exit-status":
			var s exitStatus
			if ssh.Unmarshal(r.Payload, &s) == nil {
				x, known = exit{Code: int(s.Code)}, true
			}
		case "exit-signal": // with a message, which is the target's own text and not passed on
			var s exitSignal
			if ssh.Unmarshal(r.Payload, &s) == nil && signalName(s.Name) {
				x, known = exit{Signal: s.Name}, true
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // a target that is gone is noticed here
		}
	}
	return x, known
}

// signalName reports whether a name is short and harmless enough to be passed on.
func signalName(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '@' && r != '.' && r != '-'
	})
}

// deliver carries one stream of output. When it cannot go on, neither can the
// program.
func (p *program) deliver(to *terminal.Output, from io.Reader) {
	if _, err := io.Copy(to, from); err != nil {
		p.hangUp()
		_, _ = io.Copy(io.Discard, from) // until the target has closed the channel
	}
}

// feed carries what is typed, to its end.
func (p *program) feed() {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.c.ch.Read(buf)
		if n > 0 {
			if terr := p.streams.Typed(buf[:n]); terr != nil {
				p.hangUp()
				return
			}
			if _, werr := p.ch.Write(buf[:n]); werr != nil {
				return // the program has ended
			}
		}
		if err != nil {
			_ = p.ch.CloseWrite() // a program that has ended needs none
			return
		}
	}
}

// hangUp ends the program as the loss of a terminal would, and the channel to it.
func (p *program) hangUp() {
	p.once.Do(func() {
		p.signal("HUP")
		_ = p.ch.Close() // what is gone is closed
		close(p.gone)
	})
}

func (p *program) signal(name string) bool {
	_, err := p.ch.SendRequest("signal", false, ssh.Marshal(textRequest{name}))
	return err == nil
}

func (p *program) resize(w windowChange) bool {
	if err := p.streams.Resize(sizeOf(w.Columns, w.Rows)); err != nil {
		return false
	}
	_, err := p.ch.SendRequest("window-change", false, ssh.Marshal(w))
	return err == nil
}
