// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package figures measures a way through the gateway beside the way without it, by
// turns, so that both see the same machine, and prints one line of JSON for each case.
package figures

import (
	"encoding/json"
	"io"
	"slices"
	"time"
)

// Line is one figure.
type Line struct {
	Bench   string `json:"bench"`
	Subject string `json:"subject"`
	Case    string `json:"case"`
	Peer    string `json:"peer"`
	// Ratio is how much of the peer's speed is left: 1 is all of it, in rates and in
	// times alike. It is the median of the ratios within the same round.
	Ratio   float64 `json:"ratio"`
	P50US   float64 `json:"p50_us,omitempty"`
	PeerUS  float64 `json:"peer_p50_us,omitempty"`
	AddedUS float64 `json:"added_us,omitempty"`
	MBs     float64 `json:"mb_s,omitempty"` // of 10^6 bytes
	PeerMBs float64 `json:"peer_mb_s,omitempty"`
}

// Sheet is where the lines of a benchmark go.
type Sheet struct {
	Bench, Peer string
	Out         io.Writer
}

// Way does a thing once and returns how many bytes came or went.
type Way func() (bytes int64, err error)

// Times prints how long a thing takes.
func (s Sheet) Times(name string, rounds int, direct, gateway Way) error {
	took, _, err := byTurns(rounds, direct, gateway)
	if err != nil {
		return err
	}
	peer, own := micros(median(took[0])), micros(median(took[1]))
	return s.print(Line{Case: name, Ratio: ratios(took), P50US: own, PeerUS: peer, AddedUS: own - peer})
}

// Rates prints how many bytes a second come or go, and how long one turn takes.
func (s Sheet) Rates(name string, rounds int, direct, gateway Way) error {
	took, n, err := byTurns(rounds, direct, gateway)
	if err != nil {
		return err
	}
	l := Line{Case: name, Ratio: ratios(took), P50US: micros(median(took[1])), PeerUS: micros(median(took[0]))}
	l.MBs, l.PeerMBs = float64(n[1])/l.P50US, float64(n[0])/l.PeerUS
	return s.print(l)
}

// Print prints what was measured elsewhere: times by turns, of the direct way and
// of that through the gateway.
func (s Sheet) Print(name string, took [2][]time.Duration) error {
	peer, own := micros(median(took[0])), micros(median(took[1]))
	return s.print(Line{Case: name, Ratio: ratios(took), P50US: own, PeerUS: peer, AddedUS: own - peer})
}

func (s Sheet) print(l Line) error {
	l.Bench, l.Subject, l.Peer = s.Bench, "sallyport", s.Peer
	return json.NewEncoder(s.Out).Encode(l)
}

// byTurns goes both ways once unmeasured and then in rounds, in which either is first
// by turns. The bytes are those of the last round.
func byTurns(rounds int, ways ...Way) (took [2][]time.Duration, bytes [2]int64, err error) {
	for round := range rounds + 1 {
		for k := range ways {
			i := (k + round) % 2
			begin := time.Now()
			if bytes[i], err = ways[i](); err != nil {
				return took, bytes, err
			}
			if round > 0 {
				took[i] = append(took[i], time.Since(begin))
			}
		}
	}
	return took, bytes, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// ratios is the median of the rounds' ratios.
func ratios(took [2][]time.Duration) float64 {
	var all []float64
	for i := range took[0] {
		all = append(all, float64(took[0][i])/float64(took[1][i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
