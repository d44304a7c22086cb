// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// Restricted areas: those that the Department of Health and Human Services named
// after the census of 2000, and those of the census of 2020.
const (
	restricted2000 = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
	restricted2020 = "036 059 102 202 203 204 205 369 556 692 753 772 821 823 878 879 884 893"
)

// TestRestrictedZIP holds both lists, and the number of areas that are shown.
func TestRestrictedZIP(t *testing.T) {
	t.Parallel()
	for _, zip3 := range strings.Fields(restricted2000 + " " + restricted2020 + " 000 001 343 999") {
		n, err := strconv.Atoi(zip3)
		if err != nil {
			t.Fatal(err)
		}
		if zip3 != "999" && operator.ZIP3Kept(n) {
			t.Errorf("%s is shown", zip3)
		}
	}
	kept := 0
	for n := range 1000 {
		if operator.ZIP3Kept(n) {
			kept++
		}
	}
	if kept != 871 {
		t.Errorf("%d areas are shown, want 871", kept)
	}
}

// TestZIPTable computes the table from the populations of the census, where these
// are beside the source tree. Without them TestRestrictedZIP stands alone.
func TestZIPTable(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../../../shared/data/phi/names-public/zip-code-population.csv")
	if err != nil {
		t.Log("NOT COMPARED with the census: the populations of ZIP code areas are not beside the source tree")
		if !operator.ZIP3Kept(21) || operator.ZIP3Kept(36) {
			t.Error("021 is not shown, or 036 is")
		}
		return
	}
	defer f.Close()
	people := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		zip, n, ok := strings.Cut(lines.Text(), ",")
		if !ok || len(zip) != 5 {
			continue
		}
		count, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("%s: %v", zip, err)
		}
		people[zip[:3]] += count
	}
	if len(people) != 894 {
		t.Errorf("%d areas are populated, want 894", len(people))
	}
	for n := range 1000 {
		zip3 := strconv.Itoa(1000 + n)[1:]
		want := people[zip3] > 20_000 && !strings.Contains(restricted2000, zip3)
		if got := operator.ZIP3Kept(n); got != want {
			t.Errorf("%s, %d people: shown is %v, want %v", zip3, people[zip3], got, want)
		}
	}
}
