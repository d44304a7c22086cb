// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

var full = flag.Bool("full", false, "go through every step instead of a sample")

// pick returns the number for the form of the harness that runs.
func pick(short, long int) int {
	if *full {
		return long
	}
	return short
}

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		os.Exit(child())
	}
	flag.Parse()
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // below the directory of temporary files
	}
	if !report(os.Stdout) || code != 0 {
		os.Exit(1)
	}
}

// table collects the rows of every test.
var table struct {
	mu   sync.Mutex
	rows []*row
}

// row is one fault.
type row struct {
	name string
	how  string // it was injected
	// fired is how often it is proved to have happened.
	fired int
	// acked is how many records, or statements, were acknowledged around it.
	acked int
	// lost are acknowledged records that were not there afterwards, and statements
	// that were executed without an intent.
	lost int
	// undetected are faults that changed something without a word.
	undetected int
	failed     bool
}

// fault begins a row. When the test ends it must have fired, and nothing may be
// lost or undetected.
func fault(t *testing.T, name, how string) *row {
	t.Helper()
	r := &row{name: name, how: how}
	table.mu.Lock()
	table.rows = append(table.rows, r)
	table.mu.Unlock()
	t.Cleanup(func() {
		switch {
		case r.fired == 0:
			t.Errorf("%s: the fault never happened", name)
		case r.lost > 0 || r.undetected > 0:
			t.Errorf("%s: %d lost, %d undetected", name, r.lost, r.undetected)
		}
		r.failed = t.Failed()
	})
	return r
}

// report prints the table and reports whether all is well.
func report(w io.Writer) bool {
	lost, undetected, failed := 0, 0, 0
	slices.SortStableFunc(table.rows, func(a, b *row) int { return strings.Compare(a.name, b.name) })
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	print := func(format string, args ...any) { _, _ = fmt.Fprintf(tw, format, args...) } // to standard output
	print("\nfault\tfired\tacknowledged\tlost\tundetected\tinjected by\n")
	for _, r := range table.rows {
		mark := ""
		if r.failed || r.fired == 0 {
			mark, failed = "  FAILED", failed+1
		}
		lost += r.lost
		undetected += r.undetected
		print("%s\t%d\t%d\t%d\t%d\t%s%s\n", r.name, r.fired, r.acked, r.lost, r.undetected, r.how, mark)
	}
	_ = tw.Flush()
	if failed > 0 {
		_, _ = fmt.Fprintf(w, "%d rows are not as they must be; see the failures above\n", failed)
	}
	_, _ = fmt.Fprintf(w, "%d faults: %d lost, %d undetected\n", len(table.rows), lost, undetected)
	return lost == 0 && undetected == 0 && failed == 0
}
