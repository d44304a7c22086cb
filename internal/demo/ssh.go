// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"os"
	"strings"
)

// sshSteps are the chapter of SSH.
func sshSteps() []step {
	return []step{
		{
			"SSH: a certificate for five minutes is the login, and output is masked",
			"The job has no key at the machine. The command is one of a list, and what it prints is searched line by line.", sshMasked,
		},
		{
			"SSH: what is not on the list does not run, and nothing is forwarded",
			"The machine would have done both. Who is refused reads why, and what to do.", sshRefused,
		},
		{
			"SSH: a command that removes something waits for a person",
			"ssh just waits, and then has the program's output and exit code.", sshHeld,
		},
		{
			"SSH: a file comes masked by sftp, and is a whole file to its reader",
			"It is masked by its columns before the first byte leaves; size and content agree.", sshFile,
		},
	}
}

// sshAs is one of OpenSSH's clients of the CI job.
func (s *stage) sshAs(name string, args ...string) invocation {
	return invocation{who: job().name, name: name, path: s.find(name), args: append([]string{"-F", "ssh_config"}, args...), env: s.environment(nil)}
}

func sshMasked(ctx context.Context, s *stage) error {
	if _, err := s.expect(ctx, s.cliAs(job(), "ssh-cert", "--resource", batch, "--role", role, "--key", "batch_key", "--config", "ssh_config"), 0); err != nil {
		return err
	}
	r, err := s.expect(ctx, s.sshAs("ssh", batch, "tail", "-n", "3", s.hosts.there(logFile)), 0, "row 3", "row 5", "[")
	if err == nil && strings.Count(r.out, "imported\n") != 3 {
		err = errors.New("it did not print three rows")
	}
	return err
}

func sshRefused(ctx context.Context, s *stage) error {
	if _, err := s.expect(ctx, s.sshAs("ssh", batch, "cat", s.hosts.there(exportFile)), 126, "sallyport:"); err != nil {
		return err
	}
	_, err := s.expect(ctx, s.sshAs("ssh", "-W", s.hosts.at.SSH.Address, batch), failure)
	return err
}

func sshHeld(ctx context.Context, s *stage) error {
	remove := s.sshAs("ssh", batch, "rm", "-rv", s.hosts.there(oldRun))
	id, err := s.denied(ctx, remove, "", "the auditors are still reading them")
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.hosts.there(oldRun)); err != nil {
		return errors.New("what was denied is gone")
	}
	s.line("")
	s.say("The directory is still there. Once more, and this time the officer approves:")
	p := s.start(ctx, remove)
	defer p.abandon()
	if _, err := s.decide(ctx, p, id, "approve", "the audit is over, ticket OPS-315"); err != nil {
		return err
	}
	r, err := p.finish()
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.hosts.there(oldRun)); err == nil {
		return errors.New("what was approved is still there")
	}
	return r.check(0, "removed directory")
}

// denied starts a program that is held, and has the officer deny what it asks for. It
// returns the request.
func (s *stage) denied(ctx context.Context, in invocation, before, why string) (string, error) {
	p := s.start(ctx, in)
	defer p.abandon()
	id, err := s.decide(ctx, p, before, "deny", why)
	if err != nil {
		return "", err
	}
	s.line("")
	s.say("The client, in the first terminal:")
	r, err := p.finish()
	if err != nil {
		return "", err
	}
	return id, r.check(failure, why)
}

func sshFile(ctx context.Context, s *stage) error {
	if _, err := s.expect(ctx, s.sshAs("sftp", batch+":"+s.hosts.there(exportFile), "patients.csv"), 0); err != nil {
		return err
	}
	read := invocation{who: job().name, name: "cat", path: s.find("cat"), args: []string{"patients.csv"}, env: s.environment(nil)}
	r, err := s.expect(ctx, read, 0, "id,mrn,name,ssn,birth_date,zip\n", "[SSN]")
	if err == nil && strings.Count(r.out, "\n") != 6 {
		err = errors.New("the masked file does not have five rows")
	}
	return err
}
