// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
)

// HostsVariable names the program that runs what the chapters of SSH and Kubernetes
// are told with: OpenSSH's server, and a cluster's real API server where that was built.
const HostsVariable = "SALLYPORT_DEMO_HOSTS"

const (
	// batch and cluster are the resources' names.
	batch   = "batch"
	cluster = "cluster"

	logFile    = "import.log"
	exportFile = "exports/patients.csv"
	oldRun     = "runs-2025" // is removed
	namespace  = "claims"
	pod        = "intake-0"
	secretName = "clinic-database"
)

// hosts is what the chapters of SSH and Kubernetes happen on.
type hosts struct {
	at struct {
		SSH struct {
			Address string `json:"address"`
			User    string `json:"user"`
			HostKey string `json:"host_key"`
			Key     string `json:"key"` // the gateway's login, in OpenSSH's form
			Dir     string `json:"dir"`
		} `json:"ssh"`
		Kubernetes struct {
			Missing string `json:"missing"` // why there is none, and what to do
			URL     string `json:"url"`     // "" when there is none
			CA      string `json:"ca"`      // path
			Token   string `json:"token"`   // the gateway's
			Kubectl string `json:"kubectl"` // path
		} `json:"kubernetes"`
	}

	*peers
}

// openHosts starts the machine and the cluster with what the clinic has on them, and
// notes what must not leave them beside the clinic's values.
func (s *stage) openHosts(ctx context.Context) error {
	program := s.env.Getenv(HostsVariable)
	if program == "" {
		s.say("The chapters of SSH and Kubernetes are left out: what they are told with is not part of this program. To see them: make demo")
		return nil
	}
	s.say("And a machine that is reached by SSH (OpenSSH's server, on loopback) and a cluster of Kubernetes: the real API server with etcd, and a small node of our own.")
	seed, err := s.hosted(ctx)
	if err != nil {
		return err
	}
	p, err := s.launchPeers("SSH and Kubernetes", program)
	if err != nil {
		return err
	}
	h := &hosts{peers: p}
	s.hosts = h
	if err := h.greet(ctx, seed, &h.at, func() bool { return h.at.SSH.Address != "" }); err != nil {
		return err
	}
	if h.at.Kubernetes.URL == "" {
		s.line("")
		s.say("!! THE CHAPTER OF KUBERNETES IS LEFT OUT: %s", h.at.Kubernetes.Missing)
		s.line("")
	}
	return errors.Join(s.put("batch.key", h.at.SSH.Key, 0o600), s.put("cluster.token", h.at.Kubernetes.Token, 0o600), s.put("hosts.cedar", clinic.Hosts(), 0o644))
}

// hosted returns the seed of the stand-ins as JSON: a log and an export of the
// clinic's patients on the machine, and a program of the cluster that logs about them
// and has a password.
func (s *stage) hosted(ctx context.Context) (string, error) {
	rows, err := s.boss.Query(ctx, "SELECT id::text, mrn, name, ssn::text, birth_date::text, phone, zip FROM public.patients ORDER BY id")
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, op, "the clinic cannot be read").Because(err)
	}
	type patient struct{ ID, MRN, Name, SSN, Birth, Phone, Zip string }
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[patient])
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, op, "the clinic cannot be read").Because(err)
	}
	password, err := s.secret()
	if err != nil {
		return "", err
	}
	s.raw = append(s.raw, password)
	var log, file strings.Builder
	file.WriteString("id,mrn,name,ssn,birth_date,zip\n")
	for _, p := range people {
		fmt.Fprintf(&log, "row %s: SSN %s, born %s, call %s: imported\n", p.ID, p.SSN, p.Birth, p.Phone)
		fmt.Fprintf(&file, "%s,%s,%s,%s,%s,%s\n", p.ID, p.MRN, p.Name, p.SSN, p.Birth, p.Zip)
	}
	type object = map[string]any
	b, err := json.Marshal(object{
		"files":      object{logFile: log.String(), exportFile: file.String(), oldRun + "/" + logFile: log.String()},
		"namespaces": []string{namespace},
		"pods":       []object{{"Namespace": namespace, "Name": pod, "Labels": object{"app": "intake"}}},
		"logs":       []object{{"namespace": namespace, "pod": pod, "text": log.String()}},
		"secrets":    []object{{"namespace": namespace, "name": secretName, "data": object{"username": "intake", "password": password}}},
	})
	return string(b), err
}

// names are the resources that there are.
func (h *hosts) names() []string {
	if h.at.Kubernetes.URL == "" {
		return []string{batch}
	}
	return []string{batch, cluster}
}

// there is a path on the machine.
func (h *hosts) there(name string) string { return filepath.Join(h.at.SSH.Dir, name) }

// resources are the entries of the configuration.
func (h *hosts) resources() string {
	ssh := h.at.SSH
	text := fmt.Sprintf(`  - name: %s
    type: ssh
    address: "%s"
    credential: {password: "file:batch.key"}
    ssh:
      user: %s
      auth: key
      host_keys: [%q]
      commands:
        - {name: import-log, words: [tail, -n, "{lines}", %q], labels: [log]}
        - {name: remove-old-runs, words: [rm, -rv, %q], labels: [log], effect: destroy}
      files:
        prefixes:
          - {prefix: %q, labels: [phi], plain_names: true}
`, batch, ssh.Address, ssh.User, ssh.HostKey, h.there(logFile), h.there(oldRun), h.there(filepath.Dir(exportFile)))
	if h.at.Kubernetes.URL == "" {
		return text
	}
	return text + fmt.Sprintf(`  - name: %s
    type: kubernetes
    credential: {password: "file:cluster.token"}
    tls: {ca: %q}
    kubernetes:
      url: %s
      labels: [cluster]
`, cluster, h.at.Kubernetes.CA, h.at.Kubernetes.URL)
}

// leaveHosts says how to go on with ssh and kubectl.
func (s *stage) leaveHosts() {
	if s.hosts == nil {
		return
	}
	s.line("")
	s.say("With ssh and sftp, in a terminal of the ci-job:")
	s.line("\n   %s ssh-cert --resource %s --role %s --config ssh_config    # good for five minutes", s.env.Self, batch, role)
	s.line("   ssh -F ssh_config %s tail -n 3 %s", batch, s.hosts.there(logFile))
	s.line("   sftp -F ssh_config %s:%s", batch, s.hosts.there(exportFile))
	if s.hosts.at.Kubernetes.URL == "" {
		return
	}
	s.line("")
	s.say("With kubectl, which runs sallyport by its name:")
	s.line("\n   export PATH=%s:$PATH KUBECONFIG=%s", filepath.Dir(s.env.Self), s.path("kubeconfig"))
	s.line("   %s get pods -n %s", s.hosts.at.Kubernetes.Kubectl, namespace)
	s.line("   %s delete namespace %s    # held; the officer decides", s.hosts.at.Kubernetes.Kubectl, namespace)
}
