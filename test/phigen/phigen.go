// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package phigen makes text for benchmarks of masking: columns and notes of a
// clinic, with identifiers of people who do not exist and without. The same
// arguments give the same bytes. Nothing in it is taken from a person's record:
// names are common words of the census, telephone numbers end in 555-01xx, and
// Social Security numbers begin with 900.
package phigen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

var (
	tests  = []string{"Hemoglobin A1c", "Glucose fasting", "Potassium serum", "Creatinine", "Leukocytes", "Platelet count", "TSH third generation", "Ferritin", "Albumin", "Bilirubin total"}
	units  = []string{"mg/dL", "mmol/L", "%", "10*3/uL", "U/L", "g/dL", "mEq/L", "ng/mL"}
	codes  = []string{"4548-4", "2345-7", "2823-3", "2160-0", "6690-2", "777-3", "E11.9", "I10", "J45.909", "N18.3", "99213", "80053"}
	labels = []string{"final", "preliminary", "corrected", "within normal limits", "abnormal, repeat in two weeks", "specimen hemolyzed, result may be affected", "no growth after incubation"}
	notes  = []string{
		"Patient reports mild headache and no nausea. Blood pressure 128/82 mmHg, pulse 72, afebrile. Continue lisinopril 10 mg daily.",
		"Lungs clear to auscultation bilaterally. Heart regular rate and rhythm without murmur. Abdomen soft, nontender.",
		"Started metformin 500 mg twice daily with meals. Counselled on diet and exercise. Recheck hemoglobin A1c in 3 months.",
		"Wound healing well, no erythema or drainage. Dressing changed. Pain 3/10, controlled with acetaminophen 650 mg.",
		"Imaging shows no acute process. Small effusion 2.4 x 1.8 cm is unchanged. Oxygen saturation 97% on room air.",
		"Tolerated the procedure without complications. Estimated blood loss 50 mL. Transferred to recovery in stable condition.",
		"Denies chest pain, shortness of breath or palpitations. Reflexes symmetric. Gait steady without assistance.",
	}
	given   = []string{"Maria", "James", "Olivia", "Robert", "Aisha", "Daniel", "Helen", "Victor", "Ingrid", "Samuel"}
	family  = []string{"Alder", "Brook", "Castell", "Dunmore", "Eastman", "Fairley", "Granger", "Holloway", "Ivers", "Jarrow"}
	streets = []string{"Oak Street", "Maple Avenue", "Hill Road", "Lake Drive", "Mill Lane"}
	towns   = []string{"Springfield, IL", "Riverton, WY", "Fairview, OR", "Lakewood, OH", "Georgetown, TX"}
	months  = []string{"January", "March", "April", "June", "August", "October", "December"}
)

type generator struct{ *rand.Rand }

func seeded(n int) generator { return generator{rand.New(rand.NewPCG(uint64(n), 0x5a11))} }

func (g generator) pick(of []string) string { return of[g.IntN(len(of))] }

// CleanColumns returns n values of text columns without any identifier: tests,
// results, units, codes, states and short notes, about fifty bytes each.
func CleanColumns(n int) [][]byte {
	g := seeded(n)
	out := make([][]byte, n)
	for i := range out {
		out[i] = []byte(g.clean())
	}
	return out
}

func (g generator) clean() string {
	switch g.IntN(6) {
	case 0:
		return g.pick(tests)
	case 1:
		return fmt.Sprintf("%d.%d %s", g.IntN(200), g.IntN(10), g.pick(units))
	case 2:
		return g.pick(codes)
	case 3:
		return g.pick(labels)
	case 4:
		return g.pick(notes)
	default:
		return g.pick(notes)
	}
}

// CleanText returns a note of at least n bytes without any identifier.
func CleanText(n int) []byte {
	g := seeded(n)
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(g.pick(notes))
		b.WriteByte(" \n"[g.IntN(2)])
	}
	return []byte(b.String())
}

// DenseColumns returns n values of text columns, of which four in ten are an
// identifier.
func DenseColumns(n int) [][]byte {
	g := seeded(n)
	out := make([][]byte, n)
	for i := range out {
		if i%5 < 2 {
			out[i] = []byte(g.identifier())
		} else {
			out[i] = []byte(g.clean())
		}
	}
	return out
}

// identifier returns an identifier in the form of a column.
func (g generator) identifier() string {
	switch g.IntN(8) {
	case 0:
		return g.ssn()
	case 1:
		return g.phone()
	case 2:
		return g.mail()
	case 3:
		return fmt.Sprintf("%04d-%02d-%02d", 1930+g.IntN(90), 1+g.IntN(12), 1+g.IntN(28))
	case 4:
		return g.address()
	case 5:
		return "https://portal.example.org/visit/" + fmt.Sprint(g.IntN(1e6))
	case 6:
		return fmt.Sprintf("10.%d.%d.%d", g.IntN(256), g.IntN(256), g.IntN(256))
	default:
		return fmt.Sprintf("%d/%d/%d", 1+g.IntN(12), 1+g.IntN(28), 1930+g.IntN(90))
	}
}

func (g generator) ssn() string { return fmt.Sprintf("900-%02d-%04d", 10+g.IntN(80), 1+g.IntN(9998)) }

func (g generator) phone() string {
	return fmt.Sprintf("(%d) 555-01%02d", 201+g.IntN(700), g.IntN(100))
}

func (g generator) mail() string {
	return strings.ToLower(g.pick(given)+"."+g.pick(family)) + fmt.Sprint(g.IntN(100)) + "@example.org"
}

func (g generator) address() string {
	return fmt.Sprintf("%d %s, %s %05d", 1+g.IntN(9999), g.pick(streets), g.pick(towns), 10000+g.IntN(89999))
}

// DenseText returns a note of at least n bytes with about ten identifiers in
// each kilobyte.
func DenseText(n int) []byte {
	g := seeded(n)
	var b strings.Builder
	for b.Len() < n {
		name := g.pick(given) + " " + g.pick(family)
		fmt.Fprintf(&b, "%s is a %d-year-old seen on %s %d, %d. MRN: %08d. ", name, 20+g.IntN(70), g.pick(months), 1+g.IntN(28), 1990+g.IntN(35), g.IntN(1e8))
		b.WriteString(g.pick(notes) + " ")
		fmt.Fprintf(&b, "Call %s at %s or write to %s. ", name, g.phone(), g.mail())
		b.WriteString(g.pick(notes) + " ")
		fmt.Fprintf(&b, "SSN %s, lives at %s. ", g.ssn(), g.address())
		b.WriteString(g.pick(notes) + " " + g.pick(notes) + "\n")
	}
	return []byte(b.String())
}
