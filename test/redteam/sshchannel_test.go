// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Payloads of requests (RFC 4254).
type (
	sshText struct{ Text string }
	sshVar  struct{ Name, Value string }
	sshTo   struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	sshPty struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
)

// channel opens a session channel of its own connection.
func (a *sshArena) channel(user string, do func(c *ssh.Client, ch ssh.Channel) error) error {
	c := a.login(user)
	defer c.Close() //nolint:errcheck // it has ended
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(reqs)
	return do(c, ch)
}

// read reads what a channel still says.
func (a *sshArena) read(ch ssh.Channel) string {
	out, _ := io.ReadAll(ch) // that it broke off is an end as well
	errs, _ := io.ReadAll(ch.Stderr())
	a.see(append(out, errs...))
	return string(out)
}

func sshChannels() []sshRow {
	const refused = "connector/ssh connection.admit"
	return []sshRow{
		{"S36", "ports, sockets and displays through the gateway (`-W`, `-L`, `-R`, `-D`, `-X`, `-A`, `-w`)", refused, true, func(a *sshArena) (err error) {
			for _, args := range [][]string{
				{"-W", a.peer.Address, "target"},
				{"-W", "169.254.169.254:80", "target"},
				{"-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:" + a.peer.Address, "target", "echo", "in"},
				{"-o", "ExitOnForwardFailure=yes", "-R", a.home + "/s:" + a.peer.Address, "target", "echo", "in"},
				{"-o", "ExitOnForwardFailure=yes", "-w", "0:0", "target", "echo", "in"},
			} {
				ans, serr := a.openssh("box+ops", "", "ssh", args...)
				err = errors.Join(err, serr, unless(ans.code != 0 && !strings.Contains(ans.out, "SSH-2.0"), "%q: %+v", args, ans))
			}
			return err
		}},
		{"S37", "channels of every type that there is, and some that there are not", refused, true, func(a *sshArena) (err error) {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			for _, kind := range []string{
				"direct-tcpip", "direct-streamlocal@openssh.com", "forwarded-tcpip", "forwarded-streamlocal@openssh.com", "tun@openssh.com", "x11", "auth-agent", "auth-agent@openssh.com", "auth-agent-req", "mux",
				"session@openssh.com", "Session", "session\x00", "", strings.Repeat("s", 30_000),
			} {
				for _, payload := range [][]byte{nil, ssh.Marshal(sshTo{"127.0.0.1", 22, "127.0.0.1", 1}), []byte("\xff\xff\xff\xff")} {
					if ch, _, cerr := c.OpenChannel(kind, payload); cerr == nil {
						err = errors.Join(err, fmt.Errorf("%.30q was opened", kind), ch.Close())
					}
				}
			}
			return err
		}},
		{"S38", "requests that belong to no channel", "connector/ssh connection.global", true, func(a *sshArena) (err error) {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			for _, kind := range []string{"tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "hostkeys-00@openssh.com", "hostkeys-prove-00@openssh.com", "ping@openssh.com", "elevation", "", "x\x00y"} {
				if ok, _, rerr := c.SendRequest(kind, true, ssh.Marshal(sshTo{Host: "0.0.0.0"})); rerr != nil || ok {
					err = errors.Join(err, fmt.Errorf("%q: %t %w", kind, ok, rerr))
				}
			}
			return err
		}},
		{"S39", "more than ten channels at once", "connector/ssh connection.slot", false, func(a *sshArena) error {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			n := 0
			for range 200 {
				if _, reqs, err := c.OpenChannel("session", nil); err == nil {
					n++
					go ssh.DiscardRequests(reqs)
				}
			}
			return unless(n == 10, "%d were opened", n)
		}},
		{"S40", "what is refused, again and again on one connection", "connector/ssh connection.refuse", true, func(a *sshArena) error {
			c := a.login("box+ops")
			defer c.Close() //nolint:errcheck // it has ended
			for range 100 {
				_, _, _ = c.OpenChannel("made-up", nil)
			}
			_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
			return unless(err != nil, "it goes on")
		}},
		{"S41", "other subsystems, and names near `sftp`", "connector/ssh channel.start", true, func(a *sshArena) (err error) {
			for _, name := range []string{"netconf", "SFTP", "sftp ", "sftp\x00", "sftp-server", "internal-sftp", "../sftp", "", "/usr/lib/openssh/sftp-server"} {
				err = errors.Join(err, a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) error {
					_, _ = ch.SendRequest("subsystem", true, ssh.Marshal(sshText{name}))
					_, _ = ch.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3})
					return unless(a.read(ch) == "", "%q answered", name)
				}))
			}
			return err
		}},
		{"S42", "a second program in a channel: exec, shell and sftp after exec, shell after a refusal", "connector/ssh channel.start", false, func(a *sshArena) (err error) {
			for _, first := range []string{"echo in", "touch -c " + a.mark} {
				for _, second := range []string{"exec", "shell", "subsystem"} {
					err = errors.Join(err, a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) error {
						_, _ = ch.SendRequest("exec", true, ssh.Marshal(sshText{first}))
						ok, _ := ch.SendRequest(second, true, ssh.Marshal(sshText{"touch " + a.mark}))
						_, _ = ch.Write([]byte("touch " + a.mark + "\n"))
						a.read(ch)
						return unless(!ok, "%s after %s", second, first)
					}))
				}
			}
			return err
		}},
		{"S43", "variables that change what runs: `LD_PRELOAD`, `BASH_ENV`, `PATH`, `ENV`, names with `=`", "connector/ssh channel.variable", false, func(a *sshArena) (err error) {
			a.file("public/env.sh", "touch "+a.mark+"\n")
			script := a.dir + "/public/env.sh"
			return a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) error {
				for name, value := range map[string]string{
					"LD_PRELOAD": script, "BASH_ENV": script, "ENV": script, "PATH": a.dir, "PASSED=x\x00BASH_ENV": script, "PASSED\x00": "x", "passed": "x", "": "x", "BASH_FUNC_echo%%": "() { touch " + a.mark + "; }",
					"PASSED ": script, "SSH_ORIGINAL_COMMAND": "x",
				} {
					if ok, _ := ch.SendRequest("env", true, ssh.Marshal(sshVar{name, value})); ok {
						err = errors.Join(err, fmt.Errorf("%q was taken", name))
					}
				}
				for _, value := range []string{"a\x00b", strings.Repeat("x", 10_000)} {
					if ok, _ := ch.SendRequest("env", true, ssh.Marshal(sshVar{"PASSED", value})); ok {
						err = errors.Join(err, errors.New("a bad value was taken"))
					}
				}
				_, _ = ch.SendRequest("exec", true, ssh.Marshal(sshText{"echo in"}))
				return errors.Join(err, unless(a.read(ch) == "in\n", "the command did not run"))
			})
		}},
		{"S44", "a terminal with a name, modes and a size that nobody has, and a second one", "connector/ssh channel.terminal", false, func(a *sshArena) (err error) {
			for _, p := range []sshPty{
				{Term: "x y"}, {Term: "x\x1b]0;y\a"}, {Term: strings.Repeat("x", 65)}, {Term: "() { :;}; touch " + a.mark}, {Term: "x", Modes: strings.Repeat("x", 2000)},
			} {
				err = errors.Join(err, a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) error {
					ok, _ := ch.SendRequest("pty-req", true, ssh.Marshal(p))
					return unless(!ok, "%.40q was taken", p.Term)
				}))
			}
			return errors.Join(err, a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) error {
				odd := ssh.Marshal(sshPty{Term: "xterm", Columns: 1<<32 - 1, Rows: 1<<32 - 1, Width: 1<<32 - 1, Modes: "\xff\x01\x02\x03"})
				_, _ = ch.SendRequest("pty-req", true, odd)
				ok, _ := ch.SendRequest("pty-req", true, odd)
				_, _ = ch.SendRequest("window-change", false, []byte("\x00"))
				_, _ = ch.SendRequest("exec", true, ssh.Marshal(sshText{"echo in"}))
				a.read(ch)
				return unless(!ok, "a second terminal was taken")
			}), a.works())
		}},
		{"S45", "signals with names that are none, before and during a program", "connector/ssh channel.signalled", false, func(a *sshArena) error {
			return a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) (err error) {
				for _, name := range []string{"", "kill", "KILL\x00", "TERM; touch " + a.mark, strings.Repeat("K", 9000)} {
					ok, _ := ch.SendRequest("signal", true, ssh.Marshal(sshText{name}))
					err = errors.Join(err, unless(!ok, "%.20q was taken", name))
				}
				return err
			})
		}},
		{"S46", "requests of a channel that are cut, agents and displays", "connector/ssh channel.request", true, func(a *sshArena) error {
			return a.channel("box+ops", func(_ *ssh.Client, ch ssh.Channel) (err error) {
				for _, kind := range []string{"exec", "subsystem", "env", "pty-req", "signal", "window-change", "x11-req", "auth-agent-req@openssh.com", "exit-status", "xon-xoff"} {
					ok, _ := ch.SendRequest(kind, true, []byte("\x00\x00\x00\xffx"))
					err = errors.Join(err, unless(!ok, "%s was taken", kind))
				}
				return err
			})
		}},
	}
}

// line is an attempt to have more run than a template has. What it prints, if it is
// a template's after all, is known.
func attempt(id, tries string, denial bool, lines map[string]string) sshRow {
	return sshRow{id, tries, "analyze/shell Commands.Line", denial, func(a *sshArena) (err error) {
		c := a.login("box+ops")
		defer c.Close() //nolint:errcheck // it has ended
		at := strings.NewReplacer("$MARK", a.mark, "$DIR", a.dir).Replace
		for line, want := range lines {
			ans := a.runOn(c, at(line))
			if want == "" {
				err = errors.Join(err, unless(ans.code == 126 && ans.out == "", "%q: %+v", line, ans))
			} else {
				err = errors.Join(err, unless(ans.code == 0 && ans.out == at(want), "%q: %+v", line, ans))
			}
		}
		return err
	}}
}

func sshLines() []sshRow {
	return []sshRow{
		attempt("S47", "a second command: `;` `&` `|` `&&` `||`, line ends, carriage returns", true, map[string]string{
			"echo a; touch $MARK": "", "echo a & touch $MARK": "", "echo a | touch $MARK": "", "echo a && touch $MARK": "", "echo a || touch $MARK": "", "echo a\ntouch $MARK": "", "echo a\r\ntouch $MARK": "",
			"echo a\rtouch $MARK": "", "echo a |& touch $MARK": "", "\ntouch $MARK": "", "echo a \\\n; touch $MARK": "", "! touch $MARK": "", "{ touch $MARK; }": "", "(touch $MARK)": "", "if touch $MARK; then :; fi": "",
		}),
		attempt("S48", "substitutions: `$(…)`, backticks, `${…}`, `$((…))`, `<(…)`, in quotes too", true, map[string]string{
			"echo $(touch $MARK)": "", "echo `touch $MARK`": "", `echo "$(touch $MARK)"`: "", "echo \"`touch $MARK`\"": "", "echo ${x:-$(touch $MARK)}": "", "echo $((x[$(touch $MARK)]))": "", "echo <(touch $MARK)": "",
			"echo $IFS": "", "echo $'\\x24(touch $MARK)'": "", "'echo' '$(touch $MARK)'": "$(touch $MARK)\n", "echo '`touch $MARK`'": "`touch $MARK`\n",
		}),
		attempt("S49", "redirections and here-documents", true, map[string]string{
			"echo a > $MARK": "", "echo a >> $MARK": "", "echo a >| $MARK": "", "echo a &> $MARK": "", "echo a 2> $MARK": "", "> $MARK echo a": "", "echo a <> $MARK": "", "echo <<x\n$(touch $MARK)\nx": "", "echo <<< $(touch $MARK)": "",
		}),
		attempt("S50", "globs, `~`, braces, history, comments, assignments in front", true, map[string]string{
			"echo $DIR/data/*": "", "echo $DIR/data/?????": "", "echo ~": "", "echo ~root": "", "echo {a,b}": "", "echo [a-z]*": "", "echo !!": "", "echo a # $(touch $MARK)": "", "BASH_ENV=$DIR/public/env.sh echo a": "",
			"PATH=$DIR echo a": "", "LD_PRELOAD=x echo a": "",
		}),
		attempt("S51", "quotes and backslashes that make another word", false, map[string]string{
			"e''cho a'' ''b": "a b\n", `ec\ho a`: "a\n", `echo "a;b"`: "a;b\n", `echo a\;touch\ $MARK`: "a;touch $MARK\n", `echo 'a'\''b'`: "a'b\n", `echo "a\"; touch $MARK; \""`: "a\"; touch $MARK; \"\n",
			`echo 'a`: "", `echo "a`: "", `echo a\`: "",
		}),
		attempt("S52", "letters that look alike, spaces that are none, bytes that are no text", true, map[string]string{
			"еcho a": "", "echo\u00a0a": "", "ｅcho a": "", "echo a\u2028touch $MARK": "", "echo \xff; touch $MARK": "", "echo a\x00; touch $MARK": "", "echo a；touch $MARK": "a；touch $MARK\n", "echo a\x1b[2Jb": "", "echo\va": "",
		}),
		attempt("S53", "the program by its path, by another name, or through another", true, map[string]string{
			"/bin/echo a": "", "./echo a": "", "command echo a": "", "exec echo a": "", "env echo a": "", "sh -c 'touch $MARK'": "", "bash -lc 'touch $MARK'": "", "busybox touch $MARK": "", "nohup touch $MARK": "", "xargs touch $MARK": "",
			"eval touch $MARK": "", ". $DIR/public/env.sh": "", "ssh -oProxyCommand='touch $MARK' x": "",
		}),
		attempt("S54", "options in place of parameters, and paths that climb", true, map[string]string{
			"printf %s -v": "", "printf %s --help": "", "cat $DIR/data/../secret/n.txt": "", "cat $DIR/data/secret/../../elsewhere/n.txt": "", "cat $DIR/data/..": "", "cat $DIR/data/": "",
			"cat $DIR/data/n.txt $DIR/elsewhere/n.txt": "", "printf %s a b": "", "printf -v x": "",
		}),
		attempt("S55", "lines of no word, of 64 kB and more, of thousands of words and parentheses", false, map[string]string{
			"": "", " ": "", "\t": "", "echo " + strings.Repeat("a", 64<<10): "", "echo " + strings.Repeat("a ", 20_000): "", strings.Repeat("(", 30_000): "", strings.Repeat("$(", 20_000): "", "echo " + strings.Repeat("'", 20_001): "",
		}),
		attempt("S56", "the old protocol of scp, and servers of sftp as commands", true, map[string]string{
			"scp -f $DIR/data/n.txt": "", "scp -t $DIR/drop": "", "scp -r -p -f -- $DIR": "", "scp x -S touch": "", "sftp-server": "", "/usr/lib/openssh/sftp-server": "", "internal-sftp": "", "sftp -S touch x": "",
		}),
		attempt("S57", "rsync with options that run, read or write beside its paths", true, map[string]string{
			"rsync --server --sender -re.i . $DIR/public/../data": "", "rsync --server --sender -Lre.i . $DIR/public": "", "rsync --server --sender -re.i --files-from=$DIR/data/n.txt . $DIR/public": "",
			"rsync --server -re.i --log-file=$MARK . $DIR/drop": "", "rsync --server -re.i --rsync-path=touch . $DIR/drop": "", "rsync --server -e'touch $MARK' . $DIR/drop": "", "rsync --server --daemon --config=$DIR/public/a.txt .": "",
			"rsync --server --sender -re.i . $DIR/data/": "", "rsync --server --sender -re.i . /etc/": "", "rsync --server --sender -re.i . $DIR/public; touch $MARK": "", "rsync -e 'sh -c \"touch $MARK\"' x:y z": "", "rsync  --server --sender -re.i . $DIR/data": "",
			"rsync --server -re.i --backup-dir=/ . $DIR/drop": "", "rsync --server --sender -re.i --remove-source-files . $DIR/public": "", "rsync --server -se.i . ": "",
		}),
		{"S58", "a shell, by a role that has no permit for one", "policy: `Command::\"box/shell\"` needs a permit of its own kind", true, func(a *sshArena) error {
			// The role may execute commands of the resource, and so a shell: what it
			// prints is masked as any output.
			ans, err := a.openssh("moved+mover", "touch "+a.mark+"\n", "ssh", "-T", "target")
			return errors.Join(err, unless(ans.code != 0, "%+v", ans))
		}},
	}
}
