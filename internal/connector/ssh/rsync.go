// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/connector/ssh/sftp"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// copying runs a line that is the other half of a program that copies files. is
// reports whether it is one, where the resource shows files.
func (c *channel) copying(ctx context.Context, text string) (x exit, is bool) {
	if c.k.target.cfg.Files == nil {
		return x, false
	}
	if hint, is := files.Legacy(text); is {
		return c.said(c.k.refuse(ctx, "command", text, "the old protocol of scp does not pass", hint)), true
	}
	t, why, is := files.Rsync(text)
	switch {
	case !is:
		return x, false
	case why != "":
		return c.said(c.k.refuse(ctx, "command", text, "this command of rsync does not pass: "+why, "use rsync 3.2 or later with -rt, -a or the like, or sftp")), true
	}
	return c.rsync(ctx, text, t), true
}

// rsync runs rsync at the target. Its protocol is not read, so that nothing of it can
// be masked: it passes where policy shows all that it could carry as it is.
func (c *channel) rsync(ctx context.Context, text string, t files.Transfer) exit {
	found, err := c.k.target.cfg.Files.Resolve(ctx, sftp.Channel{Session: c.k.sess, Say: c.say, Upstream: c.subsystem, Go: c.k.readers.Go}, !t.Sends, t.Paths)
	if err != nil {
		return c.said(err)
	}
	var judged [][]string
	var real []string
	for i, f := range found {
		judged = append(judged, f.Paths)
		if strings.HasSuffix(t.Paths[i], "/") && !strings.HasSuffix(f.Real, "/") {
			f.Real += "/" // it means what is in the directory
		}
		real = append(real, f.Real)
		err = errors.Join(err, f.Why)
	}
	cmd := session.Command{Statement: c.k.target.cfg.Layout.Transfer(c.k.target.cfg.Resource, t, judged), Text: []byte(text), Params: c.environment(), Notify: c.say}
	adm, aerr := c.k.sess.Admit(ctx, cmd)
	if aerr != nil {
		return c.said(aerr)
	}
	if len(adm.Masks()) > 0 {
		return c.said(c.k.sess.Refuse(ctx, cmd, "rsync would carry what this role may not see as it is, and cannot be masked", "use sftp, whose files can be"))
	}
	permits, perr := c.k.sess.Intend(ctx, session.Intent{Admission: adm, Params: cmd.Params})
	if perr != nil {
		return c.said(perr)
	}
	if err != nil {
		err = sallyport.E(sallyport.NotFound, "rsync", "the target does not find a path").WithHint("look at the paths with sftp").Because(err)
		return c.said(errors.Join(err, c.k.sess.Settle(permits[0], session.Result{Status: "error"})))
	}
	p := &copies{c: c, permit: permits[0], up: flow{hash: sha256.New()}, down: flow{hash: sha256.New()}}
	x, err := p.run(ctx, t.Line(real))
	if serr := p.settle(t, x, err); serr != nil {
		return c.said(serr)
	}
	if err != nil {
		return c.said(err)
	}
	return x
}

// copies is a program at work whose bytes pass as they are.
type copies struct {
	c      *channel
	permit session.Permit
	up     flow // to the target
	down   flow
}

// run starts the program and carries both directions until it has ended.
func (p *copies) run(ctx context.Context, line string) (exit, error) {
	ch, reqs, err := p.c.k.up.open(ctx, p.permit)
	if err != nil {
		return exit{}, err
	}
	prog := &program{c: p.c, ch: ch, gone: make(chan struct{}), ended: make(chan struct{})}
	var failed error
	p.c.k.readers.Go(func() {
		defer close(prog.ended)
		var both sync.WaitGroup
		both.Go(func() {
			if failed = p.deliver(ch); failed != nil {
				prog.hangUp()
			}
		})
		both.Go(func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }) // what it says of files that may not be shown
		prog.exit, prog.known = ending(reqs)
		both.Wait()
	})
	defer context.AfterFunc(ctx, prog.hangUp)() // it stops waiting; a hang-up that runs does no harm
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(textRequest{line})); err != nil || !ok {
		prog.hangUp()
		return exit{}, sallyport.E(sallyport.Unavailable, "target", "the target did not start the command").WithHint("the operator must look at the target").Because(err)
	}
	p.c.working(prog)
	defer p.c.working(nil)
	p.c.k.readers.Go(func() { p.feed(ch) })
	prog.wait()
	_ = ch.Close() // before the client hears of the end: nothing goes to the target after it
	select {
	case <-prog.ended:
		if prog.known && failed == nil {
			return prog.exit, nil
		}
	default:
	}
	if ctx.Err() != nil {
		return exit{}, context.Cause(ctx)
	}
	return exit{}, sallyport.E(sallyport.Unavailable, "target", "the target did not say how the command ended").WithHint("look at the target before you run it again")
}

// feed carries what the client sends, to its end.
func (p *copies) feed(ch ssh.Channel) {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.c.ch.Read(buf)
		if n > 0 {
			if _, werr := ch.Write(buf[:n]); werr != nil {
				return // the program has ended
			}
			p.up.add(buf[:n])
		}
		if err != nil {
			_ = ch.CloseWrite() // a program that has ended needs none
			return
		}
	}
}

// deliver carries what the target sends.
func (p *copies) deliver(from io.Reader) error {
	body := mask.ClearBody()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			m, merr := body.Write(mask.FromUpstream(buf[:n]))
			if merr == nil {
				p.down.add(buf[:n])
				_, merr = m.WriteTo(p.c.ch)
			}
			if merr != nil {
				return sallyport.E(sallyport.Unavailable, "rsync", "the client takes no more").Because(merr)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return sallyport.E(sallyport.Unavailable, "target", "the target's output broke off").Because(err)
		}
	}
}

// settle puts on record how the program ended and how much has passed.
func (p *copies) settle(t files.Transfer, x exit, err error) error {
	res := session.Result{Status: "ok", Code: fmt.Sprint(x.Code), Tag: "upload"}
	if t.Sends {
		res.Tag = "download"
	}
	switch {
	case err != nil:
		res.Status, res.Code = "unknown", ""
	case x.Signal != "":
		res.Status, res.Code = "error", x.Signal
	case x.Code != 0:
		res.Status = "error"
	}
	up, upSum := p.up.sum()
	down, downSum := p.down.sum()
	res.Bytes = down
	res.Tag = fmt.Sprintf("%s: sent %d %s received %d %s", res.Tag, up, p.c.k.sess.Fingerprint(upSum), down, p.c.k.sess.Fingerprint(downSum))
	return p.c.k.sess.Settle(p.permit, res)
}
