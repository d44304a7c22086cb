// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pointScript is pgbench's own "-S". As a file it is run without the queries that
// pgbench sends first to learn how its tables are partitioned.
const pointScript = `\set aid random(1, 100000 * :scale)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
`

// window is one run's measured part.
type window struct {
	tps      float64
	p50, p99 time.Duration
	cpu      float64 // of the proxy, microseconds per transaction
	rss      int64   // bytes, the proxy's peak so far; 0: not known
}

// measurePoint runs point selects against every subject, round by round, and
// prints the medians.
func (b *bench) measurePoint(ctx context.Context, rep *report, mode string, clients int) error {
	runs := make(map[string][]window)
	for round := range b.settings.rounds {
		for _, s := range b.order(round) {
			last := round == b.settings.rounds-1
			w, err := b.point(ctx, s, mode, clients, last)
			if err != nil {
				return fmt.Errorf("%s, %s, %d clients: %w", s.name, mode, clients, err)
			}
			b.logf("%s %s %d: round %d: %.0f tps, p50 %v, p99 %v, cpu %.1f us", s.name, mode, clients, round+1, w.tps, w.p50, w.p99, w.cpu)
			runs[s.name] = append(runs[s.name], w)
		}
	}
	for _, s := range b.subjects {
		if err := rep.point(s, mode, clients, runs[s.name], runs[peer]); err != nil {
			return err
		}
	}
	return nil
}

// point runs pgbench once. Its first second, in which back ends fork and caches
// fill, is not measured.
func (b *bench) point(ctx context.Context, s *subject, mode string, clients int, profile bool) (w window, err error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return w, err
	}
	defer func() {
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
	}()
	script := filepath.Join(dir, "point.sql")
	if err := os.WriteFile(script, []byte(pointScript), 0o600); err != nil {
		return w, err
	}
	env, err := s.env()
	if err != nil {
		return w, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b.settings.seconds)*time.Second+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.pgbench, "-n", "-j", "1", "-c", strconv.Itoa(clients), "-M", mode,
		"-T", strconv.Itoa(b.settings.seconds+1), "-P", "1", "-f", script, "-D", fmt.Sprintf("scale=%d", b.settings.scale),
		"-l", "--sampling-rate=0.1", "--log-prefix="+filepath.Join(dir, "tx"))
	cmd.Env = append(env, "PATH=/usr/bin:/bin", "HOME="+dir, "LC_ALL=C")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return w, err
	}
	var said bytes.Buffer
	if err := cmd.Start(); err != nil {
		return w, err
	}
	var profiler sync.WaitGroup
	var perr error
	m, rerr := watchProgress(io.TeeReader(stderr, &said), s.pid, func() {
		if profile && s.name == sallyport && b.gateway.profile != "" {
			profiler.Go(func() { perr = b.profilePoint(ctx, mode, clients) })
		}
	})
	err = cmd.Wait()
	profiler.Wait()
	err = errors.Join(err, rerr, perr)
	if err != nil {
		return w, fmt.Errorf("pgbench: %w: %s", err, said.Bytes()[max(0, said.Len()-1000):])
	}
	if w, err = m.window(); err != nil {
		return w, err
	}
	if s.pid != 0 {
		if w.rss, err = peakRSS(s.pid); err != nil {
			return w, err
		}
	}
	w.p50, w.p99, err = latencies(dir, m.from, m.to)
	return w, err
}

func (b *bench) profilePoint(ctx context.Context, mode string, clients int) error {
	if err := os.MkdirAll(b.settings.profiles, 0o755); err != nil {
		return err
	}
	name := filepath.Join(b.settings.profiles, fmt.Sprintf("point-%s-%d", mode, clients))
	if err := b.gateway.saveProfile(ctx, fmt.Sprintf("profile?seconds=%d", max(1, b.settings.seconds-1)), name+".cpu.pb.gz"); err != nil {
		return err
	}
	return b.gateway.saveProfile(ctx, "allocs", name+".allocs.pb.gz")
}

// progress is what pgbench's progress lines tell.
type progress struct {
	rates    []float64 // transactions per second, one per line after the first
	from, to time.Time
	cpu      time.Duration // of the proxy between from and to
}

// watchProgress reads progress lines as they come, and at the first and the last
// takes the time and the proxy's CPU. It calls warm at the first.
func watchProgress(r io.Reader, pid int, warm func()) (progress, error) {
	var p progress
	var begun time.Duration
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var at, tps float64
		if n, err := fmt.Sscanf(lines.Text(), "progress: %f s, %f tps", &at, &tps); n != 2 || err != nil {
			continue
		}
		now, used := time.Now(), time.Duration(0)
		if pid != 0 {
			var err error
			if used, err = cpuOf(pid); err != nil {
				return p, err
			}
		}
		if p.from.IsZero() {
			p.from, begun = now, used
			warm()
			continue
		}
		p.to, p.cpu = now, used-begun
		p.rates = append(p.rates, tps)
	}
	return p, lines.Err()
}

func (p progress) window() (window, error) {
	if len(p.rates) == 0 {
		return window{}, fmt.Errorf("no progress was reported")
	}
	var sum float64
	for _, r := range p.rates {
		sum += r
	}
	w := window{tps: sum / float64(len(p.rates))}
	if w.tps > 0 {
		w.cpu = float64(p.cpu.Microseconds()) / (w.tps * p.to.Sub(p.from).Seconds())
	}
	return w, nil
}

// latencies returns the median and the 99th percentile of the transactions that
// ended between two times, from pgbench's logs in a directory (manual: "pgbench",
// "Per-Transaction Logging"; the third field is the time taken, the fifth and the
// sixth are when it ended).
func latencies(dir string, from, to time.Time) (p50, p99 time.Duration, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "tx.*"))
	if err != nil {
		return 0, 0, err
	}
	var took []time.Duration
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return 0, 0, err
		}
		for line := range strings.Lines(string(data)) {
			var n [6]int64
			fields := strings.Fields(line)
			if len(fields) < len(n) {
				continue
			}
			for i := range n {
				if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
					return 0, 0, fmt.Errorf("pgbench's log: %w", err)
				}
			}
			if end := time.Unix(n[4], n[5]*1000); end.After(from) && !end.After(to) {
				took = append(took, time.Duration(n[2])*time.Microsecond)
			}
		}
	}
	if len(took) == 0 {
		return 0, 0, fmt.Errorf("no transaction was logged")
	}
	slices.Sort(took)
	return percentile(took, 50), percentile(took, 99), nil
}

// percentile returns the p-th percentile of sorted values, by nearest rank.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
