// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	bulkQuery    = "SELECT * FROM bulk"
	bulkColumns  = 10
	bulkMasked   = 2
	bulkDeadline = 10 * time.Minute
)

// bulkRun is one bulk select.
type bulkRun struct {
	took  time.Duration
	cpu   time.Duration // of the proxy
	rss   int64         // bytes, the proxy's peak during the run; 0: not known
	bytes int64         // from the server
}

// measureBulk selects the bulk table through every subject, round by round, with
// the same client. The gateway is a fresh one: that of the point selects is still
// indexing what they left on its ledger, which is not the bulk select's cost.
func (b *bench) measureBulk(ctx context.Context, rep *report) error {
	if b.settings.bulkRounds == 0 {
		return nil
	}
	if err := b.freshGateway(ctx); err != nil {
		return err
	}
	runs := make(map[string][]bulkRun)
	for round := range b.settings.bulkRounds {
		for _, s := range b.order(round) {
			profile := round == b.settings.bulkRounds-1 && s.name == sallyport && b.gateway.profile != ""
			r, err := b.bulk(ctx, s, profile)
			if err != nil {
				return fmt.Errorf("%s, bulk: %w", s.name, err)
			}
			b.logf("%s bulk: round %d: %v, cpu %v, peak %d kB", s.name, round+1, r.took, r.cpu, r.rss>>10)
			runs[s.name] = append(runs[s.name], r)
		}
	}
	for _, s := range b.subjects {
		if err := rep.bulk(s, b.settings.bulkRows, runs[s.name], runs[peer]); err != nil {
			return err
		}
	}
	return nil
}

// bulk selects the whole table once. The gateway's CPU includes what it still
// does for the recording and the ledger just after the last byte.
func (b *bench) bulk(ctx context.Context, s *subject, profile bool) (r bulkRun, err error) {
	ctx, cancel := context.WithTimeout(ctx, bulkDeadline)
	defer cancel()
	pc, err := s.connect(ctx)
	if err != nil {
		return r, err
	}
	h, err := pc.Hijack()
	if err != nil {
		return r, errors.Join(err, pc.Close(ctx))
	}
	defer func() {
		if cerr := h.Conn.Close(); err == nil && !errors.Is(cerr, net.ErrClosed) {
			err = cerr
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = h.Conn.SetDeadline(time.Unix(1, 0)) }) // the read fails then
	defer stop()

	profiled := make(chan error, 1)
	if profile {
		go func() { profiled <- b.profileBulk(ctx) }()
		time.Sleep(200 * time.Millisecond) // until the profiler runs
	} else {
		profiled <- nil
	}
	var before time.Duration
	if s.pid != 0 {
		if err := resetPeak(s.pid); err != nil {
			return r, err
		}
		if before, err = cpuOf(s.pid); err != nil {
			return r, err
		}
	}
	start := time.Now()
	rows, n, err := rawSelect(h.Conn, bulkQuery)
	r.took, r.bytes = time.Since(start), n
	if err == nil && rows != b.settings.bulkRows {
		err = fmt.Errorf("%d rows came, not %d", rows, b.settings.bulkRows)
	}
	if err == nil && s.pid != 0 {
		time.Sleep(200 * time.Millisecond)
		var after time.Duration
		if after, err = cpuOf(s.pid); err == nil {
			r.cpu = after - before
			r.rss, err = peakRSS(s.pid)
		}
	}
	if perr := <-profiled; err == nil {
		err = perr
	}
	return r, err
}

func (b *bench) profileBulk(ctx context.Context) error {
	if err := os.MkdirAll(b.settings.profiles, 0o755); err != nil {
		return err
	}
	name := filepath.Join(b.settings.profiles, "bulk")
	if err := b.gateway.saveProfile(ctx, "profile?seconds=4", name+".cpu.pb.gz"); err != nil {
		return err
	}
	return b.gateway.saveProfile(ctx, "allocs", name+".allocs.pb.gz")
}

// rawSelect sends a simple Query and reads its answer up to ReadyForQuery,
// looking at message headers only, so that the client costs every subject the
// same little.
func rawSelect(conn io.ReadWriter, sql string) (rows int, total int64, err error) {
	q := append([]byte{'Q', 0, 0, 0, 0}, sql...)
	q = append(q, 0)
	binary.BigEndian.PutUint32(q[1:], uint32(len(q)-1))
	if _, err := conn.Write(q); err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 256<<10)
	have, skip := 0, 0 // bytes at the start of buf; bytes of a message's body still to come
	for {
		n, err := conn.Read(buf[have:])
		if err != nil {
			return rows, total, err
		}
		total += int64(n)
		have += n
		pos := 0
		for {
			if step := min(skip, have-pos); step > 0 {
				pos, skip = pos+step, skip-step
			}
			if skip > 0 || have-pos < 5 {
				break
			}
			switch buf[pos] {
			case 'D':
				rows++
			case 'E':
				return rows, total, errors.New("the answer is an error")
			case 'Z':
				return rows, total, nil
			}
			skip = int(binary.BigEndian.Uint32(buf[pos+1:])) + 1
		}
		have = copy(buf, buf[pos:have])
	}
}
