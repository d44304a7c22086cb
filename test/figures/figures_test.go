// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package figures_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/figures"
)

func TestLines(t *testing.T) {
	var out bytes.Buffer
	s := figures.Sheet{Bench: "b", Peer: "p", Out: &out}
	order := ""
	way := func(name string) figures.Way {
		return func() (int64, error) { order += name; return 1000, nil }
	}
	if err := s.Times("t", 3, way("d"), way("g")); err != nil {
		t.Fatal(err)
	}
	if order != "dggddggd" {
		t.Errorf("turns were %s", order)
	}
	if err := s.Rates("r", 2, way("d"), way("g")); err != nil {
		t.Fatal(err)
	}
	took := [2][]time.Duration{{time.Millisecond, 2 * time.Millisecond, time.Millisecond}, {2 * time.Millisecond, 4 * time.Millisecond, 2 * time.Millisecond}}
	if err := s.Print("m", took); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	var got figures.Line
	if err := json.Unmarshal([]byte(lines[2]), &got); err != nil {
		t.Fatal(err)
	}
	want := figures.Line{Bench: "b", Subject: "sallyport", Case: "m", Peer: "p", Ratio: 0.5, P50US: 2000, PeerUS: 1000, AddedUS: 1000}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	fails := func() (int64, error) { return 0, errors.New("no") }
	if err := s.Times("f", 1, way("d"), fails); err == nil {
		t.Error("a way that fails is measured")
	}
}
