// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// The bar, at barWriters.
const (
	barRatio   = 0.9 // of the bare loop's rate; at least
	barWriters = 32
)

// report prints results and remembers what the bar is about.
type report struct {
	enc  *json.Encoder
	rate map[string]float64 // by subject, at barWriters
	bare float64            // ratio of ours to the peer there
	best float64            // ratio of ours to the bare loop that gathers as ours does
}

func newReport(w io.Writer) *report {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &report{enc: enc, rate: map[string]float64{}}
}

// environment says what the figures were taken on, how long one durable write of
// a block takes there, and what each subject does.
func (r *report) environment(s settings, dir string) error {
	load := ""
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(data), " ")
	}
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/cockroachdb/pebble/v2" || m.Path == "go.etcd.io/etcd/server/v3" {
				versions[m.Path] = m.Version
			}
		}
	}
	if err := r.enc.Encode(struct {
		Bench    string            `json:"bench"`
		CPUs     int               `json:"cpus"`
		Load     string            `json:"load1"`
		Go       string            `json:"go"`
		Versions map[string]string `json:"versions"`
		Record   int               `json:"record_bytes"`
		Rounds   int               `json:"rounds"`
		Window   float64           `json:"window_s"`
		Profiled bool              `json:"profiled,omitempty"`
	}{"environment", runtime.NumCPU(), load, runtime.Version(), versions, s.record, s.rounds, s.window.Seconds(), s.profile != ""}); err != nil {
		return err
	}
	for _, sub := range s.subjects {
		if err := r.enc.Encode(struct {
			Bench   string `json:"bench"`
			Subject string `json:"subject"`
			Does    string `json:"does"`
		}{"ledger-subject", sub.name, sub.does}); err != nil {
			return err
		}
	}
	return r.flush(dir)
}

// flush times durable writes of one block with the ledger's own method.
func (r *report) flush(dir string) error {
	const writes = 500
	name := filepath.Join(dir, "flush")
	seg, err := ledger.OS{}.CreateSegment(name, writes*ledger.BlockSize)
	if err != nil {
		return err
	}
	block := aligned()[:ledger.BlockSize]
	took := make([]time.Duration, writes)
	for i := range took {
		start := time.Now()
		if _, err := seg.WriteAt(block, int64(i)*ledger.BlockSize); err != nil {
			return err
		}
		took[i] = time.Since(start)
	}
	method := seg.Method()
	if err := seg.Close(); err != nil {
		return err
	}
	slices.Sort(took)
	if err := r.enc.Encode(struct {
		Bench      string  `json:"bench"`
		Method     string  `json:"method"`
		FileSystem string  `json:"file_system"`
		P50        float64 `json:"p50_us"`
		P99        float64 `json:"p99_us"`
	}{"flush", method, fileSystem(dir), micros(took[writes/2]), micros(took[writes*99/100])}); err != nil {
		return err
	}
	return os.Remove(name)
}

// writers prints the medians of every subject at one number of writers; the
// ratio is the median of the rounds' ratios to the peer in the same round.
func (r *report) writers(s settings, n int, runs [][]window) error {
	peers := slices.IndexFunc(s.subjects, func(sub subject) bool { return sub.name == peer })
	for i, sub := range s.subjects {
		w := runs[i]
		pick := func(value func(window) float64) float64 {
			return medianOf(len(w), func(j int) float64 { return value(w[j]) })
		}
		rate := pick(func(w window) float64 { return w.rate })
		var ratio *float64
		if peers >= 0 {
			x := round(medianOf(len(w), func(j int) float64 { return w[j].rate / runs[peers][j].rate }), 3)
			ratio = &x
		}
		if n == barWriters {
			r.rate[sub.name] = rate
			if sub.name == sallyport && ratio != nil {
				r.bare = *ratio
			}
			if g := slices.IndexFunc(s.subjects, func(sub subject) bool { return sub.name == gathering }); g >= 0 && sub.name == sallyport {
				r.best = round(medianOf(len(w), func(j int) float64 { return w[j].rate / runs[g][j].rate }), 3)
			}
		}
		if err := r.enc.Encode(struct {
			Bench   string   `json:"bench"`
			Subject string   `json:"subject"`
			Writers int      `json:"writers"`
			Rate    float64  `json:"per_s"`
			P50     float64  `json:"p50_us"`
			P99     float64  `json:"p99_us"`
			Ratio   *float64 `json:"ratio,omitempty"`
			Peer    string   `json:"peer"`
			Batch   float64  `json:"records_per_write,omitempty"`
			CPU     float64  `json:"cpu_us_per_record"`
		}{
			"ledger", sub.name, n, round(rate, 0),
			round(pick(func(w window) float64 { return micros(w.p50) }), 0), round(pick(func(w window) float64 { return micros(w.p99) }), 0),
			ratio, peer, round(pick(func(w window) float64 { return w.batch }), 1), round(pick(func(w window) float64 { return micros(w.cpu) }), 2),
		}); err != nil {
			return err
		}
	}
	return nil
}

// bar says whether the bar is met, against the bare loop with plain natural
// batching, and beside it what the ledger comes to against the one that gathers as
// it does. What was not measured is not met.
func (r *report) bar() error {
	ours, pebble, etcd := r.rate[sallyport], r.rate["pebble"], r.rate["etcd-wal"]
	above := func(other float64) bool { return ours > 0 && other > 0 && ours > other }
	part := func(other float64) float64 {
		if other == 0 {
			return 0
		}
		return round(ours/other, 3)
	}
	return r.enc.Encode(struct {
		Bench   string  `json:"bench"`
		Writers int     `json:"writers"`
		Ratio   float64 `json:"ratio_to_bare"`
		Best    float64 `json:"ratio_to_bare_gathering"`
		Min     float64 `json:"ratio_to_bare_min"`
		Pebble  float64 `json:"times_pebble"`
		Etcd    float64 `json:"times_etcd_wal"`
		Met     bool    `json:"met"`
	}{"ledger-bar", barWriters, r.bare, r.best, barRatio, part(pebble), part(etcd), r.bare >= barRatio && above(pebble) && above(etcd)})
}

// medianOf returns the median of n values.
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

// round keeps digits after the point; more would be noise.
func round(f float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(f*p) / p
}
