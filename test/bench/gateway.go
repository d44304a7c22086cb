// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/demo/issuer"
	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

const (
	gatewayCommand = "gateway"     // of this binary: be the gateway
	gatewayRoleID  = "bench-role"  // the role that clients ask for
	profileEnv     = "BENCH_PPROF" // address to serve profiles on
	tokenLife      = 10 * time.Minute
)

// gateway is a running gateway: a process of its own, everything on.
type gateway struct {
	*child
	issuer  *issuer.Issuer
	dir     string
	profile string // address of its profiles, or empty
}

// policyText permits what is measured: everything that is labelled public is seen
// and may be filtered by, nothing else is.
const policyText = `@id("connect")
permit(principal in Role::"bench-role", action == Action::"connect", resource == Resource::"bench");
@id("scope")
permit(principal in Role::"bench-role", action == Action::"read", resource in Schema::"bench/public");
@id("sees-public")
permit(principal in Role::"bench-role", action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
`

// labelsText labels two of the ten columns of the bulk select.
const labelsText = `version: 1
columns:
  public.pgbench_accounts.*: public
  public.pgbench_branches.*: public
  public.bulk.id: public
  public.bulk.name: phi.name
  public.bulk.ssn: phi.ssn
  public.bulk.birth_date: public
  public.bulk.at: public
  public.bulk.code: public
  public.bulk.cost: public
  public.bulk.zip: public
  public.bulk.active: public
  public.bulk.digest: public
`

const configText = `version: 1
data: data
origin: sallyport.example/bench
listen:
  api: {address: "127.0.0.1:%[1]d", tls: {cert: gw.crt, key: gw.key}}
  postgres: {address: "127.0.0.1:%[2]d", tls: {cert: gw.crt, key: gw.key}}
auditors: [%[3]s]
identity:
  issuers:
    - name: bench
      url: %[4]s
      audiences: [sallyport]
      algorithms: [ES256]
      allow_loopback_http: true
      map:
        - when: {kind: ci}
          principal: "ci:{repository}"
          kind: ci-job
          groups: [ci]
          attributes: [repository, run_id]
policy: {files: ["policy.cedar"], reload: 5s}
roles:
  - {name: bench-role, resources: [bench], members: ["group:ci"]}
resources:
  - name: bench
    type: postgres
    address: %[5]s
    database: bench
    tls: %[6]s
    credential: {username: gateway, password: "file:target.pw"}
    lineage: in-band
    intent: before-forward
    labels: labels.yaml
vault: {key: "file:vault.key"}
log: {level: info, format: text}
`

// freshGateway ends the gateway at work and starts another with a ledger of its
// own.
func (b *bench) freshGateway(ctx context.Context) error {
	if err := b.gateway.close(); err != nil {
		return err
	}
	return b.startGateway(ctx)
}

// startGateway starts a gateway and makes the subjects refer to it.
func (b *bench) startGateway(ctx context.Context) error {
	g := &gateway{}
	if b.gateway == nil {
		b.onClose(func() error { return b.gateway.close() })
	}
	b.gateway = g
	if err := b.openGateway(ctx, g); err != nil {
		return err
	}
	b.nameSubjects()
	return nil
}

// close ends a gateway and removes its data. A second time it does nothing.
func (g *gateway) close() error {
	var errs []error
	if g.child != nil {
		errs = append(errs, g.end())
		g.child = nil
	}
	if g.issuer != nil {
		errs = append(errs, g.issuer.Close())
		g.issuer = nil
	}
	if g.dir != "" {
		errs = append(errs, os.RemoveAll(g.dir))
		g.dir = ""
	}
	return errors.Join(errs...)
}

func (b *bench) openGateway(ctx context.Context, g *gateway) error {
	var err error
	if g.dir, err = os.MkdirTemp(b.settings.data, "sallyport-bench-"); err != nil {
		return err
	}
	if g.issuer, err = issuer.Start(context.WithoutCancel(ctx), rand.Reader, time.Now); err != nil {
		return err
	}
	ports := [3]int{}
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return err
		}
	}
	if err := b.writeGateway(g, ports[0], ports[1]); err != nil {
		return err
	}
	file := filepath.Join(g.dir, "sallyport.yaml")
	cmd := exec.Command(b.settings.binary, "serve", "--config", file)
	if b.settings.binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		cmd = exec.Command(self, gatewayCommand, file)
		if b.settings.profiles != "" {
			g.profile = net.JoinHostPort(pgcluster.Host, strconv.Itoa(ports[2]))
			cmd.Env = append(os.Environ(), profileEnv+"="+g.profile)
		}
	}
	cmd.Dir = g.dir
	g.child, err = startChild(ctx, "gateway", cmd, ports[1], filepath.Join(g.dir, "gateway.log"))
	return err
}

func (b *bench) writeGateway(g *gateway, apiPort, pgPort int) error {
	auditor, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	tlsTarget := "{mode: insecure-plaintext}"
	if b.settings.tlsTarget {
		tlsTarget = fmt.Sprintf("{mode: verify-full, ca: %q}", b.cluster.CAFile)
	}
	for name, text := range map[string]string{
		"policy.cedar": policyText, "labels.yaml": labelsText, "target.pw": rolePassword,
		"gw.crt": string(b.certs.Cert), "gw.key": string(b.certs.Key),
		"sallyport.yaml": fmt.Sprintf(configText, apiPort, pgPort, auditor.Recipient(), g.issuer.URL, b.cluster.Addr, tlsTarget),
	} {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return vault.CreateMaster(filepath.Join(g.dir, "vault.key"), rand.Reader)
}

// token returns a fresh workload token.
func (g *gateway) token() (string, error) {
	return g.issuer.Token("repo:acme/bench", tokenLife, map[string]any{"kind": "ci", "repository": "acme/bench", "run_id": "1"})
}

// gatewayMain is the gateway's process, when no other binary is given: what
// "sallyport serve" does, and profiles.
func gatewayMain(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: bench gateway CONFIG")
	}
	cfg, err := config.Load(args[0])
	if err != nil {
		return err
	}
	gw, err := server.Open(ctx, cfg, server.Deps{
		Now: time.Now, Rand: rand.Reader, Getenv: os.Getenv, Version: "bench",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
	})
	if err != nil {
		return err
	}
	if addr := os.Getenv(profileEnv); addr != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
		var served sync.WaitGroup
		served.Go(func() { _ = srv.ListenAndServe() }) // a failure shows as a profile that is missing
		defer served.Wait()
		defer func() { _ = srv.Close() }()
	}
	return gw.Run(ctx)
}

// saveProfile fetches a profile of the gateway into a file.
func (g *gateway) saveProfile(ctx context.Context, query, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.profile+"/debug/pprof/"+query, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", resp.Status)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
