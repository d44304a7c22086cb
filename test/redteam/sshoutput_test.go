// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// printed is an attempt to have a program print the canary so that the mask does not
// see it. What the client saw is looked at as a terminal shows it, too.
func printed(id, tries string, formats ...string) sshRow {
	return sshRow{id, tries, "mask/stream Terminal", false, func(a *sshArena) error {
		c := a.login("wide+wider")
		defer c.Close() //nolint:errcheck // it has ended
		var wg sync.WaitGroup
		errs := make([]error, 2*len(formats)) // fewer than a connection has channels
		for i := range errs {
			wg.Go(func() { errs[i] = a.printed(c, formats[i/2], i%2 == 1) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}}
}

// printed has a format printed, or a line run that begins with "!", with a terminal
// or without.
func (a *sshArena) printed(c *ssh.Client, format string, tty bool) error {
	line, is := strings.CutPrefix(format, "!")
	if !is {
		line = "printf -- '" + format + "'"
	}
	ans := a.runOn(c, line, func(s *ssh.Session) error {
		if tty {
			return s.RequestPty("xterm", 24, 80, nil)
		}
		return nil
	})
	shown := plainText(ans.out)
	return errors.Join(unless(ans.code == 0, "%q: %+v", format, ans), unless(!strings.Contains(shown, sshCanary) && !strings.Contains(shown, "2190999"), "%q shows %q", format, ans.out))
}

// plainText is what is left of an output without what moves and colours.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x1b && i+1 < len(s) && s[i+1] == '[':
			for i += 2; i < len(s) && (s[i] < 0x40 || s[i] > 0x7e); i++ {
			}
		case c >= ' ' && c < 0x7f || c == '\n':
			b.WriteByte(c)
		}
	}
	return b.String()
}

func sshOutputs() []sshRow {
	return []sshRow{
		printed("S72", "an identifier with colours, bold and resets in it", `SSN \033[31m219\033[1m-09-\033[0m9999 x\n`, `SSN 2\033[m1\033[m9\033[m-\033[m0\033[m9\033[m-\033[m9\033[m9\033[m9\033[m9\n`),
		printed("S73", "one with backspaces, and written over after a carriage return", `SSN 219-0x\b9-9999\n`, `SSN ???-09-9999\rSSN 219\n`, `SSN 219-09-9998\b9\n`),
		printed("S74", "one whose parts are put in their places by the cursor", `SSN 219-09-\033[1C\033[1D9999\n`, `\033[8G9999\r219-09-\n`, `SSN 219\033[20G-09-9999\033[7G\n`),
		printed("S75", "one in titles, in links and in strings for the device", `\033]0;SSN 219-09-9999\007x\n`, `\033]8;;http://x/219-09-9999\033\\x\033]8;;\033\\\n`, `\033P219-09-9999\033\\x\n`, `\033_219-09-9999\033\\\033^219-09-9999\033\\x\n`, `\033]0;219-09-9999`),
		printed("S76", "one in controls of eight bits, in sequences that never end", `\302\2330mSSN 219-\302\2330m09-9999\n`, `\302\235SSN 219-09-9999\302\234x\n`, `\033[219-09-9999\n`, `\033[;;;SSN 219-09-9999m\n`, `\2330mSSN 219-09-9999\n`),
		printed("S77", "one with marks in it that nobody sees", `SSN 219\342\200\213-09-\342\200\2139999\n`, `SSN 219\302\255-09-9999\n`),
		printed("S78", "one with letters as wide as two, with zero bytes, tabs and other dashes", `SSN \357\274\222\357\274\221\357\274\231-09-9999\n`, `SSN 219\000-09-9999\n`, `SSN 219-\00009-9999\n`, `SSN 219\342\200\22109\342\200\2219999\n`),
		printed("S79", "one that comes byte by byte, with pauses", `!for c in S S N " " 2 1 9 - 0 9 - 9 9 9 9; do printf "%s" "$c"; sleep 0.06; done; echo`, `!printf "SSN 219-09-"; sleep 0.7; echo 9999`),
		printed("S80", "one among much, at the seam of blocks, and at the end without a line's end", `!head -c 32762 /dev/zero | tr "\0" " "; printf "219-09-9999 x"`, `!yes "a line 219-09-9999" | head -n 3000`, `SSN 219-09-9999`),
		printed("S81", "one on standard error, and in the text of an error", `!echo "SSN 219-09-9999" >&2`, `!ls "/SSN 219-09-9999" || true`),
		{"S82", "one that the client sends and a terminal echoes", "mask/stream Terminal", false, func(a *sshArena) error {
			ans := a.run("wide+wider", "cat", func(s *ssh.Session) error {
				s.Stdin = strings.NewReader("SSN " + sshCanary + "\n\x04")
				return s.RequestPty("xterm", 24, 80, ssh.TerminalModes{ssh.ECHO: 1})
			})
			return unless(ans.code == 0, "%+v", ans)
		}},
		{"S83", "binary output, a packed file", "mask/stream Terminal: output under a mask is text", false, func(a *sshArena) error {
			ans := a.run("wide+wider", "gzip -c "+filepath.Join(a.dir, "data/n.txt"))
			return unless(!strings.HasPrefix(ans.out, "\x1f\x8b"), "%q", ans.out)
		}},
	}
}

// hostile is an attempt of a target.
func hostile(id, tries, by, line string, code int) sshRow {
	return sshRow{id, tries, by, false, func(a *sshArena) error {
		ans := a.run("evil+watch", line)
		return unless(ans.code == code || ans.code == -1 && code < 0, "%+v", ans)
	}}
}

func sshTargets() []sshRow {
	return []sshRow{
		{"S84", "a target with another host key", "connector/ssh pinned.check", true, func(a *sshArena) error {
			ans := a.run("moved+mover", "touch "+a.mark)
			return unless(ans.code == 126 && strings.Contains(ans.err, "host key"), "%+v", ans)
		}},
		hostile("S85", "a target's message with an exit by a signal, its version and banner", "connector/ssh ending", "message", 143),
		hostile("S86", "a target's name of a signal that is none", "connector/ssh signalName", "signal-name", 255),
		hostile("S87", "a target that says twice how a program ended", "connector/ssh ending: the last word counts", "twice", 7),
		hostile("S88", "a target's requests that nobody knows, with texts", "connector/ssh ending", "unknown", 0),
		hostile("S89", "a target that goes away within an identifier", "terminal Output.Close", "cut", 255),
		hostile("S90", "a target that floods with requests", "connector/ssh ending", "flood", 0),
		{"S91", "channels, forwardings and keys that the target wants of its client", "connector/ssh upstream.connected", false, func(a *sshArena) error {
			c := a.login("evil+watch")
			defer c.Close() //nolint:errcheck // it has ended
			a.runOn(c, "twice")
			time.Sleep(100 * time.Millisecond) // the target asks beside
			return unless(a.hostile.took1() == "", "%s", a.hostile.took1())
		}},
		{"S92", "a target's texts in answers of sftp", "connector/ssh/sftp: codes have the gateway's own words", false, func(a *sshArena) error {
			c := a.login("evil+watch")
			defer c.Close() //nolint:errcheck // it has ended
			k, err := a.sftp(c)
			if err != nil {
				return nil // the gateway does not go on with such a target
			}
			for _, q := range []wire.Request{{Type: wire.Realpath, Path: []byte(".")}, {Type: wire.Stat, Path: []byte("/x")}, open([]byte("/x"), wire.FlagRead), {Type: wire.Opendir, Path: []byte("/")}, {Type: wire.Readlink, Path: []byte("/x")}} {
				if _, err := k.ask(q); err != nil {
					return unless(errors.Is(err, io.EOF), "%v", err)
				}
			}
			return nil
		}},
	}
}

func sshEnds() []sshRow {
	return []sshRow{
		{"S93", "a shared connection (ControlMaster) after the end of its grant", "session: the grant ends it", false, func(a *sshArena) error {
			if err := a.grant(); err != nil {
				return err
			}
			c := a.login("gated+guest")
			defer c.Close() //nolint:errcheck // it has ended
			before := a.runOn(c, "echo in")
			a.revoke()
			_ = c.Wait() // the gateway ends it
			after := a.runOn(c, "touch "+a.mark)
			return unless(before.out == "in\n" && after.code == -1, "%+v, %+v", before, after)
		}},
		{"S94", "a held command whose client goes away, or asks for more in its channel", "session.Admit: nothing runs for nobody", false, heldAndGone},
		{"S95", "a session after the client said that there would be no more", "connector/ssh connection.admit", true, func(a *sshArena) error {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			ok, _, err := c.SendRequest("no-more-sessions@openssh.com", true, nil)
			_, _, oerr := c.OpenChannel("session", nil)
			return errors.Join(err, unless(ok && oerr != nil, "a channel was opened"))
		}},
		{"S96", "a session when the gateway stops, and its clients after that", "connector/ssh Connector.Serve", false, func(a *sshArena) error {
			c := a.login("wide+wider")
			defer c.Close() //nolint:errcheck // it has ended
			done := make(chan sshAnswer, 1)
			go func() { done <- a.runOn(c, "echo begun; sleep 30; touch "+a.mark) }()
			eventually := time.Now().Add(10 * time.Second)
			for a.Intents(a.t) == 0 && time.Now().Before(eventually) {
				time.Sleep(20 * time.Millisecond)
			}
			address := a.SSHAddress()
			a.Stop(a.t)
			ans := <-done
			nc, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				_ = nc.Close()
			}
			return unless(err != nil && ans.code != 0, "%+v %v", ans, err)
		}},
	}
}

func heldAndGone(a *sshArena) error {
	c := a.login("box+ops")
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(reqs)
	_, _ = ch.SendRequest("exec", true, ssh.Marshal(sshText{"touch " + a.mark}))
	open := func() int {
		var out struct{ Requests []struct{ Resource string } }
		a.Call(a.t, a.api, "privacy-officers", "GET", "/v1/requests?state=open", nil, &out)
		n := 0
		for _, r := range out.Requests {
			if r.Resource == "box" {
				n++
			}
		}
		return n
	}
	wait := func(n int) error {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if open() == n {
				return nil
			}
		}
		return fmt.Errorf("%d are held, not %d", open(), n)
	}
	err = wait(1)
	for _, kind := range []string{"exec", "shell", "subsystem"} {
		ok, _ := ch.SendRequest(kind, true, ssh.Marshal(sshText{"touch " + a.mark}))
		err = errors.Join(err, unless(!ok, "%s was taken beside what is held", kind))
	}
	_ = c.Close()
	return errors.Join(err, wait(0))
}
