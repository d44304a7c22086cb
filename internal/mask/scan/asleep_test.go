// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// asleep compares what the word pass finds with what it finds when no word is passed
// over.
func asleep(t *testing.T, s *scan.Scanner, text []byte, known *scan.Known) {
	t.Helper()
	if diff := cmp.Diff(s.Sleepless(text, known), s.Words(text, known)); diff != "" {
		t.Fatalf("found otherwise (-sleepless +words):\n%s\n%q", diff, text)
	}
}

// pieces are words that rules of the word pass ask for, in one form or another, and words
// that they do not.
const pieces = "the as at for by joined from works employed year ceo name is named called dear hi in near to visit and of a our " +
	"dr mr mrs miss general inc llc ltd corp gmbh hospital clinic group bank manager nurse librarian physician new zealand san los york lake " +
	"maria castell helen granger alder holloway o'brien müller sørensen åsa rose may june will mark grace hill brook van der de la von al i j q " +
	"bell gardens arlington heights crate marble norway norwegian german polish ohio portugal monday tuesday tcp dns http info get error started failed syndrome disease test patient denies it's don't " +
	"xyltharn quorve zorvastatin iphone mrna ph request status claims handler controller x7 12 3rd 4b _x [name] straße 稔 h1n1 internationalization"

// salad makes a text of the pieces with what can stand between.
func salad(rnd *rand.Rand, n int) []byte {
	words := strings.Fields(pieces)
	gaps := []string{", ", ". ", ": ", "; ", "\n", "'s ", "=", "/", "-", "\t", "  ", " , ", " & ", "\"", "_", "@", "(", "’", "'", " – ", ".", "          \x00         ", "\u00a0", ""}
	var b []byte
	for len(b) < n {
		w := words[rnd.IntN(len(words))]
		switch rnd.IntN(5) {
		case 0, 1:
			w = strings.ToUpper(w[:1]) + w[1:]
		case 2:
			w = strings.ToUpper(w)
		}
		b = append(b, w...)
		if rnd.IntN(3) > 0 {
			b = append(b, ' ')
		} else {
			b = append(b, gaps[rnd.IntN(len(gaps))]...)
		}
	}
	return b
}

// TestAsleep would fail if a word were passed over that a rule finds.
func TestAsleep(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	var known scan.Known
	known.Add(scan.Name, []byte("Status O'Quorve-Zimt"))
	for _, mode := range []scan.NameMode{scan.NamesListed, scan.NamesUnlisted} {
		s := named(t, mode)
		found := 0
		for range 1500 {
			text := salad(rnd, 20+rnd.IntN(400))
			asleep(t, s, text, nil)
			asleep(t, s, text, &known)
			found += len(s.Words(text, nil))
		}
		if found < 3000 {
			t.Errorf("%d findings, which test little", found)
		}
	}
}

// TestAsleepPhrases has what chance seldom puts together.
func TestAsleepPhrases(t *testing.T) {
	s := named(t, scan.NamesListed)
	for _, text := range []string{
		"went to Salt Lake City and Cedar Rapids", "Crate, Alder and Holloway", "Marble, Granger and Holloway", "Crate, Okonkwo and Bowers", "Crate, Hernandez and Gillespie", "Bell Gardens", "Arlington Heights and Aland Islands",
		"the Lead Librarian, she said", "Xyltharn Pharmacy Manager\n", "Named xyltharn", "POD_NAME: xyltharn",
	} {
		asleep(t, s, []byte(text), nil)
	}
}

// TestEveryParticleMayJoin reads the list from which the lexicon is made.
func TestEveryParticleMayJoin(t *testing.T) {
	list, err := os.ReadFile("lexicon/lists/particles.txt")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(list))
	if len(words) < 20 {
		t.Fatalf("%d particles", len(words))
	}
	for _, w := range words {
		if !scan.PerhapsParticle([]byte(w)) {
			t.Errorf("%s joins no names", w)
		}
	}
}

func FuzzAsleep(f *testing.F) {
	for i := range 4 {
		f.Add(salad(rand.New(rand.NewPCG(5, uint64(i))), 300))
	}
	f.Add([]byte("Familiarity_Named rvnoobs, pod_name: xyltharn; 2026-01-02T03:04:05Z INFO GET HTTP/1.1 at org.example.Foo"))
	var known scan.Known
	known.Add(scan.Name, []byte("Status O'Quorve-Zimt"))
	listed, unlisted := named(f, scan.NamesListed), named(f, scan.NamesUnlisted)
	f.Fuzz(func(t *testing.T, text []byte) {
		asleep(t, listed, text, nil)
		asleep(t, unlisted, text, &known)
	})
}
