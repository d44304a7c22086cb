// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// actor is somebody with an identity of the issuer.
type actor struct {
	name    string // before the prompt
	subject string
	claims  map[string]any
}

func job() actor {
	return actor{"ci-job", "repo:acme/claims:ref:refs/heads/main", map[string]any{
		"kind": "ci", "repository": "acme/claims", "workflow": "nightly", "run_id": "4711", "actor": "dana", "sha": "0f1e2d",
	}}
}

func human(name, group string) actor {
	return actor{name, name, map[string]any{"kind": "human", "groups": []string{group}}}
}

// officer decides about grants and held statements.
func officer() actor { return human("officer", "privacy-officers") }

// auditor looks at what happened.
func auditor() actor { return human("auditor", "auditors") }

const (
	tokenLife = 10 * time.Minute // fresh for each command
	keptLife  = 8 * time.Hour    // of the tokens that --keep leaves; the issuer's max_lifetime
)

func (s *stage) token(a actor, life time.Duration) (string, error) {
	t, err := s.issuer.Token(a.subject, life, a.claims)
	if err != nil {
		return "", sallyport.E(sallyport.Internal, op, "no token for "+a.name).Because(err)
	}
	return t, nil
}

// variable is one of an environment.
type variable struct{ name, value string }

// psqlVariables are what psql needs to reach the clinic through the gateway.
func (s *stage) psqlVariables(token string) []variable {
	host, port, _ := net.SplitHostPort(s.gateway.at.pg) // it was made of both
	return []variable{
		{"PGHOST", host},
		{"PGPORT", port},
		{"PGDATABASE", database},
		{"PGUSER", role},
		{"PGSSLMODE", "verify-full"},
		{"PGSSLROOTCERT", s.path("ca.pem")},
		{"PGPASSWORD", token},
	}
}

// cliVariables are what the command line needs to speak to the gateway.
func (s *stage) cliVariables(token string) []variable {
	return []variable{
		{"SALLYPORT_SERVER", "https://" + s.gateway.at.api},
		{"SALLYPORT_CA", s.path("ca.pem")},
		{"SALLYPORT_TOKEN", token},
	}
}

// environment is all that a program of the story gets to see.
func (s *stage) environment(vars []variable) []string {
	env := []string{
		"PATH=" + s.env.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + s.dir, "NO_COLOR=1",
		"PSQLRC=" + os.DevNull, "PGCONNECT_TIMEOUT=30", "PAGER=",
	}
	for _, v := range vars {
		env = append(env, v.name+"="+v.value)
	}
	return env
}

// find returns the path of a program; its bare name, with which starting it fails and
// says so, where there is none.
func (s *stage) find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return name
}

// psqlAs is a psql of the CI job through the gateway.
func (s *stage) psqlAs(a actor, args ...string) invocation {
	token, err := s.token(a, tokenLife)
	return invocation{who: a.name, name: "psql", path: s.psql, args: args, env: s.environment(s.psqlVariables(token)), err: err}
}

// cliAs is a command of somebody to the gateway.
func (s *stage) cliAs(a actor, args ...string) invocation {
	token, err := s.token(a, tokenLife)
	return invocation{who: a.name, name: "sallyport", path: s.env.Self, args: args, env: s.environment(s.cliVariables(token)), err: err}
}

// bossPsql is a psql of the target's superuser, beside the gateway.
func (s *stage) bossPsql(args ...string) invocation {
	return invocation{who: "superuser", name: "psql", path: s.psql, args: args, env: s.environment([]variable{
		{"PGHOST", "127.0.0.1"},
		{"PGPORT", fmt.Sprint(s.cluster.Port)},
		{"PGDATABASE", database},
		{"PGUSER", s.cluster.Superuser},
		{"PGSSLMODE", "verify-full"},
		{"PGSSLROOTCERT", s.cluster.CAFile},
		{"PGPASSWORD", s.cluster.Password},
	})}
}

// exports writes variables as one types them into a shell.
func exports(vars []variable, shorten bool) string {
	words := []string{"export"}
	for _, v := range vars {
		if shorten && strings.HasSuffix(v.name, "PASSWORD") || shorten && strings.HasSuffix(v.name, "TOKEN") {
			v.value = shortened(v.value)
		}
		words = append(words, v.name+"="+quote(v.value))
	}
	return strings.Join(words, " ")
}

// introduce says who there is, and what each has set before typing anything.
func (s *stage) introduce() {
	s.line("")
	s.say("ci-job is a CI pipeline, officer a privacy officer, auditor an auditor; superuser is the target's own, beside the gateway. " +
		"All that they have set is where to go and a token of their issuer:")
	for _, a := range []actor{job(), officer()} {
		token, err := s.token(a, tokenLife)
		if err != nil {
			continue // the first step says so
		}
		if a.name == "ci-job" {
			s.command(a.name, exports(s.psqlVariables(token), true))
		}
		s.command(a.name, exports(s.cliVariables(token), true))
	}
}

// leave writes down how to go on alone.
func (s *stage) leave(ctx context.Context) error {
	if err := s.superuser(ctx, "postgres", "CREATE DATABASE "+scratch+" OWNER gateway"); err != nil {
		return err
	}
	s.line("\nEverything keeps running until you interrupt this with Ctrl-C. In other terminals:")
	for _, x := range []struct {
		actor
		try []string
	}{
		{job(), []string{"psql", `psql -c "drop database scratch"    # held; the officer decides`}},
		{officer(), []string{"sallyport request list", `sallyport request approve REQUEST --reason "..."`, "sallyport grant list"}},
		{auditor(), []string{"sallyport session list", "sallyport session replay SESSION", "sallyport audit verify"}},
	} {
		token, err := s.token(x.actor, keptLife)
		if err != nil {
			return err
		}
		vars := s.cliVariables(token)
		if x.name == "ci-job" {
			vars = append(s.psqlVariables(token), vars...)
			vars = append(vars, variable{"SALLYPORT_PROFILE", s.path(x.name, "profile.json")})
		}
		if err := s.put(x.name+".sh", exports(vars, false)+"\n", 0o600); err != nil {
			return err
		}
		s.line("\n   . %s", s.path(x.name+".sh"))
		for _, t := range x.try {
			if rest, ok := strings.CutPrefix(t, "sallyport "); ok {
				t = s.env.Self + " " + rest
			}
			s.line("   %s", t)
		}
	}
	s.leaveGoogle()
	s.leaveHosts()
	s.line("")
	s.line("   configuration, policy, data and bundle: %s", s.dir)
	s.line("   the gateway's log: %s", s.gateway.logFile())
	s.line("   the auditor's key for sealed texts: %s", s.path("auditor.age"))
	return s.failed
}
