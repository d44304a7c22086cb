// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

// bouncerConfig is PgBouncer as one would run it in front of sessions: its
// defaults, session pooling, TLS to clients that want it, nothing logged per
// connection. The pool keeps its connections, so that its runs are always warm.
const bouncerConfig = `[databases]
%[1]s = host=%[2]s port=%[3]d dbname=%[1]s
[pgbouncer]
listen_addr = %[2]s
listen_port = %[4]d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %[5]s
pool_mode = session
default_pool_size = 160
max_client_conn = 400
client_tls_sslmode = allow
client_tls_cert_file = %[6]s
client_tls_key_file = %[7]s
server_tls_sslmode = %[8]s
server_tls_ca_file = %[9]s
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
`

func (b *bench) startBouncer(ctx context.Context) error {
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return errors.New("PgBouncer is not installed; on Debian or Ubuntu: apt-get install pgbouncer")
		}
	}
	cred, switched, err := account()
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	upstream := "disable"
	if b.settings.tlsTarget {
		upstream = "verify-full"
	}
	ini, users := filepath.Join(b.dir, "pgbouncer.ini"), filepath.Join(b.dir, "users.txt")
	cert, key, ca := filepath.Join(b.dir, "pgbouncer.crt"), filepath.Join(b.dir, "pgbouncer.key"), filepath.Join(b.dir, "target.crt")
	targetCA, err := os.ReadFile(b.cluster.CAFile)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		ini:   fmt.Appendf(nil, bouncerConfig, database, pgcluster.Host, b.cluster.Port, port, users, cert, key, upstream, ca),
		users: fmt.Appendf(nil, "%q %q\n", clientRole, rolePassword),
		cert:  b.certs.Cert, key: b.certs.Key, ca: targetCA,
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
		if switched {
			if err := os.Chown(name, int(cred.Uid), int(cred.Gid)); err != nil {
				return err
			}
		}
	}
	cmd := exec.Command(bin, ini)
	cmd.Dir, cmd.Env = b.dir, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=" + b.dir}
	if switched {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &cred}
	}
	b.bouncer, err = startChild(ctx, "pgbouncer", cmd, port, filepath.Join(b.dir, "pgbouncer.log"))
	if err != nil {
		return err
	}
	b.onClose(b.bouncer.end)
	return nil
}
