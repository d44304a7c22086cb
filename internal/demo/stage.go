// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
	"github.com/sallyport-dev/sallyport/internal/demo/issuer"
	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

const (
	// database is the clinic's, and the resource's name.
	database = "clinic"
	// scratch is the database that is dropped.
	scratch = "scratch"
	role    = "claims-etl"
)

// stage is everything that the story happens on.
type stage struct {
	screen
	env Env

	dir     string // configuration, data and what is exported
	psql    string // path
	cluster *pgcluster.Cluster
	boss    *pgx.Conn // superuser, beside the gateway
	issuer  *issuer.Issuer
	gateway *gateway
	google  *google // nil when its chapters are left out
	hosts   *hosts  // the same

	raw     []string // values of the clinic that nobody may see
	checked int      // outputs that were searched for them

	// What later steps need of earlier ones.
	request  string // for the grant
	session  string // with the two DROP DATABASE
	bundle   string // path
	verifier string // the ledger's verifier key
}

// open makes the stage. What it made when it fails, close removes.
func (s *stage) open(ctx context.Context) error {
	s.line("Sallyport: a gateway for machines that touch patient data, before a clinic that does not exist.")
	s.say("Setting up: PostgreSQL, the clinic, an issuer of identities, certificates, the gateway.")
	for _, step := range []func(context.Context) error{s.openCluster, s.openClinic, s.openGoogle, s.openHosts, s.openIssuer, s.openGateway} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.introduce()
	return nil
}

// openCluster starts a PostgreSQL of the newest release that is installed.
func (s *stage) openCluster(ctx context.Context) error {
	// What an earlier demonstration left that was killed.
	if _, err := pgcluster.Sweep(""); err != nil {
		return err
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "sallyport-demo-"); err != nil {
		return sallyport.E(sallyport.Unavailable, op, "no directory for temporary files").Because(err)
	}
	if s.cluster, err = pgcluster.Launch(ctx, pgcluster.Options{TLS: true, Rand: s.env.Rand, Now: s.env.Now}); err != nil {
		return err
	}
	s.psql = filepath.Join(s.cluster.BinDir, "psql")
	if _, err := os.Stat(s.psql); err == nil {
		return nil
	}
	if s.psql, err = exec.LookPath("psql"); err != nil {
		return sallyport.E(sallyport.NotFound, op, "psql is not installed").
			WithHint("on Debian or Ubuntu: apt-get install postgresql-client").Because(err)
	}
	return nil
}

// openClinic fills the database as the superuser, and notes what must not leave
// it.
func (s *stage) openClinic(ctx context.Context) error {
	gatewayPassword, err := s.secret()
	if err != nil {
		return err
	}
	analyserPassword, err := s.secret()
	if err != nil {
		return err
	}
	if err := s.superuser(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	err = s.superuser(ctx, database, clinic.Schema(), clinic.Roles(gatewayPassword, analyserPassword), "CREATE DATABASE "+scratch+" OWNER gateway")
	if err != nil {
		return err
	}
	if s.boss, err = s.direct(ctx, database); err != nil {
		return err
	}
	rows, err := s.boss.Query(ctx, `
		SELECT v FROM (
			SELECT unnest(ARRAY[mrn, name, ssn, birth_date::text, phone, note] || string_to_array(name, ' ')) AS v FROM public.patients
			UNION SELECT unnest(ARRAY[staff] || string_to_array(staff, ' ')) FROM payroll.salaries
		) AS x WHERE length(v) >= 5`) // what is shorter may be in a text by chance
	if err == nil {
		s.raw, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, op, "the clinic cannot be read").Because(err)
	}
	if len(s.raw) < 10 {
		return sallyport.E(sallyport.Internal, op, "the clinic is empty")
	}
	return errors.Join(s.put("target.pw", gatewayPassword, 0o600), s.put("analyser.pw", analyserPassword, 0o600))
}

// direct connects the superuser, beside the gateway.
func (s *stage) direct(ctx context.Context, db string) (*pgx.Conn, error) {
	conf, err := pgx.ParseConfig("sslmode=verify-full sslrootcert=" + s.cluster.CAFile + " host=" + pgcluster.Host)
	if err != nil {
		return nil, err
	}
	conf.Port, conf.User, conf.Password, conf.Database = uint16(s.cluster.Port), s.cluster.Superuser, s.cluster.Password, db
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the clinic's PostgreSQL does not answer").Because(err)
	}
	return conn, nil
}

// superuser runs scripts, each as one simple query, on a connection of its own.
func (s *stage) superuser(ctx context.Context, db string, scripts ...string) error {
	conn, err := s.direct(ctx, db)
	if err != nil {
		return err
	}
	for _, sql := range scripts {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return errors.Join(sallyport.E(sallyport.Internal, op, "the clinic cannot be made").Because(err), conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

// openIssuer starts the issuer of everybody's identities.
func (s *stage) openIssuer(ctx context.Context) error {
	var err error
	s.issuer, err = issuer.Start(ctx, s.env.Rand, s.env.Now)
	return err
}

// openGateway writes the gateway's files and starts it.
func (s *stage) openGateway(ctx context.Context) error {
	certs, err := pgcluster.NewCertificates(s.env.Rand, s.env.Now())
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "no certificate for the gateway").Because(err)
	}
	auditor, err := age.GenerateX25519Identity()
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "no key for the auditor").Because(err)
	}
	err = errors.Join(
		s.put("ca.pem", string(certs.CA), 0o644), s.put("gateway.crt", string(certs.Cert), 0o644), s.put("gateway.key", string(certs.Key), 0o600),
		s.put("clinic.cedar", clinic.Policy(), 0o644), s.put("clinic.labels.yaml", clinic.Labels(), 0o644),
		s.put("auditor.age", auditor.String()+"\n", 0o600),
		vault.CreateMaster(s.path("vault.key"), s.env.Rand),
	)
	if err != nil {
		return err
	}
	s.gateway = &gateway{self: s.env.Self, dir: s.dir, environ: []string{"PATH=" + s.env.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + s.dir}}
	write := func(at addresses) error {
		return s.put("sallyport.yaml", configuration(auditor.Recipient().String(), s.issuer.URL, at, s.cluster.Addr, s.cluster.CAFile, s.google, s.hosts), 0o644)
	}
	if err := s.gateway.open(ctx, write); err != nil {
		return err
	}
	key, err := os.ReadFile(s.path("data", "keys", "ledger.vkey"))
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "the gateway did not leave its verifier key").Because(err)
	}
	s.verifier = strings.TrimSpace(string(key))
	return nil
}

// configuration is the gateway's file.
func configuration(auditor, issuer string, at addresses, target, targetCA string, g *google, h *hosts) string {
	policies, names, more := []string{"clinic.cedar"}, []string{database}, ""
	if g != nil {
		policies, names, more = append(policies, "google.cedar"), append(names, lake, warehouse), g.resources()
	}
	if h != nil {
		policies, names, more = append(policies, "hosts.cedar"), append(names, h.names()...), more+h.resources()
	}
	return fmt.Sprintf(`version: 1
data: data
origin: sallyport.example/demo
listen:
  api: {address: "%s", tls: {cert: gateway.crt, key: gateway.key}}
  postgres: {address: "%s", tls: {cert: gateway.crt, key: gateway.key}}
  http: {address: "%s"}
  ssh: {address: "%s"}
auditors: [%s]
api: {auditors: ["group:auditors"], administrators: ["group:security"]}
identity:
  issuers:
    - name: demo
      url: %s
      audiences: [sallyport]
      algorithms: [ES256]
      allow_loopback_http: true
      max_lifetime: 8h
      map:
        - when: {kind: ci}
          principal: "ci:{repository}"
          kind: ci-job
          groups: [ci]
          attributes: [repository, workflow, run_id, actor, sha]
        - when: {kind: human}
          principal: "human:{sub}"
          kind: human
          groups_claim: groups
policy: {files: [%s], reload: 1s}
roles:
  - {name: claims-etl, resources: [%s], members: ["group:ci"]}
requests: {wait: 0s, expires: 1h, window: 30m, hold_wait: 30s, hold_wait_in_transaction: 5s}
resources:
  - name: clinic
    type: postgres
    address: "%s"
    database: clinic
    tls: {mode: verify-full, ca: "%s"}
    credential: {username: gateway, password: "file:target.pw"}
    analyser: {username: gateway_analyser, password: "file:analyser.pw"}
    labels: clinic.labels.yaml
%svault: {key: "file:vault.key"}
log: {level: info, format: text}
`, at.api, at.pg, at.http, at.ssh, auditor, issuer, strings.Join(policies, ", "), strings.Join(names, ", "), target, targetCA, more)
}

// close stops and removes everything.
func (s *stage) close() error {
	var errs []error
	if s.gateway != nil {
		errs = append(errs, s.gateway.stop())
	}
	if s.google != nil {
		errs = append(errs, s.google.stop())
	}
	if s.hosts != nil {
		errs = append(errs, s.hosts.stop())
	}
	if s.issuer != nil {
		errs = append(errs, s.issuer.Close())
	}
	if s.boss != nil {
		// The server goes next, so that it does not matter how this one ends.
		_ = s.boss.PgConn().Conn().Close()
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// explain shows what the gateway logged last, for whoever looks for the fault.
func (s *stage) explain() {
	// The error itself is returned, whether this can be read or not.
	_, _ = fmt.Fprintf(s.env.Stderr, "\nThe gateway's log ends:\n%s\n", s.gateway.tail(30))
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// put writes a file below the stage's directory.
func (s *stage) put(name, text string, mode os.FileMode) error {
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		return sallyport.E(sallyport.Unavailable, op, name+" cannot be written").Because(err)
	}
	return nil
}

// secret returns a random alphanumeric password.
func (s *stage) secret() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(s.env.Rand, b); err != nil {
		return "", sallyport.E(sallyport.Internal, op, "no randomness for a password").Because(err)
	}
	return hex.EncodeToString(b), nil
}
