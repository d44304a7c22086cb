// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

const (
	ports     = 3 // attempts at finding free ones
	readiness = 60 * time.Second
	look      = 50 * time.Millisecond // between two looks for something
)

// gateway is the gateway's process.
type gateway struct {
	self, dir string
	environ   []string
	at        addresses

	*child // nil when it does not run
}

// addresses are where a gateway listens.
type addresses struct{ api, pg, http, ssh string }

// open chooses free addresses, has the configuration written for them, and
// starts. Another process may take an address in between; then it tries again.
func (g *gateway) open(ctx context.Context, write func(addresses) error) error {
	var err error
	for range ports {
		for _, at := range []*string{&g.at.api, &g.at.pg, &g.at.http, &g.at.ssh} {
			if *at, err = freeAddress(ctx); err != nil {
				return err
			}
		}
		if err = write(g.at); err != nil {
			return err
		}
		if err = g.start(ctx); err == nil || !strings.Contains(g.tail(5), "cannot listen") {
			return err
		}
	}
	return err
}

func freeAddress(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, op, "no free port on 127.0.0.1").Because(err)
	}
	return ln.Addr().String(), ln.Close()
}

func (g *gateway) logFile() string { return filepath.Join(g.dir, "gateway.log") }

// start runs the gateway and returns when it is healthy.
func (g *gateway) start(ctx context.Context) error {
	log, err := os.OpenFile(g.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return sallyport.E(sallyport.Unavailable, op, "the gateway's log cannot be written").Because(err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	cmd := exec.Command(g.self, "serve", "--config", filepath.Join(g.dir, "sallyport.yaml"))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.dir, g.environ, log, log
	if g.child, err = launch(cmd, false); err != nil {
		return sallyport.E(sallyport.Unavailable, op, "the gateway cannot be run").Because(err)
	}
	if err := g.await(ctx); err != nil {
		return fmt.Errorf("%w; its log ends:\n%s", err, g.tail(10))
	}
	return nil
}

// await returns when the gateway says that it is healthy.
func (g *gateway) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readiness)
	defer cancel()
	pem, err := os.ReadFile(filepath.Join(g.dir, "ca.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		healthy, cause := answers(ctx, tr, "https://"+g.at.api+"/healthz")
		if healthy {
			return nil
		}
		select {
		case <-g.done:
			return sallyport.E(sallyport.Unavailable, op, "the gateway ended while it started")
		case <-ctx.Done():
			return sallyport.E(sallyport.Unavailable, op, "the gateway does not become healthy").Because(cause)
		case <-tick.C:
		}
	}
}

func answers(ctx context.Context, tr http.RoundTripper, url string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false, err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return false, err
	}
	return res.StatusCode == http.StatusOK, errors.Join(fmt.Errorf("it answers %s", res.Status), res.Body.Close())
}

// kill ends the gateway as a crash would.
func (g *gateway) kill() error {
	err := g.child.kill()
	g.child = nil
	return err
}

// stop asks the gateway to end in order and waits; one that does not is killed.
func (g *gateway) stop() error {
	if g.child == nil {
		return nil
	}
	_ = g.proc.Signal(syscall.SIGTERM) // fails only when it has ended already
	t := time.NewTimer(readiness)
	defer t.Stop()
	select {
	case <-g.done:
	case <-t.C:
		return errors.Join(errors.New("the gateway did not stop when told to"), g.kill())
	}
	err := g.err
	g.child = nil
	if err != nil {
		return fmt.Errorf("the gateway's end: %w", err)
	}
	return nil
}

// tail returns the last lines of the gateway's log.
func (g *gateway) tail(n int) string {
	b, err := os.ReadFile(g.logFile())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
