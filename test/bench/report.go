// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The targets, of the product's first milestone.
const (
	targetThroughput = 0.40      // of the peer's, prepared, 32 clients; at least
	targetBulkCPU    = 1.5       // of the peer's; at most
	targetMemory     = 100 << 20 // bytes during the bulk select; less
	targetMode       = "prepared"
	targetClients    = 32
)

// report prints results and remembers what the targets are about.
type report struct {
	enc        *json.Encoder
	throughput *float64
	bulkCPU    *float64
	memory     *float64
}

func newReport(w io.Writer) *report {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &report{enc: enc}
}

// environment says what the figures were taken on. A load average that is not
// near zero at the start means that somebody else was computing as well.
func (r *report) environment(b *bench) error {
	version := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			return "unknown"
		}
		line, _, _ := strings.Cut(string(out), "\n")
		return line
	}
	load := ""
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(data), " ")
	}
	upstream := "plain"
	if b.settings.tlsTarget {
		upstream = "tls"
	}
	return r.enc.Encode(struct {
		Bench     string `json:"bench"`
		CPUs      int    `json:"cpus"`
		Load      string `json:"load1"`
		Go        string `json:"go"`
		Postgres  string `json:"postgres"`
		PgBouncer string `json:"pgbouncer"`
		Upstream  string `json:"upstream"`
		Rounds    int    `json:"rounds"`
		Seconds   int    `json:"seconds"`
		Profiled  bool   `json:"profiled,omitempty"`
	}{
		"environment", runtime.NumCPU(), load, runtime.Version(), version(b.pgbench, "--version"), version(b.bouncer.cmd.Path, "--version"),
		upstream, b.settings.rounds, b.settings.seconds, b.settings.profiles != "",
	})
}

func (r *report) flush(method, fs string, sorted []time.Duration) error {
	return r.enc.Encode(struct {
		Bench      string  `json:"bench"`
		Method     string  `json:"method"`
		FileSystem string  `json:"file_system"`
		P50        float64 `json:"p50_us"`
		P99        float64 `json:"p99_us"`
	}{"flush", method, fs, micros(percentile(sorted, 50)), micros(percentile(sorted, 99))})
}

// point prints the medians of a subject's windows; the ratio is the median of
// its rounds' ratios to the peer in the same round.
func (r *report) point(s *subject, mode string, clients int, runs, peers []window) error {
	var ratio, cpu, rss *float64
	if len(peers) == len(runs) {
		ratio = ptr(round(medianOf(len(runs), func(i int) float64 { return runs[i].tps / peers[i].tps }), 3))
	}
	if s.pid != 0 {
		var peak int64
		for _, run := range runs {
			peak = max(peak, run.rss)
		}
		rss = ptr(round(float64(peak)/(1<<20), 1))
		cpu = ptr(round(medianOf(len(runs), func(i int) float64 { return runs[i].cpu }), 1))
	}
	if s.name == sallyport && mode == targetMode && clients == targetClients {
		r.throughput = ratio
	}
	return r.enc.Encode(struct {
		Bench   string   `json:"bench"`
		Subject string   `json:"subject"`
		Mode    string   `json:"mode"`
		Clients int      `json:"clients"`
		TPS     float64  `json:"tps"`
		Ratio   *float64 `json:"ratio,omitempty"`
		Peer    string   `json:"peer"`
		P50     float64  `json:"p50_us"`
		P99     float64  `json:"p99_us"`
		CPU     *float64 `json:"cpu_us_per_tx,omitempty"`
		RSS     *float64 `json:"rss_peak_mb,omitempty"`
	}{
		"postgres", s.name, mode, clients, round(medianOf(len(runs), func(i int) float64 { return runs[i].tps }), 0), ratio, peer,
		round(medianOf(len(runs), func(i int) float64 { return micros(runs[i].p50) }), 0),
		round(medianOf(len(runs), func(i int) float64 { return micros(runs[i].p99) }), 0), cpu, rss,
	})
}

// bulk prints a subject's bulk selects; the ratio is of CPU, and the memory is
// the highest of all rounds.
func (r *report) bulk(s *subject, rows int, runs, peers []bulkRun) error {
	var ratio, cpu, rss *float64
	if s.pid != 0 {
		cpu = ptr(round(medianOf(len(runs), func(i int) float64 { return runs[i].cpu.Seconds() }), 3))
		if len(peers) == len(runs) {
			ratio = ptr(round(medianOf(len(runs), func(i int) float64 { return runs[i].cpu.Seconds() / peers[i].cpu.Seconds() }), 3))
		}
		var peak int64
		for _, run := range runs {
			peak = max(peak, run.rss)
		}
		rss = ptr(round(float64(peak)/(1<<20), 1))
	}
	masked := 0
	if s.name == sallyport {
		masked, r.bulkCPU, r.memory = bulkMasked, ratio, rss
	}
	return r.enc.Encode(struct {
		Bench   string   `json:"bench"`
		Subject string   `json:"subject"`
		Rows    int      `json:"rows"`
		Columns int      `json:"columns"`
		Masked  int      `json:"masked"`
		MB      float64  `json:"mb"`
		Seconds float64  `json:"seconds"`
		CPU     *float64 `json:"cpu_s,omitempty"`
		Ratio   *float64 `json:"ratio,omitempty"`
		Peer    string   `json:"peer"`
		RSS     *float64 `json:"rss_peak_mb,omitempty"`
	}{
		"postgres-bulk", s.name, rows, bulkColumns, masked, round(float64(runs[0].bytes)/1e6, 1),
		round(medianOf(len(runs), func(i int) float64 { return runs[i].took.Seconds() }), 3), cpu, ratio, peer, rss,
	})
}

// target is one line of the targets; a figure that was not taken is missing and
// the target not met.
type target struct {
	Got    *float64 `json:"got,omitempty"`
	Target float64  `json:"target"`
	Met    bool     `json:"met"`
}

func (r *report) targets() error {
	const memory = float64(targetMemory) / (1 << 20)
	return r.enc.Encode(struct {
		Bench      string `json:"bench"`
		Throughput target `json:"throughput_ratio_prepared_32_min"`
		BulkCPU    target `json:"bulk_cpu_ratio_max"`
		Memory     target `json:"bulk_rss_peak_mb_below"`
	}{
		"targets",
		target{r.throughput, targetThroughput, r.throughput != nil && *r.throughput >= targetThroughput},
		target{r.bulkCPU, targetBulkCPU, r.bulkCPU != nil && *r.bulkCPU <= targetBulkCPU},
		target{r.memory, memory, r.memory != nil && *r.memory < memory},
	})
}

// medianOf returns the median of n values; NaN, which JSON has no word for,
// cannot come out: divisors are of runs that did something.
func medianOf(n int, value func(int) float64) float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = value(i)
	}
	slices.Sort(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func ptr(f float64) *float64 { return &f }

// round keeps digits after the point; more would be noise.
func round(f float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(f*p) / p
}
