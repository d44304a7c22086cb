// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// SampleName is the file of a bundle that says how its sessions were drawn.
const SampleName = "sample.json"

// sampleRule says how sessions are drawn, for people and for other programs.
const sampleRule = "Each session of the population gets the SHA-256 of the text \"sallyport.dev/sample/v1\", the seed in decimal and the " +
	"session's id, each followed by a newline. The sessions with the lowest values are the sample."

// maxPopulation bounds the ids of a population that a bundle lists.
const maxPopulation = 20_000

// Sample is a random draw of sessions that anybody can repeat. In a manifest
// the lists are left out.
type Sample struct {
	Size int    `json:"size"` // that was asked for
	Seed uint64 `json:"seed"`
	Rule string `json:"rule"`
	// Population counts the sessions that the filter selects, and Digest is the hex
	// SHA-256 over their ids in ascending order, each followed by a newline.
	Population int    `json:"population"`
	Digest     string `json:"population_sha256"`
	// Sessions are those drawn, in the order of the draw.
	Sessions []sallyport.SessionID `json:"sessions,omitempty"`
	// IDs are the population's, ascending, if they are not too many to be listed.
	IDs []sallyport.SessionID `json:"population_ids,omitempty"`
}

// Draw draws size sessions of a population.
func Draw(population []sallyport.SessionID, size int, seed uint64) Sample {
	ids := slices.Clone(population)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	type score struct {
		sum [sha256.Size]byte
		id  sallyport.SessionID
	}
	scores := make([]score, len(ids))
	all := sha256.New()
	for i, id := range ids {
		_, _ = fmt.Fprintf(all, "%s\n", id) // a hash takes everything
		scores[i] = score{sha256.Sum256(fmt.Appendf(nil, "sallyport.dev/sample/v1\n%d\n%s\n", seed, id)), id}
	}
	slices.SortFunc(scores, func(a, b score) int { return cmp.Or(bytes.Compare(a.sum[:], b.sum[:]), cmp.Compare(a.id, b.id)) })
	s := Sample{Size: size, Seed: seed, Rule: sampleRule, Population: len(ids), Digest: hex.EncodeToString(all.Sum(nil))}
	for _, x := range scores[:min(max(size, 0), len(scores))] {
		s.Sessions = append(s.Sessions, x.id)
	}
	if len(ids) <= maxPopulation {
		s.IDs = ids
	}
	return s
}

// File is the content of [SampleName].
func (s Sample) File() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// brief is the sample without its lists, as a manifest has it.
func (s Sample) brief() Sample {
	s.Sessions, s.IDs = nil, nil
	return s
}

// text is the sample in words.
func (s Sample) text() string {
	return fmt.Sprintf("%d of %d sessions, drawn with seed %d", min(s.Size, s.Population), s.Population, s.Seed)
}

// checkSample draws again and compares with the file, the manifest and the
// sessions that the bundle has.
func (v *verifier) checkSample() {
	want := v.manifest.Sample
	if want == nil {
		if v.files[SampleName] != nil {
			v.fault(SampleName, -1, -1, "the manifest does not speak of a sample")
		}
		return
	}
	text, ok := v.read(SampleName, maxSmall)
	if !ok {
		return
	}
	var got Sample
	if err := strictJSON(text, &got); err != nil {
		v.fault(SampleName, -1, -1, "it is not a sample")
		return
	}
	again := got
	switch {
	case len(got.IDs) > 0:
		again = Draw(got.IDs, got.Size, got.Seed)
	default:
		v.notice("the population of the sample is not listed; only its digest is: the draw can be checked by exporting it again")
	}
	one, err := again.File()
	switch {
	case err != nil || string(one) != string(text) || got.Rule != sampleRule:
		v.fault(SampleName, -1, -1, "its sessions are not those that its seed draws from its population")
	case !sameSample(*want, got):
		v.fault(SampleName, -1, -1, "it is another sample than the manifest names")
	}
	var have []string
	for _, id := range sortedKeys(v.sessions) {
		have = append(have, string(id))
	}
	drawn := plainTexts(got.Sessions)
	slices.Sort(drawn)
	if !slices.Equal(have, drawn) {
		v.fault(SampleName, -1, -1, "the bundle does not hold exactly the sessions that were drawn: %s",
			clipList(slices.Concat(lacking(drawn, have, "lacks"), lacking(have, drawn, "was not drawn:"))))
	}
}

func sameSample(a, b Sample) bool {
	return a.Size == b.Size && a.Seed == b.Seed && a.Rule == b.Rule && a.Population == b.Population && a.Digest == b.Digest
}

// lacking names what is in a and not in b.
func lacking(a, b []string, word string) (out []string) {
	for _, x := range a {
		if _, ok := slices.BinarySearch(b, x); !ok {
			out = append(out, word+" "+x)
		}
	}
	return out
}

func clipList(list []string) string {
	const most = 5
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(", and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
